//! What becomes of answers when something panics.
//!
//! A step that panics ends its answers and no others. What panics between two steps may have been at any of them, so it ends all
//! that run; who waits goes on waiting. A second panic within a minute ends the thread, and then nobody waits for ever: the list is
//! closed, and those on it are told.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Owner;
use crate::answer::prefix::PrefixCache;
use crate::answer::schedule::locked;
use crate::answer::schedule::step_model::StepModel;
use crate::{Error, Event};

/// A second panic within this time ends the thread.
const PANICS_APART: Duration = Duration::from_mins(1);

impl<M: StepModel> Owner<M> {
    /// What `work` says; false where it panics and had better not be tried again.
    pub(super) fn guarded(&mut self, work: impl FnOnce(&mut Self) -> bool) -> bool {
        catch_unwind(AssertUnwindSafe(|| work(self))).unwrap_or_else(|_| self.recover_all())
    }

    /// Ends the answers of a step that panicked; false when that happens too often.
    pub(super) fn recover(&mut self, tokens: &[usize]) -> bool {
        let answers = std::mem::take(&mut self.answers);
        for (generation, tokens) in answers.into_iter().zip(tokens) {
            if *tokens > 0 {
                generation.fail(Error::Broken);
            } else {
                self.answers.push(generation);
            }
        }
        self.may_go_on()
    }

    /// Ends all answers that run; false when that happens too often.
    fn recover_all(&mut self) -> bool {
        tracing::error!("what is done between two steps failed: all answers that run end");
        if let Some(reader) = self.in_hand.take() {
            reader.send(Event::Failed(Error::Broken));
        }
        for generation in std::mem::take(&mut self.answers) {
            generation.fail(Error::Broken);
        }
        // Nothing goes on from what may be half written.
        *locked(&self.prefixes) = PrefixCache::default();
        self.last_step = None;
        self.may_go_on()
    }

    /// Counts a panic; false when it comes too soon after another.
    fn may_go_on(&mut self) -> bool {
        self.load.panics.fetch_add(1, Ordering::Relaxed);
        let now = self.model.now();
        let before = self.last_panic.replace(now);
        before.is_none_or(|before| now - before > PANICS_APART)
    }
}
