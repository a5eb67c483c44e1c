//! Products with activations that are not rounded: of float matrices, and of quantised ones where the rounding of
//! activations is measured.

use std::ops::Range;

use super::output::{Output, Region};
use super::packed::PackedMatrix;
use crate::compute::room::Room;
use crate::machine::threads::{DisjointItems, PerThread, Pool};

/// Rows of a matrix that a thread takes at a time.
const ROWS: usize = 8;

/// Puts the product with the activations `x` into `out`.
pub(super) fn multiply(
    pool: &mut Pool,
    x: &[f32],
    scratch: &mut PerThread<Room>,
    matrix: &PackedMatrix,
    out: Output<'_>,
) {
    let (rows, cols) = (matrix.rows(), matrix.cols());
    let x_rows = x.len() / cols;
    let columns = Columns { out, x_rows, rows };
    pool.share(
        columns,
        ROWS..=ROWS,
        scratch,
        |_| (),
        |scratch, range, mut out| {
            let count = range.len();
            let (weights, sums) = scratch
                .of(count * (cols + x_rows))
                .split_at_mut(count * cols);
            for (row, weights) in range.zip(weights.chunks_exact_mut(cols)) {
                matrix.row_to_f32(row, weights);
            }
            matrix.kernel().dots(weights, x, cols, sums);
            for (x_row, sums) in sums.chunks_exact(count).enumerate() {
                out.put(x_row, sums);
            }
        },
    );
}

/// The columns of a result as items: one for each row of the matrix.
struct Columns<'a> {
    out: Output<'a>,
    x_rows: usize,
    rows: usize,
}

// SAFETY: columns have no number in common.
unsafe impl<'a> DisjointItems for Columns<'a> {
    type Chunk = Region<'a>;

    fn count(&self) -> usize {
        self.rows
    }

    fn bytes(&self) -> usize {
        self.out.bytes()
    }

    unsafe fn chunk(&self, range: Range<usize>) -> Region<'a> {
        // SAFETY: handed on to the caller.
        unsafe { self.out.region(0..self.x_rows, range) }
    }
}
