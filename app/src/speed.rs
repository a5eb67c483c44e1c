//! What answers took, counted for charts and tables: medians, and the end that is slow. Plain numbers, nothing of HTML.
//!
//! All of it is a few passes over the answers, which may be hundreds of thousands.

use std::collections::BTreeMap;

use crate::domain::Measured;

mod buckets;
pub(crate) mod csv;
mod statistics;
mod waterfall;

pub(crate) use self::buckets::{Spread, by_context, by_time, costs, estimates};
use self::statistics::Slow;
pub(crate) use self::statistics::{Summary, quantile, rank};
pub(crate) use self::waterfall::{Part, What, Why, parts, why};

/// What some answers took.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Figures {
    /// How many there are.
    pub(crate) answers: usize,
    /// Seconds to the first token.
    pub(crate) first: Summary,
    /// Tokens a second.
    pub(crate) decode: Summary,
    /// Dollars for their parts of the machine's time.
    pub(crate) usd: f64,
}

impl Figures {
    pub(crate) fn of(answers: &[&Measured]) -> Self {
        Self {
            answers: answers.len(),
            first: Summary::of(firsts(answers), Slow::High),
            decode: Summary::of(decodes(answers), Slow::Low),
            usd: answers.iter().map(|answer| answer.usd_share).sum(),
        }
    }
}

/// Seconds to the first token, of those that have one.
pub(crate) fn firsts(answers: &[&Measured]) -> Vec<f64> {
    let firsts = answers.iter();
    firsts
        .filter_map(|answer| answer.time_to_first_token_s)
        .collect()
}

/// Tokens a second, of those that put out enough of them.
pub(crate) fn decodes(answers: &[&Measured]) -> Vec<f64> {
    let decodes = answers.iter();
    decodes.filter_map(|answer| answer.decode_speed()).collect()
}

/// Answers that have something in common, in the order of what that is.
pub(crate) fn grouped<'a, K: Ord>(
    answers: &[&'a Measured],
    key: impl Fn(&'a Measured) -> K,
) -> Vec<(K, Figures)> {
    let mut groups: BTreeMap<K, Vec<&Measured>> = BTreeMap::new();
    for answer in answers {
        groups.entry(key(answer)).or_default().push(answer);
    }
    let groups = groups.into_iter();
    groups
        .map(|(key, answers)| (key, Figures::of(&answers)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::measured;

    #[test]
    fn groups_have_their_own_figures() {
        let mut answers = [
            measured(0, "avx2"),
            measured(1, "scalar"),
            measured(2, "avx2"),
        ];
        answers[1].time_to_first_token_s = Some(4.0);
        answers[1].decode_tokens_per_second = Some(2.0);
        answers[2].decode_tokens_per_second = None;
        let all: Vec<_> = answers.iter().collect();
        let groups = grouped(&all, |answer| answer.kernel.to_string());
        let [(first, fast), (second, slow)] = &groups[..] else {
            panic!("{groups:?}");
        };
        assert_eq!((first.as_str(), second.as_str()), ("avx2", "scalar"));
        assert_eq!((fast.answers, fast.decode.count), (2, 1));
        assert_eq!(
            (slow.first.median, slow.decode.slow),
            (Some(4.0), Some(2.0))
        );
        assert!((fast.usd - 0.002).abs() < 1e-12);
    }
}
