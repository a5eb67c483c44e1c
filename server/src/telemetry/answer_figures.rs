//! What ended answers took, under our names and under vLLM's: a histogram for each row of two tables.
//!
//! All of them are observed when an answer ends, from the engine's own clock. vLLM's have vLLM's bounds, so that rules
//! that name one (`le="2.5"`) find it. Both reach as far as a slow CPU takes.

use nibble_engine::{Completion, ModelInfo};
use prometheus::Histogram;

use super::register::Register;

/// From a cached prompt of a small model to a long prompt of a large one behind others.
const FIRST_TOKEN_S: &[f64] = &[
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 160.0, 640.0, 2560.0,
];
/// Closest around the 100 ms of a fast reader.
const OUTPUT_TOKEN_S: &[f64] = &[
    0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0,
    40.0,
];
const REQUEST_S: &[f64] = &[
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1920.0, 7680.0,
];

const VLLM_FIRST_TOKEN_S: &[f64] = &[
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
    20.0, 40.0, 80.0, 160.0, 640.0, 2560.0,
];
const VLLM_OUTPUT_TOKEN_S: &[f64] = &[
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0,
    40.0, 80.0,
];
const VLLM_REQUEST_S: &[f64] = &[
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0,
    480.0, 960.0, 1920.0, 7680.0,
];

/// Reads what is observed of an answer; none where it was not measured.
type Read = fn(&Completion) -> Option<f64>;

/// A histogram of seconds: its name, what it is, its bounds, and one observation for each answer.
type Row = (&'static str, &'static str, &'static [f64], Read);

const OURS: &[Row] = &[
    (
        "nibble_time_to_first_token_seconds",
        "From accepting a request to its first token.",
        FIRST_TOKEN_S,
        |answer| answer.metrics.time_to_first_token_s,
    ),
    (
        "nibble_time_per_output_token_seconds",
        "Mean time of each token after the first, one observation for each answer.",
        OUTPUT_TOKEN_S,
        |answer| Some(answer.metrics.time_per_output_token_ms? / 1000.0),
    ),
    (
        "nibble_request_seconds",
        "From accepting a request to its last token.",
        REQUEST_S,
        |answer| Some(answer.metrics.total_s),
    ),
    (
        "nibble_queue_seconds",
        "From accepting a request to working on it.",
        FIRST_TOKEN_S,
        |answer| Some(answer.metrics.queued_s),
    ),
    (
        "nibble_prefill_seconds",
        "Time spent computing a prompt.",
        FIRST_TOKEN_S,
        |answer| answer.metrics.prefill_s,
    ),
];

const VLLMS: &[Row] = &[
    (
        "vllm:time_to_first_token_seconds",
        "From accepting a request to its first token.",
        VLLM_FIRST_TOKEN_S,
        |answer| answer.metrics.time_to_first_token_s,
    ),
    (
        "vllm:e2e_request_latency_seconds",
        "From accepting a request to its last token.",
        VLLM_REQUEST_S,
        |answer| Some(answer.metrics.total_s),
    ),
    (
        "vllm:request_queue_time_seconds",
        "From accepting a request to working on it, its prompt's tokenisation included.",
        VLLM_REQUEST_S,
        |answer| Some(answer.metrics.queued_s),
    ),
    (
        "vllm:request_prefill_time_seconds",
        "From working on a request to its first token.",
        VLLM_REQUEST_S,
        |answer| Some(answer.metrics.time_to_first_token_s? - answer.metrics.queued_s),
    ),
    (
        "vllm:request_decode_time_seconds",
        "From the first token of an answer to its last one.",
        VLLM_REQUEST_S,
        |answer| Some(answer.metrics.total_s - answer.metrics.time_to_first_token_s?),
    ),
];

/// Histograms of tokens; their bounds follow from the context.
const LENGTHS: &[(&str, &str, Read)] = &[
    (
        "vllm:request_prompt_tokens",
        "Tokens of a prompt, those found in the KV cache included.",
        |answer| Some(answer.prompt_tokens as f64),
    ),
    (
        "vllm:request_generation_tokens",
        "Tokens of an answer.",
        |answer| Some(answer.metrics.completion_tokens as f64),
    ),
];

/// The one figure with many observations for each answer, under our name and under vLLM's.
const OUR_GAPS: &str = "nibble_inter_token_seconds";
const VLLM_GAPS: &str = "vllm:inter_token_latency_seconds";
const GAP: &str =
    "Time between two tokens of an answer, one observation for each gap, made when it ends.";

/// The histograms, fed by answers that ended.
pub(super) struct AnswerFigures {
    once: Vec<(Histogram, Read)>,
    gaps: [Histogram; 2],
}

impl AnswerFigures {
    /// Of answers of this model.
    pub(super) fn new(register: &Register, model: &ModelInfo) -> prometheus::Result<Self> {
        let mut ours = Vec::new();
        for (name, help, bounds, read) in OURS {
            let histogram = register.histogram(name, help, bounds.to_vec(), model)?;
            ours.push((histogram, *read));
        }
        let gap = register.histogram(OUR_GAPS, GAP, OUTPUT_TOKEN_S.to_vec(), model)?;
        Self::with(ours, gap, register, model)
    }

    /// Of answers of another model, which count with these under our names.
    pub(super) fn of_another(
        &self,
        register: &Register,
        model: &ModelInfo,
    ) -> prometheus::Result<Self> {
        let ours = self.once[..OURS.len()].to_vec();
        Self::with(ours, self.gaps[0].clone(), register, model)
    }

    /// Ours come first, then vLLM's, which are each model's own.
    fn with(
        mut once: Vec<(Histogram, Read)>,
        our_gap: Histogram,
        register: &Register,
        model: &ModelInfo,
    ) -> prometheus::Result<Self> {
        for (name, help, bounds, read) in VLLMS {
            let histogram = register.histogram(name, help, bounds.to_vec(), model)?;
            once.push((histogram, *read));
        }
        for (name, help, read) in LENGTHS {
            let histogram = register.histogram(name, help, up_to(model.context), model)?;
            once.push((histogram, *read));
        }
        let gap = register.histogram(VLLM_GAPS, GAP, VLLM_OUTPUT_TOKEN_S.to_vec(), model)?;
        Ok(Self {
            once,
            gaps: [our_gap, gap],
        })
    }

    pub(super) fn observe(&self, answer: &Completion) {
        for (histogram, read) in &self.once {
            if let Some(figure) = read(answer) {
                histogram.observe(figure);
            }
        }
        for histogram in &self.gaps {
            for gap in &answer.metrics.token_gaps_s {
                histogram.observe(f64::from(*gap));
            }
        }
    }
}

/// 1, 2, 5, 10 and so on, to the first bound that holds a whole context.
fn up_to(context: usize) -> Vec<f64> {
    let bounds = (0..)
        .map(|power| 10_f64.powi(power))
        .flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * power));
    let mut reached = false;
    bounds
        .take_while(|bound| !std::mem::replace(&mut reached, *bound >= context as f64))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_of_lengths_hold_the_whole_context() {
        assert_eq!(
            up_to(2048),
            [
                1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0
            ]
        );
        assert_eq!(up_to(5), [1.0, 2.0, 5.0]);
    }

    #[test]
    fn bounds_reach_as_far_as_a_slow_cpu_takes() {
        for (first_token, request) in [
            (FIRST_TOKEN_S, REQUEST_S),
            (VLLM_FIRST_TOKEN_S, VLLM_REQUEST_S),
        ] {
            assert_eq!(first_token.last(), Some(&2560.0));
            assert_eq!(request.last(), Some(&7680.0));
        }
    }
}
