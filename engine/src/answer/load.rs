//! What the engine is doing now, counted by the thread that owns the model and read by whoever watches, without a lock.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// What the engine is doing, and has done since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Requests that wait for their first step.
    pub waiting: usize,
    /// Answers that are computed.
    pub running: usize,
    /// Answers that wait for memory to go on with.
    pub paused: usize,
    /// Blocks of keys and values, each of [`KV_BLOCK`] tokens, that the memory is for.
    pub kv_blocks: usize,
    /// Blocks that hold something.
    pub kv_blocks_used: usize,
    /// Those of them that no answer has: they are kept for prompts to come, and make room when they have to.
    pub kv_blocks_cached: usize,
    /// Tokens of prompts that were looked for among what is kept.
    pub prefix_queries: u64,
    /// Those that were found.
    pub prefix_hits: u64,
    /// Those of them that were read from the disk.
    pub prefix_disk_hits: u64,
    /// Bytes of keys and values of this model that are kept on the disk.
    pub prefix_disk_bytes: u64,
    /// Tokens of all prompts that were read to their end, also of those that no answer is for.
    pub prompt_tokens: u64,
    /// Tokens put out, also by answers that run still.
    pub output_tokens: u64,
    /// Tokens that were guessed ahead and computed.
    pub drafted_tokens: u64,
    /// Those of them that were right and put out.
    pub accepted_tokens: u64,
    /// Guesses that a draft model made; the others are from texts.
    pub drafted_by_model: u64,
    /// Those of them that were right.
    pub accepted_by_model: u64,
    /// How often an answer was paused.
    pub preemptions: u64,
    /// Steps that failed.
    pub panics: u64,
    /// Time that steps took, one after the other; what answers have had of the machine adds up to it.
    pub busy: Duration,
}

impl Load {
    /// What it has done, and nothing of what it is doing: what is left of an engine that was dropped.
    #[must_use]
    pub fn past(self) -> Self {
        Self {
            waiting: 0,
            running: 0,
            paused: 0,
            kv_blocks: 0,
            kv_blocks_used: 0,
            kv_blocks_cached: 0,
            prefix_disk_bytes: 0,
            ..self
        }
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            waiting: self.waiting + other.waiting,
            running: self.running + other.running,
            paused: self.paused + other.paused,
            kv_blocks: self.kv_blocks + other.kv_blocks,
            kv_blocks_used: self.kv_blocks_used + other.kv_blocks_used,
            kv_blocks_cached: self.kv_blocks_cached + other.kv_blocks_cached,
            prefix_queries: self.prefix_queries + other.prefix_queries,
            prefix_hits: self.prefix_hits + other.prefix_hits,
            prefix_disk_hits: self.prefix_disk_hits + other.prefix_disk_hits,
            prefix_disk_bytes: self.prefix_disk_bytes + other.prefix_disk_bytes,
            prompt_tokens: self.prompt_tokens + other.prompt_tokens,
            output_tokens: self.output_tokens + other.output_tokens,
            drafted_tokens: self.drafted_tokens + other.drafted_tokens,
            accepted_tokens: self.accepted_tokens + other.accepted_tokens,
            drafted_by_model: self.drafted_by_model + other.drafted_by_model,
            accepted_by_model: self.accepted_by_model + other.accepted_by_model,
            preemptions: self.preemptions + other.preemptions,
            panics: self.panics + other.panics,
            busy: self.busy + other.busy,
        }
    }
}

/// Tokens of a block of keys and values.
pub const KV_BLOCK: usize = crate::compute::kernel::span::KEY_BLOCK;

/// The counters behind [`Load`].
#[derive(Debug, Default)]
pub(crate) struct LoadCounters {
    pub(crate) running: AtomicUsize,
    pub(crate) paused: AtomicUsize,
    pub(crate) kv_blocks: AtomicUsize,
    pub(crate) kv_blocks_used: AtomicUsize,
    pub(crate) kv_blocks_cached: AtomicUsize,
    pub(crate) prefix_queries: AtomicU64,
    pub(crate) prefix_hits: AtomicU64,
    pub(crate) prefix_disk_hits: AtomicU64,
    pub(crate) prefix_disk_bytes: AtomicU64,
    pub(crate) prompt_tokens: AtomicU64,
    pub(crate) output_tokens: AtomicU64,
    pub(crate) drafted_tokens: AtomicU64,
    pub(crate) accepted_tokens: AtomicU64,
    pub(crate) drafted_by_model: AtomicU64,
    pub(crate) accepted_by_model: AtomicU64,
    pub(crate) preemptions: AtomicU64,
    pub(crate) panics: AtomicU64,
    pub(crate) busy_ns: AtomicU64,
}

impl LoadCounters {
    /// Counts what an answer with so many tokens in its prompt has put out, of which `before` are counted already.
    pub(crate) fn tokens(&self, [prompt, put_out]: [usize; 2], before: usize) {
        if before == 0 {
            self.prompt_tokens
                .fetch_add(prompt as u64, Ordering::Relaxed);
        }
        self.output_tokens
            .fetch_add((put_out - before) as u64, Ordering::Relaxed);
    }

    /// Counts guesses of a step, and those of them that were right; by a draft model or from texts.
    pub(crate) fn guesses(&self, drafted: usize, accepted: usize, by_model: bool) {
        let all = [&self.drafted_tokens, &self.accepted_tokens];
        let of_model = [&self.drafted_by_model, &self.accepted_by_model];
        for counters in [Some(all), by_model.then_some(of_model)] {
            let counters = counters.into_iter().flatten();
            for (counter, count) in counters.zip([drafted, accepted]) {
                counter.fetch_add(count as u64, Ordering::Relaxed);
            }
        }
    }

    /// Counts a step that took so long.
    pub(crate) fn step(&self, took: Duration) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.busy_ns.fetch_add(took, Ordering::Relaxed);
    }

    /// All of them, and who waits, which is counted elsewhere.
    pub(crate) fn read(&self, waiting: usize) -> Load {
        let size = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Load {
            waiting,
            running: size(&self.running),
            paused: size(&self.paused),
            kv_blocks: size(&self.kv_blocks),
            kv_blocks_used: size(&self.kv_blocks_used),
            kv_blocks_cached: size(&self.kv_blocks_cached),
            prefix_queries: count(&self.prefix_queries),
            prefix_hits: count(&self.prefix_hits),
            prefix_disk_hits: count(&self.prefix_disk_hits),
            prefix_disk_bytes: count(&self.prefix_disk_bytes),
            prompt_tokens: count(&self.prompt_tokens),
            output_tokens: count(&self.output_tokens),
            drafted_tokens: count(&self.drafted_tokens),
            accepted_tokens: count(&self.accepted_tokens),
            drafted_by_model: count(&self.drafted_by_model),
            accepted_by_model: count(&self.accepted_by_model),
            preemptions: count(&self.preemptions),
            panics: count(&self.panics),
            busy: Duration::from_nanos(count(&self.busy_ns)),
        }
    }
}
