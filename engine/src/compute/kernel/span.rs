//! What a kernel computes of attention at a time.

use std::ops::Range;

use half::f16;

use crate::compute::block::BLOCK;

/// Positions in a block.
pub(crate) const KEY_BLOCK: usize = 32;
/// The most numbers of a head that kernels and caches have room for.
pub(crate) const MAX_HEAD_DIM: usize = 256;
/// Numbers of a key in eight bits that lie side by side, which kernels multiply at a time.
pub(crate) const KEY_DEPTH: usize = 4;

/// Keys and values of the positions of a block.
#[derive(Clone, Copy, Debug)]
pub(crate) enum KvBlock<'a> {
    /// Keys, `[head_dim, KEY_BLOCK]`, and values, `[KEY_BLOCK, head_dim]`.
    F16(&'a [f16], &'a [f16]),
    /// In eight bits.
    Q8(Q8Block<'a>),
}

/// Keys and values in eight bits: of every position, [`BLOCK`] numbers share a scale, or the fewer that are left at the end of a
/// head. Each number is its quant, from -127 to 127, times the scale; keys are turned, see [`super::turn`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Q8Block<'a> {
    /// `[head_dim / KEY_DEPTH, KEY_BLOCK, KEY_DEPTH]`.
    pub(crate) keys: &'a [[[i8; KEY_DEPTH]; KEY_BLOCK]],
    /// `[head_dim / BLOCK, KEY_BLOCK]`, rounded up.
    pub(crate) key_scales: &'a [[f16; KEY_BLOCK]],
    /// `[KEY_BLOCK, head_dim]`.
    pub(crate) values: &'a [i8],
    /// As those of the keys.
    pub(crate) value_scales: &'a [[f16; KEY_BLOCK]],
}

impl KvBlock<'_> {
    /// Whether it has so many numbers a position.
    fn is_of(&self, head_dim: usize) -> bool {
        let numbers = KEY_BLOCK * head_dim;
        match self {
            Self::F16(keys, values) => keys.len() == numbers && values.len() == numbers,
            Self::Q8(block) => {
                let scales = head_dim.div_ceil(BLOCK);
                block.keys.len() * KEY_DEPTH == head_dim
                    && block.values.len() == numbers
                    && block.key_scales.len() == scales
                    && block.value_scales.len() == scales
            }
        }
    }
}

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
    /// Its blocks, all in f16 or all in eight bits.
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
    /// Whether keys and values are in eight bits.
    #[inline(always)]
    pub(crate) fn is_q8(&self) -> bool {
        matches!(self.blocks.first(), Some(KvBlock::Q8(_)))
    }

    /// # Panics
    /// When a shape does not fit; kernels rely on them.
    pub(crate) fn check(&self, scratch: &[f32], out: &Partial<'_>) {
        let (rows, block) = (self.rows.len(), KEY_BLOCK * self.head_dim);
        let is_q8 = self.is_q8();
        assert!(
            (1..=QUERY_ROWS).contains(&rows)
                && self.rows.iter().all(|row| row.query.len() == self.head_dim)
        );
        assert!(
            self.blocks
                .iter()
                .all(|block| block.is_of(self.head_dim)
                    && is_q8 == matches!(block, KvBlock::Q8(_)))
        );
        assert!(self.head_dim.is_multiple_of(8) && self.head_dim <= MAX_HEAD_DIM);
        assert!(scratch.len() >= block);
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
