//! Ends a fetch from elsewhere. What has arrived stays, and the next fetch goes on from there.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Why a fetch ended that was cancelled.
pub(super) const CANCELLED: &str = "it was cancelled";

/// How often whoever waits looks whether it is to go on waiting.
const LOOK: Duration = Duration::from_millis(50);

/// Cheap to clone; all clones are cancelled together.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Ends the fetch at its next bytes, or when its hub is silent for too long.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked to end.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Waits for so long, or until it is cancelled.
    pub(super) fn sleep(&self, time: Duration) {
        let ends = Instant::now() + time;
        while !self.is_cancelled() {
            match ends.saturating_duration_since(Instant::now()) {
                Duration::ZERO => return,
                left => thread::sleep(left.min(LOOK)),
            }
        }
    }

    /// What is read from there until it is cancelled.
    pub(super) fn until_then<R: Read>(&self, from: R) -> impl Read + use<'_, R> {
        Cancelled { from, cancel: self }
    }
}

struct Cancelled<'a, R> {
    from: R,
    cancel: &'a Cancel,
}

impl<R: Read> Read for Cancelled<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.cancel.is_cancelled() {
            true => Err(io::Error::other(CANCELLED)),
            false => self.from.read(buffer),
        }
    }
}
