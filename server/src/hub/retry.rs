//! What is tried again, after how long, and how often.

use std::time::Duration;

use super::cancel::{CANCELLED, Cancel};

/// After so much has arrived, a connection that breaks off counts as the first one that does.
const PROGRESS: u64 = 1 << 20;

/// How long a fetch goes on with a hub that is not well.
#[derive(Clone, Debug)]
pub(super) struct RetryPolicy {
    /// Attempts without progress.
    pub(super) attempts: u32,
    /// Before the second attempt; twice as long before each later one.
    pub(super) first_wait: Duration,
    /// A hub that asks for a longer one is not waited for.
    pub(super) longest_wait: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 6,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(120),
        }
    }
}

/// Why one attempt did not work.
#[derive(Debug)]
pub(super) enum AttemptError {
    /// It may be over soon.
    Transient {
        reason: String,
        /// As long as the hub asks to be left alone.
        retry_after: Option<Duration>,
        /// Bytes that arrived before it.
        progress: u64,
    },
    Permanent(String),
}

impl AttemptError {
    pub(super) fn transient(reason: String) -> Self {
        Self::Transient {
            reason,
            retry_after: None,
            progress: 0,
        }
    }

    pub(super) fn retry_after(mut self, asked: Option<Duration>) -> Self {
        if let Self::Transient { retry_after, .. } = &mut self {
            *retry_after = asked;
        }
        self
    }

    pub(super) fn after(mut self, bytes: u64) -> Self {
        if let Self::Transient { progress, .. } = &mut self {
            *progress = bytes;
        }
        self
    }

    pub(super) fn into_reason(self) -> String {
        match self {
            Self::Transient { reason, .. } | Self::Permanent(reason) => reason,
        }
    }
}

impl RetryPolicy {
    /// Tries until it works, there is no hope, or it is cancelled.
    pub(super) fn run<T>(
        &self,
        cancel: &Cancel,
        mut attempt: impl FnMut() -> Result<T, AttemptError>,
    ) -> Result<T, String> {
        let mut attempts = 0;
        loop {
            if cancel.is_cancelled() {
                return Err(CANCELLED.to_owned());
            }
            let (reason, asked, progress) = match attempt() {
                Ok(done) => return Ok(done),
                Err(AttemptError::Permanent(reason)) => return Err(reason),
                Err(AttemptError::Transient {
                    reason,
                    retry_after,
                    progress,
                }) => (reason, retry_after, progress),
            };
            if cancel.is_cancelled() {
                continue;
            }
            attempts = if progress >= PROGRESS {
                1
            } else {
                attempts + 1
            };
            if attempts >= self.attempts {
                return Err(format!(
                    "{reason}; given up after {attempts} tries, a later one goes on from here"
                ));
            }
            let wait = match asked {
                Some(asked) if asked > self.longest_wait => {
                    let seconds = asked.as_secs();
                    return Err(format!("{reason}; it asks to come back in {seconds} s"));
                }
                Some(asked) => asked.max(self.first_wait),
                None => self.first_wait * (1 << (attempts - 1)),
            };
            tracing::warn!("{reason}; tried again in {} s", wait.as_secs_f64());
            cancel.sleep(wait);
        }
    }
}
