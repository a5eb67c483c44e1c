//! What is tried again, after how long, and how often.

use std::thread;
use std::time::Duration;

use ureq::Body;
use ureq::http::Response;

use super::client::header;

/// After so much has arrived, a connection that breaks off counts as the first one that does.
const PROGRESS: u64 = 1 << 20;

/// How long a fetch goes on with a hub in trouble.
#[derive(Clone, Debug)]
pub(super) struct Patience {
    /// Tries without progress.
    pub(super) tries: u32,
    /// Before the second try; twice as long before each later one.
    pub(super) first_wait: Duration,
    /// A hub that asks for a longer one is not waited for.
    pub(super) longest_wait: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            tries: 6,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(120),
        }
    }
}

/// Why one try did not work.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It may be over soon.
    Passing {
        why: String,
        /// As long as the hub asks to be left alone.
        wait: Option<Duration>,
        /// Bytes that arrived before it.
        progress: u64,
    },
    Final(String),
}

impl Trouble {
    pub(super) fn passing(why: String) -> Self {
        Self::Passing {
            why,
            wait: None,
            progress: 0,
        }
    }

    pub(super) fn wait_for(mut self, asked: Option<Duration>) -> Self {
        if let Self::Passing { wait, .. } = &mut self {
            *wait = asked;
        }
        self
    }

    pub(super) fn after(mut self, bytes: u64) -> Self {
        if let Self::Passing { progress, .. } = &mut self {
            *progress = bytes;
        }
        self
    }

    pub(super) fn into_message(self) -> String {
        match self {
            Self::Passing { why, .. } | Self::Final(why) => why,
        }
    }
}

impl Patience {
    /// Tries until it works, or there is no hope.
    pub(super) fn run<T>(
        &self,
        mut attempt: impl FnMut() -> Result<T, Trouble>,
    ) -> Result<T, String> {
        let mut tries = 0;
        loop {
            let (why, asked, progress) = match attempt() {
                Ok(done) => return Ok(done),
                Err(Trouble::Final(why)) => return Err(why),
                Err(Trouble::Passing {
                    why,
                    wait,
                    progress,
                }) => (why, wait, progress),
            };
            tries = if progress >= PROGRESS { 1 } else { tries + 1 };
            if tries >= self.tries {
                return Err(format!(
                    "{why}; given up after {tries} tries, a later one goes on from here"
                ));
            }
            let wait = match asked {
                Some(asked) if asked > self.longest_wait => {
                    let seconds = asked.as_secs();
                    return Err(format!("{why}; it asks to come back in {seconds} s"));
                }
                Some(asked) => asked.max(self.first_wait),
                None => self.first_wait * (1 << (tries - 1)),
            };
            tracing::warn!("{why}; tried again in {} s", wait.as_secs_f64());
            thread::sleep(wait);
        }
    }
}

/// How long the hub asks to be left alone: in seconds by `Retry-After`, or by `RateLimit` as `...;t=30`.
pub(super) fn wait(response: &Response<Body>) -> Option<Duration> {
    let seconds = header(response, "retry-after").and_then(|text| text.trim().parse().ok());
    let limit = || {
        let mut parts = header(response, "ratelimit")?.split(';').map(str::trim);
        parts.find_map(|part| part.strip_prefix("t="))?.parse().ok()
    };
    seconds.or_else(limit).map(Duration::from_secs)
}
