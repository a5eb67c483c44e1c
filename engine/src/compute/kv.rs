//! The KV cache of one sequence, in f16, or in f32 for models whose weights are not rounded.
//!
//! In f16 positions come in blocks of [`KEY_BLOCK`], one for each layer and KV head. A block holds its keys as `[head_dim,
//! KEY_BLOCK]`, so that scores of neighbouring positions come out side by side, and then its values as `[KEY_BLOCK,
//! head_dim]`. All blocks of the same positions lie together, in huge pages that the system provides as the sequence
//! comes to them. In f32 keys and values of all positions stand one after the other.

use half::f16;
use half::slice::HalfFloatSliceExt;

use crate::compute::kernel::span::{KEY_BLOCK, KvBlock};
use crate::machine::memory::{self, PageSlice};

/// The widest head that a cache takes.
pub(crate) const MAX_HEAD_DIM: usize = 256;

/// Bytes that a growing sequence asks the system for, at least; what it does not come to stays the system's.
const ROOM: usize = 16 << 20;

/// How keys and values are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Precision {
    #[default]
    F16,
    F32,
}

/// Keys and values of one KV head of one layer.
#[derive(Debug, Default)]
pub(crate) struct HeadCache {
    blocks: Vec<PageSlice<f16>>,
    /// Instead of blocks, keys and values as they are, each `[positions, head_dim]`.
    exact: Option<[Vec<f32>; 2]>,
}

impl HeadCache {
    fn new(precision: Precision) -> Self {
        Self {
            blocks: Vec::new(),
            exact: (precision == Precision::F32).then(Default::default),
        }
    }

    /// Whether nothing is rounded.
    pub(crate) fn is_exact(&self) -> bool {
        self.exact.is_some()
    }

    /// Keys and values of a cache that does not round, each `[positions, head_dim]`.
    pub(crate) fn exact(&self) -> (&[f32], &[f32]) {
        match &self.exact {
            Some([keys, values]) => (keys, values),
            None => (&[], &[]),
        }
    }

    /// Stores the key and value of one position; [`KvCache::reserve`] has made room.
    pub(crate) fn store(&mut self, position: usize, key: &[f32], value: &[f32]) {
        if let Some(exact) = &mut self.exact {
            for (all, new) in exact.iter_mut().zip([key, value]) {
                all[position * new.len()..][..new.len()].copy_from_slice(new);
            }
            return;
        }
        let (keys, values) = self.blocks[position / KEY_BLOCK].split_at_mut(KEY_BLOCK * key.len());
        let column = position % KEY_BLOCK;
        let mut rounded = [f16::ZERO; MAX_HEAD_DIM];
        let rounded = &mut rounded[..key.len()];
        rounded.convert_from_f32_slice(key);
        for (row, k) in keys.chunks_exact_mut(KEY_BLOCK).zip(rounded) {
            row[column] = *k;
        }
        values[column * value.len()..][..value.len()].convert_from_f32_slice(value);
    }

    /// Reads from every cache line of the keys that [`HeadCache::store`] writes at this position, all at once: of stores
    /// each waits for its line.
    pub(crate) fn prefetch(&self, position: usize) {
        if let Some(block) = self.blocks.get(position / KEY_BLOCK) {
            let keys = block[..block.len() / 2].chunks_exact(KEY_BLOCK);
            std::hint::black_box(keys.fold(0, |all, keys| all ^ keys[0].to_bits()));
        }
    }

    /// Blocks from a position on that starts one.
    pub(crate) fn blocks(
        &self,
        start: usize,
        end: usize,
    ) -> impl ExactSizeIterator<Item = KvBlock<'_>> {
        let blocks = &self.blocks[start / KEY_BLOCK..end.div_ceil(KEY_BLOCK)];
        blocks.iter().map(|block| block.split_at(block.len() / 2))
    }
}

/// Keys and values of one sequence.
#[derive(Debug)]
pub(crate) struct KvCache {
    heads: Vec<HeadCache>,
    kv_heads: usize,
    head_dim: usize,
    len: usize,
    prompt: usize,
}

impl KvCache {
    pub(crate) fn new(
        layers: usize,
        kv_heads: usize,
        head_dim: usize,
        precision: Precision,
    ) -> Self {
        let heads = (0..layers * kv_heads)
            .map(|_| HeadCache::new(precision))
            .collect();
        Self {
            heads,
            kv_heads,
            head_dim,
            len: 0,
            prompt: 0,
        }
    }

    /// Bytes of one position in every layer.
    pub(crate) fn bytes_per_token(
        layers: usize,
        kv_heads: usize,
        head_dim: usize,
        precision: Precision,
    ) -> u64 {
        let bytes = match precision {
            Precision::F16 => size_of::<f16>(),
            Precision::F32 => size_of::<f32>(),
        };
        (layers * kv_heads * head_dim * 2 * bytes) as u64
    }

    /// Positions that hold keys and values in every layer.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Says, before the first of them, that the sequence begins with a prompt of so many tokens.
    pub(crate) fn begin(&mut self, prompt: usize) {
        self.prompt = prompt;
    }

    /// Tokens of the prompt that the sequence begins with; 0 where nobody said.
    pub(crate) fn prompt(&self) -> usize {
        self.prompt
    }

    /// Forgets the positions from `len` on; their memory stays for the next tokens.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Makes room for `len` positions in all.
    pub(crate) fn reserve(&mut self, len: usize) {
        for exact in self.heads.iter_mut().filter_map(|head| head.exact.as_mut()) {
            let len = (len * self.head_dim).max(exact[0].len());
            exact.iter_mut().for_each(|all| all.resize(len, 0.0));
        }
        let there = match self.heads.first() {
            Some(head) if !head.is_exact() => head.blocks.len(),
            _ => return,
        };
        let missing = len.div_ceil(KEY_BLOCK).saturating_sub(there);
        if missing > 0 {
            let (heads, block) = (self.heads.len(), 2 * KEY_BLOCK * self.head_dim);
            let at_once = (ROOM / (heads * block * size_of::<f16>())).max(1);
            let count = missing.next_multiple_of(at_once);
            let mut room = memory::page_slices(block, count * heads);
            for _ in 0..count {
                for (head, block) in self.heads.iter_mut().zip(room.by_ref()) {
                    head.blocks.push(block);
                }
            }
        }
    }

    /// Declares the next `tokens` positions filled in every layer.
    pub(crate) fn advance(&mut self, tokens: usize) {
        self.len += tokens;
    }

    /// The heads of one layer.
    pub(crate) fn layer(&self, layer: usize) -> &[HeadCache] {
        &self.heads[layer * self.kv_heads..][..self.kv_heads]
    }

    /// The heads of one layer, to store into.
    pub(crate) fn layer_mut(&mut self, layer: usize) -> &mut [HeadCache] {
        &mut self.heads[layer * self.kv_heads..][..self.kv_heads]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stand_in_columns_and_values_in_rows() {
        let mut cache = KvCache::new(2, 1, 2, Precision::F16);
        cache.reserve(40);
        cache.layer_mut(1)[0].store(33, &[1.0, 2.0], &[3.0, 4.0]);
        let block = &cache.layer(1)[0].blocks[1];
        let stored: Vec<_> = block.iter().map(|v| v.to_f32()).collect();
        assert_eq!((stored[1], stored[KEY_BLOCK + 1]), (1.0, 2.0));
        assert_eq!(stored[2 * KEY_BLOCK + 2..][..2], [3.0, 4.0]);
        assert!(cache.layer(0)[0].blocks[1].iter().all(|v| *v == f16::ZERO));
    }

    #[test]
    fn every_position_of_every_head_has_a_place_of_its_own() {
        let (heads, positions) = (2, 5 * KEY_BLOCK);
        let mut cache = KvCache::new(1, heads, 8, Precision::F16);
        let number = |head: usize, position: usize| (head * positions + position) as f32;
        for position in 0..positions {
            cache.reserve(position + 1);
            for (head, stored) in cache.layer_mut(0).iter_mut().enumerate() {
                let number = number(head, position);
                stored.store(position, &[number; 8], &[-number; 8]);
            }
        }
        for (head, stored) in cache.layer(0).iter().enumerate() {
            for (index, (keys, values)) in stored.blocks(0, positions).enumerate() {
                for column in 0..KEY_BLOCK {
                    let number = number(head, index * KEY_BLOCK + column);
                    let key = keys.iter().skip(column).step_by(KEY_BLOCK);
                    assert!(key.clone().all(|k| k.to_f32() == number));
                    let value = &values[column * 8..][..8];
                    assert!(value.iter().all(|v| v.to_f32() == -number));
                }
            }
        }
    }

    #[test]
    fn in_f32_nothing_is_rounded() {
        let mut cache = KvCache::new(1, 1, 2, Precision::F32);
        cache.reserve(3);
        cache.layer_mut(0)[0].store(2, &[0.1, 0.2], &[0.3, 1e9]);
        cache.reserve(40);
        let (keys, values) = cache.layer(0)[0].exact();
        assert_eq!((keys.len(), &keys[4..6]), (80, &[0.1, 0.2][..]));
        assert_eq!(values[4..6], [0.3, 1e9]);
    }

    #[test]
    fn room_is_kept_when_a_sequence_is_cut() {
        let mut cache = KvCache::new(1, 1, 8, Precision::F16);
        cache.reserve(100);
        cache.advance(100);
        cache.truncate(10);
        assert_eq!(
            (cache.len(), cache.layer(0)[0].blocks(0, 128).len()),
            (10, 4)
        );
    }
}
