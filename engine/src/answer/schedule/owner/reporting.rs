//! What those who wait, and those who watch, are told between two steps.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Owner;
use crate::answer::generation::Generation;
use crate::answer::schedule::locked;
use crate::answer::schedule::step_model::StepModel;
use crate::answer::waiting::Estimate;

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
        self.waiting.tell(self.estimate());
    }

    /// How long those who wait will: until the first of those that run ends, and then as long as answers are that run side by side.
    fn estimate(&self) -> Option<Estimate> {
        let answer_s = self.lengths.seconds(&self.rates)?;
        let running = self.answers.iter().filter(|answer| !answer.is_paused());
        let left_s = running.filter_map(|answer| self.seconds_left(answer));
        let left_s: Vec<f64> = left_s.collect();
        Some(Estimate {
            first_s: left_s.iter().copied().min_by(f64::total_cmp).unwrap_or(0.0),
            each_s: answer_s / left_s.len().max(1) as f64,
        })
    }

    /// How long an answer that runs still takes.
    fn seconds_left(&self, answer: &Generation) -> Option<f64> {
        let [_, put_out] = answer.lengths();
        let unread = answer.pending().len() - usize::from(put_out > 0);
        let output = self.lengths.output_left(put_out).min(answer.room());
        self.rates.seconds(unread, output)
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
        let usage = self.memory.usage();
        let cached = locked(&self.prefixes).unused() / self.memory.slabs();
        if let Some(disk) = &self.disk {
            let bytes = &self.load.prefix_disk_bytes;
            bytes.store(disk.bytes(), Ordering::Relaxed);
        }
        for (counter, value) in [
            (&self.load.running, self.answers.len() - paused),
            (&self.load.paused, paused),
            // Fewer than at first where the system gave less.
            (&self.load.kv_blocks, usage.blocks),
            (&self.load.kv_blocks_used, usage.used),
            (&self.load.kv_blocks_cached, cached),
        ] {
            counter.store(value, Ordering::Relaxed);
        }
    }
}
