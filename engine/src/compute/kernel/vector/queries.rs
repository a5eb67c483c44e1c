//! Queries in eight bits, for keys in eight bits: a score is then a sum of whole numbers for every [`BLOCK`] of the two, exact in
//! whatever order, so that kernels only have to scale it alike. Values are weighted by floats, with their scales in the weights.

use half::f16;

use super::Scaling;
use crate::compute::block::BLOCK;
use crate::compute::kernel::panel::MAGIC;
use crate::compute::kernel::span::{KEY_BLOCK, KEY_DEPTH, MAX_HEAD_DIM, Q8Block, QUERY_ROWS, Span};
use crate::compute::kernel::turn::{gain, turn};

/// The most blocks of a head.
const BLOCKS: usize = MAX_HEAD_DIM / BLOCK;
/// Steps of [`KEY_DEPTH`] in a block.
pub(in crate::compute::kernel) const STEPS: usize = BLOCK / KEY_DEPTH;

/// The query rows of a span, turned as keys are, each block rounded by a scale of its own. What is beyond rows and heads is zero.
pub(in crate::compute::kernel) struct Q8Queries {
    pub(in crate::compute::kernel) quants:
        [[[i8; KEY_DEPTH]; MAX_HEAD_DIM / KEY_DEPTH]; QUERY_ROWS],
    /// What sums of products are multiplied with: the scale of each block, and that of scores.
    pub(in crate::compute::kernel) factors: [[f32; BLOCKS]; QUERY_ROWS],
    /// Sums of the quants of each block.
    #[cfg_attr(
        not(target_arch = "x86_64"),
        allow(dead_code, reason = "other kernels multiply signed numbers")
    )]
    pub(in crate::compute::kernel) sums: [[i32; BLOCKS]; QUERY_ROWS],
}

impl Q8Queries {
    #[inline(always)]
    pub(in crate::compute::kernel) fn of(span: &Span<'_>) -> Self {
        let mut queries = Self {
            quants: [[[0; KEY_DEPTH]; MAX_HEAD_DIM / KEY_DEPTH]; QUERY_ROWS],
            factors: [[0.0; BLOCKS]; QUERY_ROWS],
            sums: [[0; BLOCKS]; QUERY_ROWS],
        };
        for (r, row) in span.rows.iter().enumerate() {
            let quants = queries.quants[r].as_flattened_mut();
            let mut turned = [0.0; MAX_HEAD_DIM];
            let turned = &mut turned[..row.query.len()];
            turned.copy_from_slice(row.query);
            turn(turned);
            let blocks = turned.chunks(BLOCK).zip(quants.chunks_mut(BLOCK));
            for (index, (numbers, quants)) in blocks.enumerate() {
                let Scaling { scale, inverse, .. } = Scaling::symmetric(numbers);
                let mut sum = 0;
                for (quant, number) in quants.iter_mut().zip(numbers) {
                    // To the nearest, ties to even, as activations are.
                    *quant = (number * inverse + MAGIC).to_bits() as i8;
                    sum += i32::from(*quant);
                }
                queries.factors[r][index] = scale * (span.scale / gain(numbers.len()));
                queries.sums[r][index] = sum;
            }
        }
        queries
    }

    /// Scaled scores of a row against one block of keys.
    #[inline(always)]
    pub(super) fn scores(
        &self,
        row: usize,
        block: &Q8Block<'_>,
        widen: impl Fn(&[f16], &mut [f32]),
        dots: impl Fn(&[[[i8; KEY_DEPTH]; KEY_BLOCK]], &[[i8; KEY_DEPTH]]) -> [i32; KEY_BLOCK],
        scores: &mut [f32; KEY_BLOCK],
    ) {
        scores.fill(0.0);
        let blocks = block.keys.chunks(STEPS).zip(block.key_scales);
        let queries = self.quants[row].chunks(STEPS).zip(self.factors[row]);
        for ((keys, scales), (quants, factor)) in blocks.zip(queries) {
            let mut wide_scales = [0.0; KEY_BLOCK];
            widen(scales, &mut wide_scales);
            let dots = dots(keys, quants);
            for i in 0..KEY_BLOCK {
                scores[i] = f32::mul_add(dots[i] as f32 * factor, wide_scales[i], scores[i]);
            }
        }
    }
}

/// The products of a query with the keys of a block, in plain loops.
#[inline(always)]
pub(in crate::compute::kernel) fn q8_dots(
    keys: &[[[i8; KEY_DEPTH]; KEY_BLOCK]],
    query: &[[i8; KEY_DEPTH]],
) -> [i32; KEY_BLOCK] {
    let mut sums = [0; KEY_BLOCK];
    for (keys, query) in keys.iter().zip(query) {
        for (sum, key) in sums.iter_mut().zip(keys) {
            let products = key.iter().zip(query);
            *sum += products
                .map(|(k, q)| i32::from(*k) * i32::from(*q))
                .sum::<i32>();
        }
    }
    sums
}

/// The weights of values that have these scales.
#[inline(always)]
pub(in crate::compute::kernel) fn scale_weights(
    weights: &[[f32; KEY_BLOCK]],
    scales: &[f32; KEY_BLOCK],
    scaled: &mut [[f32; KEY_BLOCK]],
) {
    for (scaled, weights) in scaled.iter_mut().zip(weights) {
        for i in 0..KEY_BLOCK {
            scaled[i] = weights[i] * scales[i];
        }
    }
}
