//! Answers by time, by the length of their context, by day, and figures by their size.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::{Figures, grouped};
use crate::domain::{Measured, Near};

/// Points of a chart over time.
const MOMENTS: i64 = 24;

/// Days of a chart by day.
pub(crate) const DAYS: usize = 60;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Answers of equal parts of their time, each by when it begins. Parts without answers are left out; `all` are the figures of
/// all answers.
pub(crate) fn by_time(answers: &[&Measured], all: &Figures) -> Vec<(String, Figures)> {
    let Some(parts) = Parts::of(answers) else {
        return Vec::new();
    };
    let groups = grouped(answers, all, |answer| parts.of_answer(answer));
    let groups = groups.into_iter();
    groups
        .map(|(part, figures)| (parts.label(part), figures))
        .collect()
}

/// How many estimates of a hundred were near: of the first token, of the whole for as many tokens as came, and of the whole as
/// it was told.
pub(crate) type Shares = [Option<f64>; 3];

/// The same as counts: how many there were, and how many of them were near.
type Counts = [[usize; 2]; 3];

/// These of all answers.
pub(crate) fn estimates_in_all(answers: &[&Measured]) -> Counts {
    let mut counts = Counts::default();
    let near = answers.iter().filter_map(|answer| answer.near());
    near.for_each(|near| count(&mut counts, near));
    counts
}

fn count(counts: &mut Counts, near: Near) {
    let each = [Some(near.first), near.by_length, Some(near.whole)];
    for ([all, near], is_near) in counts.iter_mut().zip(each) {
        *all += usize::from(is_near.is_some());
        *near += usize::from(is_near == Some(true));
    }
}

/// These of equal parts of the answers' time.
pub(crate) fn estimates(answers: &[&Measured]) -> Vec<(String, Shares)> {
    let near = answers.iter().copied();
    let near = near.filter_map(|answer| Some((answer, answer.near()?)));
    let (foreseen, near): (Vec<_>, Vec<_>) = near.unzip();
    let Some(parts) = Parts::of(&foreseen) else {
        return Vec::new();
    };
    let mut counts: BTreeMap<i64, Counts> = BTreeMap::new();
    for (answer, near) in foreseen.into_iter().zip(near) {
        count(counts.entry(parts.of_answer(answer)).or_default(), near);
    }
    let shares = counts.into_iter().map(|(part, counts)| {
        let share = counts.map(|[all, near]| (all > 0).then(|| 100.0 * near as f64 / all as f64));
        (parts.label(part), share)
    });
    shares.collect()
}

/// Equal parts of the time of some answers.
struct Parts {
    first: i64,
    /// Milliseconds.
    span: i64,
    /// Milliseconds of one.
    part: i64,
}

impl Parts {
    fn of(answers: &[&Measured]) -> Option<Self> {
        let times = || answers.iter().map(|answer| answer.created);
        let (first, last) = (times().min()?, times().max()?);
        let span = last.saturating_sub(first);
        let part = (span / MOMENTS + 1).max(1);
        Some(Self { first, span, part })
    }

    fn of_answer(&self, answer: &Measured) -> i64 {
        answer.created.saturating_sub(self.first) / self.part
    }

    /// When one begins.
    fn label(&self, part: i64) -> String {
        let format = match self.part {
            _ if self.span < DAY_MS => "%H:%M",
            ..DAY_MS => "%m-%d %H:%M",
            _ if self.span < 300 * DAY_MS => "%m-%d",
            _ => "%Y-%m-%d",
        };
        written(self.first.saturating_add(part * self.part), format)
    }
}

/// Answers by the tokens of their context: up to 128, up to 256, up to 512 and so on; `all` are the figures of all of them.
pub(crate) fn by_context(answers: &[&Measured], all: &Figures) -> Vec<(usize, Figures)> {
    grouped(answers, all, |answer| context_up_to(answer.context()))
}

/// Up to how many tokens the contexts have among which one of so many is.
pub(super) fn context_up_to(tokens: usize) -> usize {
    let powers = tokens.max(128).checked_next_power_of_two();
    powers.unwrap_or(usize::MAX)
}

/// What answers cost by day, in the calendar of the server.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Costs {
    /// The last days that have any.
    pub(crate) days: Vec<(Date, f64)>,
    /// Whether there were some before, which are in none of these.
    pub(crate) are_cut: bool,
}

/// What answers cost on each of the last days up to that of the newest one.
pub(crate) fn costs(answers: &[&Measured]) -> Costs {
    let newest = answers.iter().map(|answer| answer.created).max();
    let Some(newest) = newest.and_then(|newest| Timestamp::from_millisecond(newest).ok()) else {
        return Costs::default();
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
    let mut are_cut = false;
    for answer in answers {
        let at = days.partition_point(|(_, begin, _)| *begin > answer.created);
        match days.get_mut(at) {
            Some((_, _, usd)) => *usd += answer.usd_share,
            None => are_cut = true,
        }
    }
    let is_free = |usd: f64| usd <= 0.0;
    while days.last().is_some_and(|(_, _, usd)| is_free(*usd)) {
        days.pop();
    }
    let days = days.into_iter().rev();
    Costs {
        days: days.map(|(day, _, usd)| (day, usd)).collect(),
        are_cut,
    }
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
    use crate::domain::{Expected, measured};

    #[test]
    fn a_time_is_parted_evenly_and_empty_parts_are_left_out() {
        let hour = 60 * 60 * 1000;
        let answers = [0, 1, 20 * hour, 23 * hour].map(|at| measured(at, "avx2"));
        let (answers, all) = (answers.each_ref(), Figures::of(&answers.each_ref()));
        let parts = by_time(&answers, &all);
        let counts: Vec<_> = parts.iter().map(|(_, part)| part.answers).collect();
        assert_eq!(counts, [2, 1, 1]);
        assert!(parts.iter().all(|(label, _)| label.len() == 5), "{parts:?}");
        assert_eq!(by_time(&[], &all), []);
        let wide = [i64::MIN, i64::MAX].map(|at| measured(at, "avx2"));
        assert!(!by_time(&wide.each_ref(), &all).is_empty());
    }

    #[test]
    fn estimates_count_where_there_were_some() {
        let mut answers = [0, 1, 2, 3].map(|at| measured(at, "avx2"));
        // Of a first token after 0.25 s and a last after 1.25 s.
        let expected = |first_s, total_s, tokens| Expected {
            first_s,
            total_s,
            tokens,
        };
        answers[0].expected = Some(expected(0.25, 2.25, Some(39)));
        answers[1].expected = Some(expected(0.3, 1.25, Some(90)));
        answers[2].expected = Some(expected(9.0, 9.0, None));
        let parts = estimates(&answers.each_ref());
        let shares: Vec<_> = parts.iter().map(|(_, shares)| *shares).collect();
        let of = |shares: [i32; 3]| shares.map(|share| (share >= 0).then_some(f64::from(share)));
        assert_eq!(shares, [[100, 100, 0], [100, 0, 100], [0, -1, 0]].map(of));
        assert_eq!(estimates(&[&answers[3]]), []);
        let counts = estimates_in_all(&answers.each_ref());
        assert_eq!(counts, [[3, 2], [2, 1], [3, 1]]);
    }

    #[test]
    fn lengths_double() {
        let mut answers = [1, 128, 129, 5000].map(|at| measured(at, "avx2"));
        for (answer, context) in answers.iter_mut().zip([0, 128, 129, 5000]) {
            (answer.prompt_tokens, answer.output_tokens) = (context, 0);
        }
        let answers = answers.each_ref();
        let lengths = by_context(&answers, &Figures::of(&answers));
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
        let costed = costs(&answers.each_ref());
        let day = |day: &str, usd| (day.parse::<Date>().unwrap(), usd);
        let expected = [
            day("2026-03-01", 0.002),
            day("2026-03-02", 0.0),
            day("2026-03-03", 0.001),
        ];
        assert_eq!(costed.days, expected);
        assert!(costed.are_cut);
        assert!(!costs(&[&answers[0], &answers[1]]).are_cut);
        assert_eq!(costs(&[]), Costs::default());
        assert_eq!(costs(&[&measured(i64::MAX, "avx2")]), Costs::default());
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
