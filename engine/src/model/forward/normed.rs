//! The RMS norm before products.

use crate::compute::activations::{Activations, Form, Operand, RowValues};
use crate::compute::kernel::Kernel;
use crate::machine::threads::{Parts, Pool};

/// Normalised rows, computed when they are asked for.
pub(super) struct Normed<'a> {
    kernel: &'static Kernel,
    x: &'a [f32],
    weight: &'a [f32],
    epsilon: f32,
    /// Room for a row in each place.
    room: Parts<'a, f32>,
}

impl<'a> Normed<'a> {
    /// Rows `x` of the columns of `weight`; there is `room` for as many of them, or one for each thread.
    pub(super) fn new(
        kernel: &'static Kernel,
        x: &'a [f32],
        weight: &'a [f32],
        epsilon: f32,
        room: &'a mut [f32],
    ) -> Self {
        let room = Parts::new(room);
        Self {
            kernel,
            x,
            weight,
            epsilon,
            room,
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.x.len() / self.weight.len()
    }

    /// What the products of the next stage take.
    pub(super) fn operand(
        &'a self,
        pool: &mut Pool,
        form: Form<'_>,
        quantized: &'a mut Activations,
    ) -> Operand<'a> {
        let shape = [self.rows(), self.weight.len()];
        quantized.operand(pool, self.kernel, form, shape, self)
    }
}

impl RowValues for Normed<'_> {
    unsafe fn row(&self, row: usize, place: usize) -> &[f32] {
        let hidden = self.weight.len();
        // SAFETY: nobody else gives this place, by the contract.
        let normed = unsafe { self.room.part(place * hidden..(place + 1) * hidden) };
        let x = &self.x[row * hidden..(row + 1) * hidden];
        self.kernel.rms_norm(x, self.weight, self.epsilon, normed);
        normed
    }
}
