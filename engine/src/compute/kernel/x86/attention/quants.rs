//! Scores of queries and keys in eight bits: whole numbers until a block of either has its sum.

use super::prefetch;
use crate::compute::kernel::span::{KEY_BLOCK, KEY_DEPTH, Q8Block};
use crate::compute::kernel::vector::{Q8Queries, STEPS};
use crate::compute::kernel::x86::isa::Isa;

/// Scaled scores of all rows against one block of keys; `next` are the keys of the block after it.
#[inline(always)]
pub(super) fn scores<I: Isa>(
    isa: I,
    queries: &Q8Queries,
    block: &Q8Block<'_>,
    next: &[u8],
    scores: &mut [[f32; KEY_BLOCK]],
) {
    let mut first = 0;
    while first < scores.len() {
        let rows = &mut scores[first..];
        first += match rows.len() {
            1 => few_scores::<I, 1, 2>(isa, queries, block, next, first, rows),
            2 => few_scores::<I, 2, 2>(isa, queries, block, next, first, rows),
            3 => few_scores::<I, 3, 2>(isa, queries, block, next, first, rows),
            _ => few_scores::<I, 4, 2>(isa, queries, block, next, first, rows),
        };
    }
}

/// The part of [`scores`] for `N` rows from `first` on.
#[inline(always)]
fn few_scores<I: Isa, const N: usize, const P: usize>(
    isa: I,
    queries: &Q8Queries,
    block: &Q8Block<'_>,
    next: &[u8],
    first: usize,
    scores: &mut [[f32; KEY_BLOCK]],
) -> usize {
    scores[..N].as_flattened_mut().fill(0.0);
    let blocks = block.keys.chunks(STEPS).zip(block.key_scales);
    for (b, (keys, scales)) in blocks.enumerate() {
        let scales: &[u8] = bytemuck::cast_slice(scales);
        for start in (0..KEY_BLOCK).step_by(P * I::ROWS) {
            let mut sums = [[isa.splat_ints(0); P]; N];
            if I::UNSIGNED {
                // Keys count from -128 then.
                for (sums, of_query) in sums.iter_mut().zip(&queries.sums[first..]) {
                    *sums = [isa.splat_ints(-128 * of_query[b]); P];
                }
            }
            for (step, keys) in keys.iter().enumerate() {
                let step = b * STEPS + step;
                let keys: &[u8] = bytemuck::cast_slice(keys.as_flattened());
                let mut loaded = [isa.splat_ints(0); P];
                for (p, loaded) in loaded.iter_mut().enumerate() {
                    let at = KEY_DEPTH * (start + p * I::ROWS);
                    prefetch::<N>(next, step * KEY_DEPTH * KEY_BLOCK + at);
                    *loaded = isa.signed_bytes(isa.load(&keys[at..]));
                }
                for (sums, quants) in sums.iter_mut().zip(&queries.quants[first..]) {
                    let query = quants[step].map(i8::cast_unsigned);
                    let query = isa.splat_ints(i32::from_ne_bytes(query));
                    for (sum, keys) in sums.iter_mut().zip(&loaded) {
                        *sum = isa.multiply_add_bytes(*sum, *keys, query);
                    }
                }
            }
            let rows = sums.iter().zip(&queries.factors[first..]);
            for ((sums, factors), scores) in rows.zip(scores.iter_mut()) {
                let factor = isa.splat(factors[b]);
                for (p, sum) in sums.iter().enumerate() {
                    let at = start + p * I::ROWS;
                    let share = isa.mul(isa.to_floats(*sum), factor);
                    let scale = isa.load_halves(&scales[2 * at..]);
                    let score = &mut scores[at..];
                    isa.store(score, isa.mul_add(share, scale, isa.load_floats(score)));
                }
            }
        }
    }
    N
}
