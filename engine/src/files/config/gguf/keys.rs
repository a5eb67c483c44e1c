//! Numbers of a GGUF file under keys that begin with its architecture, each checked against what it may be.

use std::ops::RangeInclusive;

use crate::Error;
use crate::architecture::Architecture;
use crate::files::checkpoint::Gguf;

/// The keys of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keys<'a> {
    pub(super) gguf: &'a Gguf,
    pub(super) architecture: &'static Architecture,
}

impl Keys<'_> {
    /// `block_count` as `llama.block_count`.
    pub(super) fn name(self, key: &str) -> String {
        format!("{}.{key}", self.architecture.name.gguf)
    }

    /// A size that has to be there.
    pub(super) fn size(self, key: &str, range: RangeInclusive<usize>) -> Result<usize, Error> {
        let name = self.name(key);
        within(self.gguf, &name, self.gguf.required_integer(&name)?, range)
    }

    pub(super) fn size_or(
        self,
        key: &str,
        range: RangeInclusive<usize>,
        default: usize,
    ) -> Result<usize, Error> {
        let name = self.name(key);
        match self.gguf.integer(&name)? {
            Some(found) => within(self.gguf, &name, found, range),
            None => Ok(default),
        }
    }

    /// A positive number, where there is one.
    pub(super) fn positive(self, key: &str) -> Result<Option<f64>, Error> {
        let name = self.name(key);
        match self.gguf.float(&name)? {
            None => Ok(None),
            Some(found) if (found as f32).is_normal() && found > 0.0 => Ok(Some(found)),
            Some(found) => Err(self.gguf.error(format!(
                "`{name}` must be positive and finite, found {found}"
            ))),
        }
    }

    /// A positive number that has to be there.
    pub(super) fn required_positive(self, key: &str) -> Result<f64, Error> {
        match self.positive(key)? {
            Some(found) => Ok(found),
            None => self.gguf.required_float(&self.name(key)),
        }
    }
}

pub(super) fn within(
    gguf: &Gguf,
    what: &str,
    found: u64,
    range: RangeInclusive<usize>,
) -> Result<usize, Error> {
    usize::try_from(found)
        .ok()
        .filter(|found| range.contains(found))
        .ok_or_else(|| {
            let (low, high) = (range.start(), range.end());
            gguf.error(format!(
                "`{what}` must be from {low} to {high}, found {found}"
            ))
        })
}
