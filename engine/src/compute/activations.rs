//! Activations of a step in int8, as the products take them.

mod layout;
mod source;

use std::ops::Range;

pub(crate) use self::layout::ActivationLayout;
pub(crate) use self::source::{ActivationSource, StoredRows};
use crate::compute::column_order::ColumnOrder;
use crate::compute::kernel::Kernel;
use crate::compute::kernel::panel::{Grouping, Panel, ROWS};
use crate::compute::kernel::panels::Panels;
use crate::compute::kernel::quantized::{PanelRowsMut, QuantizedRows};
use crate::compute::room::Room;
use crate::machine::threads::{PerThread, Pool, SliceRows};

/// The rows of a step in int8, or as they are where the products want that.
///
/// They lie in panels: a [`Panel`] is what a kernel multiplies at a time, so that each thread works on rows that it
/// has quantised itself.
#[derive(Debug, Default)]
pub(crate) struct Activations {
    quantized: QuantizedRows,
    /// Whether rows share a scale even where the weights do not want it.
    by_row: bool,
    /// Whether values are kept even where they are rounded, for whoever wants to know what that does.
    keeps_floats: bool,
    /// The values, `[rows, cols]`, when they are kept.
    floats: Room,
    scratch: PerThread<RowScratch>,
}

/// Room for rows on their way, `[ROWS, cols]`.
#[derive(Debug, Default)]
struct RowScratch {
    /// Rows that are computed when they are asked for.
    computed: Room,
    /// Rows in the order of the weights, where it is not their own.
    ordered: Room,
}

impl Activations {
    pub(crate) fn rows(&self) -> usize {
        self.panels().rows()
    }

    /// How the rows are cut.
    pub(crate) fn panels(&self) -> Panels {
        self.quantized.panels()
    }

    /// One panel.
    pub(crate) fn panel(&self, panel: usize) -> Panel<'_> {
        self.quantized.panel(panel)
    }

    /// Fetches a single row from the caches of the threads that wrote it.
    pub(crate) fn prefetch_row(&self) {
        if self.rows() == 1 {
            self.quantized.prefetch();
        }
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
        let len = self.rows() * self.quantized.cols();
        self.keeps(self.quantized.grouping())
            .then(|| self.floats.first(len))
    }

    /// Whether the values of rows that are grouped so are kept.
    pub(crate) fn keeps(&self, grouping: Grouping) -> bool {
        self.keeps_floats || grouping == Grouping::Unrounded
    }

    /// How rows of this layout are grouped here.
    pub(crate) fn grouping_for(&self, layout: ActivationLayout<'_>) -> Grouping {
        match layout.grouping {
            Grouping::Block if self.by_row => Grouping::Row,
            grouping => grouping,
        }
    }

    /// Takes the shape of `source` and quantises all of its rows, in parallel when there are many. Each row is asked for
    /// once.
    pub(crate) fn fill(
        &mut self,
        pool: &mut Pool,
        kernel: &'static Kernel,
        layout: ActivationLayout<'_>,
        source: &dyn ActivationSource,
    ) {
        let (grouping, order) = (self.grouping_for(layout), layout.order);
        let shape = source.shape();
        self.quantized.shape(grouping, shape, pool.threads());
        if !self.keeps(grouping) {
            return self.quantize(pool, kernel, order, source);
        }
        let [rows, cols] = shape;
        let mut floats = std::mem::take(&mut self.floats);
        let values = floats.of(rows * cols);
        self.collect(pool, order, source, values);
        if grouping != Grouping::Unrounded {
            self.quantize(pool, kernel, None, &StoredRows { values, cols });
        }
        self.floats = floats;
    }

    /// Brings all rows to `values`, `[rows, cols]`.
    fn collect(
        &mut self,
        pool: &mut Pool,
        order: Option<&ColumnOrder>,
        source: &dyn ActivationSource,
        values: &mut [f32],
    ) {
        let [rows, cols] = source.shape();
        let at_once = rows_at_once(rows, pool);
        pool.share(
            SliceRows::new(values, cols),
            at_once..=at_once,
            &mut self.scratch,
            |_| (),
            |scratch, range, values| {
                let rows = scratch.rows(source, order, range);
                for (to, row) in values.chunks_exact_mut(cols).zip(rows) {
                    to.copy_from_slice(row);
                }
            },
        );
    }

    /// Quantises all rows.
    fn quantize(
        &mut self,
        pool: &mut Pool,
        kernel: &'static Kernel,
        order: Option<&ColumnOrder>,
        source: &dyn ActivationSource,
    ) {
        let grouping = self.quantized.grouping();
        // A power of two of rows is never of two panels.
        let at_once = rows_at_once(self.rows(), pool);
        pool.share(
            self.quantized.rows_mut(),
            at_once..=at_once,
            &mut self.scratch,
            |_| (),
            |scratch, range, mut to| {
                let count = range.len();
                let rows = scratch.rows(source, order, range);
                kernel.quantize(&rows[..count], grouping, &mut to);
            },
        );
        self.finish(pool, kernel);
    }

    /// Whether values of this layout can be quantised block by block, as they come, with nothing kept of them.
    pub(crate) fn take_blocks(&self, layout: ActivationLayout<'_>) -> bool {
        let as_they_come = layout.grouping == Grouping::Block && layout.order.is_none();
        as_they_come && !self.by_row && !self.keeps_floats
    }

    /// Gives the activations a shape, to be written block by block; panels are those of any other activations of as
    /// many rows. [`Activations::finish`] comes last.
    pub(crate) fn start(&mut self, shape: [usize; 2], pool: &Pool) -> PanelRowsMut<'_> {
        assert!(self.take_blocks(Grouping::Block.into()));
        self.quantized.shape(Grouping::Block, shape, pool.threads());
        self.quantized.rows_mut()
    }

    /// What is left to do once all rows are quantised.
    pub(crate) fn finish(&mut self, pool: &mut Pool, kernel: &'static Kernel) {
        self.quantized.arrange(kernel.spec().panel, pool);
    }
}

/// Rows that a thread quantises at a time: fewer than four are not worth a barrier.
fn rows_at_once(rows: usize, pool: &Pool) -> usize {
    let few = (rows / (4 * pool.threads())).clamp(4, ROWS);
    1 << few.ilog2()
}

impl RowScratch {
    /// Up to [`ROWS`] rows of a source, in this order; the rest are empty.
    fn rows<'a>(
        &'a mut self,
        source: &'a dyn ActivationSource,
        order: Option<&ColumnOrder>,
        range: Range<usize>,
    ) -> [&'a [f32]; ROWS] {
        let [_, cols] = source.shape();
        let computed = self.computed.of(ROWS * cols).chunks_exact_mut(cols);
        let mut rows = [&[][..]; ROWS];
        for ((to, room), row) in rows.iter_mut().zip(computed).zip(range) {
            *to = source.row(row, room);
            assert_eq!(to.len(), cols);
        }
        if let Some(order) = order {
            let ordered = self.ordered.of(ROWS * cols).chunks_exact_mut(cols);
            for (row, room) in rows.iter_mut().filter(|row| !row.is_empty()).zip(ordered) {
                order.gather(row, room);
                *row = room;
            }
        }
        rows
    }
}
