//! What those who wait, and those who watch, are told between two steps.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Owner;
use crate::answer::schedule::locked;
use crate::answer::schedule::step_model::StepModel;

/// What is going on is counted so often at the most while answers are computed.
const COUNT_EVERY: Duration = Duration::from_millis(100);
/// Those who wait are told of their place so often at the most.
pub(super) const TELL_EVERY: Duration = Duration::from_secs(1);

impl<M: StepModel> Owner<M> {
    /// Tells those who wait how long they will, now and then.
    pub(super) fn tell_waiting(&mut self) {
        let (now, told) = (self.model.now(), self.last_told);
        if self.waiting.waiting() == 0 || told.is_some_and(|told| now - told < TELL_EVERY) {
            return;
        }
        self.last_told = Some(now);
        let seconds = self.lengths.seconds(&self.rates);
        let each = seconds.map(|seconds| seconds / self.answers.len().max(1) as f64);
        self.waiting.tell(&self.served, each);
    }

    /// Says what is going on.
    pub(super) fn count(&mut self) {
        let (now, counted) = (self.model.now(), self.last_counted);
        if !self.answers.is_empty() && counted.is_some_and(|counted| now - counted < COUNT_EVERY) {
            return;
        }
        self.last_counted = Some(now);
        let paused = self
            .answers
            .iter()
            .filter(|answer| answer.is_paused())
            .count();
        let used = self.memory.usage().used;
        let cached = locked(&self.prefixes).unused() / self.memory.slabs();
        if let Some(disk) = &self.disk {
            let bytes = &self.load.prefix_disk_bytes;
            bytes.store(disk.bytes(), Ordering::Relaxed);
        }
        for (counter, value) in [
            (&self.load.running, self.answers.len() - paused),
            (&self.load.paused, paused),
            (&self.load.kv_blocks_used, used),
            (&self.load.kv_blocks_cached, cached),
        ] {
            counter.store(value, Ordering::Relaxed);
        }
    }
}
