//! The RMS norm before products.

use crate::compute::activations::ActivationSource;
use crate::compute::kernel::Kernel;

/// Normalised rows, computed when they are asked for.
pub(super) struct Normed<'a> {
    pub(super) kernel: &'static Kernel,
    /// Rows of the columns of the next.
    pub(super) x: &'a [f32],
    pub(super) weight: &'a [f32],
    pub(super) epsilon: f32,
}

impl ActivationSource for Normed<'_> {
    fn shape(&self) -> [usize; 2] {
        let cols = self.weight.len();
        [self.x.len() / cols, cols]
    }

    fn row<'a>(&'a self, row: usize, room: &'a mut [f32]) -> &'a [f32] {
        let x = &self.x[row * room.len()..][..room.len()];
        self.kernel.rms_norm(x, self.weight, self.epsilon, room);
        room
    }
}
