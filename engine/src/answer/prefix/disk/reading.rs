//! What is read of one prompt, which waits for it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::compute::kernel::span::KEY_BLOCK;

/// An answer waits so long for the disk; then it computes what is not there.
const LONGEST: Duration = Duration::from_secs(2);

/// How far the reading of a prompt is.
#[derive(Debug)]
pub(crate) struct Reading {
    /// Tokens that were there before.
    pub(super) known: usize,
    /// Blocks taken into the tree.
    blocks: AtomicUsize,
    has_ended: AtomicBool,
    pub(super) until: Instant,
}

impl Reading {
    pub(super) fn new(known: usize, now: Instant) -> Self {
        Self {
            known,
            blocks: AtomicUsize::new(0),
            has_ended: AtomicBool::new(false),
            until: now + LONGEST,
        }
    }

    /// Whether there is nothing more to wait for.
    pub(crate) fn is_over(&self) -> bool {
        self.has_ended.load(Ordering::Relaxed) || Instant::now() >= self.until
    }

    /// Of the tokens that an answer found, those that it owes to the disk.
    pub(crate) fn share(&self, found: usize) -> usize {
        let read = self.blocks.load(Ordering::Relaxed) * KEY_BLOCK;
        found.saturating_sub(self.known).min(read)
    }

    pub(super) fn count_block(&self) {
        self.blocks.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.has_ended.store(true, Ordering::Relaxed);
    }
}
