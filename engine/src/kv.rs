//! The KV cache of one sequence, in f16, or in f32 for models whose weights are not rounded.
//!
//! In f16 positions come in blocks of [`KEY_BLOCK`], allocated as the sequence grows, one for each layer and KV head. A block
//! holds its keys as `[head_dim, KEY_BLOCK]`, so that scores of neighbouring positions come out side by side, and then
//! its values as `[KEY_BLOCK, head_dim]`. In f32 keys and values of all positions stand one after the other.

use half::f16;

/// Positions in a block.
pub(crate) const KEY_BLOCK: usize = 32;

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
    blocks: Vec<Box<[f16]>>,
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
        for (row, k) in keys.chunks_exact_mut(KEY_BLOCK).zip(key) {
            row[column] = f16::from_f32(*k);
        }
        let values = &mut values[column * value.len()..][..value.len()];
        for (stored, v) in values.iter_mut().zip(value) {
            *stored = f16::from_f32(*v);
        }
    }

    /// Blocks of keys and values from a position on that starts a block.
    pub(crate) fn blocks(&self, start: usize, end: usize) -> &[Box<[f16]>] {
        &self.blocks[start / KEY_BLOCK..end.div_ceil(KEY_BLOCK)]
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
        let block = vec![f16::ZERO; 2 * KEY_BLOCK * self.head_dim].into_boxed_slice();
        for head in &mut self.heads {
            if let Some(exact) = &mut head.exact {
                let len = (len * self.head_dim).max(exact[0].len());
                exact.iter_mut().for_each(|all| all.resize(len, 0.0));
                continue;
            }
            let blocks = len.div_ceil(KEY_BLOCK).max(head.blocks.len());
            head.blocks.resize(blocks, block.clone());
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
        let block = &cache.layer(1)[0].blocks(32, 40)[0];
        let stored: Vec<_> = block.iter().map(|v| v.to_f32()).collect();
        assert_eq!((stored[1], stored[KEY_BLOCK + 1]), (1.0, 2.0));
        assert_eq!(stored[2 * KEY_BLOCK + 2..][..2], [3.0, 4.0]);
        assert!(
            cache.layer(0)[0].blocks(32, 40)[0]
                .iter()
                .all(|v| *v == f16::ZERO)
        );
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
