//! Products with activations that are not rounded: of float matrices, and of quantised ones where the rounding of
//! activations is measured.

use half::bf16;

use super::{Format, PackedMatrix, Product};
use crate::compute::block::BLOCK;
use crate::machine::threads::{Parts, Pool};

/// Rows of a matrix that a thread takes at a time.
const ROWS: usize = 8;

/// Writes a row in a format of floats; the numbers are such that it holds them.
pub(super) fn pack_row(row: &[f32], format: Format, to: &mut [u8]) {
    if format == Format::Bf16 {
        for (to, number) in to.as_chunks_mut().0.iter_mut().zip(row) {
            *to = bf16::from_f32(*number).to_le_bytes();
        }
    } else {
        for (to, number) in to.as_chunks_mut().0.iter_mut().zip(row) {
            *to = number.to_le_bytes();
        }
    }
}

impl PackedMatrix {
    /// A row of a float matrix.
    pub(super) fn widen(&self, row: usize, out: &mut [f32]) {
        let bytes = self.cols * self.format.quant_bytes() / BLOCK;
        let bytes = &self.packed_bytes()[row * bytes..][..bytes];
        if self.format == Format::Bf16 {
            for (out, bytes) in out.iter_mut().zip(bytes.as_chunks().0) {
                *out = bf16::from_le_bytes(*bytes).to_f32();
            }
        } else {
            for (out, bytes) in out.iter_mut().zip(bytes.as_chunks().0) {
                *out = f32::from_le_bytes(*bytes);
            }
        }
    }
}

/// Computes all products with the activations `x`; `room` is grown and kept.
pub(super) fn multiply<const N: usize>(
    pool: &mut Pool,
    x: &[f32],
    room: &mut Vec<f32>,
    products: [Product<'_>; N],
) {
    for Product { matrix, out, add } in products {
        let (rows, cols, kernel) = (matrix.rows, matrix.cols, matrix.kernel);
        let x_rows = x.len() / cols;
        assert_eq!(out.len(), x_rows * rows, "shape of a product");
        let of_thread = ROWS * (cols + x_rows);
        if room.len() < of_thread * pool.threads() {
            room.resize(of_thread * pool.threads(), 0.0);
        }
        let (out, room) = (Parts::new(out), Parts::new(room));
        pool.for_each(rows, ROWS, |range, thread| {
            // SAFETY: each thread has room of its own.
            let room = unsafe { room.part(thread * of_thread..(thread + 1) * of_thread) };
            let (weights, sums) = room.split_at_mut(ROWS * cols);
            let count = range.len();
            let weights = &mut weights[..count * cols];
            for (row, weights) in range.clone().zip(weights.chunks_exact_mut(cols)) {
                matrix.row_to_f32(row, weights);
            }
            let sums = &mut sums[..count * x_rows];
            kernel.dots(weights, x, cols, sums);
            for (x_row, sums) in sums.chunks_exact(count).enumerate() {
                let start = x_row * rows + range.start;
                // SAFETY: every row of the matrix is computed by one thread.
                let out = unsafe { out.part(start..start + count) };
                for (out, sum) in out.iter_mut().zip(sums) {
                    *out = if add { *out + sum } else { *sum };
                }
            }
        });
    }
}
