//! What is done to q, k and v between their products and attention, row by row: biases, norms of heads, and the rotation
//! of q. (Keys are rotated as they are stored.)

use crate::attention::Heads;
use crate::kernel::Kernel;
use crate::threads::{Parts, Pool};
use crate::weights::Biases;

/// Rows that a thread takes at a time; fewer than this are not worth a barrier.
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
}

impl Projections<'_> {
    /// `q` is `[rows, heads * head_dim]`, `k` and `v` are `[rows, kv_heads * head_dim]`; `scratch` is grown to what all
    /// threads need.
    pub(super) fn finish(
        &self,
        pool: &mut Pool,
        [q, k, v]: [&mut [f32]; 3],
        scratch: &mut Vec<f32>,
    ) {
        let Heads {
            heads,
            kv_heads,
            head_dim,
            ..
        } = self.heads;
        scratch.resize(pool.threads() * head_dim, 0.0);
        let rows = q.len() / (heads * head_dim);
        let [q, k, v, scratch] = [q, k, v, scratch].map(Parts::new);
        let [q_norm, k_norm] = match self.head_norms {
            Some([q, k]) => [Some(q), Some(k)],
            None => [None, None],
        };
        pool.for_each(rows, ROWS, |range, thread| {
            // SAFETY: each thread has scratch of its own.
            let scratch = unsafe { scratch.part(thread * head_dim..(thread + 1) * head_dim) };
            for row in range {
                let of = |heads: usize| row * heads * head_dim..(row + 1) * heads * head_dim;
                // SAFETY: every row is one thread's, as are the next two.
                let q = unsafe { q.part(of(heads)) };
                // SAFETY: see above.
                let k = unsafe { k.part(of(kv_heads)) };
                // SAFETY: see above.
                let v = unsafe { v.part(of(kv_heads)) };
                add_bias(self.biases.q.as_deref(), q);
                add_bias(self.biases.k.as_deref(), k);
                add_bias(self.biases.v.as_deref(), v);
                self.norm(q_norm, q, scratch);
                self.norm(k_norm, k, scratch);
                for head in q.chunks_exact_mut(head_dim) {
                    self.kernel
                        .rope(head, &self.angles[row * head_dim..][..head_dim]);
                }
            }
        });
    }

    /// Normalises every head of a row.
    fn norm(&self, weight: Option<&Vec<f32>>, row: &mut [f32], scratch: &mut [f32]) {
        let Some(weight) = weight else {
            return;
        };
        for head in row.chunks_exact_mut(weight.len()) {
            self.kernel.rms_norm(head, weight, self.epsilon, scratch);
            head.copy_from_slice(scratch);
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
