//! Numbers in ranges.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

pub(crate) fn number(range: RangeInclusive<f64>) -> impl Fn(&str) -> Result<f64, String> + Clone {
    move |text| match text.parse() {
        Ok(value) if range.contains(&value) => Ok(value),
        _ => Err(expected("a number", range.start(), range.end())),
    }
}

pub(crate) fn seconds(
    range: RangeInclusive<f64>,
) -> impl Fn(&str) -> Result<Duration, String> + Clone {
    let number = number(range);
    move |text| number(text).map(Duration::from_secs_f64)
}

pub(crate) fn count(
    range: RangeInclusive<usize>,
) -> impl Fn(&str) -> Result<usize, String> + Clone {
    move |text| match text.parse() {
        Ok(value) if range.contains(&value) => Ok(value),
        _ => Err(expected("a whole number", range.start(), range.end())),
    }
}

fn expected(kind: &str, low: impl Display, high: impl Display) -> String {
    format!("must be {kind} from {low} to {high}")
}
