//! Packed weights as kernels read them.

use half::f16;

use super::format::Format;
use super::tile_layout::TileLayout;
use crate::compute::block::BLOCK;

/// Whole tiles of one matrix.
///
/// A tile is `layout.rows` rows; a [`TileBlock`] is one block of each of them: all quants, then all scales, then (in
/// the format with a minimum) all minima, the latter two as f16. In the channelwise format it is quants alone, and
/// behind the tile's last stand the scales of its rows, then as f32 the sums of their weights, with which the zero point
/// of activations is taken off.
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
        let (channel_scales, channel_sums) = of_rows.split_at(of_rows.len() / 3);
        Tile {
            blocks,
            channel_scales,
            channel_sums,
            layout,
            format,
        }
    }
}

/// Some rows of a matrix, side by side.
pub(crate) struct Tile<'a> {
    blocks: &'a [u8],
    /// Empty but in the channelwise format.
    channel_scales: &'a [u8],
    channel_sums: &'a [u8],
    layout: TileLayout,
    format: Format,
}

impl<'a> Tile<'a> {
    /// One for each block of a row.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = TileBlock<'a>> + Clone {
        let (layout, format) = (self.layout, self.format);
        self.blocks
            .chunks_exact(format.tile_block_bytes(layout))
            .map(move |bytes| TileBlock {
                bytes,
                layout,
                format,
            })
    }

    /// The bytes of all blocks.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.blocks
    }

    /// The scales of the rows of a channelwise tile, as f16.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn channel_scales(&self) -> &'a [u8] {
        self.channel_scales
    }

    /// The sums of the weights of each row of a channelwise tile, as f32.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn channel_sums(&self) -> &'a [u8] {
        self.channel_sums
    }

    /// The sum of the weights of one row of a channelwise tile.
    pub(super) fn channel_sum(&self, row: usize) -> f32 {
        let sums = self.channel_sums.as_chunks().0;
        f32::from_le_bytes(sums[row])
    }

    /// The scale of one row of a channelwise tile.
    pub(crate) fn channel_scale(&self, row: usize) -> f32 {
        half_at(self.channel_scales, row)
    }
}

fn half_at(halves: &[u8], index: usize) -> f32 {
    f16::from_le_bytes([halves[2 * index], halves[2 * index + 1]]).to_f32()
}

/// One block of every row of a tile.
pub(crate) struct TileBlock<'a> {
    bytes: &'a [u8],
    layout: TileLayout,
    format: Format,
}

impl TileBlock<'_> {
    /// The quants of all rows, interleaved by the layout.
    pub(crate) fn quants(&self) -> &[u8] {
        &self.bytes[..self.format.quant_bytes() * self.layout.rows]
    }

    /// The scale of one row, where it is that of a block.
    pub(crate) fn scale(&self, row: usize) -> f32 {
        self.half(row)
    }

    /// The minimum of one row, where the format stores it.
    pub(crate) fn min(&self, row: usize) -> Option<f32> {
        (self.format == Format::Int4).then(|| self.half(self.layout.rows + row))
    }

    fn half(&self, index: usize) -> f32 {
        half_at(
            &self.bytes[self.format.quant_bytes() * self.layout.rows..],
            index,
        )
    }

    /// The quants of one row in order of its columns, 0 to 15 or signed.
    pub(crate) fn row_quants(&self, row: usize) -> [i8; BLOCK] {
        std::array::from_fn(|column| {
            if self.format == Format::Q8 {
                return self.bytes[self.layout.quant_index(row, column)].cast_signed();
            }
            let (index, shift) = self.layout.nibble_index(row, column);
            (self.bytes[index] >> shift & 15).cast_signed()
        })
    }
}
