//! The steps around the matrix products, as plain loops that every instruction set compiles for itself.
//!
//! A body here is inlined into one `#[target_feature]` function per instruction set (see [`vector_ops`]), where the
//! compiler turns its fixed-size inner loops into that set's registers. Sums run over [`LANES`] partial sums that are
//! added in a fixed order, and every multiply-add is fused, so a step gives the same bits on every kernel. (Without the
//! instruction a fused multiply-add is a call of the C library: only `scalar` pays for that.)

use half::f16;

use crate::attention::{KEY_BLOCK, Partial, Span};
use crate::int4::BLOCK;
use crate::matrix::{Grouping, RowWriter};

/// Partial sums of a reduction: enough for two registers of any instruction set.
const LANES: usize = 16;

/// Adding and subtracting this rounds a small `f32` to the nearest integer, ties to even.
const ROUND: f32 = 12_582_912.0;

#[inline(always)]
fn sum_lanes(mut lanes: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            lanes[i] += lanes[i + half];
        }
        half /= 2;
    }
    lanes[0]
}

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

/// The highest absolute value.
#[inline(always)]
fn highest(x: &[f32]) -> f32 {
    let mut highs = [0.0f32; LANES];
    for chunk in x.as_chunks::<LANES>().0 {
        for i in 0..LANES {
            let v = chunk[i].abs();
            highs[i] = if v > highs[i] { v } else { highs[i] };
        }
    }
    highs
        .iter()
        .fold(0.0, |high, v| if *v > high { *v } else { high })
}

/// Quantises one row of activations to blocks of int8.
///
/// # Safety
/// As [`RowWriter::block`]: no other thread writes this row.
#[inline(always)]
pub(super) unsafe fn quantize(x: &[f32], grouping: Grouping, row: &RowWriter) {
    let row_high = match grouping {
        Grouping::Block => None,
        Grouping::Row => Some(highest(x)),
    };
    let mut row_sum = 0;
    for (index, block) in x.as_chunks::<BLOCK>().0.iter().enumerate() {
        let high = row_high.unwrap_or_else(|| highest(block));
        let scale = high / 127.0;
        let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
        // SAFETY: handed on to the caller.
        let out = unsafe { row.block(index) };
        let mut sum = 0;
        for (q, v) in out.quants.iter_mut().zip(block) {
            // The low bits of a float near `ROUND` are the rounded integer.
            *q = (v * inverse + ROUND).to_bits() as i8;
            sum += i32::from(*q);
        }
        *out.scale = scale;
        *out.sum = sum as f32;
        row_sum += sum;
    }
    // SAFETY: handed on to the caller.
    unsafe { row.finish(row_sum) };
}

/// `exp(x)`, within 2 units in the last place; 0 below -87.
#[inline(always)]
fn exp(x: f32) -> f32 {
    let clamped = if x > -87.0 { x } else { -87.0 };
    let clamped = if clamped < 88.0 { clamped } else { 88.0 };
    let n = clamped * std::f32::consts::LOG2_E + ROUND;
    let exponent = ((n.to_bits() as i32)
        .wrapping_sub(ROUND.to_bits() as i32)
        .wrapping_add(127))
        << 23;
    let n = n - ROUND;
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

/// Attention of up to four query rows over one span of keys and values, by online softmax (Milakov and Gimelshein,
/// 2018; FlashAttention): no score outlives its block of keys.
///
/// A block of keys is widened to f32 once for all rows. Scores come out 16 positions at a time without a horizontal
/// sum, because keys are stored with the positions innermost.
#[inline(always)]
pub(super) fn attend(
    span: &Span<'_>,
    widen: impl Fn(&[f16], &mut [f32]),
    scratch: &mut [f32],
    out: &mut Partial<'_>,
) {
    match span.rows.len() {
        1 => attend_rows::<1>(span, widen, scratch, out),
        2 => attend_rows::<2>(span, widen, scratch, out),
        3 => attend_rows::<3>(span, widen, scratch, out),
        4 => attend_rows::<4>(span, widen, scratch, out),
        rows => unreachable!("a span has 1 to 4 rows, found {rows}"),
    }
}

#[inline(always)]
fn attend_rows<const ROWS: usize>(
    span: &Span<'_>,
    widen: impl Fn(&[f16], &mut [f32]),
    scratch: &mut [f32],
    out: &mut Partial<'_>,
) {
    let head_dim = span.head_dim;
    let wide = &mut scratch[..KEY_BLOCK * head_dim];
    out.values.fill(0.0);
    out.highs.fill(f32::NEG_INFINITY);
    out.sums.fill(0.0);
    for (index, (keys, values)) in span.blocks.iter().enumerate() {
        let first = span.start + index * KEY_BLOCK;
        widen(keys, wide);
        let mut weights = scores::<ROWS>(span, wide);
        let mut rescale = [1.0; ROWS];
        for r in 0..ROWS {
            // Row r sees the positions before its end; a block holds at least one of them for some row.
            let visible = span.rows[r].end.saturating_sub(first).min(KEY_BLOCK);
            if visible == 0 {
                weights[r] = [0.0; KEY_BLOCK];
                continue;
            }
            weights[r][visible..].fill(f32::NEG_INFINITY);
            let high = weights[r]
                .iter()
                .fold(out.highs[r], |high, s| if *s > high { *s } else { high });
            rescale[r] = exp(out.highs[r] - high);
            let mut lanes = [0.0; LANES];
            for half in weights[r].as_chunks_mut::<LANES>().0 {
                for i in 0..LANES {
                    half[i] = exp(half[i] - high);
                    lanes[i] += half[i];
                }
            }
            out.sums[r] = out.sums[r] * rescale[r] + sum_lanes(lanes);
            out.highs[r] = high;
        }
        widen(values, wide);
        add_values::<ROWS>(&weights, &rescale, wide, out.values);
    }
}

/// Scaled scores of every row against one block of keys, laid out `[head_dim, KEY_BLOCK]`.
#[inline(always)]
fn scores<const ROWS: usize>(span: &Span<'_>, keys: &[f32]) -> [[f32; KEY_BLOCK]; ROWS] {
    let queries: [&[f32]; ROWS] = std::array::from_fn(|r| span.rows[r].query);
    let mut scores = [[0.0; KEY_BLOCK]; ROWS];
    for half in 0..KEY_BLOCK / LANES {
        let mut sums = [[0.0; LANES]; ROWS];
        for (d, keys) in keys.as_chunks::<KEY_BLOCK>().0.iter().enumerate() {
            let keys = &keys.as_chunks::<LANES>().0[half];
            for r in 0..ROWS {
                let q = queries[r][d];
                for i in 0..LANES {
                    sums[r][i] = f32::mul_add(q, keys[i], sums[r][i]);
                }
            }
        }
        for r in 0..ROWS {
            for i in 0..LANES {
                scores[r][half * LANES + i] = sums[r][i] * span.scale;
            }
        }
    }
    scores
}

/// `out = out * rescale + weights x values`, with values laid out `[KEY_BLOCK, head_dim]` and `out` `[ROWS, head_dim]`.
#[inline(always)]
fn add_values<const ROWS: usize>(
    weights: &[[f32; KEY_BLOCK]; ROWS],
    rescale: &[f32; ROWS],
    values: &[f32],
    out: &mut [f32],
) {
    /// Columns summed at a time: one or two registers a row, and a divisor of every head size.
    const COLUMNS: usize = 8;
    let head_dim = values.len() / KEY_BLOCK;
    for start in (0..head_dim).step_by(COLUMNS) {
        let mut sums = [[0.0; COLUMNS]; ROWS];
        for r in 0..ROWS {
            let old = &out[r * head_dim + start..][..COLUMNS];
            for i in 0..COLUMNS {
                sums[r][i] = old[i] * rescale[r];
            }
        }
        for (position, values) in values.chunks_exact(head_dim).enumerate() {
            let values = &values[start..][..COLUMNS];
            for r in 0..ROWS {
                for i in 0..COLUMNS {
                    sums[r][i] = f32::mul_add(weights[r][position], values[i], sums[r][i]);
                }
            }
        }
        for r in 0..ROWS {
            out[r * head_dim + start..][..COLUMNS].copy_from_slice(&sums[r]);
        }
    }
}

/// Compiles the steps of this module for one instruction set, as a `const OPS: VectorOps` of the calling module.
macro_rules! vector_ops {
    ($($feature:literal)?, widen = $widen:path) => {
        mod ops {
            use half::f16;

            use crate::attention::{Partial, Span};
            use crate::kernel::{VectorOps, vector};
            use crate::matrix::{Grouping, RowWriter};

            pub(super) const OPS: VectorOps =
                VectorOps { rms_norm, quantize, swiglu, softmax_weights, rope, attend };

            $(#[target_feature(enable = $feature)])?
            fn rms_norm(x: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
                vector::rms_norm(x, weight, epsilon, out);
            }

            $(#[target_feature(enable = $feature)])?
            unsafe fn quantize(x: &[f32], grouping: Grouping, row: &RowWriter) {
                // SAFETY: handed on to the caller.
                unsafe { vector::quantize(x, grouping, row) }
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
            fn attend(span: &Span<'_>, scratch: &mut [f32], out: &mut Partial<'_>) {
                let widen = |from: &[f16], to: &mut [f32]| $widen(from, to);
                vector::attend(span, widen, scratch, out);
            }
        }
    };
}
pub(super) use vector_ops;
