//! Where the results of attention go.

use std::ops::Range;

use super::heads::{Heads, SequenceRows};
use super::plan::{AttentionPlan, HeadGroup};
use crate::compute::kernel::span::Partial;
use crate::machine::threads::{DisjointItems, DisjointSlices};

/// The rows of a step, `[rows, heads * head_dim]`, while several threads write them. Items are the groups of a plan.
pub(super) struct AttendedRows<'a> {
    out: DisjointSlices<'a, f32>,
    shape: Heads,
    sequences: &'a [SequenceRows],
    groups: &'a [HeadGroup],
}

impl<'a> AttendedRows<'a> {
    /// For a plan that was made for these sequences.
    pub(super) fn new(
        out: &'a mut [f32],
        shape: Heads,
        sequences: &'a [SequenceRows],
        plan: &'a AttentionPlan,
    ) -> Self {
        assert_eq!(plan.shape, Some(shape));
        Self {
            out: DisjointSlices::new(out),
            shape,
            sequences,
            groups: &plan.groups,
        }
    }
}

/// The rows of one group.
pub(super) struct GroupRows<'a> {
    out: DisjointSlices<'a, f32>,
    shape: Heads,
    sequence: &'a SequenceRows,
    group: &'a HeadGroup,
}

// SAFETY: groups differ in their sequence, in their KV head or in their rows, and a plan is only made for sequences whose
// rows follow each other.
unsafe impl<'a> DisjointItems for AttendedRows<'a> {
    type Chunk = GroupRows<'a>;

    fn count(&self) -> usize {
        self.groups.len()
    }

    fn bytes(&self) -> usize {
        self.out.bytes()
    }

    unsafe fn chunk(&self, range: Range<usize>) -> GroupRows<'a> {
        assert_eq!(range.len(), 1, "one group at a time");
        let group = &self.groups[range.start];
        GroupRows {
            out: self.out,
            shape: self.shape,
            sequence: &self.sequences[group.sequence],
            group,
        }
    }
}

impl GroupRows<'_> {
    /// Divides by the sums and stores the rows.
    pub(super) fn finish(&mut self, merged: &Partial<'_>) {
        let values = merged.values.chunks_exact(self.shape.head_dim);
        for ((row, values), sum) in self.group.rows.clone().zip(values).zip(&*merged.sums) {
            let head = self.group.head(row, self.shape, self.sequence);
            // SAFETY: nobody else has this row, and its slice ends with this turn.
            let out = unsafe { self.out.slice(head) };
            for (out, value) in out.iter_mut().zip(values) {
                *out = value / sum;
            }
        }
    }
}
