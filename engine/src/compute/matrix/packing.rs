//! Packs the matrices of a model for a kernel, all into one piece of memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use half::{bf16, f16};

use super::packed::{MatrixRegion, PackedMatrix};
use crate::Error;
use crate::compute::block::{BLOCK, Block};
use crate::compute::kernel::Kernel;
use crate::compute::kernel::format::{Factors, Format};
use crate::compute::kernel::tile_layout::TileLayout;
use crate::machine::memory::HugePages;
use crate::machine::threads::{Pool, SliceRows};

/// Bytes of a matrix that are written to a file, or read from it, at a time: a multiple of the size of huge pages, small
/// enough to be checked before the caches lose it, and many enough for many threads.
pub(crate) const CHUNK_BYTES: usize = 2 << 20;

/// Writes a row of a matrix that will be packed: called from all threads with the row's number and room for it.
pub(crate) type RowWriter<'a, T> = Box<dyn Fn(usize, &mut [T]) -> Result<(), Error> + Sync + 'a>;

/// Where the rows of a matrix come from.
pub(crate) enum RowSource<'a> {
    /// For the quantised formats.
    Blocks(RowWriter<'a, Block>),
    /// For the formats of floats.
    Floats(RowWriter<'a, f32>),
}

impl<'a> RowSource<'a> {
    /// Blocks that are made one by one, from the row and the index in it.
    pub(crate) fn of_blocks(block: impl Fn(usize, usize) -> Block + Sync + 'a) -> Self {
        Self::Blocks(Box::new(move |row, blocks| {
            for (index, to) in blocks.iter_mut().enumerate() {
                *to = block(row, index);
            }
            Ok(())
        }))
    }
}

/// A matrix that will be packed.
pub(crate) struct MatrixPlan<'a> {
    pub(crate) name: String,
    pub(crate) region: MatrixRegion,
    source: RowSource<'a>,
}

impl MatrixPlan<'_> {
    /// `[rows, cols]`.
    pub(crate) fn shape(&self) -> [usize; 2] {
        self.region.shape
    }

    /// Bytes of the packed matrix.
    pub(crate) fn bytes(&self) -> u64 {
        self.region.bytes.len() as u64
    }

    /// Format and shape.
    pub(crate) fn label(&self) -> String {
        format!("{:?} {:?}", self.region.format, self.region.shape)
    }
}

/// Packed matrices by the names under which they were planned.
pub(crate) type PackedMatrices = HashMap<String, PackedMatrix>;

/// Collects the matrices of a model, then packs them all into one piece of memory.
pub(crate) struct Packing<'a> {
    kernel: &'static Kernel,
    plans: Vec<MatrixPlan<'a>>,
    bytes: usize,
    progress: &'a Progress<'a>,
}

/// Is told the bytes packed so far and all bytes.
pub(crate) type Progress<'a> = dyn Fn(u64, u64) + Sync + 'a;

impl<'a> Packing<'a> {
    pub(crate) fn new(kernel: &'static Kernel) -> Self {
        Self {
            kernel,
            plans: Vec::new(),
            bytes: 0,
            progress: &|_, _| {},
        }
    }

    /// Tells of each matrix that is packed.
    pub(crate) fn with_progress(self, progress: &'a Progress<'a>) -> Self {
        Self { progress, ..self }
    }

    /// The kernel that is packed for.
    pub(crate) fn kernel(&self) -> &'static Kernel {
        self.kernel
    }

    /// Bytes of all matrices that are planned.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Plans a matrix of this name, its columns in order; there are a multiple of [`BLOCK`] of them.
    pub(crate) fn add(
        &mut self,
        name: &str,
        shape: [usize; 2],
        format: Format,
        source: RowSource<'a>,
    ) -> &mut MatrixPlan<'a> {
        assert_eq!(shape[1] % BLOCK, 0);
        let floats = matches!(source, RowSource::Floats(_));
        assert_eq!(format.is_float(), floats, "floats are kept as floats");
        /// Where a matrix may start: a cache line.
        const ALIGNMENT: usize = 64;
        let bytes = format.matrix_bytes(self.kernel.spec().tile, shape);
        let start = self.bytes;
        self.bytes += bytes.next_multiple_of(ALIGNMENT);
        self.plans.push_mut(MatrixPlan {
            name: name.to_owned(),
            region: MatrixRegion {
                shape,
                format,
                order: None,
                bytes: start..start + bytes,
            },
            source,
        })
    }

    /// The matrices in their order.
    pub(crate) fn plans(&self) -> impl Iterator<Item = &MatrixPlan<'a>> {
        self.plans.iter()
    }

    /// Packs every matrix, in parallel within each, and lets go of its source.
    ///
    /// # Errors
    /// [`Error::Option`] when there is no memory for the weights, and what a source of rows gives.
    pub(crate) fn pack(self, pool: &mut Pool) -> Result<PackedMatrices, Error> {
        let mut memory = HugePages::new(self.bytes)?;
        let (kernel, layout) = (self.kernel, self.kernel.spec().tile);
        let mut packed = Vec::with_capacity(self.plans.len());
        let failure = Mutex::new(None);
        for plan in self.plans {
            let region = &plan.region;
            let tile_bytes = region.format.tile_bytes(layout, region.shape[1] / BLOCK);
            let tiles = SliceRows::new(&mut memory[region.bytes.clone()], tile_bytes);
            pool.for_each_chunk_mut(tiles, 8, |chunk, bytes| {
                let mut row = RowBuffer::default();
                for (tile, bytes) in chunk.zip(bytes.chunks_exact_mut(tile_bytes)) {
                    if let Err(error) = pack_tile(&plan, layout, tile, bytes, &mut row) {
                        *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                        return;
                    }
                }
            });
            if let Some(error) = failure
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take()
            {
                return Err(error);
            }
            (self.progress)(region.bytes.end as u64, self.bytes as u64);
            packed.push((plan.name, plan.region));
        }
        Ok(matrices(kernel, memory, packed.into_iter()))
    }

    /// The matrices with bytes that were packed for this kernel before. `fill` is called from all threads with a piece
    /// of a matrix at a time: the matrix's place in the order of the plans, the piece's number, and room for it.
    ///
    /// # Errors
    /// As [`Packing::pack`].
    pub(crate) fn fill(
        &self,
        pool: &mut Pool,
        fill: impl Fn(usize, usize, &mut [u8]) + Sync,
    ) -> Result<PackedMatrices, Error> {
        let mut memory = HugePages::new(self.bytes)?;
        let mut pieces = Vec::new();
        let (mut rest, mut start) = (&mut memory[..], 0);
        for (index, plan) in self.plans.iter().enumerate() {
            let region = plan.region.bytes.clone();
            let (bytes, behind) = rest[region.start - start..].split_at_mut(region.len());
            (rest, start) = (behind, region.end);
            let of_plan = bytes.chunks_mut(CHUNK_BYTES).enumerate();
            pieces.extend(of_plan.map(|(piece, bytes)| (index, piece, bytes)));
        }
        pool.for_each_chunk_mut(SliceRows::new(&mut pieces, 1), 1, |_, pieces| {
            for (index, piece, bytes) in pieces {
                fill(*index, *piece, bytes);
            }
        });
        let regions = self.plans.iter();
        let regions = regions.map(|plan| (plan.name.clone(), plan.region.clone()));
        Ok(matrices(self.kernel, memory, regions))
    }
}

fn matrices(
    kernel: &'static Kernel,
    memory: HugePages,
    regions: impl Iterator<Item = (String, MatrixRegion)>,
) -> PackedMatrices {
    let memory = Arc::new(memory);
    let matrix = |region| PackedMatrix::new(kernel, Arc::clone(&memory), region);
    regions
        .map(|(name, region)| (name, matrix(region)))
        .collect()
}

/// Room for one row.
#[derive(Default)]
struct RowBuffer {
    blocks: Vec<Block>,
    floats: Vec<f32>,
}

/// Lays out the rows of one tile; rows beyond the matrix are zero, as the memory is.
fn pack_tile(
    plan: &MatrixPlan<'_>,
    layout: TileLayout,
    tile: usize,
    bytes: &mut [u8],
    buffer: &mut RowBuffer,
) -> Result<(), Error> {
    let MatrixRegion { shape, format, .. } = plan.region;
    let [rows, cols] = shape;
    let rows = layout.rows.min(rows - tile * layout.rows);
    for row in 0..rows {
        let of_matrix = tile * layout.rows + row;
        match &plan.source {
            RowSource::Blocks(write) => {
                buffer.blocks.resize(cols / BLOCK, Block::ZERO);
                write(of_matrix, &mut buffer.blocks)?;
                pack_row(&buffer.blocks, format, layout, row, bytes);
            }
            RowSource::Floats(write) => {
                buffer.floats.resize(cols, 0.0);
                write(of_matrix, &mut buffer.floats)?;
                let row_bytes = bytes.len() / layout.rows;
                let to = &mut bytes[row * row_bytes..][..row_bytes];
                pack_floats(&buffer.floats, format, to);
            }
        }
    }
    Ok(())
}

/// Puts the blocks of one row of a tile in their places.
fn pack_row(blocks: &[Block], format: Format, layout: TileLayout, row: usize, tile: &mut [u8]) {
    let rows = layout.rows;
    let tile_block_bytes = format.tile_block_bytes(layout);
    let (tile_blocks, of_rows) = tile.split_at_mut(tile_block_bytes * blocks.len());
    let factors = format.factors();
    for (block, tile_block) in blocks
        .iter()
        .zip(tile_blocks.chunks_exact_mut(tile_block_bytes))
    {
        let (quants, to) = tile_block.split_at_mut(format.quant_bytes() * rows);
        pack_quants(&block.quants, format, layout, row, quants);
        match factors {
            Factors::None | Factors::SharedScale => {}
            Factors::Scale => put_half(to, row, block.scale),
            Factors::ScaleAndMin => {
                put_half(to, row, block.scale);
                put_half(to, rows + row, block.min);
            }
            Factors::SharedScaleAndMin | Factors::SharedHalfScales => {
                [to[row], to[rows + row]] = block.parts.bytes();
            }
        }
    }
    if format == Format::Int4Channel {
        return pack_channel(blocks, layout, row, of_rows);
    }
    let shared_bytes = format.shared_bytes() * rows;
    if shared_bytes > 0 {
        let firsts = blocks.iter().step_by(format.sharing());
        for (block, to) in firsts.zip(of_rows.chunks_exact_mut(shared_bytes)) {
            put_half(to, row, block.scale);
            if format.has_min() {
                put_half(to, rows + row, block.min);
            }
        }
    }
}

fn put_half(to: &mut [u8], index: usize, half: f16) {
    to[2 * index..][..2].copy_from_slice(&half.to_le_bytes());
}

/// Puts what a row of a channelwise tile has but once in its places: its scale, and the sum of its weights.
fn pack_channel(blocks: &[Block], layout: TileLayout, row: usize, of_rows: &mut [u8]) {
    let (scales, sums) = of_rows.split_at_mut(2 * layout.rows);
    let scale = blocks.first().map_or(f16::ZERO, |block| block.scale);
    scales[2 * row..][..2].copy_from_slice(&scale.to_le_bytes());
    let quants = blocks.iter().flat_map(|block| block.quants);
    let sum: i32 = quants.map(|q| i32::from(q & 15) - 8).sum();
    let sum = scale.to_f32() * sum as f32;
    sums[4 * row..][..4].copy_from_slice(&sum.to_le_bytes());
}

/// Puts the quants of one row of a tile in their places, which held none.
fn pack_quants(from: &[i8; BLOCK], format: Format, layout: TileLayout, row: usize, to: &mut [u8]) {
    let bits = format.plane_bits();
    if bits > 0 {
        let plane = &mut to[format.nibble_bytes() * layout.rows..];
        for (column, q) in from.iter().enumerate() {
            let (index, shift) = layout.plane_index(bits, row, column);
            plane[index] |= (q.cast_unsigned() >> format.plane_place()) << shift;
        }
        if !format.has_nibbles() {
            return;
        }
    }
    if format == Format::Q8 {
        for (column, q) in from.iter().enumerate() {
            to[layout.quant_index(row, column)] = q.cast_unsigned();
        }
    } else if layout.rows_in_byte == 2 {
        for (column, q) in from.iter().enumerate() {
            let (index, shift) = layout.nibble_index(row, column);
            to[index] = to[index] & (0xf0 >> shift) | (q & 15).cast_unsigned() << shift;
        }
    } else {
        let (low, high) = from.split_at(BLOCK / 2);
        for (column, (low, high)) in low.iter().zip(high).enumerate() {
            to[layout.quant_index(row, column)] = (low & 15 | high << 4).cast_unsigned();
        }
    }
}

/// Writes a row in a format of floats; the numbers are such that it holds them.
fn pack_floats(row: &[f32], format: Format, to: &mut [u8]) {
    if format == Format::Bf16 {
        for (to, number) in to.as_chunks_mut().0.iter_mut().zip(row) {
            *to = bf16::from_f32(*number).to_le_bytes();
        }
    } else {
        for (to, number) in to.as_chunks_mut().0.iter_mut().zip(row) {
            *to = number.to_le_bytes();
        }
    }
}
