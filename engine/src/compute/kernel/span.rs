//! What a kernel computes of attention at a time.

use std::ops::Range;

use half::f16;

/// Positions in a block.
pub(crate) const KEY_BLOCK: usize = 32;

/// Keys, `[head_dim, KEY_BLOCK]`, and values, `[KEY_BLOCK, head_dim]`, of the positions of a block.
pub(crate) type KvBlock<'a> = (&'a [f16], &'a [f16]);

/// Query rows that are computed together, at most.
pub(crate) const QUERY_ROWS: usize = 16;

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
    /// 1 to [`QUERY_ROWS`].
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
            (1..=QUERY_ROWS).contains(&rows)
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
