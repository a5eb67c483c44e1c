//! The formulas of the figures, and what they come to for an answer.

use crate::answer::{decode_speed, prefill_speed};
use crate::domain::Metrics;
use crate::figures::{duration, grouped, milliseconds, tokens_per_second, usd};
use crate::language::Language;

/// A figure, how it is computed, and the same with the numbers of an answer, where they were measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Formula {
    pub(super) of: &'static str,
    pub(super) rule: &'static str,
    pub(super) worked: Option<String>,
}

pub(super) fn formulas(t: Language, last: Option<&Metrics>) -> Vec<Formula> {
    let worked = |work: fn(Language, &Metrics) -> Option<String>| work(t, last?);
    [
        (t.ttft(), t.rule_ttft(), worked(first)),
        (
            t.first_behind_thought(),
            t.rule_behind_thought(),
            worked(behind_thought),
        ),
        (t.prefill_speed(), t.rule_prefill(), worked(prefill)),
        (t.decode_speed(), t.rule_decode(), worked(decode)),
        (t.time_per_token(), t.rule_per_token(), worked(per_token)),
        (t.total_time(), t.rule_total_time(), worked(total)),
        (t.total_cost(), t.rule_cost(), worked(cost)),
        (t.usd_per_million(), t.rule_per_million(), worked(million)),
        (
            t.decoding_alone(),
            t.rule_decoding_alone(),
            worked(decoding),
        ),
        (t.cost_share(), t.rule_share(), worked(share)),
        (t.cost_alone(), t.rule_alone(), worked(alone)),
    ]
    .into_iter()
    .map(|(of, rule, worked)| Formula { of, rule, worked })
    .collect()
}

/// Terms that add up to a time; the last of them is what is left of it. All are rounded to one digit, so that what is read adds
/// up too.
fn sum(t: Language, terms: &[f64], all: f64) -> Option<String> {
    if all < terms.iter().sum::<f64>() {
        return None;
    }
    let digit = digit(all);
    let rounded = |seconds: f64| (seconds / digit).round();
    let whole = rounded(all);
    let mut left = whole;
    let mut written = Vec::new();
    for term in terms {
        // Halves that are rounded up may be more than there is.
        let term = rounded(*term).min(left);
        left -= term;
        written.push(term);
    }
    written.push(left);
    let written = written.into_iter().map(|term| of_digits(t, term, digit));
    let terms: Vec<_> = written.collect();
    Some(format!(
        "{} = {}",
        terms.join(" + "),
        of_digits(t, whole, digit)
    ))
}

/// The last digit of a sum, in seconds.
fn digit(seconds: f64) -> f64 {
    match seconds {
        ..0.9995 => 0.001,
        ..59.95 => 0.01,
        _ => 1.0,
    }
}

fn of_digits(t: Language, count: f64, digit: f64) -> String {
    let seconds = count * digit;
    match digit {
        ..0.01 => t.milliseconds(format!("{count:.0}")),
        ..1.0 => t.seconds(format!("{seconds:.2}")),
        _ if seconds < 60.0 => t.seconds(format!("{seconds:.0}")),
        _ => duration(t, seconds),
    }
}

fn first(t: Language, last: &Metrics) -> Option<String> {
    let prefill = last.prefill_s?;
    sum(t, &[last.queued_s, prefill], last.time_to_first_token_s?)
}

fn behind_thought(t: Language, last: &Metrics) -> Option<String> {
    let first = last.time_to_first_token_s?;
    let behind = last.time_to_first_answer_token_s?;
    (last.thought_tokens > 0).then(|| sum(t, &[first], behind))?
}

fn prefill(t: Language, last: &Metrics) -> Option<String> {
    let speed = prefill_speed(last).filter(|speed| *speed > 0.0)?;
    let computed = last.prompt_tokens.saturating_sub(last.cached_tokens);
    let seconds = duration(t, computed as f64 / speed);
    Some(format!(
        "{} / {seconds} = {}",
        grouped(computed),
        tokens_per_second(t, speed)
    ))
}

fn decode(t: Language, last: &Metrics) -> Option<String> {
    let speed = decode_speed(last).filter(|speed| *speed > 0.0)?;
    let after = last.output_tokens.saturating_sub(1);
    let seconds = duration(t, after as f64 / speed);
    Some(format!(
        "({} − 1) / {seconds} = {}",
        grouped(last.output_tokens),
        tokens_per_second(t, speed)
    ))
}

fn per_token(t: Language, last: &Metrics) -> Option<String> {
    let speed = decode_speed(last).filter(|speed| *speed > 0.0)?;
    Some(format!(
        "1000 / {speed:.1} = {}",
        milliseconds(t, 1000.0 / speed)
    ))
}

fn total(t: Language, last: &Metrics) -> Option<String> {
    sum(t, &[last.time_to_first_token_s?], last.total_s)
}

fn cost(t: Language, last: &Metrics) -> Option<String> {
    for_time(t, last, last.usd_total)
}

fn million(_: Language, last: &Metrics) -> Option<String> {
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

fn decoding(t: Language, last: &Metrics) -> Option<String> {
    let hour = per_hour(last)?;
    let speed = decode_speed(last).filter(|speed| *speed > 0.0)?;
    Some(format!(
        "{} / 3600 / {} × 10⁶ = {}",
        usd(hour),
        tokens_per_second(t, speed),
        usd(hour / 3600.0 / speed * 1e6)
    ))
}

fn share(t: Language, last: &Metrics) -> Option<String> {
    for_time(t, last, last.usd_share)
}

fn alone(t: Language, last: &Metrics) -> Option<String> {
    for_time(t, last, last.usd_alone?)
}

/// What the machine costs for the time that this many dollars are for.
fn for_time(t: Language, last: &Metrics, dollars: f64) -> Option<String> {
    let hour = per_hour(last)?;
    Some(format!(
        "{} / 3600 × {} = {}",
        usd(hour),
        duration(t, dollars / hour * 3600.0),
        usd(dollars)
    ))
}

/// The price that it was made at.
fn per_hour(last: &Metrics) -> Option<f64> {
    let hour = last.usd_total / last.total_s * 3600.0;
    (hour.is_finite() && hour > 0.0).then_some(hour)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_to_what_was_measured() {
        let last = Metrics {
            time_to_first_token_s: Some(0.25),
            time_to_first_answer_token_s: Some(0.5),
            thought_tokens: 10,
            queued_s: 0.0201,
            prefill_s: Some(0.1125),
            prefill_tokens_per_second: Some(800.0),
            decode_tokens_per_second: Some(40.0),
            total_s: 1.25,
            usd_total: 0.002,
            usd_share: 0.001,
            usd_alone: Some(0.0008),
            prompt_tokens: 100,
            cached_tokens: 10,
            output_tokens: 20,
            ..Metrics::default()
        };
        let worked: Vec<_> = formulas(Language::English, Some(&last))
            .into_iter()
            .map(|formula| formula.worked.unwrap())
            .collect();
        assert_eq!(
            worked,
            [
                "20 ms + 113 ms + 117 ms = 250 ms",
                "250 ms + 250 ms = 500 ms",
                "90 / 112 ms = 800 tokens/s",
                "(20 − 1) / 475 ms = 40.0 tokens/s",
                "1000 / 40.0 = 25.0 ms",
                "0.25 s + 1.00 s = 1.25 s",
                "$5.76 / 3600 × 1.25 s = $0.00200",
                "$0.00200 / 20 × 10⁶ = $100.00",
                "$5.76 / 3600 / 40.0 tokens/s × 10⁶ = $40.00",
                "$5.76 / 3600 × 625 ms = $0.00100",
                "$5.76 / 3600 × 500 ms = $0.000800",
            ]
        );
    }

    #[test]
    fn what_is_read_of_a_sum_adds_up() {
        let t = Language::English;
        let of = |terms: &[f64], all| sum(t, terms, all).unwrap();
        assert_eq!(
            of(&[0.0204, 0.1124], 0.25),
            "20 ms + 112 ms + 118 ms = 250 ms"
        );
        assert_eq!(of(&[0.0005, 0.0005], 0.001), "1 ms + 0 ms + 0 ms = 1 ms");
        assert_eq!(
            of(&[0.004, 5.006], 12.344),
            "0.00 s + 5.01 s + 7.33 s = 12.34 s"
        );
        assert_eq!(of(&[59.6], 75.0), "1 min 00 s + 15 s = 1 min 15 s");
        assert_eq!(sum(t, &[2.0], 1.0), None);
    }

    #[test]
    fn what_was_not_measured_is_left_out() {
        for last in [None, Some(&Metrics::default())] {
            let formulas = formulas(Language::English, last);
            assert!(formulas.iter().all(|formula| formula.worked.is_none()));
        }
    }
}
