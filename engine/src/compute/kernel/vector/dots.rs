//! Products of float weights with float activations.
//!
//! A row of weights meets four of activations at a time: five loads serve four multiply-adds, and the sums stay in the
//! registers of any instruction set. A sum is the same whatever stands beside its row.

use super::lanes::{LANES, sum_lanes};

/// `out = x * weights^T`: `weights` is `[rows, cols]`, `x` `[x rows, cols]` and `out` `[x rows, rows]`.
#[inline(always)]
pub(in crate::compute::kernel) fn dots(weights: &[f32], x: &[f32], cols: usize, out: &mut [f32]) {
    let rows = weights.len() / cols;
    let fours = x.len() / cols / 4;
    let (x, x_rest) = x.split_at(4 * fours * cols);
    let (out, out_rest) = out.split_at_mut(4 * fours * rows);
    for (x, out) in x.chunks_exact(4 * cols).zip(out.chunks_exact_mut(4 * rows)) {
        for (row, weights) in weights.chunks_exact(cols).enumerate() {
            let products = four_products(weights, x);
            for (product, out) in products.iter().zip(out.chunks_exact_mut(rows)) {
                out[row] = *product;
            }
        }
    }
    for (x, out) in x_rest
        .chunks_exact(cols)
        .zip(out_rest.chunks_exact_mut(rows))
    {
        for (out, weights) in out.iter_mut().zip(weights.chunks_exact(cols)) {
            *out = product(weights, x);
        }
    }
}

/// The products of a row of weights with four of activations.
#[inline(always)]
fn four_products(weights: &[f32], x: &[f32]) -> [f32; 4] {
    let (x01, x23) = x.split_at(2 * weights.len());
    let ((x0, x1), (x2, x3)) = (x01.split_at(weights.len()), x23.split_at(weights.len()));
    let mut sums = [[0.0; LANES]; 4];
    let [sums0, sums1, sums2, sums3] = &mut sums;
    let first = x0.as_chunks().0.iter().zip(x1.as_chunks().0);
    let last = x2.as_chunks().0.iter().zip(x3.as_chunks().0);
    for ((weights, (x0, x1)), (x2, x3)) in weights.as_chunks().0.iter().zip(first).zip(last) {
        add(sums0, weights, x0);
        add(sums1, weights, x1);
        add(sums2, weights, x2);
        add(sums3, weights, x3);
    }
    let rest = [x0, x1, x2, x3].map(|x| rest(weights, x));
    let totals = totals(&sums);
    std::array::from_fn(|row| totals[row] + rest[row])
}

#[inline(always)]
fn product(weights: &[f32], x: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    for (weights, x) in weights.as_chunks().0.iter().zip(x.as_chunks().0) {
        add(&mut sums, weights, x);
    }
    totals(&[sums])[0] + rest(weights, x)
}

#[inline(always)]
fn add(sums: &mut [f32; LANES], weights: &[f32; LANES], x: &[f32; LANES]) {
    for i in 0..LANES {
        sums[i] = f32::mul_add(weights[i], x[i], sums[i]);
    }
}

/// The product of the columns after the last whole register, which only a head of an odd size has.
#[inline(always)]
fn rest(weights: &[f32], x: &[f32]) -> f32 {
    let whole = weights.len() / LANES * LANES;
    let rest = weights[whole..].iter().zip(&x[whole..]);
    rest.fold(0.0, |sum, (weight, x)| f32::mul_add(*weight, *x, sum))
}

/// Apart, because beside the loops above the compiler would cut their registers to the width of these last steps.
#[inline(never)]
fn totals<const N: usize>(sums: &[[f32; LANES]; N]) -> [f32; N] {
    sums.map(sum_lanes)
}
