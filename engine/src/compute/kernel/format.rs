//! The formats of weights, and the room that each takes.

use super::tile_layout::TileLayout;
use crate::compute::block::BLOCK;

/// How the weights of a matrix are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Nibbles with scale and minimum: 5 bits a weight.
    Int4,
    /// Nibbles with a scale, the minimum being -8 times it: 4.5 bits a weight.
    Int4Symmetric,
    /// Nibbles with one scale for a whole row, the minimum being -8 times it: 4 bits a weight. It wants activations
    /// quantised by the row too, so that nothing is left to scale within a row.
    Int4Channel,
    /// Bytes with a scale: 8.5 bits a weight.
    Q8,
    /// Floats of two bytes, row after row. Like [`Format::F32`] it is multiplied with activations that are floats too.
    Bf16,
    /// Floats of four bytes, row after row.
    F32,
}

impl Format {
    /// Every format that kernels multiply with rounded activations.
    pub(crate) const QUANTIZED: [Self; 4] =
        [Self::Int4, Self::Int4Symmetric, Self::Int4Channel, Self::Q8];

    /// Whether nothing was rounded.
    pub(crate) fn is_float(self) -> bool {
        matches!(self, Self::Bf16 | Self::F32)
    }

    /// Bytes of the quants, or floats, of one block of one row.
    pub(crate) fn quant_bytes(self) -> usize {
        match self {
            Self::Int4 | Self::Int4Symmetric | Self::Int4Channel => BLOCK / 2,
            Self::Q8 => BLOCK,
            Self::Bf16 => BLOCK * 2,
            Self::F32 => BLOCK * 4,
        }
    }

    /// Scales and minima that a block of a row has of its own.
    fn halves(self) -> usize {
        match self {
            Self::Int4 => 2,
            Self::Int4Symmetric | Self::Q8 => 1,
            Self::Int4Channel | Self::Bf16 | Self::F32 => 0,
        }
    }

    /// Bytes of one block of every row of a tile.
    pub(crate) fn tile_block_bytes(self, layout: TileLayout) -> usize {
        (self.quant_bytes() + 2 * self.halves()) * layout.rows
    }

    /// Bytes of a tile whose rows have so many blocks.
    pub(crate) fn tile_bytes(self, layout: TileLayout, blocks: usize) -> usize {
        let of_rows = if self == Self::Int4Channel {
            (2 + 4) * layout.rows
        } else {
            0
        };
        self.tile_block_bytes(layout) * blocks + of_rows
    }

    /// Bytes of a matrix, `[rows, cols]`.
    pub(crate) fn matrix_bytes(self, layout: TileLayout, [rows, cols]: [usize; 2]) -> usize {
        rows.div_ceil(layout.rows) * self.tile_bytes(layout, cols / BLOCK)
    }
}
