//! Keys and values of sequences.
//!
//! A sequence has a table of blocks, each for [`KEY_BLOCK`] positions of all layers. A block that is full never changes and
//! may be that of several sequences with the same beginning; the last one is a sequence's own, and is copied where
//! somebody else has it too. Layers with a window have a table of their own, which gives back what no layer sees any more.

mod layer;
mod pool;
mod q8;
mod stored;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use half::f16;

use crate::compute::kernel::span::KEY_BLOCK;

pub(crate) use self::layer::{HeadCache, HeadWriter, LayerCache};
use self::pool::{KvPool, PoolBlock};

/// How keys and values are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KvPrecision {
    /// Half precision.
    #[default]
    F16,
    /// Eight bits, with a scale in half precision for 32 numbers: some half of the memory.
    Q8,
    /// As they are computed.
    F32,
}

impl KvPrecision {
    /// Bytes of a head's keys and values of a block of positions.
    fn head_bytes(self, head_dim: usize) -> usize {
        let numbers = 2 * KEY_BLOCK * head_dim;
        match self {
            Self::F16 => numbers * size_of::<f16>(),
            Self::Q8 => q8::head_len(head_dim) * size_of::<f16>(),
            Self::F32 => numbers * size_of::<f32>(),
        }
    }
}

impl fmt::Display for KvPrecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F16 => "f16",
            Self::Q8 => "q8",
            Self::F32 => "f32",
        })
    }
}

/// What a model's keys and values are made of.
#[derive(Clone, Debug)]
pub(crate) struct KvShape {
    pub(crate) kv_heads: usize,
    pub(crate) head_dim: usize,
    pub(crate) precision: KvPrecision,
    /// For each layer the positions that a query sees, its own included; none where it sees all before it.
    pub(crate) windows: Vec<Option<usize>>,
}

impl KvShape {
    /// The same where windows give blocks back so many positions later.
    pub(crate) fn seeing_more(mut self, positions: usize) -> Self {
        let windows = self.windows.iter_mut().flatten();
        windows.for_each(|window| *window += positions);
        self
    }

    /// Bytes of one position in every layer.
    pub(crate) fn bytes_per_token(&self) -> u64 {
        let heads = self.windows.len() * self.kv_heads;
        (heads * self.precision.head_bytes(self.head_dim) / KEY_BLOCK) as u64
    }
}

/// What all sequences of a model share: memory for their blocks, and where in a block a layer is. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct KvMemory(Arc<Layout>);

#[derive(Debug)]
struct Layout {
    pool: KvPool,
    head_dim: usize,
    precision: KvPrecision,
    /// For each layer its table, and its slab in the table's blocks.
    layers: Vec<(usize, usize)>,
    /// For each table its window and the layers that it has.
    tables: Vec<(Option<usize>, usize)>,
}

impl KvMemory {
    /// Memory of at most so many bytes, or without a bound.
    pub(crate) fn new(shape: &KvShape, bytes: Option<u64>) -> Self {
        let mut tables: Vec<(Option<usize>, usize)> = Vec::new();
        let layers = shape.windows.iter().map(|window| {
            let same = tables.iter().position(|(other, _)| other == window);
            let table = same.unwrap_or_else(|| {
                tables.push((*window, 0));
                tables.len() - 1
            });
            tables[table].1 += 1;
            (table, tables[table].1 - 1)
        });
        let layers = layers.collect();
        Self(Arc::new(Layout {
            pool: KvPool::new(shape.kv_heads, shape.head_dim, shape.precision, bytes),
            head_dim: shape.head_dim,
            precision: shape.precision,
            layers,
            tables,
        }))
    }

    /// Ends the budget with so many blocks, or with those that are in use, as where the system has no more memory.
    #[cfg(test)]
    pub(crate) fn end_budget(&self, blocks: usize) {
        self.0.pool.end_budget(blocks * self.slabs());
    }

    /// A sequence without positions.
    pub(crate) fn new_cache(&self) -> KvCache {
        KvCache {
            memory: self.clone(),
            tables: vec![Vec::new(); self.0.tables.len()],
            len: 0,
            prompt: 0,
        }
    }

    /// Slabs, each of one layer in one block, that can still be had.
    pub(crate) fn available(&self) -> usize {
        self.0.pool.available()
    }

    /// Slabs of a block of all layers.
    pub(crate) fn slabs(&self) -> usize {
        self.0.layers.len()
    }

    /// Blocks of all layers that the budget allows in all; and those that are in use, rounded up.
    pub(crate) fn usage(&self) -> KvUsage {
        let layers = self.slabs();
        let (capacity, used) = self.0.pool.usage();
        KvUsage {
            blocks: capacity / layers,
            used: used.div_ceil(layers),
        }
    }
}

/// How much of the memory for keys and values is in use, in blocks of all layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KvUsage {
    pub(crate) blocks: usize,
    pub(crate) used: usize,
}

/// The blocks of one stretch of [`KEY_BLOCK`] positions, one for each table; none where no layer of the table sees it any
/// more.
pub(crate) type Stretch = Vec<Option<Arc<PoolBlock>>>;

/// The memory for keys and values is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutOfBlocks;

/// Keys and values of one sequence.
#[derive(Debug)]
pub(crate) struct KvCache {
    memory: KvMemory,
    tables: Vec<Vec<Option<Arc<PoolBlock>>>>,
    len: usize,
    prompt: usize,
}

impl KvCache {
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

    /// Whether the sequence could go on behind its first `len` positions: what a window sees there is still had.
    pub(crate) fn reaches(&self, len: usize) -> bool {
        let tables = self.tables.iter().zip(&self.memory.0.tables);
        tables.into_iter().all(|(blocks, (window, _))| {
            let seen = first_seen(len, *window) / KEY_BLOCK..len.div_ceil(KEY_BLOCK);
            let blocks = blocks.get(seen);
            blocks.is_some_and(|blocks| blocks.iter().all(Option::is_some))
        })
    }

    /// Forgets the positions from `len` on.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
        let blocks = self.len.div_ceil(KEY_BLOCK);
        self.tables
            .iter_mut()
            .for_each(|table| table.truncate(blocks));
    }

    /// Appends positions that another sequence has computed: `positions` of them, at most [`KEY_BLOCK`], of blocks that hold
    /// as many. There must be whole blocks before.
    pub(crate) fn append(&mut self, stretch: &Stretch, positions: usize) {
        assert!(self.len.is_multiple_of(KEY_BLOCK) && positions <= KEY_BLOCK);
        self.truncate(self.len);
        for (table, block) in self.tables.iter_mut().zip(stretch) {
            table.push(block.clone());
        }
        self.len += positions;
    }

    /// The blocks of a stretch of positions that there are.
    pub(crate) fn stretch(&self, index: usize) -> Stretch {
        self.tables
            .iter()
            .map(|table| table.get(index).cloned().flatten())
            .collect()
    }

    /// Takes the blocks of another sequence for the same stretch of the same tokens, and gives its own back.
    pub(crate) fn adopt(&mut self, index: usize, stretch: &Stretch) {
        for (table, other) in self.tables.iter_mut().zip(stretch) {
            if let (Some(Some(own)), Some(other)) = (table.get_mut(index), other) {
                own.clone_from(other);
            }
        }
    }

    /// Makes room for `len` positions in all, in blocks that this sequence alone has.
    ///
    /// # Errors
    /// When the memory is used up; the positions that there are stay as they are.
    pub(crate) fn reserve(&mut self, len: usize) -> Result<(), OutOfBlocks> {
        let Layout { pool, tables, .. } = &*self.memory.0;
        let first = self.len / KEY_BLOCK;
        for (table, (_, layers)) in self.tables.iter_mut().zip(tables) {
            for index in first..len.div_ceil(KEY_BLOCK) {
                let there = table.get(index).and_then(Option::as_ref);
                let block = match there {
                    Some(block) if Arc::strong_count(block) == 1 => continue,
                    Some(shared) => pool.copy(shared),
                    None => pool.block(*layers),
                };
                let block = Some(Arc::new(block.ok_or(OutOfBlocks)?));
                match table.get_mut(index) {
                    Some(place) => *place = block,
                    None => table.push(block),
                }
            }
        }
        Ok(())
    }

    /// Slabs that [`Self::reserve`] would take; see [`KvMemory::available`].
    pub(crate) fn missing(&self, len: usize) -> usize {
        let tables = &self.memory.0.tables;
        let first = self.len / KEY_BLOCK;
        let missing = self.tables.iter().zip(tables).map(|(table, (_, layers))| {
            let blocks = (first..len.div_ceil(KEY_BLOCK)).filter(|index| {
                let block = table.get(*index).and_then(Option::as_ref);
                block.is_none_or(|block| Arc::strong_count(block) > 1)
            });
            blocks.count() * layers
        });
        missing.sum()
    }

    /// Slabs of the blocks that no other sequence has; somebody may keep them for sequences to come.
    pub(crate) fn own(&self) -> usize {
        let tables = self.tables.iter().zip(&self.memory.0.tables);
        let own = tables.map(|(table, (_, layers))| {
            let blocks = table.iter().flatten();
            blocks.filter(|block| Arc::strong_count(block) <= 2).count() * layers
        });
        own.sum()
    }

    /// Whether the positions since `before` filled a block.
    pub(crate) fn filled_block(&self, before: usize) -> bool {
        before / KEY_BLOCK < self.len / KEY_BLOCK
    }

    /// Declares the next `tokens` positions filled in every layer, and gives back what no window sees any more.
    pub(crate) fn advance(&mut self, tokens: usize) {
        self.len += tokens;
        for (table, (window, _)) in self.tables.iter_mut().zip(&self.memory.0.tables) {
            let unseen = (first_seen(self.len, *window) / KEY_BLOCK).min(table.len());
            let unseen = table[..unseen].iter_mut().rev();
            for block in unseen.take_while(|block| block.is_some()) {
                *block = None;
            }
        }
    }

    /// One layer, to read.
    pub(crate) fn layer(&self, layer: usize) -> LayerCache<'_> {
        let (table, slab) = self.memory.0.layers[layer];
        LayerCache {
            blocks: &self.tables[table],
            slab,
            head_dim: self.memory.0.head_dim,
            precision: self.memory.0.precision,
        }
    }

    /// The KV heads of one layer, to store the positions into that [`Self::reserve`] made room for.
    ///
    /// # Panics
    /// When it made none.
    pub(crate) fn head_writers(&mut self, layer: usize) -> impl Iterator<Item = HeadWriter<'_>> {
        let (table, slab) = self.memory.0.layers[layer];
        let first = self.len / KEY_BLOCK;
        layer::head_writers(&mut self.tables[table], first, slab, self.memory.0.head_dim)
    }
}

/// The first position that the next query sees, behind `len` others.
fn first_seen(len: usize, window: Option<usize>) -> usize {
    window.map_or(0, |window| (len + 1).saturating_sub(window))
}
