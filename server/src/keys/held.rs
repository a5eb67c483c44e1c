//! Tokens of a key's limit that are kept for what is being answered, so that answers side by side do not take the same ones.

use std::sync::Arc;
use std::time::Instant;

use super::Key;
use crate::error::ApiError;

/// Tokens that an answer, or several, may still take. Those that it does not are given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    key: Arc<Key>,
    /// Kept, and not taken.
    kept: u64,
    /// Taken of the limit.
    taken: u64,
}

impl Key {
    /// Keeps what a request may take at the most: as much as it likes where one token is left.
    ///
    /// # Errors
    /// Status 429 where none is left, and then the request has cost nothing.
    pub(crate) fn hold(self: &Arc<Self>, tokens: u64) -> Result<Held, ApiError> {
        let held = self.spent.hold(tokens, self.limits, Instant::now());
        held.map_err(|exhausted| {
            self.was_refused();
            self.refusal(exhausted)
        })?;
        Ok(Held {
            key: Arc::clone(self),
            kept: tokens,
            taken: 0,
        })
    }
}

impl Held {
    /// So many of them, or all where there are fewer, for a part of what is being answered.
    pub(crate) fn part(&mut self, tokens: u64) -> Self {
        let kept = self.kept.min(tokens);
        self.kept -= kept;
        Self {
            key: Arc::clone(&self.key),
            kept,
            taken: 0,
        }
    }

    /// How many there are to take.
    pub(crate) fn kept(&self) -> u64 {
        self.kept
    }

    /// It is known better how many may be taken in all.
    pub(crate) fn foresee(&mut self, tokens: u64) {
        let kept = tokens.saturating_sub(self.taken);
        self.key.spent.keep(kept, self.kept, self.key.limits);
        self.kept = kept;
    }

    /// So many were taken so far.
    pub(crate) fn has_taken(&mut self, tokens: u64) {
        let (spent, limits, now) = (&self.key.spent, self.key.limits, Instant::now());
        if tokens < self.taken {
            spent.give_back(self.taken - tokens, limits, now);
        } else if tokens > self.taken {
            let more = tokens - self.taken;
            let kept = self.kept.saturating_sub(more);
            spent.charge(more, limits, now);
            spent.keep(kept, self.kept, limits);
            self.kept = kept;
        }
        self.taken = tokens;
    }

    /// Takes all that were taken in the end, and counts them for the key.
    pub(crate) fn settle(mut self, prompt_tokens: u64, output_tokens: u64) {
        self.has_taken(prompt_tokens.saturating_add(output_tokens));
        self.key.used(prompt_tokens, output_tokens);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.key.spent.keep(0, self.kept, self.key.limits);
    }
}
