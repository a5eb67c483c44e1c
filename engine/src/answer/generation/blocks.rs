//! The blocks of an answer's keys and values: what it still needs, gives back, finds again and leaves to others.

use std::time::Instant;

use super::Generation;
use crate::answer::pending::restorable;
use crate::answer::prefix::PrefixCache;
use crate::compute::kernel::span::KEY_BLOCK;
use crate::compute::kv::KvMemory;
use crate::model::rope::Rope;

impl Generation {
    /// Memory that the next so many tokens take.
    pub(crate) fn missing(&self, tokens: usize) -> usize {
        self.cache.missing(self.cache.len() + tokens)
    }

    /// Memory that its pause leaves to others: its own, and that of the tokens that it has to compute.
    pub(crate) fn lends(&self) -> usize {
        self.cache.own() + self.missing(self.pending().len())
    }

    /// Whether it gave its blocks back.
    pub(crate) fn is_paused(&self) -> bool {
        self.paused
    }

    /// Whether it never paused, or has got somewhere since.
    pub(super) fn got_on(&self) -> bool {
        self.cache.len() >= self.gets_on_at
    }

    /// Gives the blocks back. What was computed is computed again, unless it is still kept by then.
    pub(crate) fn pause(&mut self, memory: &KvMemory, now: Instant) {
        self.clock.pause(now);
        self.reached = self.reached.max(self.cache.len());
        self.cache = memory.new_cache();
        if let Some(drafter) = &mut self.drafter {
            drafter.state_mut().pause();
        }
        self.paused = true;
    }

    /// Gives back the last block, if it is not full; what it held is computed again. False where it is full.
    pub(crate) fn drop_partial_block(&mut self) -> bool {
        let whole = self.cache.len() / KEY_BLOCK * KEY_BLOCK;
        if whole == self.cache.len() {
            return false;
        }
        self.cache.truncate(whole);
        self.kept = whole;
        true
    }

    /// Goes on with what is kept of it.
    pub(crate) fn resume(&mut self, memory: &KvMemory, prefixes: &mut PrefixCache, rope: &Rope) {
        self.cache = memory.new_cache();
        self.cache.begin(self.prompt);
        let was_paused = std::mem::take(&mut self.paused);
        let prompt = self.prompt;
        let rotation = |position| rope.length(prompt, position);
        let known = restorable(&self.tokens, self.rows.as_ref(), self.fresh);
        prefixes.restore(known, rotation, &mut self.cache);
        self.kept = self.cache.len();
        if was_paused {
            // As many again as are computed once more, so that pauses never cost more than answers do.
            let lost = self.reached.saturating_sub(self.kept).max(KEY_BLOCK);
            self.gets_on_at = self.kept + 2 * lost;
        }
    }

    pub(super) fn keep(&mut self, prefixes: &mut PrefixCache, rope: &Rope, whole: bool) {
        let rotation = |position| rope.length(self.prompt, position);
        prefixes.keep(&self.tokens, rotation, &mut self.cache, whole);
    }
}
