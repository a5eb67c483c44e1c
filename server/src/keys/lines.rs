//! The file of keys: a key on each line, with its name before it and its limits behind it.
//!
//! ```text
//! # NAME KEY [requests/min=N] [tokens/min=N] [chats=N]
//! anna sk-2b6f0c1d9a8e7755 requests/min=60 chats=2
//! ```
//!
//! No error repeats a word of a line, which may be part of a key, but a name that two keys have.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use super::{Limits, digest};

/// Names are labels of figures, so there are only so many.
const MOST_KEYS: usize = 1000;
const NAME_BYTES: RangeInclusive<usize> = 1..=64;
/// Nobody counts tries, so a key must not be one that can be guessed.
const KEY_BYTES: RangeInclusive<usize> = 16..=256;
const LIMITS: RangeInclusive<u32> = 1..=1_000_000_000;

/// A line that is none of white space and comment.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) digest: [u8; 32],
    pub(super) limits: Limits,
}

impl Line {
    /// A key without limits.
    ///
    /// # Errors
    /// What a key must be.
    pub(super) fn new(name: &str, key: &str) -> Result<Self, String> {
        let (least, most) = KEY_BYTES.into_inner();
        if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("must be letters, digits and signs of ASCII without spaces".to_owned());
        }
        if !KEY_BYTES.contains(&key.len()) {
            let found = key.len();
            return Err(format!("must have {least} to {most} bytes, found {found}"));
        }
        Ok(Self {
            name: name.to_owned(),
            digest: digest(key.as_bytes()),
            limits: Limits::default(),
        })
    }

    fn read(text: &str) -> Result<Self, String> {
        let mut words = text.split_ascii_whitespace();
        let (Some(name), Some(key)) = (words.next(), words.next()) else {
            return Err("a name and a key are expected, found one word".to_owned());
        };
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if !NAME_BYTES.contains(&name.len()) || !name.bytes().all(is_plain) {
            let (least, most) = NAME_BYTES.into_inner();
            return Err(format!(
                "a name is {least} to {most} letters, digits, `-`, `_` and `.`"
            ));
        }
        let mut line = Self::new(name, key).map_err(|why| format!("the key {why}"))?;
        for word in words {
            line.limits.add(word)?;
        }
        Ok(line)
    }
}

impl Limits {
    fn add(&mut self, word: &str) -> Result<(), String> {
        let known = [
            ("requests/min", &mut self.requests_per_minute),
            ("tokens/min", &mut self.tokens_per_minute),
            ("chats", &mut self.chats),
        ];
        let named = word.split_once('=').and_then(|(name, value)| {
            let (name, limit) = known.into_iter().find(|(known, _)| *known == name)?;
            Some((name, limit, value))
        });
        let Some((name, limit, value)) = named else {
            return Err(
                "behind the key `requests/min=N`, `tokens/min=N` and `chats=N` are expected, found something else"
                    .to_owned(),
            );
        };
        if limit.is_some() {
            return Err(format!("`{name}` is given twice"));
        }
        let number = value.parse().ok().filter(|number| LIMITS.contains(number));
        let (least, most) = LIMITS.into_inner();
        *limit =
            Some(number.ok_or_else(|| {
                format!("`{name}` must be a whole number from {least} to {most}")
            })?);
        Ok(())
    }
}

/// # Errors
/// The first line that is wrong, and why.
pub(super) fn read(file: &str) -> Result<Vec<Line>, String> {
    let lines = (1..).zip(file.lines());
    let meant = lines.filter(|(_, text)| !text.trim().is_empty() && !text.trim().starts_with('#'));
    let read = meant.map(|(number, text)| {
        Line::read(text).map_err(|reason| format!("line {number}: {reason}"))
    });
    read.collect()
}

/// # Errors
/// Which two lines are one, and that there are too many.
pub(super) fn check_distinct(lines: &[Line]) -> Result<(), String> {
    let count = lines.len();
    if count > MOST_KEYS {
        return Err(format!("there may be {MOST_KEYS} keys, found {count}"));
    }
    let (mut names, mut digests) = (HashSet::new(), HashSet::new());
    for Line { name, digest, .. } in lines {
        if !names.insert(name) {
            return Err(format!("two keys are named `{name}`"));
        }
        if !digests.insert(digest) {
            return Err(format!("`{name}` has the key of another name"));
        }
    }
    Ok(())
}
