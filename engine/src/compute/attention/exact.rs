//! Attention over a cache in f32, which models have whose weights are not rounded: row after row, by its definition.

use std::ops::Range;

use super::{Heads, SequenceRows};
use crate::compute::kernel::Kernel;
use crate::compute::kv::HeadCache;
use crate::machine::threads::{Parts, Pool};

/// Rows that a thread takes at a time.
const ROWS: usize = 2;

/// The queries of a step, and whose they are.
pub(super) struct Step<'a> {
    pub(super) kernel: &'static Kernel,
    pub(super) shape: Heads,
    pub(super) sequences: &'a [SequenceRows],
    /// `[rows, heads * head_dim]`.
    pub(super) queries: &'a [f32],
}

impl Step<'_> {
    /// As [`super::Attention::run`]; `room` is grown and kept.
    pub(super) fn run<'c>(
        &self,
        pool: &mut Pool,
        caches: impl Fn(usize) -> &'c [HeadCache] + Sync,
        room: &mut Vec<f32>,
        out: &mut [f32],
    ) {
        let width = self.shape.heads * self.shape.head_dim;
        let out = Parts::new(out);
        for (index, sequence) in self.sequences.iter().enumerate() {
            let longest = 2 * (sequence.position + sequence.rows);
            if room.len() < longest * pool.threads() {
                room.resize(longest * pool.threads(), 0.0);
            }
            let room = Parts::new(room);
            pool.for_each(sequence.rows, ROWS, |rows, thread| {
                // SAFETY: each thread has room of its own.
                let room = unsafe { room.part(thread * longest..(thread + 1) * longest) };
                for row in rows {
                    let start = (sequence.first_row + row) * width;
                    // SAFETY: every row is computed by one thread.
                    let out = unsafe { out.part(start..start + width) };
                    let query = &self.queries[start..start + width];
                    let seen = self.shape.seen(sequence.position + row);
                    self.row(query, caches(index), seen, room, out);
                }
            });
        }
    }

    /// All heads of a row that sees some positions; `room` holds two numbers for each.
    fn row(
        &self,
        query: &[f32],
        caches: &[HeadCache],
        seen: Range<usize>,
        room: &mut [f32],
        out: &mut [f32],
    ) {
        let head_dim = self.shape.head_dim;
        let scale = 1.0 / (head_dim as f32).sqrt();
        let (scores, weights) = room[..2 * seen.len()].split_at_mut(seen.len());
        let heads = query
            .chunks_exact(head_dim)
            .zip(out.chunks_exact_mut(head_dim));
        for (head, (query, out)) in heads.enumerate() {
            let (keys, values) = caches[head / self.shape.shared()].exact();
            let rows = seen.start * head_dim..seen.end * head_dim;
            let (keys, values) = (&keys[rows.clone()], &values[rows]);
            self.kernel.dots(keys, query, head_dim, scores);
            let high = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum = self.kernel.softmax_weights(scores, high, scale, weights);
            out.fill(0.0);
            for (weight, values) in weights.iter().zip(values.chunks_exact(head_dim)) {
                let weight = weight / sum;
                for (out, value) in out.iter_mut().zip(values) {
                    *out += weight * value;
                }
            }
        }
    }
}
