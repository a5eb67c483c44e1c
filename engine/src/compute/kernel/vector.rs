//! The steps around the matrix products, as plain loops that every instruction set compiles for itself.
//!
//! A body here is inlined into one `#[target_feature]` function per instruction set (see [`vector_ops`]), where the
//! compiler turns its fixed-size inner loops into that set's registers. Sums run over [`LANES`] partial sums that are
//! added in a fixed order, and every multiply-add is fused, so a step gives the same bits on every kernel. (Without the
//! instruction a fused multiply-add is a call of the C library: only `scalar` pays for that.)

mod attention;
mod dots;
mod lanes;
mod queries;

pub(super) use attention::attend;
#[cfg(target_arch = "x86_64")]
pub(super) use attention::softmax;
pub(super) use dots::dots;
use lanes::{LANES, sum_lanes};
pub(super) use queries::q8_dots;
#[cfg(target_arch = "x86_64")]
pub(super) use queries::{Q8Queries, STEPS, scale_weights};

use super::panel::{self, Grouping, MAGIC};
use super::quantized::RowsMut;
use crate::compute::block::BLOCK;

/// `out = x / rms(x) * weight`.
#[inline(always)]
pub(super) fn rms_norm(x: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
    let mut lanes = [0.0; LANES];
    let chunks = x.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for i in 0..LANES {
            lanes[i] = f32::mul_add(chunk[i], chunk[i], lanes[i]);
        }
    }
    for (lane, v) in lanes.iter_mut().zip(rest) {
        *lane = f32::mul_add(*v, *v, *lane);
    }
    let scale = 1.0 / (sum_lanes(lanes) / x.len() as f32 + epsilon).sqrt();
    for ((out, v), weight) in out.iter_mut().zip(x).zip(weight) {
        *out = v * scale * weight;
    }
}

/// The highest absolute value; not a number where one is none. Without their signs floats stand in the order of their
/// bits, and compilers reduce the maximum of integers in registers, that of floats two by two.
#[inline(always)]
fn highest(x: &[f32]) -> f32 {
    f32::from_bits(x.iter().map(|v| v.abs().to_bits()).fold(0, u32::max))
}

/// The lowest and the highest value, with 0 among them; one is not a number where a value is none. With the other bits
/// of negative floats turned over all floats stand in the order of their bits, see [`highest`].
#[inline(always)]
fn range(x: &[f32]) -> [f32; 2] {
    let turned = |bits: i32| bits ^ ((bits >> 31) & i32::MAX);
    let (mut low, mut high) = (0, 0);
    for v in x {
        let bits = turned(v.to_bits().cast_signed());
        (low, high) = (low.min(bits), high.max(bits));
    }
    [low, high].map(|bits| f32::from_bits(turned(bits).cast_unsigned()))
}

/// What the values of a row or block are multiplied with to be quants, and what is added to them.
#[derive(Clone, Copy)]
struct Scaling {
    scale: f32,
    inverse: f32,
    zero_point: f32,
}

impl Scaling {
    const NONE: Self = Self {
        scale: 0.0,
        inverse: 0.0,
        zero_point: 0.0,
    };

    /// From -127 to 127, as high as the highest absolute value.
    #[inline(always)]
    fn symmetric(x: &[f32]) -> Self {
        Self::of_step(highest(x) / 127.0)
    }

    /// From -127 as well, since kernels negate quants. The lowest value lies at -127 or less than a step above: with one step
    /// less than there are, both ends may round either way and nothing is cut off.
    #[inline(always)]
    fn from_zero_point(x: &[f32]) -> Self {
        let [low, high] = range(x);
        let scaling = Self::of_step((high - low) / 253.0);
        Self {
            zero_point: (-127.0 - low * scaling.inverse).ceil(),
            ..scaling
        }
    }

    #[inline(always)]
    fn of_step(scale: f32) -> Self {
        let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
        Self {
            scale,
            inverse,
            zero_point: 0.0,
        }
    }
}

/// Quantises some rows of activations to blocks of int8.
#[inline(always)]
pub(super) fn quantize(rows: &[&[f32]], grouping: Grouping, to: &mut RowsMut<'_>) {
    let mut of_rows = [Scaling::NONE; panel::ROWS];
    let mut row_sums = [0; panel::ROWS];
    if grouping.is_by_row() {
        for (scaling, row) in of_rows.iter_mut().zip(rows) {
            *scaling = match grouping {
                Grouping::RowFromZeroPoint => Scaling::from_zero_point(row),
                _ => Scaling::symmetric(row),
            };
        }
    }
    let blocks = rows.first().map_or(0, |row| row.len() / BLOCK);
    for index in 0..blocks {
        let out = to.block(index);
        for (r, row) in rows.iter().enumerate() {
            let block = &row.as_chunks::<BLOCK>().0[index];
            let scaling = if grouping.is_by_row() {
                of_rows[r]
            } else {
                Scaling::symmetric(block)
            };
            let Scaling { scale, inverse, .. } = scaling;
            // Adding this rounds to the nearest integer, ties to even, and leaves it in the low bits.
            let magic = MAGIC + scaling.zero_point;
            let mut sum = 0;
            for (q, v) in out.quants[r].iter_mut().zip(block) {
                *q = (v * inverse + magic).to_bits() as i8;
                sum += i32::from(*q);
            }
            let second_half = out.quants[r][BLOCK / 2..].iter();
            let half_sum: i32 = second_half.map(|q| i32::from(*q)).sum();
            out.scales[r] = scale;
            out.sums[r] = sum as f32;
            out.half_sums[r] = half_sum as f32;
            out.starts[r] = MAGIC - 8.0 * sum as f32;
            row_sums[r] += sum;
        }
    }
    if grouping.is_by_row() {
        to.row_sums().copy_from_slice(&row_sums[..rows.len()]);
        for (to, scaling) in to.zero_points().iter_mut().zip(&of_rows) {
            *to = scaling.zero_point;
        }
    }
}

/// `exp(x)`, within 2 units in the last place; 0 below -87.
#[inline(always)]
fn exp(x: f32) -> f32 {
    let clamped = if x > -87.0 { x } else { -87.0 };
    let clamped = if clamped < 88.0 { clamped } else { 88.0 };
    let n = clamped * std::f32::consts::LOG2_E + MAGIC;
    let exponent = ((n.to_bits() as i32)
        .wrapping_sub(MAGIC.to_bits() as i32)
        .wrapping_add(127))
        << 23;
    let n = n - MAGIC;
    // ln 2 in two parts, the first exact in few bits, so that r keeps its precision.
    let r = f32::mul_add(n, -0.693_359_4, clamped);
    let r = f32::mul_add(n, 2.121_944_4e-4, r);
    // Taylor's polynomial of degree 7 on |r| <= ln 2 / 2.
    let mut p = 1.0 / 5040.0;
    for coefficient in [
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ] {
        p = f32::mul_add(p, r, coefficient);
    }
    let power = p * f32::from_bits(exponent as u32);
    if x < -87.0 { 0.0 } else { power }
}

/// `gate = silu(gate) * up`.
#[inline(always)]
pub(super) fn swiglu(gate: &mut [f32], up: &[f32]) {
    for (gate, up) in gate.iter_mut().zip(up) {
        *gate = *gate / (1.0 + exp(-*gate)) * up;
    }
}

/// `weights = exp((logits - high) * inverse_temperature)`; returns their sum.
#[inline(always)]
pub(super) fn softmax_weights(
    logits: &[f32],
    high: f32,
    inverse_temperature: f32,
    weights: &mut [f32],
) -> f32 {
    let mut lanes = [0.0; LANES];
    for (weights, logits) in weights.chunks_mut(LANES).zip(logits.chunks(LANES)) {
        for ((weight, logit), lane) in weights.iter_mut().zip(logits).zip(&mut lanes) {
            *weight = exp((logit - high) * inverse_temperature);
            *lane += *weight;
        }
    }
    sum_lanes(lanes)
}

/// Rotates adjacent pairs of one head by the angles whose cosines and sines alternate in `angles`.
#[inline(always)]
pub(super) fn rope(head: &mut [f32], angles: &[f32]) {
    for (pair, angle) in head
        .as_chunks_mut::<2>()
        .0
        .iter_mut()
        .zip(angles.as_chunks::<2>().0)
    {
        let ([x, y], [cos, sin]) = (*pair, *angle);
        *pair = [x * cos - y * sin, x * sin + y * cos];
    }
}

/// Compiles the steps of this module for one instruction set, as a `const OPS: VectorOps` of the calling module.
macro_rules! vector_ops {
    ($($feature:literal)?, attend = $attend:path) => {
        mod ops {
            use crate::compute::kernel::entry::VectorOps;
            use crate::compute::kernel::panel::Grouping;
            use crate::compute::kernel::quantized::RowsMut;
            use crate::compute::kernel::vector;

            pub(super) const OPS: VectorOps =
                VectorOps { rms_norm, quantize, swiglu, softmax_weights, rope, attend: $attend, dots };

            $(#[target_feature(enable = $feature)])?
            fn rms_norm(x: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
                vector::rms_norm(x, weight, epsilon, out);
            }

            $(#[target_feature(enable = $feature)])?
            fn quantize(rows: &[&[f32]], grouping: Grouping, to: &mut RowsMut<'_>) {
                vector::quantize(rows, grouping, to);
            }

            $(#[target_feature(enable = $feature)])?
            fn swiglu(gate: &mut [f32], up: &[f32]) {
                vector::swiglu(gate, up);
            }

            $(#[target_feature(enable = $feature)])?
            fn softmax_weights(logits: &[f32], high: f32, inverse: f32, weights: &mut [f32]) -> f32 {
                vector::softmax_weights(logits, high, inverse, weights)
            }

            $(#[target_feature(enable = $feature)])?
            fn rope(head: &mut [f32], angles: &[f32]) {
                vector::rope(head, angles);
            }

            $(#[target_feature(enable = $feature)])?
            fn dots(weights: &[f32], x: &[f32], cols: usize, out: &mut [f32]) {
                vector::dots(weights, x, cols, out);
            }
        }
    };
}
pub(super) use vector_ops;
