//! Activations in int8, as the products take them.

mod layout;
mod operand;
mod panels;
#[cfg(target_arch = "aarch64")]
mod row_quads;

use std::ops::Range;

use self::layout::Gather;
use crate::compute::block::BLOCK;
use crate::compute::kernel::Kernel;
use crate::machine::threads::{Parts, Pool};
pub(crate) use layout::{Form, Grouping};
pub(crate) use operand::{Operand, RowValues, Stored};
pub(crate) use panels::Panels;
#[cfg(target_arch = "aarch64")]
pub(crate) use row_quads::Quad;

/// The float whose last bit counts ones, 1.5 * 2^23. An integer sum that starts at its bits reads, as a float, as this
/// plus the sum, exactly: one subtraction converts it.
pub(crate) const MAGIC: f32 = 12_582_912.0;

/// The rows of a step in int8, one scale per block of 32 or per row.
///
/// They lie in panels: a [`Panel`] is what a kernel multiplies at a time, so that each thread works on rows that it
/// has quantised itself.
#[derive(Debug, Default)]
pub(crate) struct Activations {
    panels: Panels,
    blocks: usize,
    grouping: Grouping,
    /// All panels one after the other, as are the next three.
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
    /// Rows in the order of the weights, where it is not their own: `[threads, ROWS, cols]`.
    gathered: Vec<f32>,
    /// A single row for each thread.
    copies: Vec<Activations>,
    /// Several rows as kernels take them that multiply two rows by two, `[rows / 4, blocks]`.
    #[cfg(target_arch = "aarch64")]
    quads: Vec<Quad>,
}

/// Some rows of [`Activations`], side by side.
///
/// Blocks come first, `[blocks, rows, 32]`: a kernel that holds one block of weights in registers runs down the rows
/// without jumping, and rows never meet in the same cache set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Panel<'a> {
    rows: usize,
    blocks: usize,
    grouping: Grouping,
    quants: &'a [[i8; BLOCK]],
    scales: &'a [f32],
    sums: &'a [f32],
    starts: &'a [f32],
    row_sums: &'a [i32],
    #[cfg(target_arch = "aarch64")]
    quads: &'a [Quad],
}

/// One block of one row of a [`Panel`]: `x = scale * quants`, and `sum` is the sum of the 32 quants.
pub(crate) struct ActivationBlock<'a> {
    pub(crate) quants: &'a [i8; BLOCK],
    pub(crate) scale: f32,
    pub(crate) sum: f32,
    /// `MAGIC - 8 * sum`: where the sums of a block of nibbles around 8 start.
    #[cfg_attr(
        not(target_arch = "aarch64"),
        allow(dead_code, reason = "other kernels take them all at once")
    )]
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
}

impl Activations {
    pub(crate) fn rows(&self) -> usize {
        self.panels.rows()
    }

    /// How the rows are cut.
    pub(crate) fn panels(&self) -> Panels {
        self.panels
    }

    /// Gives all values of a row one scale from the next [`Activations::fill`] on, asked for or not.
    pub(crate) fn round_by_row(&mut self) {
        self.by_row = true;
    }

    /// Keeps the values beside the quants from the next [`Activations::fill`] on, for the products to use instead.
    pub(crate) fn keep_floats(&mut self) {
        self.keeps_floats = true;
    }

    /// The values, `[rows, cols]`, when they are kept.
    pub(crate) fn floats(&self) -> Option<&[f32]> {
        let len = self.rows() * self.blocks * BLOCK;
        self.keeps(self.grouping).then(|| &self.floats[..len])
    }

    /// Whether the values of rows that are grouped so are kept.
    fn keeps(&self, grouping: Grouping) -> bool {
        self.keeps_floats || grouping == Grouping::Unrounded
    }

    /// How rows of this form are grouped here.
    fn grouping_for(&self, form: Form<'_>) -> Grouping {
        match form.grouping {
            Grouping::Block if self.by_row => Grouping::Row,
            grouping => grouping,
        }
    }

    /// One panel.
    pub(crate) fn panel(&self, panel: usize) -> Panel<'_> {
        let rows = self.panels.rows_of(panel);
        let range = rows.start * self.blocks..rows.end * self.blocks;
        Panel {
            rows: rows.len(),
            blocks: self.blocks,
            grouping: self.grouping,
            quants: &self.quants[range.clone()],
            scales: &self.scales[range.clone()],
            sums: &self.sums[range.clone()],
            starts: &self.starts[range],
            #[cfg(target_arch = "aarch64")]
            quads: self.quads_of(rows.clone()),
            row_sums: &self.row_sums[rows],
        }
    }

    /// Gives the activations a shape and quantises every row, in parallel when there are many. `row_values` is asked
    /// once for the `cols` values of each row.
    pub(crate) fn fill<'x>(
        &mut self,
        pool: &mut Pool,
        kernel: &'static Kernel,
        form: Form<'_>,
        [rows, cols]: [usize; 2],
        row_values: impl Fn(usize) -> &'x [f32] + Sync,
    ) {
        let (grouping, order) = (self.grouping_for(form), form.order);
        self.shape(grouping, [rows, cols], pool.threads());
        let mut floats = std::mem::take(&mut self.floats);
        let mut gathered = std::mem::take(&mut self.gathered);
        let gather = order.map(|order| {
            gathered.resize(pool.threads() * ROWS * cols, 0.0);
            let room = Parts::new(&mut gathered);
            Gather { order, room }
        });
        let rounded = grouping != Grouping::Unrounded;
        let kept = self.keeps(grouping).then(|| Parts::new(&mut floats));
        let writer = self.writer();
        // Fewer than four rows are not worth a barrier; a power of two of them is never of two panels.
        let few = (rows / (2 * pool.threads())).clamp(4, ROWS);
        pool.for_each(rows, 1 << few.ilog2(), |chunk, thread| {
            let mut values = [&[][..]; ROWS];
            for (place, (values, row)) in values.iter_mut().zip(chunk.clone()).enumerate() {
                *values = row_values(row);
                assert_eq!(values.len(), cols);
                if let Some(gather) = &gather {
                    // SAFETY: each thread has room of its own.
                    *values = unsafe { gather.row(values, thread * ROWS + place) };
                }
                if let Some(kept) = &kept {
                    // SAFETY: every row is written by one thread.
                    let kept = unsafe { kept.part(row * cols..(row + 1) * cols) };
                    kept.copy_from_slice(values);
                }
            }
            if !rounded {
                return;
            }
            let writer = writer.rows(chunk.clone(), 0);
            // SAFETY: every row is written by one thread.
            unsafe { kernel.quantize(&values[..chunk.len()], grouping, &writer) };
        });
        (self.floats, self.gathered) = (floats, gathered);
        if rounded {
            self.finish(pool, kernel);
        }
    }

    /// Whether values of this form can be quantised block by block, as they come, with nothing kept of them.
    pub(crate) fn take_blocks(&self, form: Form<'_>) -> bool {
        let as_they_come = form.grouping == Grouping::Block && form.order.is_none();
        as_they_come && !self.by_row && !self.keeps_floats
    }

    /// Gives the activations a shape, to be written block by block; panels are those of any other activations of as
    /// many rows. [`Activations::finish`] comes last.
    pub(crate) fn start(&mut self, shape: [usize; 2], pool: &Pool) -> Writer<'_> {
        assert!(self.take_blocks(Grouping::Block.into()));
        self.shape(Grouping::Block, shape, pool.threads());
        self.writer()
    }

    fn writer(&mut self) -> Writer<'_> {
        Writer {
            panels: self.panels,
            blocks: self.blocks,
            quants: Parts::new(&mut self.quants),
            scales: Parts::new(&mut self.scales),
            sums: Parts::new(&mut self.sums),
            starts: Parts::new(&mut self.starts),
            row_sums: Parts::new(&mut self.row_sums),
        }
    }

    /// What is left to do once all rows are quantised.
    #[cfg_attr(
        not(target_arch = "aarch64"),
        expect(unused_variables, clippy::unused_self, reason = "nothing is left")
    )]
    pub(crate) fn finish(&mut self, pool: &mut Pool, kernel: &'static Kernel) {
        #[cfg(target_arch = "aarch64")]
        if self.rows() > 1 && kernel.layout.rows_in_byte == 2 {
            self.fill_quads(pool);
        }
    }

    /// Makes room for rows of so many columns, and cuts them into panels.
    fn shape(&mut self, grouping: Grouping, [rows, cols]: [usize; 2], threads: usize) {
        assert_eq!(cols % BLOCK, 0);
        (self.blocks, self.grouping) = (cols / BLOCK, grouping);
        self.panels = Panels::new(rows, threads);
        let len = rows * self.blocks;
        if self.quants.len() < len {
            self.quants.resize(len, [0; BLOCK]);
            self.scales.resize(len, 0.0);
            self.sums.resize(len, 0.0);
            self.starts.resize(len, 0.0);
        }
        self.row_sums.resize(rows, 0);
        if self.keeps(grouping) && self.floats.len() < rows * cols {
            self.floats.resize(rows * cols, 0.0);
        }
    }
}

/// Rows that are quantised together, at most. Block after block they fill whole cache lines: row after row, the lines
/// of a row lie a power of two apart and push each other out of the cache.
pub(crate) const ROWS: usize = 16;

/// Writes [`Activations`] from several threads.
pub(crate) struct Writer<'a> {
    panels: Panels,
    blocks: usize,
    quants: Parts<'a, [i8; BLOCK]>,
    scales: Parts<'a, f32>,
    sums: Parts<'a, f32>,
    starts: Parts<'a, f32>,
    row_sums: Parts<'a, i32>,
}

impl Writer<'_> {
    /// Some rows of one panel, from a block on.
    pub(crate) fn rows(&self, rows: Range<usize>, first_block: usize) -> RowsWriter<'_> {
        let panel = self.panels.rows_of(rows.start / self.panels.panel_rows());
        assert!(rows.end <= panel.end, "rows of two panels");
        RowsWriter {
            writer: self,
            rows,
            panel,
            first_block,
        }
    }
}

/// Writes some rows of [`Activations`] while other threads write others, or other blocks.
pub(crate) struct RowsWriter<'a> {
    writer: &'a Writer<'a>,
    rows: Range<usize>,
    /// All rows of the panel that they are of.
    panel: Range<usize>,
    first_block: usize,
}

/// Where one block of the rows goes, `[rows]`.
pub(crate) struct BlocksMut<'a> {
    pub(crate) quants: &'a mut [[i8; BLOCK]],
    pub(crate) scales: &'a mut [f32],
    pub(crate) sums: &'a mut [f32],
    pub(crate) starts: &'a mut [f32],
}

impl RowsWriter<'_> {
    /// One block of these rows, counted from the first.
    ///
    /// # Safety
    /// No other thread writes this block of these rows.
    #[inline(always)]
    pub(crate) unsafe fn block(&self, block: usize) -> BlocksMut<'_> {
        let (panel, writer) = (&self.panel, self.writer);
        let start = panel.start * writer.blocks
            + (self.first_block + block) * panel.len()
            + (self.rows.start - panel.start);
        let range = || start..start + self.rows.len();
        BlocksMut {
            // SAFETY: no other thread writes this block of these rows, by the contract.
            quants: unsafe { writer.quants.part(range()) },
            // SAFETY: as above.
            scales: unsafe { writer.scales.part(range()) },
            // SAFETY: as above.
            sums: unsafe { writer.sums.part(range()) },
            // SAFETY: as above.
            starts: unsafe { writer.starts.part(range()) },
        }
    }

    /// Where the sum of all quants of each of these rows goes, which only rows with one scale have.
    ///
    /// # Safety
    /// No other thread writes these rows.
    #[expect(
        clippy::mut_from_ref,
        reason = "what is handed out is a disjoint part of a buffer that is borrowed mutably"
    )]
    pub(crate) unsafe fn row_sums(&self) -> &mut [i32] {
        // SAFETY: no other thread writes these rows, by the contract.
        unsafe { self.writer.row_sums.part(self.rows.clone()) }
    }
}
