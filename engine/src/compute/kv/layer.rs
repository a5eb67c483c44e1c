//! One layer of a sequence's keys and values: for attention to read, and to store new positions into.

use std::sync::Arc;

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::pool::{PoolBlock, Slab};
use super::{KvPrecision, q8};
use crate::compute::kernel::span::{KEY_BLOCK, KvBlock, MAX_HEAD_DIM};

/// The blocks of a table; what lies before the window was given back.
type Blocks<'a> = &'a [Option<Arc<PoolBlock>>];

/// Keys and values of one layer, to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LayerCache<'a> {
    pub(super) blocks: Blocks<'a>,
    /// Which of a block's slabs is this layer's.
    pub(super) slab: usize,
    pub(super) head_dim: usize,
    pub(super) precision: KvPrecision,
}

impl<'a> LayerCache<'a> {
    /// Whether nothing is rounded.
    pub(crate) fn is_exact(self) -> bool {
        self.precision == KvPrecision::F32
    }

    /// Keys and values of one KV head.
    pub(crate) fn head(self, head: usize) -> HeadCache<'a> {
        let len = match self.precision {
            KvPrecision::F16 | KvPrecision::F32 => 2 * KEY_BLOCK * self.head_dim,
            KvPrecision::Q8 => q8::head_len(self.head_dim),
        };
        HeadCache {
            layer: self,
            start: head * len,
            len,
        }
    }
}

/// Keys and values of one KV head of one layer, to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeadCache<'a> {
    layer: LayerCache<'a>,
    /// Where the head's numbers are in a slab.
    start: usize,
    len: usize,
}

impl<'a> HeadCache<'a> {
    /// Blocks in f16 or eight bits, from a position on that starts one.
    ///
    /// # Panics
    /// When a position lies before the window or in f32.
    pub(crate) fn blocks(
        self,
        start: usize,
        end: usize,
    ) -> impl ExactSizeIterator<Item = KvBlock<'a>> {
        let blocks = &self.layer.blocks[start / KEY_BLOCK..end.div_ceil(KEY_BLOCK)];
        blocks.iter().map(move |block| {
            let block = self.rounded(self.slab(block));
            block.expect("keys and values that are not in f32")
        })
    }

    /// One block in f16 or eight bits, unless there is none or it was given back.
    pub(crate) fn block(self, block: usize) -> Option<KvBlock<'a>> {
        self.rounded(&self.layer.blocks.get(block)?.as_ref()?.slabs[self.layer.slab])
    }

    /// The head's part of a slab that is not in f32.
    fn rounded(self, slab: &'a Slab) -> Option<KvBlock<'a>> {
        match slab {
            Slab::F16(slab) => {
                let (keys, values) = slab[self.start..][..self.len].split_at(self.len / 2);
                Some(KvBlock::F16(keys, values))
            }
            Slab::Q8(slab) => {
                let head = &slab[self.start..][..self.len];
                Some(KvBlock::Q8(q8::block(head, self.layer.head_dim)))
            }
            Slab::F32(_) => None,
        }
    }

    /// Keys and values in f32 of the positions of one block, each `[KEY_BLOCK, head_dim]`.
    ///
    /// # Panics
    /// When the block lies before the window or is not in f32.
    pub(crate) fn exact_block(self, block: usize) -> (&'a [f32], &'a [f32]) {
        match self.slab(&self.layer.blocks[block]) {
            Slab::F32(slab) => slab[self.start..][..self.len].split_at(self.len / 2),
            Slab::F16(_) | Slab::Q8(_) => panic!("keys and values are not in f32"),
        }
    }

    fn slab(self, block: &'a Option<Arc<PoolBlock>>) -> &'a Slab {
        let block = block.as_ref().expect("a position within the window");
        &block.slabs[self.layer.slab]
    }
}

/// Keys and values of one KV head of one layer, to store new positions into.
#[derive(Debug)]
pub(crate) struct HeadWriter<'a> {
    /// The first of `blocks`.
    first: usize,
    blocks: Vec<BlockWriter<'a>>,
    head_dim: usize,
}

/// The part of a head in a slab.
#[derive(Debug)]
enum BlockWriter<'a> {
    F16(&'a mut [f16]),
    Q8(&'a mut [f16]),
    F32(&'a mut [f32]),
}

/// A writer for each head, of the blocks from `first` on.
pub(super) fn head_writers<'a>(
    blocks: &'a mut [Option<Arc<PoolBlock>>],
    first: usize,
    slab: usize,
    head_dim: usize,
) -> impl Iterator<Item = HeadWriter<'a>> {
    let len = 2 * KEY_BLOCK * head_dim;
    let mut writers: Vec<HeadWriter<'a>> = Vec::new();
    let mut add = |head: usize, block| {
        if head == writers.len() {
            writers.push(HeadWriter {
                first,
                blocks: Vec::new(),
                head_dim,
            });
        }
        writers[head].blocks.push(block);
    };
    for block in &mut blocks[first..] {
        let block = block.as_mut().and_then(Arc::get_mut);
        let block = block.expect("a block that this sequence alone has");
        match &mut block.slabs[slab] {
            Slab::F16(slab) => {
                let heads = slab.chunks_exact_mut(len).map(BlockWriter::F16);
                heads.enumerate().for_each(|(head, block)| add(head, block));
            }
            Slab::Q8(slab) => {
                let heads = slab.chunks_exact_mut(q8::head_len(head_dim));
                let heads = heads.map(BlockWriter::Q8);
                heads.enumerate().for_each(|(head, block)| add(head, block));
            }
            Slab::F32(slab) => {
                let heads = slab.chunks_exact_mut(len).map(BlockWriter::F32);
                heads.enumerate().for_each(|(head, block)| add(head, block));
            }
        }
    }
    writers.into_iter()
}

impl HeadWriter<'_> {
    /// Reads from every cache line of the keys that [`Self::store`] writes at this position, all at once: of stores each
    /// waits for its line.
    ///
    /// # Panics
    /// As [`Self::store`].
    pub(crate) fn prefetch(&self, position: usize) {
        match &self.blocks[position / KEY_BLOCK - self.first] {
            BlockWriter::F16(block) => {
                let keys = block[..block.len() / 2].chunks_exact(KEY_BLOCK);
                std::hint::black_box(keys.fold(0, |all, keys| all ^ keys[0].to_bits()));
            }
            BlockWriter::Q8(block) => q8::prefetch(block, self.head_dim, position % KEY_BLOCK),
            BlockWriter::F32(_) => {}
        }
    }

    /// Stores the key and value of one position.
    ///
    /// # Panics
    /// When there is no room for the position.
    pub(crate) fn store(&mut self, position: usize, key: &[f32], value: &[f32]) {
        let column = position % KEY_BLOCK;
        let keys = KEY_BLOCK * self.head_dim;
        match &mut self.blocks[position / KEY_BLOCK - self.first] {
            BlockWriter::F16(block) => {
                let (keys, values) = block.split_at_mut(keys);
                let mut rounded = [f16::ZERO; MAX_HEAD_DIM];
                let rounded = &mut rounded[..key.len()];
                rounded.convert_from_f32_slice(key);
                for (row, k) in keys.chunks_exact_mut(KEY_BLOCK).zip(rounded) {
                    row[column] = *k;
                }
                values[column * value.len()..][..value.len()].convert_from_f32_slice(value);
            }
            BlockWriter::Q8(block) => q8::store(block, column, key, value),
            BlockWriter::F32(block) => {
                let (keys, values) = block.split_at_mut(keys);
                keys[column * key.len()..][..key.len()].copy_from_slice(key);
                values[column * value.len()..][..value.len()].copy_from_slice(value);
            }
        }
    }
}
