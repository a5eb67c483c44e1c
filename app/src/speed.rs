//! What answers took, counted for charts and tables: medians, and the end that is slow. Plain numbers, nothing of HTML.
//!
//! All of it is a few passes over the answers, which may be hundreds of thousands.

use std::collections::BTreeMap;

use crate::domain::Measured;

mod buckets;
pub(crate) mod csv;
mod statistics;
mod waterfall;

pub(crate) use self::buckets::{
    Costs, DAYS, Spread, by_context, by_time, costs, estimates, estimates_in_all,
};
use self::statistics::Slow;
pub(crate) use self::statistics::{Summary, rank};
pub(crate) use self::waterfall::{Much, Part, What, Why, parts, usual, why};

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
        Gathered::of(answers).figures()
    }
}

/// What [`Figures`] are made of, gathered answer by answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gathered {
    answers: usize,
    /// Seconds to the first token, of those that have one.
    pub(crate) firsts: Vec<f64>,
    /// Tokens a second, of those that put out enough of them.
    pub(crate) decodes: Vec<f64>,
    usd: f64,
}

impl Gathered {
    pub(crate) fn of(answers: &[&Measured]) -> Self {
        let mut gathered = Self {
            firsts: Vec::with_capacity(answers.len()),
            decodes: Vec::with_capacity(answers.len()),
            ..Self::default()
        };
        answers.iter().for_each(|answer| gathered.add(answer));
        gathered
    }

    fn add(&mut self, answer: &Measured) {
        self.answers += 1;
        self.firsts.extend(answer.time_to_first_token_s);
        self.decodes.extend(answer.decode_speed());
        self.usd += answer.usd_share;
    }

    /// Their figures, for which they change their order.
    pub(crate) fn figures(&mut self) -> Figures {
        Figures {
            answers: self.answers,
            first: Summary::of(&mut self.firsts, Slow::High),
            decode: Summary::of(&mut self.decodes, Slow::Low),
            usd: self.usd,
        }
    }
}

/// Answers that have something in common, in the order of what that is; `all` are the figures of all of them, which nobody
/// needs to count again where all have it in common.
pub(crate) fn grouped<'a, K: Ord + Copy>(
    answers: &[&'a Measured],
    all: &Figures,
    key: impl Fn(&'a Measured) -> K,
) -> Vec<(K, Figures)> {
    let Some(first) = answers.first().map(|first| key(first)) else {
        return Vec::new();
    };
    if answers.iter().all(|answer| key(answer) == first) {
        return vec![(first, all.clone())];
    }
    let mut places = BTreeMap::from([(first, 0)]);
    let mut groups = vec![Gathered::default()];
    // Those that follow each other often have it in common.
    let mut last = (first, 0);
    for answer in answers {
        let key = key(answer);
        if key != last.0 {
            let place = *places.entry(key).or_insert(groups.len());
            if place == groups.len() {
                groups.push(Gathered::default());
            }
            last = (key, place);
        }
        groups[last.1].add(answer);
    }
    let places = places.into_iter();
    places
        .map(|(key, place)| (key, groups[place].figures()))
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
        let groups = grouped(&all, &Figures::of(&all), |answer| &*answer.kernel);
        let [(first, fast), (second, slow)] = &groups[..] else {
            panic!("{groups:?}");
        };
        assert_eq!((*first, *second), ("avx2", "scalar"));
        assert_eq!((fast.answers, fast.decode.count), (2, 1));
        assert_eq!(
            (slow.first.median, slow.decode.slow),
            (Some(4.0), Some(2.0))
        );
        assert!((fast.usd - 0.002).abs() < 1e-12);
        let whole = Figures::of(&all);
        let one = grouped(&all, &whole, |answer| &*answer.model);
        assert_eq!(one, [("Tiny", whole.clone())]);
        assert_eq!(grouped(&[], &whole, |answer| answer.threads), []);
    }
}
