//! A matrix in one kernel's layout.

use std::ops::Range;
use std::sync::Arc;

use half::bf16;

use crate::compute::block::BLOCK;
use crate::compute::column_order::ColumnOrder;
use crate::compute::kernel::Kernel;
use crate::compute::kernel::format::Format;
use crate::compute::kernel::tile::Tiles;
use crate::machine::memory::HugePages;

/// What is known of a matrix before it is packed, and where it goes.
#[derive(Clone)]
pub(crate) struct MatrixRegion {
    pub(super) shape: [usize; 2],
    pub(super) format: Format,
    /// In which rows come, where it is not that of the checkpoint. A packed file does not hold it.
    pub(crate) order: Option<Arc<ColumnOrder>>,
    /// Its place in the memory.
    pub(crate) bytes: Range<usize>,
}

/// A matrix of quantised weights, `[rows, cols]`, in the layout of one kernel.
pub(crate) struct PackedMatrix {
    rows: usize,
    cols: usize,
    format: Format,
    order: Option<Arc<ColumnOrder>>,
    kernel: &'static Kernel,
    memory: Arc<HugePages>,
    bytes: Range<usize>,
}

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
    /// A matrix whose bytes were packed for `kernel` at this place of `memory`.
    ///
    /// # Panics
    /// When it takes more or fewer bytes.
    pub(super) fn new(
        kernel: &'static Kernel,
        memory: Arc<HugePages>,
        region: MatrixRegion,
    ) -> Self {
        let [rows, cols] = region.shape;
        let bytes = region.format.matrix_bytes(kernel.spec().tile, region.shape);
        assert_eq!(region.bytes.len(), bytes);
        Self {
            rows,
            cols,
            format: region.format,
            order: region.order,
            kernel,
            memory,
            bytes: region.bytes,
        }
    }

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

    /// The kernel that reads it.
    pub(crate) fn kernel(&self) -> &'static Kernel {
        self.kernel
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
        let layout = self.kernel.spec().tile;
        let tile = self.tiles(0..self.tile_count()).tile(row / layout.rows);
        let row = row % layout.rows;
        for (out, block) in out.as_chunks_mut::<BLOCK>().0.iter_mut().zip(tile.blocks()) {
            let scales = match self.format {
                Format::Int4Channel => [tile.channel_scale(row); 2],
                _ => block.scales(row),
            };
            let quants = block.row_quants(row);
            let zero = self.format.zero();
            *out = match block.min(row) {
                Some(min) => quants.map(|q| scales[0] * f32::from(q) + min),
                None => std::array::from_fn(|column| {
                    scales[column / (BLOCK / 2)] * f32::from(quants[column].wrapping_sub(zero))
                }),
            };
        }
    }

    /// A row of a float matrix.
    fn widen(&self, row: usize, out: &mut [f32]) {
        let bytes = self.cols * self.format.quant_bytes() / BLOCK;
        let bytes = &self.packed_bytes()[row * bytes..][..bytes];
        if self.format == Format::Bf16 {
            for (out, bytes) in out.iter_mut().zip(bytes.as_chunks().0) {
                *out = bf16::from_le_bytes(*bytes).to_f32();
            }
        } else {
            for (out, bytes) in out.iter_mut().zip(bytes.as_chunks().0) {
                *out = f32::from_le_bytes(*bytes);
            }
        }
    }

    /// Rows of a tile.
    pub(crate) fn tile_rows(&self) -> usize {
        self.kernel.spec().tile.rows
    }

    pub(crate) fn tile_count(&self) -> usize {
        self.rows.div_ceil(self.tile_rows())
    }

    pub(crate) fn tiles(&self, range: Range<usize>) -> Tiles<'_> {
        let blocks = self.cols / BLOCK;
        let tile_bytes = self.format.tile_bytes(self.kernel.spec().tile, blocks);
        let bytes = &self.packed_bytes()[range.start * tile_bytes..range.end * tile_bytes];
        Tiles {
            bytes,
            layout: self.kernel.spec().tile,
            format: self.format,
            blocks,
        }
    }
}
