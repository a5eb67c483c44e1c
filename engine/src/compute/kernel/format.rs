//! The formats of weights, and the room that each takes.

use super::tile_layout::TileLayout;
use crate::compute::block::BLOCK;

/// How the weights of a matrix are held.
///
/// Quants of four bits to six are nibbles, with a plane of what bits they have beyond four beside them; those of one and two
/// bits are a plane alone. A format whose name ends in K has scales of two parts: bytes for each block, and f16s that blocks
/// share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// One bit, 0 or 2 of which 1 is taken, with a scale for four blocks: 1.125 bits a weight.
    Int1,
    /// Two bits with a scale for two blocks, the minimum being -1 times it: 2.25 bits a weight.
    Int2,
    /// Nibbles with scale and minimum: 5 bits a weight.
    Int4,
    /// Nibbles with a scale, the minimum being -8 times it: 4.5 bits a weight.
    Int4Symmetric,
    /// Nibbles with one scale for a whole row, the minimum being -8 times it: 4 bits a weight. It wants activations
    /// quantised by the row too, so that nothing is left to scale within a row.
    Int4Channel,
    /// Nibbles with scale and minimum of two parts: 4.625 bits a weight.
    Int4K,
    /// Five bits with scale and minimum: 6 bits a weight.
    Int5,
    /// Five bits with a scale, the minimum being -16 times it: 5.5 bits a weight.
    Int5Symmetric,
    /// Five bits with scale and minimum of two parts: 5.625 bits a weight.
    Int5K,
    /// Six bits with a scale of two parts for each half of a block, the minimum being -32 times it: 6.5625 bits a weight.
    Int6K,
    /// Bytes with a scale: 8.5 bits a weight.
    Q8,
    /// Floats of two bytes, row after row. Like [`Format::F32`] it is multiplied with activations that are floats too.
    Bf16,
    /// Floats of four bytes, row after row.
    F32,
}

/// What the quants of a block are multiplied with, and what is added to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Factors {
    /// Nothing that a block has of its own.
    None,
    /// An f16.
    Scale,
    /// Two f16s.
    ScaleAndMin,
    /// An f16 that blocks share.
    SharedScale,
    /// Two bytes, times two f16s that blocks share.
    SharedScaleAndMin,
    /// A signed byte for each half of a block, times an f16 that blocks share.
    SharedHalfScales,
}

impl Format {
    /// Every format that kernels multiply with rounded activations.
    pub(crate) const QUANTIZED: [Self; 11] = [
        Self::Int1,
        Self::Int2,
        Self::Int4,
        Self::Int4Symmetric,
        Self::Int4Channel,
        Self::Int4K,
        Self::Int5,
        Self::Int5Symmetric,
        Self::Int5K,
        Self::Int6K,
        Self::Q8,
    ];

    /// The quantised format of this number, where one is a parameter of a function.
    pub(crate) const fn of(number: u8) -> Self {
        Self::QUANTIZED[number as usize]
    }

    /// Whether nothing was rounded.
    pub(crate) const fn is_float(self) -> bool {
        matches!(self, Self::Bf16 | Self::F32)
    }

    /// Whether the lowest four bits of a quant are a nibble.
    pub(crate) const fn has_nibbles(self) -> bool {
        !matches!(self, Self::Int1 | Self::Int2 | Self::Q8) && !self.is_float()
    }

    /// Bits of a quant that lie in a plane: all, or those beyond a nibble.
    pub(crate) const fn plane_bits(self) -> usize {
        match self {
            Self::Int1 | Self::Int5 | Self::Int5Symmetric | Self::Int5K => 1,
            Self::Int2 | Self::Int6K => 2,
            _ => 0,
        }
    }

    /// The place of the lowest of these bits in a quant.
    pub(crate) const fn plane_place(self) -> usize {
        match self {
            Self::Int1 => 1,
            Self::Int2 => 0,
            _ => 4,
        }
    }

    /// Bytes of the nibbles of a block of a row, behind which the plane begins.
    pub(crate) const fn nibble_bytes(self) -> usize {
        if self.has_nibbles() { BLOCK / 2 } else { 0 }
    }

    /// The quant that stands for 0 where there is no minimum.
    pub(crate) const fn zero(self) -> i8 {
        match self {
            Self::Int1 | Self::Int2 => 1,
            Self::Int4Symmetric | Self::Int4Channel => 8,
            Self::Int5Symmetric => 16,
            Self::Int6K => 32,
            _ => 0,
        }
    }

    pub(crate) const fn factors(self) -> Factors {
        match self {
            Self::Int4 | Self::Int5 => Factors::ScaleAndMin,
            Self::Int4Symmetric | Self::Int5Symmetric | Self::Q8 => Factors::Scale,
            Self::Int1 | Self::Int2 => Factors::SharedScale,
            Self::Int4K | Self::Int5K => Factors::SharedScaleAndMin,
            Self::Int6K => Factors::SharedHalfScales,
            Self::Int4Channel | Self::Bf16 | Self::F32 => Factors::None,
        }
    }

    /// Whether a minimum is stored.
    pub(crate) const fn has_min(self) -> bool {
        matches!(
            self.factors(),
            Factors::ScaleAndMin | Factors::SharedScaleAndMin
        )
    }

    /// Bytes of the quants, or floats, of one block of one row.
    pub(crate) const fn quant_bytes(self) -> usize {
        match self {
            Self::Q8 => BLOCK,
            Self::Bf16 => BLOCK * 2,
            Self::F32 => BLOCK * 4,
            _ => self.nibble_bytes() + BLOCK / 8 * self.plane_bits(),
        }
    }

    /// Bytes of the factors that a block of a row has of its own.
    const fn factor_bytes(self) -> usize {
        match self.factors() {
            Factors::None | Factors::SharedScale => 0,
            Factors::Scale | Factors::SharedScaleAndMin | Factors::SharedHalfScales => 2,
            Factors::ScaleAndMin => 4,
        }
    }

    /// Blocks of a row that share what they share.
    pub(crate) const fn sharing(self) -> usize {
        match self {
            Self::Int1 => 4,
            Self::Int2 => 2,
            _ => 8,
        }
    }

    /// Bytes of the factors that blocks of a row share.
    pub(crate) const fn shared_bytes(self) -> usize {
        match self.factors() {
            Factors::SharedScaleAndMin => 4,
            Factors::SharedHalfScales | Factors::SharedScale => 2,
            _ => 0,
        }
    }

    /// Bytes of one block of every row of a tile.
    pub(crate) const fn tile_block_bytes(self, layout: TileLayout) -> usize {
        (self.quant_bytes() + self.factor_bytes()) * layout.rows
    }

    /// Bytes of a tile whose rows have so many blocks.
    pub(crate) fn tile_bytes(self, layout: TileLayout, blocks: usize) -> usize {
        let of_row = match self {
            Self::Int4Channel => 2 + 4,
            _ => blocks.div_ceil(self.sharing()) * self.shared_bytes(),
        };
        self.tile_block_bytes(layout) * blocks + of_row * layout.rows
    }

    /// Bytes of a matrix, `[rows, cols]`.
    pub(crate) fn matrix_bytes(self, layout: TileLayout, [rows, cols]: [usize; 2]) -> usize {
        rows.div_ceil(layout.rows) * self.tile_bytes(layout, cols / BLOCK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantised_formats_have_the_numbers_of_their_places() {
        for (place, format) in Format::QUANTIZED.into_iter().enumerate() {
            assert_eq!(format as usize, place);
            assert_eq!(Format::of(format as u8), format);
        }
    }

    #[test]
    fn formats_take_the_bits_that_they_say() {
        let layout = TileLayout {
            rows: 16,
            depth: 4,
            rows_in_byte: 1,
        };
        for (format, bits) in [
            (Format::Int1, 1.125),
            (Format::Int2, 2.25),
            (Format::Int4K, 4.625),
            (Format::Int5, 6.0),
            (Format::Int5Symmetric, 5.5),
            (Format::Int5K, 5.625),
            (Format::Int6K, 6.5625),
            (Format::Q8, 8.5),
        ] {
            let bytes = format.matrix_bytes(layout, [16, 512]);
            assert_eq!(bytes as f64 * 8.0 / (16.0 * 512.0), bits, "{format:?}");
        }
    }
}
