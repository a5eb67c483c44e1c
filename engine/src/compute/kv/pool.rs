//! Memory for keys and values: blocks of 32 positions, handed out up to a budget, counted by reference.
//!
//! The unit is a slab: one layer's keys and values of a block's positions. All layers' slabs are alike, so a block of the
//! layers with a window and one of those without draw on the same memory, and nothing is lost between them. Slabs come
//! from the system some megabytes at a time, in huge pages, and go back to the pool when the last owner of their block
//! is gone.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use half::f16;

use super::KvPrecision;
use crate::Error;
use crate::machine::memory::{PageSlice, page_slices};

/// Bytes that the pool asks the system for at a time; what is not written yet stays the system's.
const REGION: usize = 16 << 20;

/// Keys and values of one layer in one block, for each KV head its keys and then its values.
///
/// In f16 a head's keys are `[head_dim, KEY_BLOCK]`, so that scores of neighbouring positions come out side by side, and its
/// values `[KEY_BLOCK, head_dim]`; in f32 both are `[KEY_BLOCK, head_dim]`. In eight bits quants, two to a half, have their scales
/// behind them: see [`super::q8`].
#[derive(Debug)]
pub(super) enum Slab {
    F16(PageSlice<f16>),
    Q8(PageSlice<f16>),
    F32(PageSlice<f32>),
}

/// Keys and values of [`KEY_BLOCK`](super::KEY_BLOCK) positions in the layers of one table.
#[derive(Debug)]
pub(crate) struct PoolBlock {
    /// One for each of the layers.
    pub(super) slabs: Vec<Slab>,
    pool: Arc<Shared>,
}

impl PoolBlock {
    /// Slabs that it has.
    pub(crate) fn slabs(&self) -> usize {
        self.slabs.len()
    }
}

impl Drop for PoolBlock {
    fn drop(&mut self) {
        self.pool.lock().free.append(&mut self.slabs);
    }
}

/// What blocks are made of; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct KvPool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    precision: KvPrecision,
    /// Bytes of a slab.
    slab: usize,
    memory: Mutex<Memory>,
}

#[derive(Debug)]
struct Memory {
    /// The most slabs that there may be.
    capacity: usize,
    /// Slabs that nobody owns.
    free: Vec<Slab>,
    /// Slabs that there are.
    made: usize,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Memory> {
        // Nothing that panics is done under the lock.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KvPool {
    /// A pool of slabs for `kv_heads` heads of `head_dim` numbers; `bytes` is its budget, none for as much as there is.
    pub(super) fn new(
        kv_heads: usize,
        head_dim: usize,
        precision: KvPrecision,
        bytes: Option<u64>,
    ) -> Self {
        let slab = kv_heads * precision.head_bytes(head_dim);
        let capacity = bytes.map_or(usize::MAX, |bytes| {
            usize::try_from(bytes / slab as u64).unwrap_or(usize::MAX)
        });
        Self(Arc::new(Shared {
            precision,
            slab,
            memory: Mutex::new(Memory {
                capacity,
                free: Vec::new(),
                made: 0,
            }),
        }))
    }

    /// Bytes of a slab.
    pub(super) fn slab_bytes(&self) -> usize {
        self.0.slab
    }

    /// Slabs that can still be had.
    pub(super) fn available(&self) -> usize {
        let memory = self.0.lock();
        memory.free.len() + (memory.capacity - memory.made)
    }

    /// The most slabs that there may be, and those that somebody owns.
    pub(super) fn usage(&self) -> (usize, usize) {
        let memory = self.0.lock();
        (memory.capacity, memory.made - memory.free.len())
    }

    /// Ends the budget with so many slabs, or with those that somebody owns.
    #[cfg(test)]
    pub(super) fn end_budget(&self, slabs: usize) {
        let mut memory = self.0.lock();
        let owned = memory.made - memory.free.len();
        memory.free.truncate(slabs.saturating_sub(owned));
        memory.made = owned + memory.free.len();
        memory.capacity = memory.made.max(slabs);
    }

    /// A block of so many layers, with whatever its memory held before; none where the budget is used up.
    pub(super) fn block(&self, layers: usize) -> Option<PoolBlock> {
        let mut memory = self.0.lock();
        if memory.free.len() < layers {
            self.grow(&mut memory, layers);
        }
        let rest = memory.free.len().checked_sub(layers)?;
        let slabs = memory.free.split_off(rest);
        drop(memory);
        let pool = Arc::clone(&self.0);
        Some(PoolBlock { slabs, pool })
    }

    /// A copy of a block; none where the budget is used up.
    pub(super) fn copy(&self, block: &PoolBlock) -> Option<PoolBlock> {
        let mut copy = self.block(block.slabs.len())?;
        for (to, from) in copy.slabs.iter_mut().zip(&block.slabs) {
            to.bytes_mut().copy_from_slice(from.bytes());
        }
        Some(copy)
    }

    /// Makes slabs, at least as many as a block takes unless the budget ends before. Where the system has no more memory the budget
    /// ends with what there is.
    fn grow(&self, memory: &mut Memory, layers: usize) {
        let Shared {
            precision, slab, ..
        } = *self.0;
        let at_once = (REGION / slab).max(layers);
        let count = at_once.min(memory.capacity - memory.made);
        match slabs(precision, slab, count) {
            Ok(slabs) => {
                memory.free.extend(slabs);
                memory.made += count;
            }
            Err(error) => {
                tracing::error!("keys and values get no more memory: {error}");
                memory.capacity = memory.made;
            }
        }
    }
}

/// So many slabs of so many bytes.
fn slabs(precision: KvPrecision, bytes: usize, count: usize) -> Result<Vec<Slab>, Error> {
    let (halves, floats) = (bytes / size_of::<f16>(), bytes / size_of::<f32>());
    Ok(match precision {
        KvPrecision::F16 => page_slices(halves, count)?.map(Slab::F16).collect(),
        KvPrecision::Q8 => page_slices(halves, count)?.map(Slab::Q8).collect(),
        KvPrecision::F32 => page_slices(floats, count)?.map(Slab::F32).collect(),
    })
}

// A plain allocation that fails ends the process.
#[cfg(all(test, not(any(miri, plain_memory))))]
mod tests {
    use super::*;

    #[test]
    fn where_the_system_has_no_more_memory_the_budget_ends() {
        // A slab as large as all addresses that a process has.
        let pool = KvPool::new(1, 1 << 46, KvPrecision::F16, None);
        assert!(pool.available() > 0);
        assert!(pool.block(1).is_none());
        assert_eq!((pool.available(), pool.usage()), (0, (0, 0)));
    }
}
