//! What is done to q, k and v between their products and attention: biases, norms of heads, the rotation of q and k, and
//! storing keys and values in the caches.

use crate::compute::attention::{Heads, SequenceRows};
use crate::compute::kernel::Kernel;
use crate::compute::kv::HeadCache;
use crate::machine::threads::{Parts, Pool};
use crate::model::weights::Biases;

/// Rows that a thread takes at a time. Of sequences with fewer new tokens each KV head is finished and stored at once, by
/// the thread whose attention reads it: lines that another thread wrote come from its cache, one by one.
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
    /// each sequence; `scratch` is grown to what all threads need.
    pub(super) fn finish<'c>(
        &self,
        pool: &mut Pool,
        qkv: [&mut [f32]; 3],
        scratch: &mut Vec<f32>,
        caches: impl Iterator<Item = &'c mut [HeadCache]>,
    ) {
        let Heads {
            kv_heads, head_dim, ..
        } = self.heads;
        scratch.resize(pool.threads() * head_dim, 0.0);
        let (rows, scratch) = (qkv[1].len() / (kv_heads * head_dim), Parts::new(scratch));
        // SAFETY: each thread has scratch of its own.
        let scratch = |thread| unsafe { scratch.part(thread * head_dim..(thread + 1) * head_dim) };
        let qkv = qkv.map(Parts::new);
        let by_rows = self.sequences.iter().any(|sequence| sequence.rows >= ROWS);
        if by_rows {
            pool.for_each(rows, ROWS, |range, thread| {
                for (row, head) in range.flat_map(|row| (0..kv_heads).map(move |head| (row, head)))
                {
                    // SAFETY: every row is one thread's.
                    let parts = unsafe { self.parts(&qkv, row, head) };
                    self.finish_head(row, head, parts, scratch(thread));
                }
            });
        }
        let caches: Vec<_> = caches.map(Parts::new).collect();
        pool.for_each(caches.len() * kv_heads, 1, |range, thread| {
            for (index, head) in range.map(|item| (item / kv_heads, item % kv_heads)) {
                let sequence = &self.sequences[index];
                // SAFETY: every head of a sequence is one thread's, here and in its rows.
                let cache = &mut unsafe { caches[index].part(head..head + 1) }[0];
                cache.fetch(sequence.position);
                for token in 0..sequence.rows {
                    let row = sequence.first_row + token;
                    // SAFETY: see above.
                    let [q, k, v] = unsafe { self.parts(&qkv, row, head) };
                    if !by_rows {
                        self.finish_head(row, head, [q, &mut *k, &mut *v], scratch(thread));
                    }
                    cache.store(sequence.position + token, k, v);
                }
            }
        });
    }

    /// What belongs to one KV head in a row of q, k and v.
    ///
    /// # Safety
    /// No other thread uses this head of this row.
    #[expect(
        clippy::mut_from_ref,
        reason = "what is handed out are disjoint parts of buffers that are borrowed mutably"
    )]
    unsafe fn parts<'p>(
        &self,
        qkv: &'p [Parts<'_, f32>; 3],
        row: usize,
        head: usize,
    ) -> [&'p mut [f32]; 3] {
        let Heads {
            kv_heads, head_dim, ..
        } = self.heads;
        let widths = [self.heads.shared(), 1, 1].map(|heads| heads * head_dim);
        std::array::from_fn(|i| {
            let start = (row * kv_heads + head) * widths[i];
            // SAFETY: handed on to the caller.
            unsafe { qkv[i].part(start..start + widths[i]) }
        })
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
