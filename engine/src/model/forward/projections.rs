//! What is done to q, k and v between their products and attention: biases, norms of heads, the rotation of q and k, and
//! storing keys and values in the caches.

use crate::compute::attention::{Heads, SequenceRows};
use crate::compute::kernel::Kernel;
use crate::compute::kv::HeadWriter;
use crate::machine::threads::{PerThread, Pool, SliceRows};
use crate::model::weights::Biases;

/// Rows that a thread takes at a time, at most.
const ROWS: usize = 16;

/// One layer's part in it.
pub(super) struct Projections<'a> {
    pub(super) kernel: &'static Kernel,
    pub(super) heads: Heads,
    pub(super) biases: &'a Biases,
    /// Weights of the norms of the heads of q and k, each `[head_dim]`.
    pub(super) head_norms: Option<&'a [Vec<f32>; 2]>,
    pub(super) epsilon: f32,
    /// Cosines and sines of each row's position, `[rows, head_dim]`.
    pub(super) angles: &'a [f32],
    pub(super) sequences: &'a [SequenceRows],
}

impl Projections<'_> {
    /// `qkv` are q, `[rows, heads * head_dim]`, k and v, `[rows, kv_heads * head_dim]`; `caches` are the layer's heads of
    /// each sequence.
    ///
    /// Where every sequence has one new token, each KV head is finished and stored at once, by the thread whose attention
    /// reads it: lines that another thread wrote come from its cache, one by one.
    pub(super) fn finish<'c>(
        &self,
        pool: &mut Pool,
        qkv: [&mut [f32]; 3],
        scratch: &mut PerThread<Vec<f32>>,
        caches: impl Iterator<Item = HeadWriter<'c>>,
    ) {
        let mut caches: Vec<_> = caches.collect();
        let caches = SliceRows::new(&mut caches, 1);
        if self.sequences.iter().all(|sequence| sequence.rows == 1) {
            self.finish_and_store(pool, qkv, scratch, caches);
        } else {
            let [q, k, v] = qkv;
            self.finish_rows(pool, [q, &mut *k, &mut *v], scratch);
            self.store(pool, [k, v], caches);
        }
    }

    /// One new token of each sequence: the heads of its row are those of its cache.
    fn finish_and_store(
        &self,
        pool: &mut Pool,
        qkv: [&mut [f32]; 3],
        scratch: &mut PerThread<Vec<f32>>,
        caches: SliceRows<'_, HeadWriter<'_>>,
    ) {
        let Heads {
            kv_heads, head_dim, ..
        } = self.heads;
        let [q, k, v] = qkv;
        let heads = [
            SliceRows::new(q, self.heads.shared() * head_dim),
            SliceRows::new(k, head_dim),
            SliceRows::new(v, head_dim),
        ];
        pool.share(
            (heads, caches),
            1..=1,
            scratch,
            |scratch| scratch.resize(head_dim, 0.0),
            |scratch, range, ([q, k, v], caches)| {
                let (row, head) = (range.start / kv_heads, range.start % kv_heads);
                let position = self.sequences[row].position;
                for cache in caches {
                    cache.prefetch(position);
                    self.finish_head(row, head, [q, &mut *k, &mut *v], scratch);
                    cache.store(position, k, v);
                }
            },
        );
    }

    /// All heads of all rows.
    fn finish_rows(
        &self,
        pool: &mut Pool,
        qkv: [&mut [f32]; 3],
        scratch: &mut PerThread<Vec<f32>>,
    ) {
        let Heads {
            kv_heads, head_dim, ..
        } = self.heads;
        let widths = [self.heads.shared() * head_dim, head_dim, head_dim];
        let [q, k, v] = qkv;
        let at_once = (k.len() / (kv_heads * head_dim))
            .div_ceil(pool.threads())
            .min(ROWS);
        let rows = [
            SliceRows::new(q, kv_heads * widths[0]),
            SliceRows::new(k, kv_heads * widths[1]),
            SliceRows::new(v, kv_heads * widths[2]),
        ];
        pool.share(
            rows,
            at_once..=at_once,
            scratch,
            |scratch| scratch.resize(head_dim, 0.0),
            |scratch, range, [q, k, v]| {
                let heads = range.flat_map(|row| (0..kv_heads).map(move |head| (row, head)));
                let q = q.chunks_exact_mut(widths[0]);
                let kv = k
                    .chunks_exact_mut(head_dim)
                    .zip(v.chunks_exact_mut(head_dim));
                for ((row, head), (q, (k, v))) in heads.zip(q.zip(kv)) {
                    self.finish_head(row, head, [q, k, v], scratch);
                }
            },
        );
    }

    /// Keys and values that are finished, head by head of each sequence.
    fn store(
        &self,
        pool: &mut Pool,
        [k, v]: [&mut [f32]; 2],
        caches: SliceRows<'_, HeadWriter<'_>>,
    ) {
        let Heads {
            kv_heads, head_dim, ..
        } = self.heads;
        let (k, v) = (&*k, &*v);
        pool.for_each_chunk_mut(caches, 1, |range, caches| {
            for (item, cache) in range.zip(caches) {
                let (sequence, head) = (&self.sequences[item / kv_heads], item % kv_heads);
                cache.prefetch(sequence.position);
                for token in 0..sequence.rows {
                    let start = ((sequence.first_row + token) * kv_heads + head) * head_dim;
                    let columns = start..start + head_dim;
                    cache.store(sequence.position + token, &k[columns.clone()], &v[columns]);
                }
            }
        });
    }

    /// Finishes one KV head of a row and the heads of q that share it.
    fn finish_head(
        &self,
        row: usize,
        head: usize,
        [q, k, v]: [&mut [f32]; 3],
        scratch: &mut [f32],
    ) {
        let biases = [&self.biases.q, &self.biases.k, &self.biases.v];
        for (bias, part) in biases.into_iter().zip([&mut *q, &mut *k, v]) {
            let start = head * part.len();
            let bias = bias.as_ref().map(|bias| &bias[start..][..part.len()]);
            add_bias(bias, part);
        }
        let head_dim = self.heads.head_dim;
        let angles = &self.angles[row * head_dim..][..head_dim];
        for (part, norm) in [(q, 0), (k, 1)] {
            for head in part.chunks_exact_mut(head_dim) {
                if let Some(norms) = self.head_norms {
                    let epsilon = self.epsilon;
                    self.kernel.rms_norm(head, &norms[norm], epsilon, scratch);
                    head.copy_from_slice(scratch);
                }
                self.kernel.rope(head, angles);
            }
        }
    }
}

/// Adds a bias, where there is one, to every row.
pub(super) fn add_bias(bias: Option<&[f32]>, rows: &mut [f32]) {
    let Some(bias) = bias else {
        return;
    };
    for row in rows.chunks_exact_mut(bias.len()) {
        for (x, bias) in row.iter_mut().zip(bias) {
            *x += bias;
        }
    }
}
