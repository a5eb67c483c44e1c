//! What activations must be like for the matrices that they are multiplied with.

use crate::compute::column_order::ColumnOrder;
use crate::compute::kernel::panel::Grouping;

/// How activations are grouped and ordered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ActivationLayout<'a> {
    pub(crate) grouping: Grouping,
    /// None where columns are as they come.
    pub(crate) order: Option<&'a ColumnOrder>,
}

impl From<Grouping> for ActivationLayout<'_> {
    fn from(grouping: Grouping) -> Self {
        let order = None;
        Self { grouping, order }
    }
}
