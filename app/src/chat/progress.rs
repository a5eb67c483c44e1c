//! An answer in the making, as whoever follows it sees it.

use std::pin::Pin;
use std::time::Duration;

use futures::Stream;

use crate::figures::grouped;
use crate::language::Language;

/// What an answer in the making is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The answer before it in its conversation is written first.
    Behind,
    /// Others are served first.
    Queued {
        /// How many of those who wait come before.
        before: usize,
        /// How long it may take, where that can be said.
        seconds: Option<u32>,
    },
    /// The prompt is computed.
    Prefill {
        /// Tokens computed or found in the cache.
        done: usize,
        /// Tokens of the prompt.
        total: usize,
    },
    /// The model thinks before it answers.
    Thinking,
    /// Tokens come out.
    Decode,
}

impl Phase {
    /// Before anything is known of its place.
    pub const WAITING: Self = Self::Queued {
        before: 0,
        seconds: None,
    };

    /// The place of an answer that waits, in words; empty where there is nothing to say of it.
    #[must_use]
    pub fn place(self, t: Language) -> String {
        let Self::Queued { before, seconds } = self else {
            return String::new();
        };
        let behind = (before > 0).then(|| t.before_it(grouped(before)));
        let about = seconds.map(|seconds| t.about_seconds(seconds));
        let parts: Vec<_> = behind.into_iter().chain(about).collect();
        parts.join(t.comma())
    }
}

/// One step in following an answer.
#[derive(Clone, Debug)]
pub struct Progress {
    /// What it is at.
    pub phase: Phase,
    /// Since the question was taken.
    pub elapsed: Duration,
    /// What was thought since the step before; the first step has all of it so far.
    pub thought: String,
    /// Text since the step before; the first step has all text so far.
    pub text: String,
    /// Pieces of text so far, which are tokens but for those that only make a letter together.
    pub tokens: usize,
    /// From the question to the first of them.
    pub first_token: Option<Duration>,
}

/// The steps of an answer until it ends. Reading slowly holds nothing up, and dropping it stops nothing.
pub type ProgressStream = Pin<Box<dyn Stream<Item = Progress> + Send>>;

/// What whoever wants to follow an answer gets.
pub enum Following {
    /// Its steps.
    Running(ProgressStream),
    /// Nothing: so many follow it that there is no room for another.
    Full,
    /// Nothing: it has ended.
    Ended,
}
