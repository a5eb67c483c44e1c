//! Attention with its sums in registers; the plain twin is [`vector::attend`].
//!
//! Keys and values are widened as they are loaded, for up to eight query rows at a time. `N` rows times `P` registers
//! of positions or columns are enough sums to hide the latency of a multiply-add, and few enough for 16 registers.

use half::f16;

use super::ahead;
use super::isa::Isa;
use crate::compute::kernel::span::{KEY_BLOCK, Partial, QUERY_ROWS, Span};
use crate::compute::kernel::vector;

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
        return vector::attend(span, |from, to| widen(isa, from, to), scratch, out);
    }
    let queries = &mut scratch.as_chunks_mut().0[..head_dim];
    for (r, row) in span.rows.iter().enumerate() {
        for (queries, q) in queries.iter_mut().zip(row.query) {
            queries[r] = *q;
        }
    }
    out.values.fill(0.0);
    out.highs.fill(f32::NEG_INFINITY);
    out.sums.fill(0.0);
    let mut weights = [[0.0; KEY_BLOCK]; QUERY_ROWS];
    let mut rescale = [1.0; QUERY_ROWS];
    for (index, (keys, values)) in span.blocks.iter().enumerate() {
        let next = span.blocks.get(index + 1).copied().or(span.ahead);
        let (next_keys, next_values) = next.unwrap_or((keys, values));
        let queries = Queries {
            queries,
            rows,
            scale: span.scale,
            next: bytemuck::cast_slice(next_keys),
        };
        queries.scores(isa, bytemuck::cast_slice(keys), &mut weights);
        let first_position = span.start + index * KEY_BLOCK;
        for (r, row) in span.rows.iter().enumerate() {
            let visible = row.visible(first_position);
            let (high, sum) = (&mut out.highs[r], &mut out.sums[r]);
            rescale[r] = vector::softmax(&mut weights[r], visible, high, sum);
        }
        let values = Values {
            values: bytemuck::cast_slice(values),
            next: bytemuck::cast_slice(next_values),
            head_dim,
        };
        values.add(isa, &weights[..rows], &rescale, out.values);
    }
}

/// Query rows, `[head_dim, rows]`; what is beyond the last row has no meaning.
#[derive(Clone, Copy)]
struct Queries<'a> {
    queries: &'a [[f32; QUERY_ROWS]],
    rows: usize,
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
        while first < self.rows {
            first += match self.rows - first {
                1 => self.few_scores::<I, 1, 2>(isa, keys, first, scores),
                2 => self.few_scores::<I, 2, 2>(isa, keys, first, scores),
                3 => self.few_scores::<I, 3, 2>(isa, keys, first, scores),
                4..8 => self.few_scores::<I, 4, 2>(isa, keys, first, scores),
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
        for start in (0..KEY_BLOCK).step_by(P * I::ROWS) {
            let mut sums = [[isa.splat(0.0); P]; N];
            let keys = keys.as_chunks::<{ 2 * KEY_BLOCK }>().0;
            for (d, (keys, queries)) in keys.iter().zip(self.queries).enumerate() {
                prefetch::<N>(self.next, d * 2 * KEY_BLOCK);
                let queries = &queries[first..first + N];
                let mut loaded = [isa.splat(0.0); P];
                for p in 0..P {
                    loaded[p] = isa.load_halves(&keys[2 * (start + p * I::ROWS)..]);
                }
                for r in 0..N {
                    let q = isa.splat(queries[r]);
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

/// One block of values in f16, laid out `[KEY_BLOCK, head_dim]`.
#[derive(Clone, Copy)]
struct Values<'a> {
    values: &'a [u8],
    /// The values of the block after this one.
    next: &'a [u8],
    head_dim: usize,
}

impl Values<'_> {
    /// `out = out * rescale + weights x values`, with `out` laid out `[rows, head_dim]`.
    #[inline(always)]
    fn add<I: Isa>(
        self,
        isa: I,
        weights: &[[f32; KEY_BLOCK]],
        rescale: &[f32; QUERY_ROWS],
        out: &mut [f32],
    ) {
        let mut first = 0;
        while first < weights.len() {
            let (weights, rescale) = (&weights[first..], &rescale[first..]);
            let out = &mut out[first * self.head_dim..];
            first += match weights.len() {
                1 => self.add_few::<I, 1, 4>(isa, weights, rescale, out),
                2 => self.add_few::<I, 2, 4>(isa, weights, rescale, out),
                3 => self.add_few::<I, 3, 2>(isa, weights, rescale, out),
                4..8 => self.add_few::<I, 4, 2>(isa, weights, rescale, out),
                _ => self.add_few::<I, 8, 1>(isa, weights, rescale, out),
            };
        }
    }

    /// The part of [`Values::add`] for the first `N` rows.
    #[inline(always)]
    fn add_few<I: Isa, const N: usize, const P: usize>(
        self,
        isa: I,
        weights: &[[f32; KEY_BLOCK]],
        rescale: &[f32],
        out: &mut [f32],
    ) -> usize {
        let (Some(weights), Some(rescale)) = (weights.first_chunk::<N>(), rescale.first_chunk())
        else {
            unreachable!("there are so many rows");
        };
        let mut start = 0;
        while start + P * I::ROWS <= self.head_dim {
            self.add_columns::<I, N, P>(isa, weights, rescale, start, out);
            start += P * I::ROWS;
        }
        while start < self.head_dim {
            self.add_columns::<I, N, 1>(isa, weights, rescale, start, out);
            start += I::ROWS;
        }
        N
    }

    /// The part of [`Values::add_few`] for `P` registers of columns from `start` on.
    #[inline(always)]
    fn add_columns<I: Isa, const N: usize, const P: usize>(
        self,
        isa: I,
        weights: &[[f32; KEY_BLOCK]; N],
        rescale: &[f32; N],
        start: usize,
        out: &mut [f32],
    ) {
        let mut sums = [[isa.splat(0.0); P]; N];
        for r in 0..N {
            let out = &out[r * self.head_dim + start..][..P * I::ROWS];
            for p in 0..P {
                let old = isa.load_floats(&out[p * I::ROWS..]);
                sums[r][p] = isa.mul(old, isa.splat(rescale[r]));
            }
        }
        #[expect(
            clippy::needless_range_loop,
            reason = "the position is a column of the weights, of which each row has its own"
        )]
        for position in 0..KEY_BLOCK {
            let at = 2 * (position * self.head_dim + start);
            prefetch::<N>(self.next, at);
            let values = &self.values[at..][..2 * P * I::ROWS];
            let mut loaded = [isa.splat(0.0); P];
            for p in 0..P {
                loaded[p] = isa.load_halves(&values[2 * p * I::ROWS..]);
            }
            for r in 0..N {
                let weight = isa.splat(weights[r][position]);
                for p in 0..P {
                    sums[r][p] = isa.mul_add(weight, loaded[p], sums[r][p]);
                }
            }
        }
        for r in 0..N {
            let out = &mut out[r * self.head_dim + start..][..P * I::ROWS];
            for p in 0..P {
                isa.store(&mut out[p * I::ROWS..], sums[r][p]);
            }
        }
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
