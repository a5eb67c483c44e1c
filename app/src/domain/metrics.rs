//! What an answer took and cost.

use serde::{Deserialize, Serialize};

use super::Foreseen;

/// The fewest tokens that make a rate: from fewer it says more of chance than of the machine.
pub(crate) const ENOUGH_TOKENS: usize = 16;

/// The figures of an answer. What could not be measured is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metrics {
    /// Seconds from the question to the first token.
    pub time_to_first_token_s: Option<f64>,
    /// Seconds from the question to the first token behind the thought.
    pub time_to_first_answer_token_s: Option<f64>,
    /// Seconds of the thought.
    pub thought_s: Option<f64>,
    /// Tokens of the thought.
    pub thought_tokens: usize,
    /// Seconds until work on it began.
    pub queued_s: f64,
    /// Seconds of these for which its model was brought into memory.
    pub loading_s: f64,
    /// Seconds spent on the prompt.
    pub prefill_s: Option<f64>,
    /// Prompt tokens computed a second.
    pub prefill_tokens_per_second: Option<f64>,
    /// Tokens a second after the first.
    pub decode_tokens_per_second: Option<f64>,
    /// Milliseconds a token after the first.
    pub time_per_output_token_ms: Option<f64>,
    /// Seconds from the question to the last token.
    pub total_s: f64,
    /// Dollars for a million tokens at the decode speed.
    pub usd_per_million_tokens: Option<f64>,
    /// Dollars for this answer.
    pub usd_total: f64,
    /// Dollars for the machine's time that was spent on this answer, and not on others beside it.
    pub usd_share: f64,
    /// About how many dollars it would have been without others.
    pub usd_alone: Option<f64>,
    /// How many others were computed beside it, as a mean over its time.
    pub beside: f64,
    /// The most answers of other models that were open meanwhile, of which no other figure knows.
    pub beside_engines: usize,
    /// Seconds for which its memory was lent to others and nothing of it was computed.
    pub paused_s: f64,
    /// Seconds that threads waited because a quota of CPU had run out, summed over CPUs.
    pub throttled_s: Option<f64>,
    /// Tokens of the prompt, cached ones included.
    pub prompt_tokens: usize,
    /// Tokens of the prompt that needed no computing.
    pub cached_tokens: usize,
    /// Tokens put out.
    pub output_tokens: usize,
    /// Tokens that were guessed ahead and computed.
    pub drafted_tokens: usize,
    /// Guesses that were right, and so were put out.
    pub accepted_tokens: usize,
    /// Seconds of the steps that computed guesses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guesses_s: Option<f64>,
    /// What was expected when it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub foreseen: Option<Foreseen>,
}

impl Metrics {
    /// Those of an answer that was cut off and then went on: sums, and speeds over both parts. The first token is that of the
    /// first part.
    #[must_use]
    pub fn and(self, rest: &Self) -> Self {
        let decoded = |metrics: &Self| {
            let tokens = metrics.output_tokens.saturating_sub(1) as f64;
            Some((tokens, tokens / metrics.decode_tokens_per_second?))
        };
        let both: Vec<_> = [&self, rest].into_iter().filter_map(decoded).collect();
        let (tokens, seconds) = both
            .iter()
            .fold((0.0, 0.0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
        let speed = (seconds > 0.0).then_some(tokens / seconds);
        let price_s = self.usd_total / self.total_s;
        let total_s = self.total_s + rest.total_s;
        Self {
            time_to_first_token_s: self.time_to_first_token_s.or(rest.time_to_first_token_s),
            time_to_first_answer_token_s: self
                .time_to_first_answer_token_s
                .or(rest.time_to_first_answer_token_s),
            thought_s: self.thought_s.or(rest.thought_s),
            thought_tokens: self.thought_tokens + rest.thought_tokens,
            queued_s: self.queued_s + rest.queued_s,
            loading_s: self.loading_s + rest.loading_s,
            prefill_s: sum(self.prefill_s, rest.prefill_s),
            prefill_tokens_per_second: self
                .prefill_tokens_per_second
                .or(rest.prefill_tokens_per_second),
            decode_tokens_per_second: speed,
            time_per_output_token_ms: speed.map(|speed| 1000.0 / speed),
            usd_per_million_tokens: speed
                .map(|speed| price_s / speed * 1e6)
                .filter(|usd| usd.is_finite()),
            usd_total: self.usd_total + rest.usd_total,
            usd_share: self.usd_share + rest.usd_share,
            usd_alone: sum(self.usd_alone, rest.usd_alone),
            beside: (self.beside * self.total_s + rest.beside * rest.total_s)
                / total_s.max(f64::MIN_POSITIVE),
            beside_engines: self.beside_engines.max(rest.beside_engines),
            paused_s: self.paused_s + rest.paused_s,
            throttled_s: sum(self.throttled_s, rest.throttled_s),
            total_s,
            // Of what was told last: the output of the first part is in that prompt.
            prompt_tokens: match rest.prompt_tokens {
                0 => self.prompt_tokens,
                told => told.saturating_sub(self.output_tokens),
            },
            cached_tokens: self.cached_tokens,
            output_tokens: self.output_tokens + rest.output_tokens,
            drafted_tokens: self.drafted_tokens + rest.drafted_tokens,
            accepted_tokens: self.accepted_tokens + rest.accepted_tokens,
            guesses_s: sum(self.guesses_s, rest.guesses_s),
            // Nobody expected that it would be cut off.
            foreseen: None,
        }
    }
}

fn sum(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one + other),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_adds_up_and_has_the_speed_of_both_parts() {
        let part = |tokens, speed| Metrics {
            time_to_first_token_s: Some(tokens as f64),
            decode_tokens_per_second: Some(speed),
            output_tokens: tokens,
            total_s: 10.0,
            usd_total: 0.01,
            usd_share: 0.005,
            ..Metrics::default()
        };
        let both = part(11, 10.0).and(&part(31, 10.0));
        assert_eq!(both.time_to_first_token_s, Some(11.0));
        assert_eq!(both.decode_tokens_per_second, Some(10.0));
        assert_eq!((both.output_tokens, both.total_s), (42, 20.0));
        assert_eq!((both.usd_total, both.usd_share), (0.02, 0.01));
        let slower = part(11, 10.0).and(&part(11, 5.0));
        assert_eq!(slower.decode_tokens_per_second, Some(20.0 / 3.0));
    }

    #[test]
    fn what_is_taken_of_the_context_is_what_the_last_part_took() {
        let part = |prompt_tokens, output_tokens| Metrics {
            prompt_tokens,
            output_tokens,
            ..Metrics::default()
        };
        let taken = |both: Metrics| both.prompt_tokens + both.output_tokens;
        assert_eq!(taken(part(600, 200).and(&part(800, 30))), 830);
        assert_eq!(taken(part(600, 200).and(&part(450, 30))), 480);
        assert_eq!(taken(part(600, 200).and(&Metrics::default())), 800);
    }

    #[test]
    fn a_part_without_figures_leaves_those_of_the_other() {
        let whole = Metrics {
            output_tokens: 20,
            decode_tokens_per_second: Some(10.0),
            ..Metrics::default()
        };
        let both = whole.clone().and(&Metrics::default());
        assert_eq!(both.decode_tokens_per_second, Some(10.0));
        assert_eq!(both.usd_per_million_tokens, None);
    }
}
