//! What an answer was expected to take, and how near that came.

use serde::{Deserialize, Serialize};

use super::Metrics;

/// An estimate is good within this share of what was measured.
pub(super) const NEAR: f64 = 0.25;

/// The fewest answers that tell how far lengths lie apart.
const ENOUGH_ANSWERS: usize = 8;

/// What an answer is expected to take, from rates and lengths that were measured here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Foreseen {
    /// Seconds to its first token.
    pub first_s: f64,
    /// Seconds to its last.
    pub total_s: f64,
    /// Dollars for that time.
    pub usd: f64,
    /// Tokens that it may have.
    pub output_tokens: usize,
    /// Between how many tokens half of the last answers had; nothing of few answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usual_tokens: Option<[usize; 2]>,
}

/// How long answers are, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lengths {
    /// Half of them are no longer.
    pub median: usize,
    /// Half of them lie between, where there are enough to tell.
    pub half: Option<[usize; 2]>,
}

impl Lengths {
    /// Of some answers; nothing where there are none.
    #[must_use]
    pub fn of(mut tokens: Vec<usize>) -> Option<Self> {
        tokens.sort_unstable();
        let count = tokens.len();
        let half = (count >= ENOUGH_ANSWERS).then(|| [tokens[count / 4], tokens[count * 3 / 4]]);
        let median = tokens.get(count / 2).copied()?;
        Some(Self { median, half })
    }

    /// Of answers that end at so many tokens.
    #[must_use]
    pub fn at_most(self, tokens: usize) -> Self {
        let bounded = |length: usize| length.min(tokens).max(1);
        Self {
            median: bounded(self.median),
            half: self.half.map(|half| half.map(bounded)),
        }
    }
}

/// How fast a model is here: seconds for a token, as far as they were measured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Of a prompt.
    pub prompt_token_s: Option<f64>,
    /// Of an answer.
    pub token_s: Option<f64>,
}

impl Foreseen {
    /// An answer about as long as others, whose first token comes after so many seconds and each other after so many more.
    #[must_use]
    pub fn of(first_s: f64, token_s: f64, lengths: Lengths, usd_per_hour: f64) -> Self {
        let total_s = first_s + token_s * lengths.median.saturating_sub(1) as f64;
        Self {
            first_s,
            total_s,
            usd: usd_per_hour / 3600.0 * total_s,
            output_tokens: lengths.median,
            usual_tokens: lengths.half,
        }
    }

    /// Seconds to the last of so many tokens.
    #[must_use]
    pub fn total_s_of(&self, tokens: usize) -> f64 {
        whole_s([self.first_s, self.total_s], self.output_tokens, tokens)
    }
}

impl Rates {
    /// Seconds until so many tokens of a prompt are computed. However few these are, the step that reads them takes as long as
    /// one for a token.
    #[must_use]
    pub fn first_s(&self, computed: usize) -> Option<f64> {
        let read = self.prompt_token_s? * computed as f64;
        Some(read.max(self.token_s?))
    }
}

/// Seconds to the last of `tokens` where those to the first and to the last of `expected` are known.
pub(super) fn whole_s([first_s, total_s]: [f64; 2], expected: usize, tokens: usize) -> f64 {
    let token_s = (total_s - first_s) / expected.saturating_sub(1).max(1) as f64;
    first_s + token_s * tokens.saturating_sub(1) as f64
}

/// The middle one of the rates of some answers, newest or not: what the next one may be like. Those beside which another model
/// answered say too little of it.
#[must_use]
pub fn usual(answers: &[Metrics]) -> Rates {
    let middle = |values: Vec<f64>| {
        let mut values = values;
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    };
    let seconds = |speed: &dyn Fn(&Metrics) -> Option<f64>| {
        let alone = answers.iter().filter(|answer| answer.beside_engines == 0);
        let speeds = alone.filter_map(speed);
        let speeds = speeds.filter(|speed| *speed > 0.0);
        middle(speeds.map(|speed| 1.0 / speed).collect())
    };
    Rates {
        prompt_token_s: seconds(&|answer| answer.prefill_tokens_per_second),
        token_s: seconds(&|answer| answer.decode_tokens_per_second),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_follows_from_rates_and_lengths() {
        let rates = Rates {
            prompt_token_s: Some(0.01),
            token_s: Some(0.05),
        };
        let length = |median| Lengths {
            median,
            half: Some([11, 31]),
        };
        let foreseen = Foreseen::of(rates.first_s(100).unwrap(), 0.05, length(21), 3600.0);
        assert!((foreseen.total_s_of(41) - 3.0).abs() < 1e-9);
        assert_eq!(foreseen.usual_tokens, Some([11, 31]));
        assert!((foreseen.first_s - 1.0).abs() < 1e-9);
        assert!((foreseen.total_s - 2.0).abs() < 1e-9);
        assert!((foreseen.usd - 2.0).abs() < 1e-9);
        // Of which all but one token is cached.
        let cached = Foreseen::of(rates.first_s(1).unwrap(), 0.05, length(1), 1.0);
        assert_eq!((cached.first_s, cached.total_s), (0.05, 0.05));
        let unmeasured = Rates {
            token_s: None,
            ..rates
        };
        assert_eq!(unmeasured.first_s(100), None);
    }

    #[test]
    fn what_is_usual_is_in_the_middle() {
        let answer = |decode| Metrics {
            decode_tokens_per_second: decode,
            ..Metrics::default()
        };
        let beside_another = Metrics {
            beside_engines: 1,
            ..answer(Some(1.0))
        };
        let answers = [
            answer(Some(20.0)),
            answer(Some(10.0)),
            answer(None),
            beside_another.clone(),
            beside_another,
        ];
        let rates = usual(&answers);
        assert_eq!((rates.token_s, rates.prompt_token_s), (Some(0.1), None));
        let expected = Lengths {
            median: 40,
            half: None,
        };
        assert_eq!(Lengths::of(vec![10, 300, 40]), Some(expected));
        assert_eq!(usual(&[]), Rates::default());
        assert_eq!(Lengths::of(Vec::new()), None);
        let many = (1..=9).map(|tokens| tokens * 10).collect();
        let lengths = Lengths::of(many).unwrap();
        assert_eq!((lengths.median, lengths.half), (50, Some([30, 70])));
        let bounded = lengths.at_most(40);
        assert_eq!((bounded.median, bounded.half), (40, Some([30, 40])));
    }
}
