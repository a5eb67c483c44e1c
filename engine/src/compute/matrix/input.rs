//! What a product multiplies with its matrices.

use std::ptr;

use super::packed::PackedMatrix;
use crate::compute::activations::{ActivationLayout, ActivationSource, Activations};
use crate::compute::kernel::Kernel;
use crate::compute::kernel::format::Format;
use crate::compute::kernel::panel::{Grouping, Panel};
use crate::compute::kernel::panels::Panels;
use crate::compute::kernel::quantized::QuantizedRows;
use crate::compute::room::Room;
use crate::machine::threads::{DisjointItems, Pool};

/// What activations need that are multiplied with all of these.
///
/// # Panics
/// When the matrices do not share their order of columns.
pub(crate) fn layout_for<'a>(matrices: &[&'a PackedMatrix]) -> ActivationLayout<'a> {
    let mut formats = matrices.iter().map(|matrix| matrix.format());
    let channelwise = |format| format == Format::Int4Channel;
    let grouping = if formats.clone().any(Format::is_float) {
        Grouping::Unrounded
    } else if formats.clone().all(channelwise) {
        Grouping::RowFromZeroPoint
    } else if formats.any(channelwise) {
        Grouping::Row
    } else {
        Grouping::Block
    };
    let mut orders = matrices.iter().map(|matrix| matrix.order());
    let order = orders.next().flatten();
    // Contents were compared when the model was planned, not at every product.
    let same = |other: Option<&_>| other.map(ptr::from_ref) == order.map(ptr::from_ref);
    assert!(orders.all(same), "one order of columns");
    ActivationLayout { grouping, order }
}

/// Activations of a stage.
pub(crate) enum MatmulInput<'a> {
    /// Rows that were quantised before.
    Rows(&'a Activations),
    /// The one row of a decode.
    DecodeRow(DecodeRow<'a>),
}

/// One row, which every thread of the stage quantises for itself. Done by one thread it takes a barrier, its lines
/// then go to the other threads one by one, and come back when the next row is written: on two chips that took longer
/// than quantising.
pub(crate) struct DecodeRow<'a> {
    kernel: &'static Kernel,
    grouping: Grouping,
    source: &'a dyn ActivationSource,
}

/// The row of a decode, as one thread has quantised it.
#[derive(Debug, Default)]
pub(super) struct DecodeCopy {
    quantized: QuantizedRows,
    /// The row as it is computed.
    room: Room,
}

impl<'a> MatmulInput<'a> {
    /// Input for the products of the next stage: rows are quantised into `activations` now, a single one when threads
    /// come to it. Panels are those of any other activations of as many rows.
    pub(crate) fn new(
        activations: &'a mut Activations,
        pool: &mut Pool,
        kernel: &'static Kernel,
        layout: ActivationLayout<'_>,
        source: &'a dyn ActivationSource,
    ) -> Self {
        let grouping = activations.grouping_for(layout);
        let plain = layout.order.is_none() && !activations.keeps(grouping);
        if source.shape()[0] == 1 && plain {
            return Self::DecodeRow(DecodeRow {
                kernel,
                grouping,
                source,
            });
        }
        activations.fill(pool, kernel, layout, source);
        Self::Rows(activations)
    }

    /// How its rows are cut.
    pub(crate) fn panels(&self) -> Panels {
        match self {
            Self::Rows(x) => x.panels(),
            Self::DecodeRow(_) => Panels::new(1, 1),
        }
    }

    /// The values, `[rows, cols]`, when products are to use these.
    pub(crate) fn floats(&self) -> Option<&'a [f32]> {
        match self {
            Self::Rows(x) => x.floats(),
            Self::DecodeRow(_) => None,
        }
    }

    /// What a thread does before it asks for its first panel.
    pub(super) fn begin(&self, copy: &mut DecodeCopy) {
        match self {
            Self::Rows(x) => x.prefetch_row(),
            Self::DecodeRow(row) => copy.quantize(row),
        }
    }

    /// One panel, for the thread that has this copy.
    pub(super) fn panel<'p>(&'p self, panel: usize, copy: &'p DecodeCopy) -> Panel<'p> {
        match self {
            Self::Rows(x) => x.panel(panel),
            Self::DecodeRow(_) => copy.quantized.panel(panel),
        }
    }
}

impl DecodeCopy {
    fn quantize(&mut self, row: &DecodeRow<'_>) {
        let shape = row.source.shape();
        let values = row.source.row(0, self.room.of(shape[1]));
        self.quantized.shape(row.grouping, shape, 1);
        for mut to in self.quantized.rows_mut().one_by_one() {
            row.kernel.quantize(&[values], row.grouping, &mut to);
        }
    }
}
