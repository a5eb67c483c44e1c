//! Answers by time, by the length of their context, by day, and figures by their size.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::{Figures, grouped};
use crate::domain::Measured;

/// Points of a chart over time.
const MOMENTS: i64 = 24;

/// Days of a chart by day.
const DAYS: usize = 60;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Answers of equal parts of their time, each by when it begins. Parts without answers are left out.
pub(crate) fn by_time(answers: &[&Measured]) -> Vec<(String, Figures)> {
    let parts = parts_of_time(answers).into_iter();
    parts
        .map(|(label, answers)| (label, Figures::of(&answers)))
        .collect()
}

/// Of equal parts of their time, how many of a hundred estimates of the first token and of the whole were near.
pub(crate) fn estimates(answers: &[&Measured]) -> Vec<(String, [f64; 2])> {
    let foreseen = answers.iter().copied();
    let foreseen: Vec<_> = foreseen
        .filter(|answer| answer.was_foreseen().is_some())
        .collect();
    let parts = parts_of_time(&foreseen).into_iter();
    let parts = parts.map(|(label, answers)| {
        let near = |of: usize| {
            let near = answers.iter().filter_map(|answer| answer.was_foreseen());
            near.filter(|near| near[of]).count() as f64
        };
        let share = |of| 100.0 * near(of) / answers.len() as f64;
        (label, [share(0), share(1)])
    });
    parts.collect()
}

fn parts_of_time<'a>(answers: &[&'a Measured]) -> Vec<(String, Vec<&'a Measured>)> {
    let times = || answers.iter().map(|answer| answer.created);
    let (Some(first), Some(last)) = (times().min(), times().max()) else {
        return Vec::new();
    };
    let span = last.saturating_sub(first);
    let part = (span / MOMENTS + 1).max(1);
    let format = match part {
        _ if span < DAY_MS => "%H:%M",
        ..DAY_MS => "%m-%d %H:%M",
        _ if span < 300 * DAY_MS => "%m-%d",
        _ => "%Y-%m-%d",
    };
    let mut parts: BTreeMap<i64, Vec<&Measured>> = BTreeMap::new();
    for answer in answers {
        let n = answer.created.saturating_sub(first) / part;
        parts.entry(n).or_default().push(answer);
    }
    let label = |n: i64| written(first.saturating_add(n * part), format);
    let parts = parts.into_iter();
    parts
        .map(|(part, answers)| (label(part), answers))
        .collect()
}

/// Answers by the tokens of their context: up to 128, up to 256, up to 512 and so on.
pub(crate) fn by_context(answers: &[&Measured]) -> Vec<(usize, Figures)> {
    grouped(answers, |answer| {
        answer.context().max(128).next_power_of_two()
    })
}

/// What answers cost on each of the last days that have any, in the calendar of the server.
pub(crate) fn costs(answers: &[&Measured]) -> Vec<(Date, f64)> {
    let newest = answers.iter().map(|answer| answer.created).max();
    let Some(newest) = newest.and_then(|newest| Timestamp::from_millisecond(newest).ok()) else {
        return Vec::new();
    };
    let (zone, mut day) = (
        TimeZone::system(),
        newest.to_zoned(TimeZone::system()).date(),
    );
    // Each by where it begins, the newest first.
    let mut days: Vec<(Date, i64, f64)> = Vec::new();
    while days.len() < DAYS {
        let Ok(begin) = day.to_zoned(zone.clone()) else {
            break;
        };
        days.push((day, begin.timestamp().as_millisecond(), 0.0));
        let Ok(before) = day.checked_sub(1.day()) else {
            break;
        };
        day = before;
    }
    for answer in answers {
        let at = days.partition_point(|(_, begin, _)| *begin > answer.created);
        if let Some((_, _, usd)) = days.get_mut(at) {
            *usd += answer.usd_share;
        }
    }
    let is_free = |usd: f64| usd <= 0.0;
    while days.last().is_some_and(|(_, _, usd)| is_free(*usd)) {
        days.pop();
    }
    let days = days.into_iter().rev();
    days.map(|(day, _, usd)| (day, usd)).collect()
}

/// How many figures lie between some edges.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spread {
    /// The lower edge, which belongs to it; the first has none.
    pub(crate) from: Option<f64>,
    /// The upper one, which does not; the last has none.
    pub(crate) to: Option<f64>,
    /// How many.
    pub(crate) count: usize,
}

impl Spread {
    /// Between the edges, and beyond the first and last, without those at both ends that have none.
    pub(crate) fn of(values: &[f64], edges: &[f64]) -> Vec<Self> {
        let mut counts = vec![0; edges.len() + 1];
        for value in values {
            counts[edges.partition_point(|edge| edge <= value)] += 1;
        }
        let filled = |count: &usize| *count > 0;
        let first = counts.iter().position(filled);
        let Some((first, last)) = first.zip(counts.iter().rposition(filled)) else {
            return Vec::new();
        };
        let spread = (first..=last).map(|at| Self {
            from: at.checked_sub(1).map(|before| edges[before]),
            to: edges.get(at).copied(),
            count: counts[at],
        });
        spread.collect()
    }
}

fn written(milliseconds: i64, format: &str) -> String {
    let Ok(time) = Timestamp::from_millisecond(milliseconds) else {
        return String::new();
    };
    let time = time.to_zoned(TimeZone::system());
    time.strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::measured;

    #[test]
    fn a_time_is_parted_evenly_and_empty_parts_are_left_out() {
        let hour = 60 * 60 * 1000;
        let answers = [0, 1, 20 * hour, 23 * hour].map(|at| measured(at, "avx2"));
        let parts = by_time(&answers.each_ref());
        let counts: Vec<_> = parts.iter().map(|(_, part)| part.answers).collect();
        assert_eq!(counts, [2, 1, 1]);
        assert!(parts.iter().all(|(label, _)| label.len() == 5), "{parts:?}");
        assert_eq!(by_time(&[]), []);
        let wide = [i64::MIN, i64::MAX].map(|at| measured(at, "avx2"));
        assert!(!by_time(&wide.each_ref()).is_empty());
    }

    #[test]
    fn estimates_count_where_there_were_some() {
        let mut answers = [0, 1, 2, 3].map(|at| measured(at, "avx2"));
        // Of a first token after 0.25 s and a last after 1.25 s.
        answers[0].foreseen_s = Some([0.25, 9.0]);
        answers[1].foreseen_s = Some([0.3, 1.25]);
        answers[2].foreseen_s = Some([9.0, 9.0]);
        let parts = estimates(&answers.each_ref());
        let shares: Vec<_> = parts.iter().map(|(_, shares)| *shares).collect();
        assert_eq!(shares, [[100.0, 0.0], [100.0, 100.0], [0.0, 0.0]]);
        assert_eq!(estimates(&[&answers[3]]), []);
    }

    #[test]
    fn lengths_double() {
        let mut answers = [1, 128, 129, 5000].map(|at| measured(at, "avx2"));
        for (answer, context) in answers.iter_mut().zip([0, 128, 129, 5000]) {
            (answer.prompt_tokens, answer.output_tokens) = (context, 0);
        }
        let lengths = by_context(&answers.each_ref());
        let lengths: Vec<_> = lengths
            .iter()
            .map(|(to, part)| (*to, part.answers))
            .collect();
        assert_eq!(lengths, [(128, 2), (256, 1), (8192, 1)]);
    }

    #[test]
    fn a_day_costs_what_its_answers_cost() {
        let at = |day: &str| {
            let day: Date = day.parse().unwrap();
            let at = day.at(13, 0, 0, 0).to_zoned(TimeZone::system()).unwrap();
            measured(at.timestamp().as_millisecond(), "avx2")
        };
        let answers = ["2026-03-01", "2026-03-03", "2026-03-01", "2020-01-01"].map(at);
        let days = costs(&answers.each_ref());
        let day = |day: &str, usd| (day.parse::<Date>().unwrap(), usd);
        let expected = [
            day("2026-03-01", 0.002),
            day("2026-03-02", 0.0),
            day("2026-03-03", 0.001),
        ];
        assert_eq!(days, expected);
        assert_eq!(costs(&[]), []);
        assert_eq!(costs(&[&measured(i64::MAX, "avx2")]), []);
    }

    #[test]
    fn a_spread_counts_each_figure_once() {
        let spread = Spread::of(&[0.5, 1.0, 1.5, 9.0], &[0.1, 1.0, 2.0, 5.0, 10.0, 20.0]);
        let counts: Vec<_> = spread
            .iter()
            .map(|part| (part.from, part.to, part.count))
            .collect();
        assert_eq!(
            counts,
            [
                (Some(0.1), Some(1.0), 1),
                (Some(1.0), Some(2.0), 2),
                (Some(2.0), Some(5.0), 0),
                (Some(5.0), Some(10.0), 1),
            ]
        );
        let beyond = Spread::of(&[0.0, 3.0], &[1.0, 2.0]);
        assert_eq!((beyond[0].from, beyond[2].to), (None, None));
        assert_eq!(Spread::of(&[], &[1.0]), []);
    }
}
