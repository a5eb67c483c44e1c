//! Products of float weights with float activations.
//!
//! Two rows of weights meet two of activations at a time: four loads serve four multiply-adds, and the sums stay in the
//! registers of any instruction set. A sum is the same whatever stands beside its rows.

use super::{LANES, sum_lanes};

/// `out = x * weights^T`: `weights` is `[rows, cols]`, `x` `[x rows, cols]` and `out` `[x rows, rows]`.
#[inline(always)]
pub(in crate::kernel) fn dots(weights: &[f32], x: &[f32], cols: usize, out: &mut [f32]) {
    let rows = weights.len() / cols;
    for (x, out) in x.chunks(2 * cols).zip(out.chunks_mut(2 * rows)) {
        let mut row = 0;
        for weights in weights.chunks(2 * cols) {
            match (weights.len() > cols, x.len() > cols) {
                (true, true) => square::<2, 2>(weights, x, cols, &mut out[row..], rows),
                (true, false) => square::<2, 1>(weights, x, cols, &mut out[row..], rows),
                (false, true) => square::<1, 2>(weights, x, cols, &mut out[row..], rows),
                (false, false) => square::<1, 1>(weights, x, cols, &mut out[row..], rows),
            }
            row += 2;
        }
    }
}

/// The products of `W` rows of weights and `X` of activations; those of an activation row stand `stride` apart from
/// those of the next.
#[inline(always)]
fn square<const W: usize, const X: usize>(
    weights: &[f32],
    x: &[f32],
    cols: usize,
    out: &mut [f32],
    stride: usize,
) {
    let weights: [_; W] = std::array::from_fn(|w| weights[w * cols..][..cols].as_chunks::<LANES>());
    let x: [_; X] = std::array::from_fn(|i| x[i * cols..][..cols].as_chunks::<LANES>());
    let mut sums = [[[0.0; LANES]; W]; X];
    for chunk in 0..cols / LANES {
        for i in 0..X {
            for w in 0..W {
                let (weights, x) = (&weights[w].0[chunk], &x[i].0[chunk]);
                for ((sum, weight), x) in sums[i][w].iter_mut().zip(weights).zip(x) {
                    *sum = f32::mul_add(*weight, *x, *sum);
                }
            }
        }
    }
    for i in 0..X {
        for w in 0..W {
            for (lane, (weight, x)) in weights[w].1.iter().zip(x[i].1).enumerate() {
                sums[i][w][lane] = f32::mul_add(*weight, *x, sums[i][w][lane]);
            }
            out[i * stride + w] = sum_lanes(sums[i][w]);
        }
    }
}
