//! Attention with its sums in registers; the plain twin is [`vector::attend`].
//!
//! Keys and values are widened as they are loaded, for up to eight query rows at a time. `N` rows times `P` registers
//! of positions or columns are enough sums to hide the latency of a multiply-add, and few enough for 16 registers.

use half::f16;

use super::Isa;
use crate::attention::{KEY_BLOCK, Partial, ROWS, Span};
use crate::kernel::vector;

/// Attention of a few query rows over one span of positions; adds in the order of the twin.
#[inline(always)]
pub(crate) fn attend<I: Isa>(isa: I, span: &Span<'_>, scratch: &mut [f32], out: &mut Partial<'_>) {
    let (rows, head_dim) = (span.rows.len(), span.head_dim);
    if !head_dim.is_multiple_of(I::ROWS) {
        return vector::attend(span, |from, to| widen(isa, from, to), scratch, out);
    }
    let queries = &mut scratch[..rows * head_dim];
    for (r, row) in span.rows.iter().enumerate() {
        for (queries, q) in queries.chunks_exact_mut(rows).zip(row.query) {
            queries[r] = *q;
        }
    }
    out.values.fill(0.0);
    out.highs.fill(f32::NEG_INFINITY);
    out.sums.fill(0.0);
    let mut weights = [[0.0; KEY_BLOCK]; ROWS];
    let mut rescale = [1.0; ROWS];
    for (index, (keys, values)) in span.blocks.iter().enumerate() {
        let queries = Queries {
            queries,
            rows,
            scale: span.scale,
        };
        queries.scores(isa, bytemuck::cast_slice(keys), &mut weights);
        let first_position = span.start + index * KEY_BLOCK;
        for (r, row) in span.rows.iter().enumerate() {
            // A block holds at least one position that some row sees.
            let visible = row.end.saturating_sub(first_position).min(KEY_BLOCK);
            let (high, sum) = (&mut out.highs[r], &mut out.sums[r]);
            rescale[r] = vector::softmax(&mut weights[r], visible, high, sum);
        }
        let values = Values {
            values: bytemuck::cast_slice(values),
            head_dim,
        };
        values.add(isa, &weights[..rows], &rescale, out.values);
    }
}

/// Query rows, `[head_dim, rows]`.
#[derive(Clone, Copy)]
struct Queries<'a> {
    queries: &'a [f32],
    rows: usize,
    /// Factor of the scores.
    scale: f32,
}

impl Queries<'_> {
    /// Scaled scores against one block of keys in f16, laid out `[head_dim, KEY_BLOCK]`.
    #[inline(always)]
    fn scores<I: Isa>(self, isa: I, keys: &[u8], scores: &mut [[f32; KEY_BLOCK]; ROWS]) {
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
        scores: &mut [[f32; KEY_BLOCK]; ROWS],
    ) -> usize {
        let scores = &mut scores[first..first + N];
        for start in (0..KEY_BLOCK).step_by(P * I::ROWS) {
            let mut sums = [[isa.splat(0.0); P]; N];
            let queries = self.queries.chunks_exact(self.rows);
            for (keys, queries) in keys.as_chunks::<{ 2 * KEY_BLOCK }>().0.iter().zip(queries) {
                let queries = &queries[first..first + N];
                let mut loaded = [isa.splat(0.0); P];
                for (p, key) in loaded.iter_mut().enumerate() {
                    *key = isa.load_halves(&keys[2 * (start + p * I::ROWS)..]);
                }
                for (sums, q) in sums.iter_mut().zip(queries) {
                    let q = isa.splat(*q);
                    for (sum, key) in sums.iter_mut().zip(loaded) {
                        *sum = isa.mul_add(q, key, *sum);
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
    head_dim: usize,
}

impl Values<'_> {
    /// `out = out * rescale + weights x values`, with `out` laid out `[rows, head_dim]`.
    #[inline(always)]
    fn add<I: Isa>(
        self,
        isa: I,
        weights: &[[f32; KEY_BLOCK]],
        rescale: &[f32; ROWS],
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
        let column = |p: usize| start + p * I::ROWS;
        let mut sums = [[isa.splat(0.0); P]; N];
        for (r, (sums, out)) in sums.iter_mut().zip(out.chunks(self.head_dim)).enumerate() {
            for (p, sum) in sums.iter_mut().enumerate() {
                *sum = isa.mul(isa.load_floats(&out[column(p)..]), isa.splat(rescale[r]));
            }
        }
        let positions = self.values.chunks_exact(2 * self.head_dim);
        for (position, values) in positions.enumerate().take(KEY_BLOCK) {
            let mut loaded = [isa.splat(0.0); P];
            for (p, value) in loaded.iter_mut().enumerate() {
                *value = isa.load_halves(&values[2 * column(p)..]);
            }
            for (sums, weights) in sums.iter_mut().zip(weights) {
                let weight = isa.splat(weights[position]);
                for (sum, value) in sums.iter_mut().zip(loaded) {
                    *sum = isa.mul_add(weight, value, *sum);
                }
            }
        }
        for (sums, out) in sums.into_iter().zip(out.chunks_mut(self.head_dim)) {
            for (p, sum) in sums.into_iter().enumerate() {
                isa.store(&mut out[column(p)..], sum);
            }
        }
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
