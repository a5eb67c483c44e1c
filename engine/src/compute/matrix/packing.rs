//! Matrices in one kernel's layout, activations, and their product on the pool.
//!
//! A [`PackedMatrix`] carries the kernel that reads it, so a wrong layout cannot be expressed. All matrices of a model
//! lie in one piece of memory.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::floats;
use crate::Error;
use crate::compute::block::{BLOCK, Block};
use crate::compute::column_order::ColumnOrder;
use crate::compute::kernel::{Kernel, Layout, Tiles};
use crate::machine::memory::HugePages;
use crate::machine::threads::{Parts, Pool};

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
    pub(crate) fn group_bytes(self, layout: Layout) -> usize {
        (self.quant_bytes() + 2 * self.halves()) * layout.rows
    }

    /// Bytes of a tile whose rows have so many blocks.
    pub(crate) fn tile_bytes(self, layout: Layout, blocks: usize) -> usize {
        let channel_scales = if self == Self::Int4Channel {
            2 * layout.rows
        } else {
            0
        };
        self.group_bytes(layout) * blocks + channel_scales
    }
}

/// A matrix of quantised weights, `[rows, cols]`, in the layout of one kernel.
pub(crate) struct PackedMatrix {
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) format: Format,
    order: Option<Arc<ColumnOrder>>,
    pub(super) kernel: &'static Kernel,
    memory: Arc<HugePages>,
    bytes: Range<usize>,
}

/// Packed matrices by the names under which they were planned.
pub(crate) type PackedMatrices = HashMap<String, PackedMatrix>;

impl std::fmt::Debug for PackedMatrix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "[{}, {}] {:?} for {:?}",
            self.rows, self.cols, self.format, self.kernel
        )
    }
}

impl PackedMatrix {
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn cols(&self) -> usize {
        self.cols
    }

    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// The order of its columns, where they are not as in the checkpoint.
    pub(crate) fn order(&self) -> Option<&ColumnOrder> {
        self.order.as_deref()
    }

    /// Packed size in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The packed weights.
    pub(crate) fn packed_bytes(&self) -> &[u8] {
        &self.memory[self.bytes.clone()]
    }

    /// Dequantises one row; its columns stay in the matrix's order.
    pub(crate) fn row_to_f32(&self, row: usize, out: &mut [f32]) {
        assert!(row < self.rows && out.len() == self.cols);
        if self.format.is_float() {
            return self.widen(row, out);
        }
        let layout = self.kernel.layout;
        let tile = self.tiles(0..self.tile_count()).tile(row / layout.rows);
        let row = row % layout.rows;
        for (out, group) in out.as_chunks_mut::<BLOCK>().0.iter_mut().zip(tile.groups()) {
            let (scale, min) = match self.format {
                Format::Int4 => (group.scale(row), group.min(row)),
                Format::Int4Symmetric => (group.scale(row), None),
                Format::Int4Channel => (tile.channel_scale(row), None),
                Format::Q8 | Format::Bf16 | Format::F32 => (group.scale(row), Some(0.0)),
            };
            let min = min.unwrap_or(-8.0 * scale);
            *out = group.row_quants(row).map(|q| scale * f32::from(q) + min);
        }
    }

    pub(crate) fn tile_count(&self) -> usize {
        self.rows.div_ceil(self.kernel.layout.rows)
    }

    pub(crate) fn tiles(&self, range: Range<usize>) -> Tiles<'_> {
        let blocks = self.cols / BLOCK;
        let tile_bytes = self.format.tile_bytes(self.kernel.layout, blocks);
        let bytes = &self.packed_bytes()[range.start * tile_bytes..range.end * tile_bytes];
        Tiles {
            bytes,
            layout: self.kernel.layout,
            format: self.format,
            blocks,
        }
    }
}

/// Bytes of a matrix that are written to a file, or read from it, at a time: a multiple of the size of huge pages, small
/// enough to be checked before the caches lose it, and many enough for many threads.
pub(crate) const PIECE: usize = 2 << 20;

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
pub(crate) struct Plan<'a> {
    pub(crate) name: String,
    pub(crate) place: Place,
    source: RowSource<'a>,
}

/// What is known of a matrix before it is packed, and where it goes.
#[derive(Clone)]
pub(crate) struct Place {
    shape: [usize; 2],
    format: Format,
    /// In which rows come, where it is not that of the checkpoint. A packed file does not hold it.
    pub(crate) order: Option<Arc<ColumnOrder>>,
    /// Its place in the memory.
    pub(crate) bytes: Range<usize>,
}

impl Plan<'_> {
    /// Format and shape.
    pub(crate) fn label(&self) -> String {
        format!("{:?} {:?}", self.place.format, self.place.shape)
    }
}

/// Collects the matrices of a model, then packs them all into one piece of memory.
pub(crate) struct Packing<'a> {
    kernel: &'static Kernel,
    plans: Vec<Plan<'a>>,
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
    pub(crate) fn telling(self, progress: &'a Progress<'a>) -> Self {
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
    ) -> &mut Plan<'a> {
        let [rows, cols] = shape;
        assert_eq!(cols % BLOCK, 0);
        let floats = matches!(source, RowSource::Floats(_));
        assert_eq!(format.is_float(), floats, "floats are kept as floats");
        /// Where a matrix may start: a cache line.
        const ALIGNMENT: usize = 64;
        let tiles = rows.div_ceil(self.kernel.layout.rows);
        let bytes = tiles * format.tile_bytes(self.kernel.layout, cols / BLOCK);
        let start = self.bytes;
        self.bytes += bytes.next_multiple_of(ALIGNMENT);
        self.plans.push_mut(Plan {
            name: name.to_owned(),
            place: Place {
                shape,
                format,
                order: None,
                bytes: start..start + bytes,
            },
            source,
        })
    }

    /// The matrices in their order.
    pub(crate) fn plans(&self) -> impl Iterator<Item = &Plan<'a>> {
        self.plans.iter()
    }

    /// Packs every matrix, in parallel within each, and lets go of its source.
    ///
    /// # Errors
    /// [`Error::Option`] when there is no memory for the weights, and what a source of rows gives.
    pub(crate) fn pack(self, pool: &mut Pool) -> Result<PackedMatrices, Error> {
        let mut memory = HugePages::new(self.bytes)?;
        let (kernel, layout) = (self.kernel, self.kernel.layout);
        let parts = Parts::new(&mut memory[..]);
        let mut packed = Vec::with_capacity(self.plans.len());
        let failure = Mutex::new(None);
        for plan in self.plans {
            let place = &plan.place;
            let [rows, cols] = place.shape;
            let tile_bytes = place.format.tile_bytes(layout, cols / BLOCK);
            pool.for_each(rows.div_ceil(layout.rows), 8, |chunk, _| {
                let mut row = RowBuffer::default();
                for tile in chunk {
                    let start = place.bytes.start + tile * tile_bytes;
                    // SAFETY: every tile is packed by one thread.
                    let bytes = unsafe { parts.part(start..start + tile_bytes) };
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
            (self.progress)(place.bytes.end as u64, self.bytes as u64);
            packed.push((plan.name, plan.place));
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
        let parts = Parts::new(&mut memory[..]);
        let of_plan = |(index, plan): (usize, &Plan<'_>)| {
            let starts = plan.place.bytes.clone().step_by(PIECE).enumerate();
            let end = plan.place.bytes.end;
            starts.map(move |(piece, start)| (index, piece, start..end.min(start + PIECE)))
        };
        let pieces: Vec<_> = self.plans.iter().enumerate().flat_map(of_plan).collect();
        pool.for_each(pieces.len(), 1, |range, _| {
            for (index, piece, bytes) in &pieces[range] {
                // SAFETY: every piece is filled by one thread.
                let bytes = unsafe { parts.part(bytes.clone()) };
                fill(*index, *piece, bytes);
            }
        });
        let places = self.plans.iter();
        let places = places.map(|plan| (plan.name.clone(), plan.place.clone()));
        Ok(matrices(self.kernel, memory, places))
    }
}

fn matrices(
    kernel: &'static Kernel,
    memory: HugePages,
    places: impl Iterator<Item = (String, Place)>,
) -> PackedMatrices {
    let memory = Arc::new(memory);
    let matrix = |place: Place| PackedMatrix {
        rows: place.shape[0],
        cols: place.shape[1],
        format: place.format,
        order: place.order,
        kernel,
        memory: Arc::clone(&memory),
        bytes: place.bytes,
    };
    places.map(|(name, place)| (name, matrix(place))).collect()
}

/// Room for one row.
#[derive(Default)]
struct RowBuffer {
    blocks: Vec<Block>,
    floats: Vec<f32>,
}

/// Lays out the rows of one tile; rows beyond the matrix are zero, as the memory is.
fn pack_tile(
    plan: &Plan<'_>,
    layout: Layout,
    tile: usize,
    bytes: &mut [u8],
    buffer: &mut RowBuffer,
) -> Result<(), Error> {
    let Place { shape, format, .. } = plan.place;
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
                floats::pack_row(&buffer.floats, format, to);
            }
        }
    }
    Ok(())
}

/// Puts the blocks of one row of a tile in their places.
fn pack_row(blocks: &[Block], format: Format, layout: Layout, row: usize, tile: &mut [u8]) {
    let quant_bytes = format.quant_bytes() * layout.rows;
    let group_bytes = format.group_bytes(layout);
    let (groups, channel_scales) = tile.split_at_mut(group_bytes * blocks.len());
    for (block, group) in blocks.iter().zip(groups.chunks_exact_mut(group_bytes)) {
        let (quants, halves) = group.split_at_mut(quant_bytes);
        pack_quants(&block.quants, format, layout, row, quants);
        let scale = block.scale.to_le_bytes();
        if format == Format::Int4Channel {
            channel_scales[2 * row..][..2].copy_from_slice(&scale);
        } else {
            halves[2 * row..][..2].copy_from_slice(&scale);
        }
        if format == Format::Int4 {
            halves[2 * (layout.rows + row)..][..2].copy_from_slice(&block.min.to_le_bytes());
        }
    }
}

/// Puts the quants of one row of a tile in their places.
fn pack_quants(from: &[i8; BLOCK], format: Format, layout: Layout, row: usize, to: &mut [u8]) {
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
