//! The activation function between the products of the feed-forward block.

use crate::compute::activations::ActivationSource;
use crate::compute::kernel::Kernel;

/// Rows `silu(gate) * up`, computed when they are asked for.
pub(super) struct Activated<'a> {
    pub(super) kernel: &'static Kernel,
    /// `[rows, cols]`, as is the next.
    pub(super) gate: &'a [f32],
    pub(super) up: &'a [f32],
    pub(super) cols: usize,
}

impl ActivationSource for Activated<'_> {
    fn shape(&self) -> [usize; 2] {
        [self.gate.len() / self.cols, self.cols]
    }

    fn row<'a>(&'a self, row: usize, room: &'a mut [f32]) -> &'a [f32] {
        let columns = row * self.cols..(row + 1) * self.cols;
        room.copy_from_slice(&self.gate[columns.clone()]);
        self.kernel.swiglu(room, &self.up[columns]);
        room
    }
}
