//! How the attention of a step is cut into tasks.

use std::ops::Range;

use super::heads::{Heads, SequenceRows};
use crate::compute::kernel::span::QUERY_ROWS;

/// Positions after which a task may end.
pub(super) const SPAN: usize = 256;

/// Rows of one KV head of one sequence of the batch that are computed together.
#[derive(Clone, Debug)]
pub(super) struct HeadGroup {
    /// Index in the batch.
    pub(super) sequence: usize,
    pub(super) kv_head: usize,
    /// Of the sequence's (token, query head of the KV head), counted through.
    pub(super) rows: Range<usize>,
    /// Spans that these rows see, from the first one's first to the last one's last.
    pub(super) spans: Range<usize>,
}

impl HeadGroup {
    /// Where the head of one of the rows stands in `[rows, heads * head_dim]`.
    pub(super) fn head(&self, row: usize, shape: Heads, sequence: &SequenceRows) -> Range<usize> {
        let (token, head) = (row / shape.shared(), row % shape.shared());
        let head = self.kv_head * shape.shared() + head;
        let start = ((sequence.first_row + token) * shape.heads + head) * shape.head_dim;
        start..start + shape.head_dim
    }
}

/// The tasks of all layers that have the same shape.
#[derive(Debug, Default)]
pub(super) struct AttentionPlan {
    /// None before it is filled.
    pub(super) shape: Option<Heads>,
    pub(super) groups: Vec<HeadGroup>,
    /// One task is a group and the spans that it does: all of them, or one. In the order of groups and spans.
    pub(super) tasks: Vec<(usize, Range<usize>)>,
    /// Whether a group has a task for each of its spans, to be merged when all are done.
    pub(super) shared: bool,
}

/// A group with more than this part of a thread's share of all spans is cut: threads wait for the last one no longer.
const PARTS: usize = 4;

impl AttentionPlan {
    /// Cuts the work of a batch into tasks.
    pub(super) fn fill(&mut self, sequences: &[SequenceRows], shape: Heads, threads: usize) {
        self.shape = Some(shape);
        self.groups.clear();
        for (index, sequence) in sequences.iter().enumerate() {
            let rows = sequence.rows * shape.shared();
            // A thread's range of groups is then of rows that it computes in the stages before and after.
            for start in (0..rows).step_by(QUERY_ROWS) {
                let rows = start..rows.min(start + QUERY_ROWS);
                let position = |row: usize| sequence.position + row / shape.shared();
                let first = shape.seen(position(rows.start)).start;
                let end = shape.seen(position(rows.end - 1)).end;
                for kv_head in 0..shape.kv_heads {
                    self.groups.push(HeadGroup {
                        sequence: index,
                        kv_head,
                        rows: rows.clone(),
                        spans: first / SPAN..end.div_ceil(SPAN),
                    });
                }
            }
        }
        self.tasks.clear();
        let spans = self.groups.iter().map(|group| group.spans.len());
        let most = (spans.sum::<usize>() / (threads * PARTS)).max(1);
        self.shared = false;
        for (index, group) in self.groups.iter().enumerate() {
            if threads > 1 && group.spans.len() > most {
                let spans = group.spans.clone().map(|span| (index, span..span + 1));
                self.tasks.extend(spans);
                self.shared = true;
            } else {
                self.tasks.push((index, group.spans.clone()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Heads = Heads {
        heads: 9,
        kv_heads: 3,
        head_dim: 64,
        window: None,
    };

    #[test]
    fn no_task_is_much_of_a_threads_share_whatever_the_lengths() {
        let short = [100; 15];
        for lengths in [
            &[8_000][..],
            &[100],
            &[8_000, 100],
            &[[100; 15].as_slice(), &[8_000]].concat(),
            &short,
        ] {
            let sequences: Vec<_> = (0..)
                .zip(lengths)
                .map(|(first_row, position)| SequenceRows {
                    first_row,
                    rows: 1,
                    position: *position,
                })
                .collect();
            for threads in [1, 2, 4, 16] {
                let mut plan = AttentionPlan::default();
                plan.fill(&sequences, SHAPE, threads);
                let all: Vec<_> = (0..)
                    .zip(&plan.groups)
                    .flat_map(|(index, group)| group.spans.clone().map(move |span| (index, span)))
                    .collect();
                let done: Vec<_> = plan
                    .tasks
                    .iter()
                    .flat_map(|(index, spans)| spans.clone().map(|span| (*index, span)))
                    .collect();
                assert_eq!(done, all, "each span once, in order");
                let largest = plan.tasks.iter().map(|(_, spans)| spans.len()).max();
                assert!(
                    threads == 1 || largest <= Some((all.len() / (4 * threads)).max(1)),
                    "{lengths:?}, {threads} threads"
                );
                let is_cut = plan.tasks.len() > plan.groups.len();
                assert_eq!(plan.shared, is_cut);
            }
        }
    }
}
