//! Packed weights as kernels read them.

use half::f16;

use super::format::{Factors, Format};
use super::tile_layout::TileLayout;
use crate::compute::block::BLOCK;

/// Whole tiles of one matrix.
///
/// A tile is `layout.rows` rows; a [`TileBlock`] is one block of each of them: all nibbles or bytes, then the plane of the
/// bits beyond nibbles or of all bits, if there is one, then all scales, then (in formats with a minimum) all minima, the latter two as
/// f16. Where these have two parts, a tile block has one byte of each, and behind the tile's last stand the f16s that its
/// blocks share: for so many blocks the scales, then the minima, of all rows. In the channelwise format a tile block is
/// quants alone, and behind the last stand the scales of its rows, then as f32 the sums of their weights, with which the
/// zero point of activations is taken off.
pub(crate) struct Tiles<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) layout: TileLayout,
    pub(crate) format: Format,
    /// Blocks in a row.
    pub(crate) blocks: usize,
}

impl<'a> Tiles<'a> {
    /// Tiles that there are.
    pub(crate) fn count(&self) -> usize {
        self.bytes.len() / self.tile_bytes()
    }

    pub(super) fn tile_bytes(&self) -> usize {
        self.format.tile_bytes(self.layout, self.blocks)
    }

    /// One after the other.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Tile<'a>> {
        (0..self.count()).map(|index| self.tile(index))
    }

    /// One of them.
    #[inline]
    pub(crate) fn tile(&self, index: usize) -> Tile<'a> {
        let (layout, format) = (self.layout, self.format);
        let bytes = &self.bytes[index * self.tile_bytes()..][..self.tile_bytes()];
        let (blocks, of_rows) = bytes.split_at(format.tile_block_bytes(layout) * self.blocks);
        Tile {
            blocks,
            of_rows,
            layout,
            format,
        }
    }
}

/// Some rows of a matrix, side by side.
pub(crate) struct Tile<'a> {
    blocks: &'a [u8],
    /// What stands behind the last block.
    of_rows: &'a [u8],
    layout: TileLayout,
    format: Format,
}

impl<'a> Tile<'a> {
    /// One for each block of a row.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = TileBlock<'a>> + Clone {
        let (layout, format, of_rows) = (self.layout, self.format, self.of_rows);
        self.blocks
            .chunks_exact(format.tile_block_bytes(layout))
            .enumerate()
            .map(move |(block, bytes)| TileBlock {
                bytes,
                shared: shared(of_rows, format, layout, block),
                layout,
                format,
            })
    }

    /// The bytes of all blocks.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.blocks
    }

    /// What the scales, and behind them the minima, of a block of each row are multiples of, as f16.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub(super) fn shared(&self, block: usize) -> &'a [u8] {
        shared(self.of_rows, self.format, self.layout, block)
    }

    /// The scales of the rows of a channelwise tile, as f16.
    pub(super) fn channel_scales(&self) -> &'a [u8] {
        &self.of_rows[..self.of_rows.len() / 3]
    }

    /// The sums of the weights of each row of a channelwise tile, as f32.
    pub(super) fn channel_sums(&self) -> &'a [u8] {
        &self.of_rows[self.of_rows.len() / 3..]
    }

    /// The sum of the weights of one row of a channelwise tile.
    pub(super) fn channel_sum(&self, row: usize) -> f32 {
        let sums = self.channel_sums().as_chunks().0;
        f32::from_le_bytes(sums[row])
    }

    /// The scale of one row of a channelwise tile.
    pub(crate) fn channel_scale(&self, row: usize) -> f32 {
        half_at(self.channel_scales(), row)
    }
}

/// [`Tile::shared`] within what stands behind the last block; empty where nothing is shared.
#[inline(always)]
fn shared(of_rows: &[u8], format: Format, layout: TileLayout, block: usize) -> &[u8] {
    let bytes = format.shared_bytes() * layout.rows;
    match bytes {
        0 => &[],
        _ => &of_rows[block / format.sharing() * bytes..][..bytes],
    }
}

fn half_at(halves: &[u8], index: usize) -> f32 {
    f16::from_le_bytes([halves[2 * index], halves[2 * index + 1]]).to_f32()
}

/// One block of every row of a tile.
pub(crate) struct TileBlock<'a> {
    bytes: &'a [u8],
    shared: &'a [u8],
    layout: TileLayout,
    format: Format,
}

impl TileBlock<'_> {
    /// The quants of all rows, interleaved by the layout.
    pub(crate) fn quants(&self) -> &[u8] {
        &self.bytes[..self.format.quant_bytes() * self.layout.rows]
    }

    /// The scales of the halves of a block of one row, where they are not those of a row.
    pub(crate) fn scales(&self, row: usize) -> [f32; 2] {
        match self.format.factors() {
            Factors::SharedHalfScales => {
                let parts = [0, 1].map(|half| self.part(half, row).cast_signed());
                parts.map(|part| half_at(self.shared, row) * f32::from(part))
            }
            _ => [self.scale(row); 2],
        }
    }

    /// The scale of one row, where it is that of a whole block.
    pub(crate) fn scale(&self, row: usize) -> f32 {
        self.factor(0, row)
    }

    /// The minimum of one row, where the format stores it.
    pub(crate) fn min(&self, row: usize) -> Option<f32> {
        self.format.has_min().then(|| self.factor(1, row))
    }

    /// The scale or the minimum of one row.
    fn factor(&self, which: usize, row: usize) -> f32 {
        let index = which * self.layout.rows + row;
        match self.format.factors() {
            Factors::SharedScaleAndMin => {
                half_at(self.shared, index) * f32::from(self.part(which, row))
            }
            Factors::SharedScale => half_at(self.shared, index),
            _ => half_at(self.factor_bytes(), index),
        }
    }

    /// One of the two bytes that a block of a row has of its factors.
    fn part(&self, which: usize, row: usize) -> u8 {
        self.factor_bytes()[which * self.layout.rows + row]
    }

    fn factor_bytes(&self) -> &[u8] {
        &self.bytes[self.format.quant_bytes() * self.layout.rows..]
    }

    /// The quants of one row in order of its columns, from 0 on or, in bytes, signed.
    pub(crate) fn row_quants(&self, row: usize) -> [i8; BLOCK] {
        let (layout, format) = (self.layout, self.format);
        let plane = &self.quants()[format.nibble_bytes() * layout.rows..];
        std::array::from_fn(|column| {
            if format == Format::Q8 {
                return self.bytes[layout.quant_index(row, column)].cast_signed();
            }
            let mut quant = 0;
            if format.has_nibbles() {
                let (index, shift) = layout.nibble_index(row, column);
                quant = self.bytes[index] >> shift & 15;
            }
            if format.plane_bits() > 0 {
                let (index, shift) = layout.plane_index(format.plane_bits(), row, column);
                let bits = plane[index] >> shift & ((1 << format.plane_bits()) - 1);
                quant |= bits << format.plane_place();
            }
            quant.cast_signed()
        })
    }
}
