//! Activations in int8 as kernels read them.

use crate::compute::block::BLOCK;

/// The float whose last bit counts ones, 1.5 * 2^23. An integer sum that starts at its bits reads, as a float, as this
/// plus the sum, exactly: one subtraction converts it.
pub(crate) const MAGIC: f32 = 12_582_912.0;

/// Rows that are quantised together, at most. Block after block they fill whole cache lines: row after row, the lines
/// of a row lie a power of two apart and push each other out of the cache.
pub(crate) const ROWS: usize = 16;

/// Activations that share a scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Grouping {
    /// 32 columns of a row.
    #[default]
    Block,
    /// A row: every block of it has the same scale.
    Row,
    /// A row, whose quants count from its zero point: the scale is that of its range, however lopsided that is.
    RowFromZeroPoint,
    /// They are not rounded and have none.
    Unrounded,
}

impl Grouping {
    /// Whether all blocks of a row have one scale.
    pub(crate) fn is_by_row(self) -> bool {
        matches!(self, Self::Row | Self::RowFromZeroPoint)
    }
}

/// How a kernel wants several rows of a [`Panel`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PanelLayout {
    /// One by one.
    Rows,
    /// In fours too, as [`RowQuad`]s.
    RowQuads,
}

/// Some rows of activations, side by side, as a kernel multiplies them at a time.
///
/// Blocks come first, `[blocks, rows, 32]`: a kernel that holds one block of weights in registers runs down the rows
/// without jumping, and rows never meet in the same cache set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Panel<'a> {
    pub(super) rows: usize,
    pub(super) blocks: usize,
    pub(super) grouping: Grouping,
    pub(super) quants: &'a [[i8; BLOCK]],
    pub(super) scales: &'a [f32],
    pub(super) sums: &'a [f32],
    pub(super) starts: &'a [f32],
    #[cfg_attr(
        not(target_arch = "x86_64"),
        expect(dead_code, reason = "only kernels of x86-64 want them")
    )]
    pub(super) half_sums: &'a [f32],
    pub(super) row_sums: &'a [i32],
    pub(super) zero_points: &'a [f32],
    /// Empty where the kernel does not want them.
    pub(super) quads: &'a [RowQuad],
}

/// One block of one row of a [`Panel`]: `x = scale * (quants - zero point)`, and `sum` is the sum of the 32 quants.
pub(crate) struct ActivationBlock<'a> {
    pub(crate) quants: &'a [i8; BLOCK],
    pub(crate) scale: f32,
    pub(crate) sum: f32,
    /// `MAGIC - 8 * sum`: where the sums of a block of nibbles around 8 start.
    pub(crate) start: f32,
}

impl<'a> Panel<'a> {
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Blocks in a row.
    pub(crate) fn blocks(&self) -> usize {
        self.blocks
    }

    /// What shares a scale.
    pub(crate) fn grouping(&self) -> Grouping {
        self.grouping
    }

    pub(crate) fn block(&self, block: usize, row: usize) -> ActivationBlock<'a> {
        let at = block * self.rows + row;
        ActivationBlock {
            quants: &self.quants[at],
            scale: self.scales[at],
            sum: self.sums[at],
            start: self.starts[at],
        }
    }

    /// The sum of all quants of a row; only known where the row has one scale.
    pub(crate) fn row_sum(&self, row: usize) -> i32 {
        self.row_sums[row]
    }

    /// The quant that stands for 0 in a row; 0 unless the rows were quantised from one.
    pub(crate) fn zero_point(&self, row: usize) -> f32 {
        self.zero_points[row]
    }

    /// All quants, `[blocks, rows]`.
    pub(crate) fn quants(&self) -> &'a [[i8; BLOCK]] {
        self.quants
    }

    /// All scales, `[blocks, rows]`.
    pub(crate) fn scales(&self) -> &'a [f32] {
        self.scales
    }

    /// All sums, `[blocks, rows]`.
    pub(crate) fn sums(&self) -> &'a [f32] {
        self.sums
    }

    /// `MAGIC - 8 * sum` for all sums, `[blocks, rows]`.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn starts(&self) -> &'a [f32] {
        self.starts
    }

    /// The sums of the last 16 quants of all blocks, `[blocks, rows]`.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn half_sums(&self) -> &'a [f32] {
        self.half_sums
    }

    /// Each block of the four rows from `4 * quad` on. Rows beyond the last hold anything.
    #[cfg_attr(
        not(any(test, target_arch = "aarch64")),
        expect(dead_code, reason = "only kernels of Arm want them")
    )]
    pub(crate) fn quads(&self, quad: usize) -> &'a [RowQuad] {
        &self.quads[quad * self.blocks..][..self.blocks]
    }
}

/// Consecutive columns of a row in an operand of [`RowQuad`], half a register, of which there are two rows.
pub(super) const DEPTH: usize = 8;

/// One block of four rows of activations side by side, two pairs, as an instruction takes them that multiplies two rows
/// by two. They are brought together once for all matrices that they meet, and hold every factor of a block in the shape
/// in which its 2 x 2 sums need it.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(32))]
pub(crate) struct RowQuad {
    /// Eight columns of one row, then of the other: `[columns / 8, pairs]`.
    pub(crate) quants: [[[i8; 2 * DEPTH]; 2]; 4],
    /// Of the two rows of each pair, twice.
    pub(crate) scales: [[f32; 4]; 2],
    pub(crate) sums: [[f32; 4]; 2],
    /// Where the sums of symmetric weights start, whose quants count from 8; each twice.
    pub(crate) starts: [[[f32; 4]; 2]; 2],
}

impl RowQuad {
    pub(super) const ZERO: Self = Self {
        quants: [[[0; 2 * DEPTH]; 2]; 4],
        scales: [[0.0; 4]; 2],
        sums: [[0.0; 4]; 2],
        starts: [[[0.0; 4]; 2]; 2],
    };

    /// Puts one block of a row in its place among the four.
    pub(super) fn set(&mut self, row: usize, block: &ActivationBlock<'_>) {
        let (pair, side) = (row / 2, row % 2);
        for (operands, eight) in self
            .quants
            .iter_mut()
            .zip(block.quants.as_chunks::<DEPTH>().0)
        {
            operands[pair][side * DEPTH..][..DEPTH].copy_from_slice(eight);
        }
        for at in [side, side + 2] {
            self.scales[pair][at] = block.scale;
            self.sums[pair][at] = block.sum;
            for start in &mut self.starts[pair] {
                start[at] = block.start;
            }
        }
    }
}
