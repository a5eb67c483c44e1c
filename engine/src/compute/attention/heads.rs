//! The shapes that attention works on.

use std::ops::Range;

/// The shape of attention in one layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

    /// Factor of the scores.
    pub(crate) fn scale(self) -> f32 {
        1.0 / (self.head_dim as f32).sqrt()
    }

    /// The positions that a query at this one sees.
    pub(super) fn seen(self, position: usize) -> Range<usize> {
        let end = position + 1;
        self.window.map_or(0, |window| end.saturating_sub(window))..end
    }
}

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
