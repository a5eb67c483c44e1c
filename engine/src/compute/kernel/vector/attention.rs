//! Attention of a few query rows over a span, the plain twin of what kernels have of their own.

use std::ops::Range;

use half::f16;

use super::exp;
use super::lanes::{LANES, highest_lane, sum_lanes};
use super::queries::{Q8Queries, scale_weights};
use crate::compute::block::BLOCK;
use crate::compute::kernel::span::{KEY_BLOCK, KEY_DEPTH, KvBlock, Partial, QUERY_ROWS, Span};

/// Attention of a few query rows over one span of keys and values, by online softmax (Milakov and Gimelshein, 2018;
/// FlashAttention): no score outlives its block of keys.
///
/// A block of keys in f16 is widened to f32 once for all rows, which then pass by in fours; one in eight bits is multiplied as it
/// is, by `dots`. Scores come out for all positions side by side without a horizontal sum, because keys are stored with the
/// positions innermost.
#[inline(always)]
pub(in crate::compute::kernel) fn attend(
    span: &Span<'_>,
    widen: impl Fn(&[f16], &mut [f32]),
    dots: impl Fn(&[[[i8; KEY_DEPTH]; KEY_BLOCK]], &[[i8; KEY_DEPTH]]) -> [i32; KEY_BLOCK],
    scratch: &mut [f32],
    out: &mut Partial<'_>,
) {
    let wide = &mut scratch[..KEY_BLOCK * span.head_dim];
    out.values.fill(0.0);
    out.highs.fill(f32::NEG_INFINITY);
    out.sums.fill(0.0);
    let rows = span.rows.len();
    let queries = span.is_q8().then(|| Q8Queries::of(span));
    let mut scaled = [[0.0; KEY_BLOCK]; QUERY_ROWS];
    for (index, block) in span.blocks.iter().enumerate() {
        let first_position = span.start + index * KEY_BLOCK;
        let mut weights = [[0.0; KEY_BLOCK]; QUERY_ROWS];
        let mut rescale = [1.0; QUERY_ROWS];
        match (block, &queries) {
            (KvBlock::Q8(block), Some(queries)) => {
                for (r, weights) in weights[..rows].iter_mut().enumerate() {
                    queries.scores(r, block, &widen, &dots, weights);
                }
            }
            (KvBlock::F16(keys, _), _) => {
                widen(keys, wide);
                all_scores(span, wide, &mut weights);
            }
            (KvBlock::Q8(_), None) => unreachable!("blocks of a span are alike"),
        }
        softmax(span, first_position, &mut weights, &mut rescale, out);
        let (weights, rescale) = (&weights[..rows], &rescale[..rows]);
        match block {
            KvBlock::F16(_, values) => {
                widen(values, wide);
                add_all(weights, rescale, wide, 0..span.head_dim, out.values);
            }
            KvBlock::Q8(block) => {
                for (wide, quant) in wide.iter_mut().zip(block.values) {
                    *wide = f32::from(*quant);
                }
                for (index, scales) in block.value_scales.iter().enumerate() {
                    let mut wide_scales = [0.0; KEY_BLOCK];
                    widen(scales, &mut wide_scales);
                    scale_weights(weights, &wide_scales, &mut scaled);
                    let start = index * BLOCK;
                    let columns = start..span.head_dim.min(start + BLOCK);
                    add_all(&scaled[..rows], rescale, wide, columns, out.values);
                }
            }
        }
    }
}

/// Scaled scores of all rows against one block of keys, see [`scores`].
#[inline(always)]
fn all_scores(span: &Span<'_>, keys: &[f32], weights: &mut [[f32; KEY_BLOCK]]) {
    let rows = span.rows.len();
    for first in (0..rows).step_by(4) {
        let weights = &mut weights[first..];
        match rows - first {
            1 => scores::<1>(span, first, keys, weights),
            2 => scores::<2>(span, first, keys, weights),
            3 => scores::<3>(span, first, keys, weights),
            _ => scores::<4>(span, first, keys, weights),
        }
    }
}

/// Adds some columns of the values to those of all rows, see [`add_values`].
#[inline(always)]
fn add_all(
    weights: &[[f32; KEY_BLOCK]],
    rescale: &[f32],
    values: &[f32],
    columns: Range<usize>,
    out: &mut [f32],
) {
    let head_dim = values.len() / KEY_BLOCK;
    for first in (0..weights.len()).step_by(4) {
        let (weights, rescale) = (&weights[first..], &rescale[first..]);
        let (columns, out) = (columns.clone(), &mut out[first * head_dim..]);
        match weights.len() {
            1 => add_values::<1>(weights, rescale, values, columns, out),
            2 => add_values::<2>(weights, rescale, values, columns, out),
            3 => add_values::<3>(weights, rescale, values, columns, out),
            _ => add_values::<4>(weights, rescale, values, columns, out),
        }
    }
}

/// Scaled scores of `N` rows from `first` on against one block of keys, laid out `[head_dim, KEY_BLOCK]`.
#[inline(always)]
fn scores<const N: usize>(
    span: &Span<'_>,
    first: usize,
    keys: &[f32],
    scores: &mut [[f32; KEY_BLOCK]],
) {
    let queries: [&[f32]; N] = std::array::from_fn(|r| span.rows[first + r].query);
    for half in 0..KEY_BLOCK / LANES {
        let mut sums = [[0.0; LANES]; N];
        for (d, keys) in keys.as_chunks::<KEY_BLOCK>().0.iter().enumerate() {
            let keys = &keys.as_chunks::<LANES>().0[half];
            for r in 0..N {
                let q = queries[r][d];
                for i in 0..LANES {
                    sums[r][i] = f32::mul_add(q, keys[i], sums[r][i]);
                }
            }
        }
        for r in 0..N {
            for i in 0..LANES {
                scores[r][half * LANES + i] = sums[r][i] * span.scale;
            }
        }
    }
}

/// Turns the scores of the visible positions of a block into weights, relative to each row's highest score so far, and adds
/// them to the sums. `rescale` becomes the factors for what was summed before. Of a row that sees nothing, nothing changes.
///
/// Rows pass by step after step, without a branch on what their scores are: no row waits for the end of another.
#[inline(always)]
pub(in crate::compute::kernel) fn softmax(
    span: &Span<'_>,
    first_position: usize,
    weights: &mut [[f32; KEY_BLOCK]; QUERY_ROWS],
    rescale: &mut [f32; QUERY_ROWS],
    out: &mut Partial<'_>,
) {
    let rows = span.rows.len();
    let (mut old, mut new) = ([0.0; QUERY_ROWS], [0.0; QUERY_ROWS]);
    let mut sums = [0.0; QUERY_ROWS];
    old[..rows].copy_from_slice(out.highs);
    let each = weights
        .iter_mut()
        .zip(span.rows)
        .zip(old.iter().zip(&mut new));
    for ((scores, row), (old, new)) in each {
        let visible = row.visible(first_position);
        scores[..visible.start].fill(f32::NEG_INFINITY);
        scores[visible.end..].fill(f32::NEG_INFINITY);
        *new = highest(scores, *old);
    }
    for ((rescale, old), new) in rescale.iter_mut().zip(&old).zip(&new) {
        let factor = exp(old - new);
        *rescale = if old == new { 1.0 } else { factor };
    }
    let each = weights
        .iter_mut()
        .zip(span.rows)
        .zip(new.iter().zip(&mut sums));
    for ((scores, row), (high, sum)) in each {
        if row.visible(first_position).is_empty() {
            scores.fill(0.0);
            continue;
        }
        let mut lanes = [0.0; LANES];
        for scores in scores.as_chunks_mut::<LANES>().0 {
            for i in 0..LANES {
                scores[i] = exp(scores[i] - high);
                lanes[i] += scores[i];
            }
        }
        *sum = sum_lanes(lanes);
    }
    let of_blocks = rescale.iter().zip(&sums);
    for (sum, (rescale, of_block)) in out.sums.iter_mut().zip(of_blocks) {
        *sum = *sum * rescale + of_block;
    }
    out.highs.copy_from_slice(&new[..rows]);
}

/// The highest of a row's scores and the highest before.
#[inline(always)]
fn highest(scores: &[f32; KEY_BLOCK], before: f32) -> f32 {
    let mut highs = [before; LANES];
    for scores in scores.as_chunks::<LANES>().0 {
        for i in 0..LANES {
            highs[i] = if scores[i] > highs[i] {
                scores[i]
            } else {
                highs[i]
            };
        }
    }
    highest_lane(highs)
}

/// `out = out * rescale + weights x values` in some columns, with values laid out `[KEY_BLOCK, head_dim]` and `out`
/// `[N, head_dim]`.
#[inline(always)]
fn add_values<const N: usize>(
    weights: &[[f32; KEY_BLOCK]],
    rescale: &[f32],
    values: &[f32],
    columns: Range<usize>,
    out: &mut [f32],
) {
    let even = columns.end / LANES * LANES;
    for start in (columns.start..even).step_by(LANES) {
        add_columns::<N, LANES>(weights, rescale, values, start, out);
    }
    // Heads are multiples of half of `LANES`.
    if even < columns.end {
        add_columns::<N, { LANES / 2 }>(weights, rescale, values, even, out);
    }
}

/// The part of [`add_values`] for some columns: enough sums at a time to hide the latency of a multiply-add, few
/// enough to stay in registers.
#[inline(always)]
fn add_columns<const N: usize, const COLUMNS: usize>(
    weights: &[[f32; KEY_BLOCK]],
    rescale: &[f32],
    values: &[f32],
    start: usize,
    out: &mut [f32],
) {
    let head_dim = values.len() / KEY_BLOCK;
    let weights: &[[f32; KEY_BLOCK]; N] = weights.first_chunk().expect("weights of each row");
    let mut sums = [[0.0; COLUMNS]; N];
    for r in 0..N {
        let old = &out[r * head_dim + start..][..COLUMNS];
        for i in 0..COLUMNS {
            sums[r][i] = old[i] * rescale[r];
        }
    }
    for (position, values) in values.chunks_exact(head_dim).enumerate() {
        let values = &values[start..][..COLUMNS];
        for r in 0..N {
            for i in 0..COLUMNS {
                sums[r][i] = f32::mul_add(weights[r][position], values[i], sums[r][i]);
            }
        }
    }
    for r in 0..N {
        out[r * head_dim + start..][..COLUMNS].copy_from_slice(&sums[r]);
    }
}
