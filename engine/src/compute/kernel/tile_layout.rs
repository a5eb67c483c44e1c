//! Where the quants of a tile stand.

use crate::compute::block::BLOCK;

/// How a kernel wants the quants of a tile: `rows` rows side by side, `depth` consecutive columns of each in turn.
/// `depth` divides half a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TileLayout {
    pub(crate) rows: usize,
    pub(crate) depth: usize,
    /// Rows whose nibbles share a byte: two neighbours, the first in the low nibble, or one, which has columns 16
    /// apart in a byte.
    pub(crate) rows_in_byte: usize,
}

impl TileLayout {
    /// Where the quant of a column stands among a tile block's bytes.
    pub(crate) fn quant_index(self, row: usize, column: usize) -> usize {
        self.index(self.rows, row, column)
    }

    /// The same of a nibble, and by how many bits it is shifted within its byte.
    pub(crate) fn nibble_index(self, row: usize, column: usize) -> (usize, usize) {
        if self.rows_in_byte == 2 {
            (self.index(self.rows / 2, row / 2, column), row % 2 * 4)
        } else {
            let (half, column) = (column / (BLOCK / 2), column % (BLOCK / 2));
            (self.quant_index(row, column), half * 4)
        }
    }

    /// The same of bits that stand in a plane of so many for each quant. Those of the
    /// nibbles of a byte lie in one byte, four bits apart, and bytes that are neighbours have theirs in neighbours.
    pub(crate) fn plane_index(self, bits: usize, row: usize, column: usize) -> (usize, usize) {
        let plane = self.rows * BLOCK / 8 * bits;
        let (index, shift) = self.nibble_index(row, column);
        (index % plane, index / plane * bits + shift)
    }

    fn index(self, rows: usize, row: usize, column: usize) -> usize {
        (column / self.depth * rows + row) * self.depth + column % self.depth
    }
}
