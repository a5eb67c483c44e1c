//! Attention over a cache in f32, which models have whose weights are not rounded: row after row, by its definition.

use std::ops::Range;

use super::heads::{Heads, SequenceRows};
use crate::compute::kernel::Kernel;
use crate::compute::kernel::span::KEY_BLOCK;
use crate::compute::kv::LayerCache;
use crate::compute::room::Room;
use crate::machine::threads::{PerThread, Pool, SliceRows};

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
    /// As [`super::Attention::run`].
    pub(super) fn run<'c>(
        &self,
        pool: &mut Pool,
        caches: impl Fn(usize) -> LayerCache<'c> + Sync,
        scratch: &mut PerThread<Room>,
        out: &mut [f32],
    ) {
        let width = self.shape.heads * self.shape.head_dim;
        for (index, sequence) in self.sequences.iter().enumerate() {
            let first = sequence.first_row * width;
            let out = &mut out[first..first + sequence.rows * width];
            let queries = &self.queries[first..first + sequence.rows * width];
            pool.share(
                SliceRows::new(out, width),
                ROWS..=ROWS,
                scratch,
                |_| (),
                |scratch, rows, out| {
                    for (row, out) in rows.zip(out.chunks_exact_mut(width)) {
                        let query = &queries[row * width..][..width];
                        let seen = self.shape.seen(sequence.position + row);
                        let room = scratch.of(2 * seen.len());
                        self.row(query, caches(index), seen, room, out);
                    }
                },
            );
        }
    }

    /// All heads of a row that sees some positions; `room` holds two numbers for each.
    fn row(
        &self,
        query: &[f32],
        cache: LayerCache<'_>,
        seen: Range<usize>,
        room: &mut [f32],
        out: &mut [f32],
    ) {
        let head_dim = self.shape.head_dim;
        let scale = self.shape.scale();
        let (scores, weights) = room.split_at_mut(seen.len());
        let heads = query
            .chunks_exact(head_dim)
            .zip(out.chunks_exact_mut(head_dim));
        for (head, (query, out)) in heads.enumerate() {
            let cache = cache.head(head / self.shape.shared());
            let blocks = seen.start / KEY_BLOCK..seen.end.div_ceil(KEY_BLOCK);
            let parts = || {
                blocks.clone().map(|block| {
                    let (keys, values) = cache.exact_block(block);
                    let first = block * KEY_BLOCK;
                    let end = KEY_BLOCK.min(seen.end - first) * head_dim;
                    let rows = seen.start.saturating_sub(first) * head_dim..end;
                    (&keys[rows.clone()], &values[rows])
                })
            };
            let mut rest = &mut *scores;
            for (keys, _) in parts() {
                let (scores, later) = rest.split_at_mut(keys.len() / head_dim);
                self.kernel.dots(keys, query, head_dim, scores);
                rest = later;
            }
            let high = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum = self.kernel.softmax_weights(scores, high, scale, weights);
            out.fill(0.0);
            let values = parts().flat_map(|(_, values)| values.chunks_exact(head_dim));
            for (weight, values) in weights.iter().zip(values) {
                let weight = weight / sum;
                for (out, value) in out.iter_mut().zip(values) {
                    *out += weight * value;
                }
            }
        }
    }
}
