//! Blocks of keys and values as bytes, and back: what a file of them holds.
//!
//! The bytes are those of the slabs in memory, table after table, in the order of the bytes of this CPU.

use std::sync::Arc;

use super::pool::Slab;
use super::{KvMemory, Stretch};

impl Slab {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::F16(slab) | Self::Q8(slab) => bytemuck::cast_slice(slab),
            Self::F32(slab) => bytemuck::cast_slice(slab),
        }
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Self::F16(slab) | Self::Q8(slab) => bytemuck::cast_slice_mut(slab),
            Self::F32(slab) => bytemuck::cast_slice_mut(slab),
        }
    }
}

impl KvMemory {
    /// Bytes of a block of all layers.
    pub(crate) fn block_bytes(&self) -> usize {
        self.0.pool.slab_bytes() * self.slabs()
    }

    /// The bytes of a stretch; none where a window has given a block of it back.
    pub(crate) fn bytes_of(&self, stretch: &Stretch) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(self.block_bytes());
        for block in stretch {
            for slab in &block.as_ref()?.slabs {
                bytes.extend_from_slice(slab.bytes());
            }
        }
        Some(bytes)
    }

    /// A stretch of such bytes; none where they are more or fewer, or the memory is used up.
    pub(crate) fn stretch_of(&self, bytes: &[u8]) -> Option<Stretch> {
        if bytes.len() != self.block_bytes() {
            return None;
        }
        let pool = &self.0.pool;
        let mut of_slabs = bytes.chunks_exact(pool.slab_bytes());
        let blocks = self.0.tables.iter().map(|(_, layers)| {
            let mut block = pool.block(*layers)?;
            for (slab, bytes) in block.slabs.iter_mut().zip(&mut of_slabs) {
                slab.bytes_mut().copy_from_slice(bytes);
            }
            Some(Some(Arc::new(block)))
        });
        blocks.collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::compute::kernel::span::KEY_BLOCK;
    use crate::compute::kv::{KvMemory, KvPrecision, KvShape};

    #[test]
    fn what_is_made_of_a_stretchs_bytes_has_the_same_bytes() {
        for precision in [KvPrecision::F16, KvPrecision::Q8, KvPrecision::F32] {
            let shape = KvShape {
                kv_heads: 2,
                head_dim: 64,
                precision,
                windows: vec![None, Some(64), None],
            };
            let memory = KvMemory::new(&shape, Some(2 * 32 * shape.bytes_per_token()));
            let mut cache = memory.new_cache();
            cache.reserve(KEY_BLOCK).unwrap();
            for layer in 0..3 {
                for mut writer in cache.head_writers(layer) {
                    for position in 0..KEY_BLOCK {
                        let number = (layer * 100 + position) as f32;
                        writer.store(position, &[number; 64], &[-number; 64]);
                    }
                }
            }
            cache.advance(KEY_BLOCK);
            let bytes = memory.bytes_of(&cache.stretch(0)).unwrap();
            assert_eq!(bytes.len(), memory.block_bytes(), "{precision}");
            let made = memory.stretch_of(&bytes).unwrap();
            assert_eq!(memory.bytes_of(&made).unwrap(), bytes);
            // There is no room for a third, and a shorter one is none.
            assert!(memory.stretch_of(&bytes).is_none());
            drop(made);
            assert!(memory.stretch_of(&bytes[1..]).is_none());
            assert!(memory.bytes_of(&vec![None, None]).is_none());
        }
    }
}
