//! Where activations come from.

/// Rows of values; several threads may ask for the same row at once.
pub(crate) trait ActivationSource: Sync {
    /// Rows and columns.
    fn shape(&self) -> [usize; 2];

    /// The values of a row. Where they are not there yet they are computed in `room`, which has as many columns.
    fn row<'a>(&'a self, row: usize, room: &'a mut [f32]) -> &'a [f32];
}

/// Values that are there already, `[rows, cols]`.
pub(crate) struct StoredRows<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) cols: usize,
}

impl ActivationSource for StoredRows<'_> {
    fn shape(&self) -> [usize; 2] {
        [self.values.len() / self.cols, self.cols]
    }

    fn row<'a>(&'a self, row: usize, _: &'a mut [f32]) -> &'a [f32] {
        &self.values[row * self.cols..][..self.cols]
    }
}
