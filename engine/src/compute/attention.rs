//! Grouped-query attention over the KV cache, cut into tasks for the pool.
//!
//! Query rows that share a KV head go up to 16 at a time, so that keys and values are widened once for them. The
//! positions are cut at multiples of [`SPAN`] whatever the batch or the chunk of the prefill, and the spans of a row
//! are merged in order: the same bits, whether one thread does all spans of a row or several share them.

mod exact;
mod plan;

use std::ops::Range;

pub(crate) use self::plan::SequenceRows;
use self::plan::{Group, Plan};
use crate::compute::kernel::Kernel;
pub(crate) use crate::compute::kv::KEY_BLOCK;
use crate::compute::kv::{HeadCache, KvBlock};
use crate::machine::threads::{Parts, Pool};

/// Positions after which a task may end.
const SPAN: usize = 256;
/// Query rows of a task.
pub(crate) const ROWS: usize = 16;

/// A query row and the positions that it may see: from `start` on, those before `end`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct QueryRow<'a> {
    pub(crate) query: &'a [f32],
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl QueryRow<'_> {
    /// Of a block of keys that starts at `first`, the positions that this row sees.
    #[inline(always)]
    pub(crate) fn visible(&self, first: usize) -> Range<usize> {
        let within = |position: usize| position.saturating_sub(first).min(KEY_BLOCK);
        within(self.start)..within(self.end)
    }
}

/// What a kernel computes at a time: a few query rows against one span of positions.
pub(crate) struct Span<'a> {
    /// 1 to [`ROWS`].
    pub(crate) rows: &'a [QueryRow<'a>],
    /// The first position.
    pub(crate) start: usize,
    /// Its blocks.
    pub(crate) blocks: &'a [KvBlock<'a>],
    /// The block that will be read after these, if it is known.
    #[cfg_attr(
        not(target_arch = "x86_64"),
        allow(dead_code, reason = "other kernels do not ask for it ahead")
    )]
    pub(crate) ahead: Option<KvBlock<'a>>,
    pub(crate) head_dim: usize,
    /// Factor of the scores, `1 / sqrt(head_dim)`.
    pub(crate) scale: f32,
}

impl Span<'_> {
    /// # Panics
    /// When a shape does not fit; kernels rely on them.
    pub(crate) fn check(&self, scratch: &[f32], out: &Partial<'_>) {
        let (rows, block) = (self.rows.len(), KEY_BLOCK * self.head_dim);
        assert!(
            (1..=ROWS).contains(&rows)
                && self.rows.iter().all(|row| row.query.len() == self.head_dim)
        );
        assert!(
            self.blocks
                .iter()
                .all(|(k, v)| k.len() == block && v.len() == block)
        );
        assert!(self.head_dim.is_multiple_of(8) && scratch.len() >= block);
        assert!(
            out.values.len() == rows * self.head_dim
                && out.highs.len() == rows
                && out.sums.len() == rows
        );
    }
}

/// Attention over a part of the positions: for each row the highest score, the sum of `exp(score - high)` and the
/// values weighted by these, `[rows, head_dim]`.
pub(crate) struct Partial<'a> {
    pub(crate) values: &'a mut [f32],
    pub(crate) highs: &'a mut [f32],
    pub(crate) sums: &'a mut [f32],
}

impl Partial<'_> {
    /// Merges the partial of a later span into this one.
    fn merge(&mut self, other: &Partial<'_>, head_dim: usize) {
        for r in 0..self.highs.len() {
            // A row that sees nothing of a span has the bits that it would have without it: other rows are why the
            // span was looked at, and these change with the chunk of the prefill.
            if other.sums[r] == 0.0 {
                continue;
            }
            let range = r * head_dim..(r + 1) * head_dim;
            let (values, others) = (&mut self.values[range.clone()], &other.values[range]);
            if self.sums[r] == 0.0 {
                values.copy_from_slice(others);
                (self.sums[r], self.highs[r]) = (other.sums[r], other.highs[r]);
                continue;
            }
            let high = self.highs[r].max(other.highs[r]);
            let (old, new) = ((self.highs[r] - high).exp(), (other.highs[r] - high).exp());
            for (value, other) in values.iter_mut().zip(others) {
                *value = *value * old + other * new;
            }
            self.sums[r] = self.sums[r] * old + other.sums[r] * new;
            self.highs[r] = high;
        }
    }
}

/// Floats of a partial of [`ROWS`] rows.
fn partial_len(head_dim: usize) -> usize {
    ROWS * (head_dim + 2)
}

fn partial(buffer: &mut [f32], rows: usize, head_dim: usize) -> Partial<'_> {
    let (values, rest) = buffer.split_at_mut(ROWS * head_dim);
    let (highs, sums) = rest.split_at_mut(ROWS);
    Partial {
        values: &mut values[..rows * head_dim],
        highs: &mut highs[..rows],
        sums: &mut sums[..rows],
    }
}

/// The shape of attention in one layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heads {
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head_dim: usize,
    /// Positions that a query sees, its own included; none where it sees all before it.
    pub(crate) window: Option<usize>,
}

impl Heads {
    /// Query heads that share a KV head.
    pub(crate) fn shared(self) -> usize {
        self.heads / self.kv_heads
    }

    /// The positions that a query at this one sees.
    fn seen(self, position: usize) -> Range<usize> {
        let end = position + 1;
        self.window.map_or(0, |window| end.saturating_sub(window))..end
    }
}

/// Buffers and the plan of attention for one step.
#[derive(Default)]
pub(crate) struct Attention {
    sequences: Vec<SequenceRows>,
    /// One for each window that a layer has.
    plans: Vec<Plan>,
    /// Per thread: a block of keys, then two partials.
    scratch: Vec<f32>,
    /// Per task, when groups are shared between threads.
    partials: Vec<f32>,
}

impl Attention {
    /// Cuts the work of a batch into tasks, for each shape that a layer has.
    pub(crate) fn plan(
        &mut self,
        sequences: impl Iterator<Item = SequenceRows>,
        shapes: impl Iterator<Item = Heads>,
        threads: usize,
    ) {
        self.sequences.clear();
        self.sequences.extend(sequences);
        for (index, shape) in shapes.enumerate() {
            if index == self.plans.len() {
                self.plans.push(Plan::default());
            }
            let plan = &mut self.plans[index];
            plan.window = shape.window;
            plan.fill(&self.sequences, shape, threads);
            let partials = if plan.shared { plan.tasks.len() } else { 0 };
            let (partials, scratch) = (
                partials * partial_len(shape.head_dim),
                threads * scratch_len(shape.head_dim),
            );
            self.partials.resize(self.partials.len().max(partials), 0.0);
            self.scratch.resize(self.scratch.len().max(scratch), 0.0);
        }
    }

    /// The new tokens of each sequence of the batch.
    pub(crate) fn sequences(&self) -> &[SequenceRows] {
        &self.sequences
    }

    /// Attention of every row of the batch in one layer; `caches` gives the layer's heads of a sequence, `queries` and
    /// `out` are `[rows, heads * head_dim]`.
    pub(crate) fn run<'c>(
        &mut self,
        pool: &mut Pool,
        kernel: &'static Kernel,
        shape: Heads,
        caches: impl Fn(usize) -> &'c [HeadCache] + Sync,
        queries: &[f32],
        out: &mut [f32],
    ) {
        if !self.sequences.is_empty() && caches(0).iter().any(HeadCache::is_exact) {
            let sequences = &self.sequences;
            let step = exact::Step {
                kernel,
                shape,
                sequences,
                queries,
            };
            return step.run(pool, caches, &mut self.scratch, out);
        }
        let head_dim = shape.head_dim;
        let (partial_len, scratch_len) = (partial_len(head_dim), scratch_len(head_dim));
        let plan = self.plans.iter().find(|plan| plan.window == shape.window);
        let plan = plan.expect("a plan for each window of the model");
        let Plan {
            groups,
            tasks,
            shared,
            ..
        } = plan;
        let scratch = Parts::new(&mut self.scratch);
        let partials = Parts::new(&mut self.partials);
        let out = Parts::new(out);
        let sequences = &self.sequences;
        pool.for_each(tasks.len(), 1, |range, thread| {
            // SAFETY: each thread has scratch of its own.
            let scratch = unsafe { scratch.part(thread * scratch_len..(thread + 1) * scratch_len) };
            for task in range {
                let (group, spans) = &tasks[task];
                let group = &groups[*group];
                let job = Job {
                    kernel,
                    shape,
                    group,
                    sequence: &sequences[group.sequence],
                    queries,
                };
                let cache = |group: &Group| &caches(group.sequence)[group.kv_head];
                let next = tasks.get(task + 1);
                let ahead = next
                    .and_then(|(group, spans)| first_block(cache(&groups[*group]), spans.start));
                let spans = Spans {
                    range: spans.clone(),
                    cache: cache(group),
                    ahead,
                };
                if *shared {
                    // SAFETY: each task has a partial of its own.
                    let buffer =
                        unsafe { partials.part(task * partial_len..(task + 1) * partial_len) };
                    job.spans(&spans, scratch, buffer);
                } else {
                    let (scratch, buffer) = scratch.split_at_mut(scratch_len - partial_len);
                    job.spans(&spans, scratch, buffer);
                    // SAFETY: this task alone computes these rows.
                    unsafe { job.finish(&partial(buffer, group.rows.len(), head_dim), &out) };
                }
            }
        });
        if *shared {
            let mut partials = self.partials.chunks_exact_mut(partial_len);
            for group in groups {
                let job = Job {
                    kernel,
                    shape,
                    group,
                    sequence: &sequences[group.sequence],
                    queries,
                };
                let mut parts = partials
                    .by_ref()
                    .take(group.spans.len())
                    .map(|p| partial(p, group.rows.len(), head_dim));
                if let Some(mut merged) = parts.next() {
                    parts.for_each(|later| merged.merge(&later, head_dim));
                    // SAFETY: no other thread runs now.
                    unsafe { job.finish(&merged, &out) };
                }
            }
        }
    }
}

/// Floats of a thread's scratch: a block of keys, the partial of a span and the merged one.
fn scratch_len(head_dim: usize) -> usize {
    KEY_BLOCK * head_dim + 2 * partial_len(head_dim)
}

/// The first block of a span.
fn first_block(cache: &HeadCache, span: usize) -> Option<KvBlock<'_>> {
    cache.blocks(span * SPAN, span * SPAN + 1).next()
}

/// Spans of one KV head that a task does.
struct Spans<'a> {
    range: Range<usize>,
    cache: &'a HeadCache,
    /// The first block of the next task, which the same thread may do.
    ahead: Option<KvBlock<'a>>,
}

/// One group at work.
struct Job<'a> {
    kernel: &'static Kernel,
    shape: Heads,
    group: &'a Group,
    sequence: &'a SequenceRows,
    queries: &'a [f32],
}

impl Job<'_> {
    /// Where a row of the group stands in `[rows, heads * head_dim]`.
    fn range(&self, row: usize) -> Range<usize> {
        let Heads {
            heads, head_dim, ..
        } = self.shape;
        let (token, head) = (row / self.shape.shared(), row % self.shape.shared());
        let head = self.group.kv_head * self.shape.shared() + head;
        let start = ((self.sequence.first_row + token) * heads + head) * head_dim;
        start..start + head_dim
    }

    /// Computes the spans one after the other and merges them into `merged`.
    fn spans(&self, spans: &Spans<'_>, scratch: &mut [f32], merged: &mut [f32]) {
        let (head_dim, rows) = (self.shape.head_dim, self.group.rows.len());
        let mut query_rows = [QueryRow::default(); ROWS];
        for (query_row, row) in query_rows.iter_mut().zip(self.group.rows.clone()) {
            let position = self.sequence.position + row / self.shape.shared();
            let Range { start, end } = self.shape.seen(position);
            *query_row = QueryRow {
                query: &self.queries[self.range(row)],
                start,
                end,
            };
        }
        let query_rows = &query_rows[..rows];
        let (first, last) = (query_rows[0].start, query_rows[rows - 1].end);
        let (wide, buffer) = scratch.split_at_mut(KEY_BLOCK * head_dim);
        let mut blocks = [(&[][..], &[][..]); SPAN / KEY_BLOCK];
        for span in spans.range.clone() {
            // Blocks that no row sees would change nothing.
            let start = (span * SPAN).max(first / KEY_BLOCK * KEY_BLOCK);
            let stored = spans.cache.blocks(start, last.min((span + 1) * SPAN));
            let count = stored.len();
            for (block, stored) in blocks.iter_mut().zip(stored) {
                *block = stored;
            }
            let ahead = match span + 1 < spans.range.end {
                true => first_block(spans.cache, span + 1),
                false => spans.ahead,
            };
            let work = Span {
                rows: query_rows,
                start,
                blocks: &blocks[..count],
                ahead,
                head_dim,
                scale: 1.0 / (head_dim as f32).sqrt(),
            };
            if span == spans.range.start {
                self.kernel
                    .attend(&work, wide, &mut partial(merged, rows, head_dim));
            } else {
                let mut later = partial(buffer, rows, head_dim);
                self.kernel.attend(&work, wide, &mut later);
                partial(merged, rows, head_dim).merge(&later, head_dim);
            }
        }
    }

    /// Divides by the sums and stores the rows.
    ///
    /// # Safety
    /// No other thread uses these rows of `out`.
    unsafe fn finish(&self, merged: &Partial<'_>, out: &Parts<'_, f32>) {
        let values = merged.values.chunks_exact(self.shape.head_dim);
        for ((row, values), sum) in self.group.rows.clone().zip(values).zip(&*merged.sums) {
            // SAFETY: handed on to the caller.
            let out = unsafe { out.part(self.range(row)) };
            for (out, value) in out.iter_mut().zip(values) {
                *out = value / sum;
            }
        }
    }
}
