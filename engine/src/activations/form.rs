//! How activations are quantised for the matrices that they are multiplied with.

use crate::matrix::{Format, PackedMatrix};

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
