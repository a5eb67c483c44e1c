//! What activations must be like for the matrices that they are multiplied with.

use std::ptr;

use crate::compute::column_order::ColumnOrder;
use crate::compute::matrix::{Format, PackedMatrix};
use crate::machine::threads::Parts;

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

/// How activations are grouped and ordered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form<'a> {
    pub(super) grouping: Grouping,
    /// None where columns are as they come.
    pub(super) order: Option<&'a ColumnOrder>,
}

impl<'a> Form<'a> {
    /// What activations need that are multiplied with all of these.
    ///
    /// # Panics
    /// When the matrices do not share their order of columns.
    pub(crate) fn for_all(matrices: &[&'a PackedMatrix]) -> Self {
        let any = |is: fn(Format) -> bool| matrices.iter().any(|matrix| is(matrix.format()));
        let grouping = if any(Format::is_float) {
            Grouping::Unrounded
        } else if any(|format| format == Format::Int4Channel) {
            Grouping::Row
        } else {
            Grouping::Block
        };
        let mut orders = matrices.iter().map(|matrix| matrix.order());
        let order = orders.next().flatten();
        // Contents were compared when the model was planned, not at every product.
        let same = |other: Option<&_>| other.map(ptr::from_ref) == order.map(ptr::from_ref);
        assert!(orders.all(same), "one order of columns");
        Self { grouping, order }
    }
}

impl From<Grouping> for Form<'_> {
    fn from(grouping: Grouping) -> Self {
        let order = None;
        Self { grouping, order }
    }
}

/// Brings rows into an order on several threads.
pub(super) struct Gather<'a> {
    pub(super) order: &'a ColumnOrder,
    /// Room for rows of all columns.
    pub(super) room: Parts<'a, f32>,
}

impl Gather<'_> {
    /// A row in order, in the room's place `at`.
    ///
    /// # Safety
    /// No other thread uses this place.
    pub(super) unsafe fn row(&self, row: &[f32], at: usize) -> &[f32] {
        let place = at * row.len()..(at + 1) * row.len();
        // SAFETY: handed on to the caller.
        let room = unsafe { self.room.part(place) };
        self.order.gather(row, room);
        room
    }
}
