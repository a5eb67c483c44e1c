//! How the attention of a step is cut into tasks.

use std::ops::Range;

use super::{Heads, ROWS, SPAN};

/// New tokens of one sequence of the batch.
#[derive(Clone, Debug)]
pub(crate) struct SequenceRows {
    /// First row of the batch.
    pub(crate) first_row: usize,
    /// Rows of the batch: new tokens.
    pub(crate) rows: usize,
    /// Position of the first of them.
    pub(crate) position: usize,
}

/// Rows of one KV head of one sequence of the batch that are computed together.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// Index in the batch.
    pub(super) sequence: usize,
    pub(super) kv_head: usize,
    /// Of the sequence's (token, query head of the KV head), counted through.
    pub(super) rows: Range<usize>,
    /// Spans that these rows see, from the first one's first to the last one's last.
    pub(super) spans: Range<usize>,
}

/// The tasks of all layers that have the same window.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) window: Option<usize>,
    pub(super) groups: Vec<Group>,
    /// One task is a group and the spans that it does.
    pub(super) tasks: Vec<(usize, Range<usize>)>,
    /// Whether a group has a task for each of its spans, to be merged when all are done.
    pub(super) shared: bool,
}

impl Plan {
    /// Cuts the work of a batch into tasks.
    pub(super) fn fill(&mut self, sequences: &[SequenceRows], shape: Heads, threads: usize) {
        self.groups.clear();
        for (index, sequence) in sequences.iter().enumerate() {
            let rows = sequence.rows * shape.shared();
            // A thread's range of groups is then of rows that it computes in the stages before and after.
            for start in (0..rows).step_by(ROWS) {
                let rows = start..rows.min(start + ROWS);
                let position = |row: usize| sequence.position + row / shape.shared();
                let first = shape.seen(position(rows.start)).start;
                let end = shape.seen(position(rows.end - 1)).end;
                for kv_head in 0..shape.kv_heads {
                    self.groups.push(Group {
                        sequence: index,
                        kv_head,
                        rows: rows.clone(),
                        spans: first / SPAN..end.div_ceil(SPAN),
                    });
                }
            }
        }
        self.tasks.clear();
        self.shared = threads > 1 && self.groups.len() < threads * 4;
        for (index, group) in self.groups.iter().enumerate() {
            if self.shared {
                let spans = group.spans.clone().map(|span| (index, span..span + 1));
                self.tasks.extend(spans);
            } else {
                self.tasks.push((index, group.spans.clone()));
            }
        }
    }
}
