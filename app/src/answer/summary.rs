//! What is told of an answer in one line of plain text.

use super::formulas::{decode_speed, usd_per_million};
use super::outcome;
use crate::chat::Answer;
use crate::figures::{duration, tokens_per_second, usd};
use crate::language::Language;

/// How it ended where it is not complete, and the figures that the page shows first.
pub(crate) fn summary(t: Language, answer: &Answer) -> Vec<String> {
    let Some(end) = &answer.end else {
        return vec![t.still_written().to_owned()];
    };
    let mut parts: Vec<_> = outcome(t, &end.reason, answer).into_iter().collect();
    if let Some(metrics) = &end.metrics {
        let first = metrics.time_to_first_token_s;
        parts.extend(decode_speed(metrics).map(|speed| tokens_per_second(t, speed)));
        parts.extend(first.map(|first| t.first_token(duration(t, first))));
        parts.push(duration(t, metrics.total_s));
        parts.push(usd(metrics.usd_total));
        let million = usd_per_million(metrics);
        parts.extend(million.map(|cost| t.per_million(usd(cost))));
    }
    parts
}
