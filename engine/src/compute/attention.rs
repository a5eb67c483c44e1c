//! Grouped-query attention over the KV cache, cut into tasks for the pool.
//!
//! Query rows that share a KV head go up to 16 at a time, so that keys and values are widened once for them. The
//! positions are cut at multiples of [`SPAN`] whatever the batch or the chunk of the prefill, and the spans of a row
//! are merged in order: the same bits, whether one thread does all spans of a row or several share them.

mod attended;
mod exact;
mod heads;
mod partial;
mod plan;

use std::ops::Range;

use self::attended::AttendedRows;
pub(crate) use self::heads::{Heads, SequenceRows};
use self::partial::{merge, partial, partial_len};
use self::plan::{AttentionPlan, HeadGroup, SPAN};
use crate::compute::kernel::Kernel;
use crate::compute::kernel::span::{KEY_BLOCK, KvBlock, QUERY_ROWS, QueryRow, Span};
use crate::compute::kv::{HeadCache, LayerCache};
use crate::compute::room::Room;
use crate::machine::threads::{DisjointItems, PerThread, Pool, SliceRows};

/// Buffers and the plan of attention for one step.
#[derive(Default)]
pub(crate) struct Attention {
    sequences: Vec<SequenceRows>,
    /// One for each shape that a layer has.
    plans: Vec<AttentionPlan>,
    /// Per thread: a block of keys, then two partials.
    scratch: PerThread<Room>,
    /// Per task, when some groups are shared between threads.
    partials: Room,
}

impl Attention {
    /// Cuts the work of a batch into tasks, for each shape that a layer has.
    ///
    /// # Panics
    /// When the rows of the sequences do not follow each other.
    pub(crate) fn plan(
        &mut self,
        sequences: impl Iterator<Item = SequenceRows>,
        shapes: impl Iterator<Item = Heads>,
        threads: usize,
    ) {
        self.sequences.clear();
        self.sequences.extend(sequences);
        self.sequences.iter().fold(0, |row, sequence| {
            assert_eq!(sequence.first_row, row, "rows of sequences");
            row + sequence.rows
        });
        let mut count = 0;
        for shape in shapes {
            if count == self.plans.len() {
                self.plans.push(AttentionPlan::default());
            }
            self.plans[count].fill(&self.sequences, shape, threads);
            count += 1;
        }
        self.plans.truncate(count);
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
        caches: impl Fn(usize) -> LayerCache<'c> + Sync,
        queries: &[f32],
        out: &mut [f32],
    ) {
        let sequences = &self.sequences;
        if !sequences.is_empty() && caches(0).is_exact() {
            let step = exact::Step {
                kernel,
                shape,
                sequences,
                queries,
            };
            return step.run(pool, caches, &mut self.scratch, out);
        }
        let plan = self.plans.iter().find(|plan| plan.shape == Some(shape));
        let plan = plan.expect("a plan for each shape of the model");
        let step = Step {
            kernel,
            shape,
            sequences,
            queries,
            plan,
            caches: &caches,
        };
        let attended = AttendedRows::new(out, shape, sequences, plan);
        if plan.shared {
            step.run_shared(pool, &mut self.scratch, &mut self.partials, attended);
        } else {
            step.run(pool, &mut self.scratch, attended);
        }
    }
}

/// Attention of a step in one layer.
struct Step<'a, C> {
    kernel: &'static Kernel,
    shape: Heads,
    sequences: &'a [SequenceRows],
    queries: &'a [f32],
    plan: &'a AttentionPlan,
    /// Gives the layer's heads of a sequence.
    caches: &'a C,
}

impl<'a, 'c: 'a, C: Fn(usize) -> LayerCache<'c> + Sync> Step<'a, C> {
    /// Groups that a thread each does alone.
    fn run(&self, pool: &mut Pool, scratch: &mut PerThread<Room>, out: AttendedRows<'_>) {
        let head_dim = self.shape.head_dim;
        pool.share(
            out,
            1..=1,
            scratch,
            |_| (),
            |scratch, range, mut out| {
                let (task, spans) = self.task(range.start);
                let scratch = scratch.of(scratch_len(head_dim));
                let (scratch, merged) = scratch.split_at_mut(scratch.len() - partial_len(head_dim));
                task.spans(&spans, scratch, merged);
                out.finish(&partial(merged, task.group.rows.len(), head_dim));
            },
        );
    }

    /// Groups of which several threads do the spans, among others perhaps.
    fn run_shared(
        &self,
        pool: &mut Pool,
        scratch: &mut PerThread<Room>,
        partials: &mut Room,
        out: AttendedRows<'_>,
    ) {
        let head_dim = self.shape.head_dim;
        let partial_len = partial_len(head_dim);
        let partials = partials.of(self.plan.tasks.len() * partial_len);
        pool.share(
            SliceRows::new(partials, partial_len),
            1..=1,
            scratch,
            |_| (),
            |scratch, range, partial| {
                let (task, spans) = self.task(range.start);
                task.spans(&spans, scratch.of(scratch_len(head_dim)), partial);
            },
        );
        let mut partials = partials.chunks_exact_mut(partial_len);
        let of_groups = self.plan.tasks.chunk_by(|(a, _), (b, _)| a == b);
        let groups = self.plan.groups.iter().zip(of_groups);
        for ((group, tasks), mut out) in groups.zip(out.one_by_one()) {
            let mut parts = partials
                .by_ref()
                .take(tasks.len())
                .map(|buffer| partial(buffer, group.rows.len(), head_dim));
            if let Some(mut merged) = parts.next() {
                parts.for_each(|later| merge(&mut merged, &later, head_dim));
                out.finish(&merged);
            }
        }
    }

    /// A task of the plan, and the spans that it does.
    fn task(&self, index: usize) -> (AttentionTask<'a>, Spans<'a>) {
        let tasks = &self.plan.tasks;
        let (group, spans) = &tasks[index];
        let group = &self.plan.groups[*group];
        let cache = |group: &HeadGroup| (self.caches)(group.sequence).head(group.kv_head);
        let next = tasks.get(index + 1);
        let ahead = next
            .and_then(|(group, spans)| first_block(cache(&self.plan.groups[*group]), spans.start));
        let spans = Spans {
            range: spans.clone(),
            cache: cache(group),
            ahead,
        };
        let task = AttentionTask {
            kernel: self.kernel,
            shape: self.shape,
            group,
            sequence: &self.sequences[group.sequence],
            queries: self.queries,
        };
        (task, spans)
    }
}

/// Floats of a thread's scratch: a block of keys, the partial of a span and the merged one.
fn scratch_len(head_dim: usize) -> usize {
    KEY_BLOCK * head_dim + 2 * partial_len(head_dim)
}

/// The first block of a span.
fn first_block(cache: HeadCache<'_>, span: usize) -> Option<KvBlock<'_>> {
    cache.block(span * SPAN / KEY_BLOCK)
}

/// Spans of one KV head that a task does.
struct Spans<'a> {
    range: Range<usize>,
    cache: HeadCache<'a>,
    /// The first block of the next task, which the same thread may do.
    ahead: Option<KvBlock<'a>>,
}

/// One group at work.
struct AttentionTask<'a> {
    kernel: &'static Kernel,
    shape: Heads,
    group: &'a HeadGroup,
    sequence: &'a SequenceRows,
    queries: &'a [f32],
}

impl AttentionTask<'_> {
    /// Computes the spans one after the other and merges them into `merged`.
    fn spans(&self, spans: &Spans<'_>, scratch: &mut [f32], merged: &mut [f32]) {
        let (head_dim, rows) = (self.shape.head_dim, self.group.rows.len());
        let mut query_rows = [QueryRow::default(); QUERY_ROWS];
        for (query_row, row) in query_rows.iter_mut().zip(self.group.rows.clone()) {
            let position = self.sequence.position + row / self.shape.shared();
            let Range { start, end } = self.shape.seen(position);
            *query_row = QueryRow {
                query: &self.queries[self.group.head(row, self.shape, self.sequence)],
                start,
                end,
            };
        }
        let query_rows = &query_rows[..rows];
        let (first, last) = (query_rows[0].start, query_rows[rows - 1].end);
        let (wide, buffer) = scratch.split_at_mut(KEY_BLOCK * head_dim);
        let mut blocks = [KvBlock::F16(&[], &[]); SPAN / KEY_BLOCK];
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
                scale: self.shape.scale(),
            };
            if span == spans.range.start {
                self.kernel
                    .attend(&work, wide, &mut partial(merged, rows, head_dim));
            } else {
                let mut later = partial(buffer, rows, head_dim);
                self.kernel.attend(&work, wide, &mut later);
                merge(&mut partial(merged, rows, head_dim), &later, head_dim);
            }
        }
    }
}
