//! The formulas of the page's figures, over what the engine measured. A rate is of at least [`ENOUGH_TOKENS`] tokens: from
//! fewer it says more of chance than of the machine.

use crate::chat::Metrics;
use crate::domain::ENOUGH_TOKENS;

/// Tokens a second that a fast reader reads: 450 words a minute of 4/3 tokens each. The mean of adults is 238 words a
/// minute, most read 175 to 300 (Brysbaert 2019, doi:10.1016/j.jml.2019.104047).
pub(super) const READING: f64 = 10.0;

/// An answer whose tokens take no longer keeps ahead of a fast reader.
pub(super) const TOKEN_BAR_MS: f64 = 1000.0 / READING;

/// An answer that begins later breaks the train of thought (Nielsen 1993, "Usability Engineering", chapter 5).
pub(super) const FIRST_TOKEN_BAR_S: f64 = 1.0;

/// Tokens a second after the first.
pub(crate) fn decode_speed(metrics: &Metrics) -> Option<f64> {
    of_enough(metrics.decode_tokens_per_second, decoded(metrics))
}

/// Milliseconds a token after the first.
pub(super) fn token_ms(metrics: &Metrics) -> Option<f64> {
    of_enough(metrics.time_per_output_token_ms, decoded(metrics))
}

/// Prompt tokens a second, of those that had to be computed.
pub(crate) fn prefill_speed(metrics: &Metrics) -> Option<f64> {
    let computed = metrics.prompt_tokens.saturating_sub(metrics.cached_tokens);
    of_enough(metrics.prefill_tokens_per_second, computed)
}

/// Dollars for a million tokens of such answers: all of its time counts, waiting and prompt included.
pub(crate) fn usd_per_million(metrics: &Metrics) -> Option<f64> {
    let tokens = metrics.output_tokens;
    of_enough(Some(metrics.usd_total / tokens as f64 * 1e6), tokens)
}

/// Dollars for a million tokens while tokens come out.
pub(super) fn usd_per_million_decoding(metrics: &Metrics) -> Option<f64> {
    of_enough(metrics.usd_per_million_tokens, decoded(metrics))
}

/// The price that the answer was made at.
pub(super) fn usd_per_hour(metrics: &Metrics) -> Option<f64> {
    (metrics.total_s > 0.0).then(|| metrics.usd_total / metrics.total_s * 3600.0)
}

/// How many fast readers a speed keeps up with.
pub(super) fn times_reading(tokens_per_second: f64) -> f64 {
    tokens_per_second / READING
}

/// Tokens a second of an answer in the making, whose first token came out `first_s` after its question and whose last one
/// has `elapsed_s`.
pub(super) fn speed_so_far(tokens: usize, first_s: f64, elapsed_s: f64) -> Option<f64> {
    let (after, seconds) = (tokens.saturating_sub(1), elapsed_s - first_s);
    of_enough(Some(after as f64 / seconds), after).filter(|_| seconds > 0.0)
}

fn decoded(metrics: &Metrics) -> usize {
    metrics.output_tokens.saturating_sub(1)
}

fn of_enough(rate: Option<f64>, tokens: usize) -> Option<f64> {
    rate.filter(|_| tokens >= ENOUGH_TOKENS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::decoding_usd_per_million;
    use crate::domain::compared::lane;

    /// 60 tokens in 53.7 s, of which the prompt took 51.3 s, at $0.94256 an hour.
    fn slow() -> Metrics {
        Metrics {
            time_to_first_token_s: Some(51.34),
            prefill_tokens_per_second: Some(40.0),
            decode_tokens_per_second: Some(25.0),
            time_per_output_token_ms: Some(40.0),
            total_s: 53.7,
            usd_per_million_tokens: Some(0.94256 / 3600.0 / 25.0 * 1e6),
            usd_total: 0.94256 / 3600.0 * 53.7,
            prompt_tokens: 2040,
            output_tokens: 60,
            ..Metrics::default()
        }
    }

    fn close(found: Option<f64>, expected: f64) {
        let found = found.unwrap();
        assert!((found / expected - 1.0).abs() < 1e-3, "{found}");
    }

    #[test]
    fn a_million_tokens_cost_what_all_of_the_time_costs() {
        close(usd_per_million(&slow()), 234.33);
        close(usd_per_million_decoding(&slow()), 10.473);
        close(usd_per_hour(&slow()), 0.94256);
    }

    #[test]
    fn a_cost_under_one_name_is_the_same_of_an_answer_and_of_a_lane() {
        let (price, speed) = (3.6, 40.0);
        let part = Metrics {
            decode_tokens_per_second: Some(speed),
            total_s: 2.0,
            usd_total: price / 3600.0 * 2.0,
            output_tokens: 41,
            ..Metrics::default()
        };
        let answer = part.clone().and(&part);
        let decode = decode_speed(&answer).unwrap();
        let decoding = decoding_usd_per_million(price, decode);
        close(usd_per_million_decoding(&answer), decoding);
        let whole = usd_per_million(&answer).unwrap();
        assert!(whole > decoding);
        let [quick, slow] = [1.0, 4.0].map(|factor| Metrics {
            usd_total: answer.usd_total * factor,
            ..answer.clone()
        });
        let mut lane = lane("avx2", &[speed], &[]);
        lane.rounds = vec![slow, answer, quick];
        close(lane.median(usd_per_million), whole);
    }

    #[test]
    fn fewer_than_16_tokens_make_no_rate() {
        let mut metrics = slow();
        assert!(prefill_speed(&metrics).is_some());
        metrics.cached_tokens = 2025;
        assert_eq!(prefill_speed(&metrics), None);
        metrics.cached_tokens = 2024;
        close(prefill_speed(&metrics), 40.0);

        metrics.output_tokens = 17;
        close(decode_speed(&metrics), 25.0);
        metrics.output_tokens = 16;
        assert_eq!(decode_speed(&metrics), None);
        assert_eq!(token_ms(&metrics), None);
        assert_eq!(usd_per_million_decoding(&metrics), None);
        assert!(usd_per_million(&metrics).is_some());
        metrics.output_tokens = 15;
        assert_eq!(usd_per_million(&metrics), None);
    }

    #[test]
    fn the_speed_so_far_leaves_the_first_token_and_its_time_out() {
        close(speed_so_far(41, 2.0, 4.0), 20.0);
        assert_eq!(speed_so_far(16, 2.0, 4.0), None);
        assert_eq!(speed_so_far(41, 2.0, 2.0), None);
        assert_eq!(speed_so_far(0, 0.0, 0.0), None);
    }

    #[test]
    fn nothing_is_made_of_an_answer_without_tokens() {
        let nothing = Metrics::default();
        assert_eq!(usd_per_million(&nothing), None);
        assert_eq!(usd_per_hour(&nothing), None);
    }
}
