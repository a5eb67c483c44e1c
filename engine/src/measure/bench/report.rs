//! What a measurement comes to.

use serde::Serialize;

use crate::Sampling;

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Name of the shape or file.
    pub model: String,
    /// Prompt tokens a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefill_tokens_per_second: Option<Spread>,
    /// Output tokens a second, of all sequences together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decode_tokens_per_second: Option<Spread>,
    /// The same steps with tokens that are drawn from their logits, some of each in turn: at temperature 1 with nothing
    /// left out, then as the model's authors advise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sampled: Vec<SampledDecode>,
    /// Steps of several sequences, a token of each, beside the least that they could take.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<BatchStep>,
    /// Packed weights in memory.
    pub weight_bytes: u64,
    /// Those of them that one decode step reads.
    pub weight_bytes_per_token: u64,
    /// Reading these weights and doing nothing else, with the same threads: the median of what was measured beside the
    /// decodes.
    pub read_bandwidth_bytes_per_second: f64,
    /// (Weights + keys and values of a step) / time of a step / read bandwidth measured beside it: the median.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bandwidth_fraction: Option<f64>,
    /// The kernel's multiply-accumulates on registers alone, with the same threads, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multiply_rate_per_second: Option<f64>,
    /// (Weights of the layers x prefill speed) / multiply rate, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multiply_rate_fraction: Option<f64>,
    /// How keys and values are held: "f16", "q8" or "f32".
    pub kv: String,
    /// Keys and values that a decode step reads, at the middle of it, of all its sequences.
    pub kv_bytes_per_step: u64,
    /// The matrix kernel.
    pub kernel: String,
    /// Threads.
    pub threads: usize,
    /// Those of them that take part in steps of one sequence.
    pub decode_threads: usize,
    /// Stages of a decode step of one sequence, each of which ends with a barrier.
    pub stages_per_step: u64,
    /// Bytes that they write, or have room for, which a thread may have to fetch from the caches of others.
    pub shared_bytes_per_step: u64,
    /// Reading or making the weights and packing them.
    pub load_seconds: f64,
    /// Largest resident size of the process, where the system tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_rss_bytes: Option<u64>,
}

/// A decode whose tokens are drawn.
#[derive(Clone, Debug, Serialize)]
pub struct SampledDecode {
    /// How they are drawn.
    pub sampling: Sampling,
    /// Output tokens a second, of all sequences together.
    pub tokens_per_second: Spread,
    /// Of the speed of the same steps without drawing: the median.
    pub fraction_of_decode: f64,
}

/// A decode step of several sequences.
#[derive(Clone, Debug, Serialize)]
pub struct BatchStep {
    /// As many as there are rows in the products.
    pub sequences: usize,
    /// Output tokens a second, of all sequences together.
    pub tokens_per_second: Spread,
    /// The median.
    pub step_seconds: f64,
    /// The longer of a step of one sequence, which reads the weights once, and of so many tokens at the speed of the
    /// prefill, which multiplies as fast as products do; but a prefill has the output head for its last token alone, and a
    /// step for every row.
    pub floor_seconds: f64,
    /// Step / floor measured in turn: the median.
    pub times_floor: f64,
}

/// Several measurements of one thing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The middle one.
    pub median: f64,
    /// The lowest.
    pub min: f64,
    /// The highest.
    pub max: f64,
}

impl Spread {
    /// None of nothing.
    pub(super) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        Some(Self {
            median: values[values.len() / 2],
            min,
            max,
        })
    }
}

/// Linux's high-water mark of this process.
pub(super) fn peak_rss() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(
            Spread::of(vec![3.0, 1.0, 2.0]),
            Some(Spread {
                median: 2.0,
                min: 1.0,
                max: 3.0
            })
        );
        assert_eq!(Spread::of(Vec::new()), None);
    }
}
