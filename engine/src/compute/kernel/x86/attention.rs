//! Attention with its sums in registers; the plain twin is [`vector::attend`].
//!
//! Keys and values are widened as they are loaded, for up to eight query rows at a time; but keys in eight bits, which are
//! multiplied as they are (`quants.rs`). `N` rows times `P` registers of positions or columns are enough sums to hide the latency
//! of a multiply-add, and few enough for the registers that there are: with twice as many, two for eight rows, whose numbers
//! are loaded half as often.

mod quants;
mod values;

use half::f16;

use self::values::{Halves, Quants, Values};
use super::ahead;
use super::isa::Isa;
use crate::compute::block::BLOCK;
use crate::compute::kernel::span::{KEY_BLOCK, KvBlock, Partial, QUERY_ROWS, QueryRow, Span};
use crate::compute::kernel::vector::{self, Q8Queries};

/// Attention of a few query rows over one span of positions; adds in the order of the twin.
#[inline(always)]
pub(in crate::compute::kernel) fn attend<I: Isa>(
    isa: I,
    span: &Span<'_>,
    scratch: &mut [f32],
    out: &mut Partial<'_>,
) {
    let (rows, head_dim) = (span.rows.len(), span.head_dim);
    if !head_dim.is_multiple_of(I::ROWS) {
        let widen = |from: &[f16], to: &mut [f32]| widen(isa, from, to);
        return vector::attend(span, widen, vector::q8_dots, scratch, out);
    }
    out.values.fill(0.0);
    out.highs.fill(f32::NEG_INFINITY);
    out.sums.fill(0.0);
    let rounded = span.is_q8().then(|| Q8Queries::of(span));
    let mut weights = Weights::NONE;
    for (index, block) in span.blocks.iter().enumerate() {
        let next = span.blocks.get(index + 1).copied().or(span.ahead);
        let next = bytes(next.as_ref().unwrap_or(block));
        match (block, &rounded) {
            (KvBlock::Q8(keys), Some(queries)) => {
                quants::scores(isa, queries, keys, next[0], &mut weights.weights[..rows]);
            }
            (KvBlock::F16(keys, _), _) => {
                let queries = Queries {
                    rows: span.rows,
                    scale: span.scale,
                    next: next[0],
                };
                queries.scores(isa, bytemuck::cast_slice(keys), &mut weights.weights);
            }
            (KvBlock::Q8(_), None) => unreachable!("blocks of a span are alike"),
        }
        let first_position = span.start + index * KEY_BLOCK;
        let Weights {
            weights: of_rows,
            rescale,
            ..
        } = &mut weights;
        vector::softmax(span, first_position, of_rows, rescale, out);
        weights.add(isa, rows, block, next[1], out.values);
    }
}

/// What the positions of a block count for each row.
struct Weights {
    /// Scores, and then weights.
    weights: [[f32; KEY_BLOCK]; QUERY_ROWS],
    /// The factor of what was summed before.
    rescale: [f32; QUERY_ROWS],
    /// Weights times the scales of values in eight bits.
    scaled: [[f32; KEY_BLOCK]; QUERY_ROWS],
}

impl Weights {
    const NONE: Self = Self {
        weights: [[0.0; KEY_BLOCK]; QUERY_ROWS],
        rescale: [1.0; QUERY_ROWS],
        scaled: [[0.0; KEY_BLOCK]; QUERY_ROWS],
    };

    /// Adds the block's values to those of so many rows, `[rows, head_dim]`; `next` are the values of the block after it.
    #[inline(always)]
    fn add<I: Isa>(
        &mut self,
        isa: I,
        rows: usize,
        block: &KvBlock<'_>,
        next: &[u8],
        out: &mut [f32],
    ) {
        let head_dim = out.len() / rows;
        let (weights, rescale) = (&self.weights[..rows], &self.rescale);
        match block {
            KvBlock::F16(_, values) => {
                let values = Values::<Halves>::new(bytemuck::cast_slice(values), next, head_dim);
                values.add(isa, weights, rescale, 0..head_dim, out);
            }
            KvBlock::Q8(block) => {
                let quants = bytemuck::cast_slice(block.values);
                let values = Values::<Quants>::new(quants, next, head_dim);
                for (b, scales) in block.value_scales.iter().enumerate() {
                    let mut wide = [0.0; KEY_BLOCK];
                    widen(isa, scales, &mut wide);
                    vector::scale_weights(weights, &wide, &mut self.scaled);
                    let columns = b * BLOCK..head_dim.min((b + 1) * BLOCK);
                    values.add(isa, &self.scaled[..rows], rescale, columns, out);
                }
            }
        }
    }
}

/// The bytes of keys and of values.
#[inline(always)]
fn bytes<'a>(block: &KvBlock<'a>) -> [&'a [u8]; 2] {
    match block {
        KvBlock::F16(keys, values) => [bytemuck::cast_slice(keys), bytemuck::cast_slice(values)],
        KvBlock::Q8(block) => {
            let keys = block.keys.as_flattened().as_flattened();
            [
                bytemuck::cast_slice(keys),
                bytemuck::cast_slice(block.values),
            ]
        }
    }
}

/// Query rows, each `[head_dim]`.
#[derive(Clone, Copy)]
struct Queries<'a> {
    rows: &'a [QueryRow<'a>],
    /// Factor of the scores.
    scale: f32,
    /// The keys of the block after this one.
    next: &'a [u8],
}

impl Queries<'_> {
    /// Scaled scores against one block of keys in f16, laid out `[head_dim, KEY_BLOCK]`.
    #[inline(always)]
    fn scores<I: Isa>(self, isa: I, keys: &[u8], scores: &mut [[f32; KEY_BLOCK]; QUERY_ROWS]) {
        let mut first = 0;
        while first < self.rows.len() {
            first += match self.rows.len() - first {
                1 => self.few_scores::<I, 1, 2>(isa, keys, first, scores),
                2 => self.few_scores::<I, 2, 2>(isa, keys, first, scores),
                3 => self.few_scores::<I, 3, 2>(isa, keys, first, scores),
                4..8 => self.few_scores::<I, 4, 2>(isa, keys, first, scores),
                _ if I::HAS_MANY_REGISTERS => self.few_scores::<I, 8, 2>(isa, keys, first, scores),
                _ => self.few_scores::<I, 8, 1>(isa, keys, first, scores),
            };
        }
    }

    /// The part of [`Queries::scores`] for `N` rows from `first` on.
    #[inline(always)]
    fn few_scores<I: Isa, const N: usize, const P: usize>(
        self,
        isa: I,
        keys: &[u8],
        first: usize,
        scores: &mut [[f32; KEY_BLOCK]; QUERY_ROWS],
    ) -> usize {
        let scores = &mut scores[first..first + N];
        let keys = keys.as_chunks::<{ 2 * KEY_BLOCK }>().0;
        let mut queries = [&[][..]; N];
        for (query, row) in queries.iter_mut().zip(&self.rows[first..]) {
            *query = &row.query[..keys.len()];
        }
        for start in (0..KEY_BLOCK).step_by(P * I::ROWS) {
            let mut sums = [[isa.splat(0.0); P]; N];
            for (d, keys) in keys.iter().enumerate() {
                prefetch::<N>(self.next, d * 2 * KEY_BLOCK);
                let mut loaded = [isa.splat(0.0); P];
                for p in 0..P {
                    loaded[p] = isa.load_halves(&keys[2 * (start + p * I::ROWS)..]);
                }
                for r in 0..N {
                    let q = isa.splat(queries[r][d]);
                    for p in 0..P {
                        sums[r][p] = isa.mul_add(q, loaded[p], sums[r][p]);
                    }
                }
            }
            let scale = isa.splat(self.scale);
            for (scores, sums) in scores.iter_mut().zip(sums) {
                for (p, sum) in sums.into_iter().enumerate() {
                    isa.store(&mut scores[start + p * I::ROWS..], isa.mul(sum, scale));
                }
            }
        }
        N
    }
}

/// Asks for a cache line of the next block, where so few rows are computed that the next block is soon waited for.
#[inline(always)]
fn prefetch<const N: usize>(next: &[u8], at: usize) {
    if N < 8 {
        ahead::prefetch(next.as_ptr().wrapping_add(at));
    }
}

/// Widens whole registers of halves.
#[inline(always)]
fn widen<I: Isa>(isa: I, from: &[f16], to: &mut [f32]) {
    let from: &[u8] = bytemuck::cast_slice(from);
    for (from, to) in from
        .chunks_exact(2 * I::ROWS)
        .zip(to.chunks_exact_mut(I::ROWS))
    {
        isa.store(to, isa.load_halves(from));
    }
}
