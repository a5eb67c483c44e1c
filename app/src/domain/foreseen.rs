//! What an answer was expected to take, and how near that came.

use serde::{Deserialize, Serialize};

use super::Metrics;

/// An estimate is good within this share of what was measured.
pub(super) const NEAR: f64 = 0.25;

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
    /// An answer of so many tokens behind a prompt of which so many are to be computed; nothing before anything was measured.
    /// However few these are, the step that reads them takes as long as one for a token.
    #[must_use]
    pub fn of(
        rates: Rates,
        computed: usize,
        output_tokens: usize,
        usd_per_hour: f64,
    ) -> Option<Self> {
        let token_s = rates.token_s?;
        let first_s = (rates.prompt_token_s? * computed as f64).max(token_s);
        let total_s = first_s + token_s * output_tokens.saturating_sub(1) as f64;
        Some(Self {
            first_s,
            total_s,
            usd: usd_per_hour / 3600.0 * total_s,
            output_tokens,
        })
    }
}

/// The middle one of the rates and lengths of some answers, newest or not: what the next one may be like.
#[must_use]
pub fn usual(answers: &[Metrics]) -> (Rates, Option<usize>) {
    let middle = |values: Vec<f64>| {
        let mut values = values;
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    };
    let seconds = |speed: &dyn Fn(&Metrics) -> Option<f64>| {
        let speeds = answers.iter().filter_map(speed);
        let speeds = speeds.filter(|speed| *speed > 0.0);
        middle(speeds.map(|speed| 1.0 / speed).collect())
    };
    let mut lengths: Vec<_> = answers.iter().map(|answer| answer.output_tokens).collect();
    lengths.sort_unstable();
    let rates = Rates {
        prompt_token_s: seconds(&|answer| answer.prefill_tokens_per_second),
        token_s: seconds(&|answer| answer.decode_tokens_per_second),
    };
    (rates, lengths.get(lengths.len() / 2).copied())
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
        let foreseen = Foreseen::of(rates, 100, 21, 3600.0).unwrap();
        assert!((foreseen.first_s - 1.0).abs() < 1e-9);
        assert!((foreseen.total_s - 2.0).abs() < 1e-9);
        assert!((foreseen.usd - 2.0).abs() < 1e-9);
        // Of which all but one token is cached.
        let cached = Foreseen::of(rates, 1, 1, 1.0).unwrap();
        assert_eq!((cached.first_s, cached.total_s), (0.05, 0.05));
        let unmeasured = Rates {
            token_s: None,
            ..rates
        };
        assert_eq!(Foreseen::of(unmeasured, 100, 21, 1.0), None);
    }

    #[test]
    fn what_is_usual_is_in_the_middle() {
        let answer = |tokens, decode| Metrics {
            output_tokens: tokens,
            decode_tokens_per_second: decode,
            ..Metrics::default()
        };
        let answers = [
            answer(10, Some(20.0)),
            answer(300, Some(10.0)),
            answer(40, None),
        ];
        let (rates, length) = usual(&answers);
        assert_eq!((rates.token_s, rates.prompt_token_s), (Some(0.1), None));
        assert_eq!(length, Some(40));
        assert_eq!(usual(&[]), (Rates::default(), None));
    }
}
