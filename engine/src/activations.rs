//! Activations in int8, as the products take them.

mod observer;
#[cfg(target_arch = "aarch64")]
mod quad;

use std::ops::Range;

use crate::int4::BLOCK;
use crate::kernel::Kernel;
use crate::matrix::{Format, PackedMatrix};
use crate::threads::{Parts, Pool};
pub(crate) use observer::Observer;
#[cfg(target_arch = "aarch64")]
pub(crate) use quad::Quad;

/// The float whose last bit counts ones, 1.5 * 2^23. An integer sum that starts at its bits reads, as a float, as this
/// plus the sum, exactly: one subtraction converts it.
pub(crate) const MAGIC: f32 = 12_582_912.0;

/// Activations that share a scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Grouping {
    /// 32 columns of a row.
    #[default]
    Block,
    /// A row: every block of it has the same scale.
    Row,
    /// They are not rounded and have none.
    Unrounded,
}

impl Grouping {
    /// What activations need that are multiplied with all of these.
    pub(crate) fn for_all(matrices: &[&PackedMatrix]) -> Self {
        let any = |is: fn(Format) -> bool| matrices.iter().any(|matrix| is(matrix.format()));
        if any(Format::is_float) {
            Self::Unrounded
        } else if any(|format| format == Format::Int4Channel) {
            Self::Row
        } else {
            Self::Block
        }
    }
}

/// Rows of activations in int8, one scale per block of 32 or per row.
///
/// Blocks come first, `[blocks, rows, 32]`: a kernel that holds one block of weights in registers runs down the rows
/// without jumping, and rows never meet in the same cache set.
#[derive(Debug, Default)]
pub(crate) struct Activations {
    rows: usize,
    blocks: usize,
    grouping: Grouping,
    quants: Vec<[i8; BLOCK]>,
    scales: Vec<f32>,
    sums: Vec<f32>,
    starts: Vec<f32>,
    row_sums: Vec<i32>,
    /// Whether rows share a scale even where the weights do not want it.
    by_row: bool,
    /// Whether values are kept even where they are rounded, for whoever wants to know what that does.
    keeps_floats: bool,
    /// The values, `[rows, cols]`, when they are kept.
    floats: Vec<f32>,
    /// Looks at the values that are kept.
    observer: Option<Observer>,
    /// Several rows as kernels take them that multiply two rows by two, `[rows / 4, blocks]`.
    #[cfg(target_arch = "aarch64")]
    quads: Vec<Quad>,
}

/// One block of one row of [`Activations`]: `x = scale * quants`, and `sum` is the sum of the 32 quants.
pub(crate) struct ActivationBlock<'a> {
    pub(crate) quants: &'a [i8; BLOCK],
    pub(crate) scale: f32,
    pub(crate) sum: f32,
}

impl Activations {
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Blocks in a row.
    pub(crate) fn blocks(&self) -> usize {
        self.blocks
    }

    /// Gives all values of a row one scale from the next [`Activations::fill`] on, asked for or not.
    pub(crate) fn round_by_row(&mut self) {
        self.by_row = true;
    }

    /// Keeps the values beside the quants from the next [`Activations::fill`] on, for the products to use instead.
    pub(crate) fn keep_floats(&mut self) {
        self.keeps_floats = true;
    }

    /// Shows the values that are kept to an observer from the next [`Activations::fill`] on.
    pub(crate) fn observe(&mut self, observer: Observer) {
        self.observer = Some(observer);
    }

    /// Who looks at the values.
    pub(crate) fn observer(&self) -> Option<&Observer> {
        self.observer.as_ref()
    }

    /// The values, `[rows, cols]`, when they are kept.
    pub(crate) fn floats(&self) -> Option<&[f32]> {
        let kept = self.keeps_floats || self.grouping == Grouping::Unrounded;
        kept.then(|| &self.floats[..self.rows * self.blocks * BLOCK])
    }

    /// What shares a scale.
    pub(crate) fn grouping(&self) -> Grouping {
        self.grouping
    }

    pub(crate) fn block(&self, block: usize, row: usize) -> ActivationBlock<'_> {
        let at = block * self.rows + row;
        ActivationBlock {
            quants: &self.quants[at],
            scale: self.scales[at],
            sum: self.sums[at],
        }
    }

    /// The sum of all quants of a row.
    pub(crate) fn row_sum(&self, row: usize) -> i32 {
        self.row_sums[row]
    }

    /// All quants, `[blocks, rows]`.
    pub(crate) fn quants(&self) -> &[[i8; BLOCK]] {
        &self.quants[..self.blocks * self.rows]
    }

    /// All scales, `[blocks, rows]`.
    pub(crate) fn scales(&self) -> &[f32] {
        &self.scales[..self.blocks * self.rows]
    }

    /// All sums, `[blocks, rows]`.
    pub(crate) fn sums(&self) -> &[f32] {
        &self.sums[..self.blocks * self.rows]
    }

    /// `MAGIC - 8 * sum` for all sums, `[blocks, rows]`: where the sums of a block of nibbles around 8 start.
    pub(crate) fn starts(&self) -> &[f32] {
        &self.starts[..self.blocks * self.rows]
    }

    /// Gives the activations a shape and quantises every row, in parallel when there are many. `row_values` is asked
    /// once for the `cols` values of each row.
    pub(crate) fn fill<'x>(
        &mut self,
        pool: &mut Pool,
        kernel: &'static Kernel,
        grouping: Grouping,
        [rows, cols]: [usize; 2],
        row_values: impl Fn(usize) -> &'x [f32] + Sync,
    ) {
        assert_eq!(cols % BLOCK, 0);
        let by_row = self.by_row && grouping == Grouping::Block;
        let grouping = if by_row { Grouping::Row } else { grouping };
        (self.rows, self.blocks, self.grouping) = (rows, cols / BLOCK, grouping);
        let len = rows * self.blocks;
        if self.quants.len() < len {
            self.quants.resize(len, [0; BLOCK]);
            self.scales.resize(len, 0.0);
            self.sums.resize(len, 0.0);
            self.starts.resize(len, 0.0);
        }
        self.row_sums.resize(rows, 0);
        let rounded = grouping != Grouping::Unrounded;
        let kept = self.keeps_floats || !rounded;
        if kept && self.floats.len() < rows * cols {
            self.floats.resize(rows * cols, 0.0);
        }
        let floats = kept.then(|| Parts::new(&mut self.floats));
        let quants = Parts::new(&mut self.quants);
        let scales = Parts::new(&mut self.scales);
        let sums = Parts::new(&mut self.sums);
        let starts = Parts::new(&mut self.starts);
        let row_sums = Parts::new(&mut self.row_sums);
        // Fewer than four rows are not worth a barrier.
        let chunk = (rows / (2 * pool.threads())).clamp(4, ROWS);
        pool.for_each(rows, chunk, |chunk, _| {
            let mut values = [&[][..]; ROWS];
            for (values, row) in values.iter_mut().zip(chunk.clone()) {
                *values = row_values(row);
                assert_eq!(values.len(), cols);
                if let Some(floats) = &floats {
                    // SAFETY: every row is written by one thread.
                    let kept = unsafe { floats.part(row * cols..(row + 1) * cols) };
                    kept.copy_from_slice(values);
                }
            }
            if !rounded {
                return;
            }
            let writer = RowsWriter {
                rows: chunk.clone(),
                all_rows: rows,
                quants: &quants,
                scales: &scales,
                sums: &sums,
                starts: &starts,
                row_sums: &row_sums,
            };
            // SAFETY: every row is written by one thread.
            unsafe { kernel.quantize(&values[..chunk.len()], grouping, &writer) };
        });
        if let Some(observer) = &mut self.observer {
            observer.add(&self.floats[..rows * cols], cols);
        }
        #[cfg(target_arch = "aarch64")]
        if rounded && rows > 1 && kernel.layout.rows_in_byte == 2 {
            self.fill_quads(pool);
        }
    }
}

/// Rows that are quantised together, at most. Block after block they fill whole cache lines: row after row, the lines
/// of a row lie a power of two apart and push each other out of the cache.
pub(crate) const ROWS: usize = 16;

/// Writes some rows of [`Activations`] while other threads write others.
pub(crate) struct RowsWriter<'a> {
    rows: Range<usize>,
    all_rows: usize,
    quants: &'a Parts<'a, [i8; BLOCK]>,
    scales: &'a Parts<'a, f32>,
    sums: &'a Parts<'a, f32>,
    starts: &'a Parts<'a, f32>,
    row_sums: &'a Parts<'a, i32>,
}

/// Where one block of the rows goes, `[rows]`.
pub(crate) struct BlocksMut<'a> {
    pub(crate) quants: &'a mut [[i8; BLOCK]],
    pub(crate) scales: &'a mut [f32],
    pub(crate) sums: &'a mut [f32],
    pub(crate) starts: &'a mut [f32],
}

impl RowsWriter<'_> {
    /// One block of these rows.
    ///
    /// # Safety
    /// No other thread writes these rows.
    #[inline]
    pub(crate) unsafe fn block(&self, block: usize) -> BlocksMut<'_> {
        let first = block * self.all_rows;
        let range = || first + self.rows.start..first + self.rows.end;
        BlocksMut {
            // SAFETY: no other thread writes these rows, by the contract.
            quants: unsafe { self.quants.part(range()) },
            // SAFETY: as above.
            scales: unsafe { self.scales.part(range()) },
            // SAFETY: as above.
            sums: unsafe { self.sums.part(range()) },
            // SAFETY: as above.
            starts: unsafe { self.starts.part(range()) },
        }
    }

    /// Where the sum of all quants of each of these rows goes.
    ///
    /// # Safety
    /// No other thread writes these rows.
    #[expect(
        clippy::mut_from_ref,
        reason = "what is handed out is a disjoint part of a buffer that is borrowed mutably"
    )]
    pub(crate) unsafe fn row_sums(&self) -> &mut [i32] {
        // SAFETY: no other thread writes these rows, by the contract.
        unsafe { self.row_sums.part(self.rows.clone()) }
    }
}
