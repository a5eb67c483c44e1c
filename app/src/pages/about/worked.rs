//! The formulas of the figures, and what they come to for an answer.

use crate::domain::Measured;
use crate::figures::{duration, grouped, milliseconds, tokens_per_second, usd};
use crate::language::Language;

/// A figure, how it is computed, and the same with the numbers of an answer, where they were measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Formula {
    pub(super) of: &'static str,
    pub(super) rule: &'static str,
    pub(super) worked: Option<String>,
}

pub(super) fn formulas(t: Language, last: Option<&Measured>) -> Vec<Formula> {
    let worked = |work: fn(Language, &Measured) -> Option<String>| work(t, last?);
    [
        (t.ttft(), t.rule_ttft(), worked(first)),
        (t.prefill_speed(), t.rule_prefill(), worked(prefill)),
        (t.decode_speed(), t.rule_decode(), worked(decode)),
        (t.time_per_token(), t.rule_per_token(), worked(per_token)),
        (t.total_cost(), t.rule_cost(), worked(cost)),
        (t.usd_per_million(), t.rule_per_million(), worked(million)),
        (t.cost_share(), t.rule_share(), worked(share)),
    ]
    .into_iter()
    .map(|(of, rule, worked)| Formula { of, rule, worked })
    .collect()
}

fn first(t: Language, last: &Measured) -> Option<String> {
    Some(duration(t, last.time_to_first_token_s?))
}

fn prefill(t: Language, last: &Measured) -> Option<String> {
    let speed = last
        .prefill_tokens_per_second
        .filter(|speed| *speed > 0.0)?;
    let computed = last.prompt_tokens.saturating_sub(last.cached_tokens);
    let seconds = duration(t, computed as f64 / speed);
    Some(format!(
        "{} / {seconds} = {}",
        grouped(computed),
        tokens_per_second(t, speed)
    ))
}

fn decode(t: Language, last: &Measured) -> Option<String> {
    let speed = last.decode_speed().filter(|speed| *speed > 0.0)?;
    let after = last.output_tokens.saturating_sub(1);
    let seconds = duration(t, after as f64 / speed);
    Some(format!(
        "({} − 1) / {seconds} = {}",
        grouped(last.output_tokens),
        tokens_per_second(t, speed)
    ))
}

fn per_token(t: Language, last: &Measured) -> Option<String> {
    let speed = last.decode_speed().filter(|speed| *speed > 0.0)?;
    Some(format!(
        "1000 / {speed:.1} = {}",
        milliseconds(t, 1000.0 / speed)
    ))
}

fn cost(t: Language, last: &Measured) -> Option<String> {
    let hour = per_hour(last)?;
    Some(format!(
        "{} / 3600 × {} = {}",
        usd(hour),
        duration(t, last.total_s),
        usd(last.usd_total)
    ))
}

fn million(_: Language, last: &Measured) -> Option<String> {
    let tokens = last.output_tokens;
    (tokens >= 16).then(|| {
        format!(
            "{} / {} × 10⁶ = {}",
            usd(last.usd_total),
            grouped(tokens),
            usd(last.usd_total / tokens as f64 * 1e6)
        )
    })
}

fn share(t: Language, last: &Measured) -> Option<String> {
    let hour = per_hour(last)?;
    Some(format!(
        "{} / 3600 × {} = {}",
        usd(hour),
        duration(t, last.usd_share / hour * 3600.0),
        usd(last.usd_share)
    ))
}

/// The price that it was made at.
fn per_hour(last: &Measured) -> Option<f64> {
    let hour = last.usd_total / last.total_s * 3600.0;
    (hour.is_finite() && hour > 0.0).then_some(hour)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::measured;

    #[test]
    fn numbers_come_to_what_was_measured() {
        let last = measured(0, "avx2");
        let worked: Vec<_> = formulas(Language::English, Some(&last))
            .into_iter()
            .map(|formula| formula.worked.unwrap())
            .collect();
        assert_eq!(
            worked,
            [
                "250 ms",
                "90 / 112 ms = 800 tokens/s",
                "(20 − 1) / 475 ms = 40.0 tokens/s",
                "1000 / 40.0 = 25.0 ms",
                "$5.76 / 3600 × 1.25 s = $0.00200",
                "$0.00200 / 20 × 10⁶ = $100.00",
                "$5.76 / 3600 × 625 ms = $0.00100",
            ]
        );
    }

    #[test]
    fn what_was_not_measured_is_left_out() {
        let nothing = Measured {
            time_to_first_token_s: None,
            decode_tokens_per_second: None,
            prefill_tokens_per_second: None,
            total_s: 0.0,
            usd_total: 0.0,
            output_tokens: 0,
            ..measured(0, "avx2")
        };
        for last in [None, Some(&nothing)] {
            let formulas = formulas(Language::English, last);
            assert!(formulas.iter().all(|formula| formula.worked.is_none()));
        }
    }
}
