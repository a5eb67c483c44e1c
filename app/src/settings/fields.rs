//! Fields of forms, each of which is refused by its name, its limits and what was found.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::complaint::{Complaint, ComplaintKind};
use crate::figures::group;
use crate::language::{Language, Told};

/// The name of a field, what people call it, and what it must be.
pub(crate) struct Field(
    pub(crate) &'static str,
    pub(crate) fn(Language) -> &'static str,
    pub(crate) Rule,
);

/// Tells of a field, the least and the most that it may be, and what was found.
pub(crate) type Rule = fn(Language, &str, &str, &str, &str) -> String;

pub(crate) const NUMBER: Rule =
    |t, what, low, high, found| t.must_be_number(what, low, high, found);
pub(crate) const WHOLE: Rule = |t, what, low, high, found| t.must_be_whole(what, low, high, found);

/// A field that may be left empty.
pub(crate) fn optional<T: FromStr + PartialOrd + Display>(
    field: Field,
    typed: &str,
    range: RangeInclusive<T>,
) -> Result<Option<T>, Complaint> {
    if typed.trim().is_empty() {
        return Ok(None);
    }
    within(field, typed, range).map(Some)
}

/// A number that is read from its text.
///
/// # Errors
/// A [`Complaint`] that names the field, its range and what was found.
pub(crate) fn within<T: FromStr + PartialOrd + Display>(
    Field(name, what, rule): Field,
    typed: &str,
    range: RangeInclusive<T>,
) -> Result<T, Complaint> {
    // `contains` is false for NaN.
    match typed.trim().parse() {
        Ok(value) if range.contains(&value) => Ok(value),
        _ => {
            let shown: String = typed.chars().take(40).collect();
            let (low, high) = (range.start().to_string(), range.end().to_string());
            let (low, high) = (group(&low), group(&high));
            let reason = Told::new(|t| rule(t, what(t), &low, &high, &shown));
            Err(field(name, reason))
        }
    }
}

/// Refuses a text that is too long.
///
/// # Errors
/// A [`Complaint`] that names the field, the most that it may be and what was found.
pub(crate) fn at_most(
    name: &'static str,
    what: fn(Language) -> &'static str,
    text: &str,
    limit: usize,
) -> Result<(), Complaint> {
    if text.len() <= limit {
        return Ok(());
    }
    let (found, limit) = (text.len().div_ceil(1024), limit / 1024);
    let reason = Told::new(|t| t.at_most_kib(what(t), limit, found));
    Err(field(name, reason))
}

pub(super) fn field(name: &'static str, reason: Told) -> Complaint {
    Complaint {
        reason,
        kind: ComplaintKind::Field(name),
    }
}
