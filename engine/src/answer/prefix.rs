//! Keys and values of what was computed before, found by the tokens they begin with.
//!
//! A tree over blocks: a node holds the tokens of one block and its keys and values, and its children what followed. What a
//! new prompt shares with a path of it needs no step. A block that is not full is a leaf; whoever goes on from it copies it.
//! The nodes longest unused make room first, never one whose blocks a running sequence has.

pub(crate) mod disk;

use std::sync::Arc;

use crate::compute::kernel::span::KEY_BLOCK;
use crate::compute::kv::{KvCache, KvMemory, Stretch};

/// The sequences that are kept.
#[derive(Debug, Default)]
pub(crate) struct PrefixCache {
    nodes: Vec<Option<Node>>,
    /// Places in `nodes` that are free.
    free: Vec<usize>,
    /// First blocks.
    roots: Vec<usize>,
    /// Counts uses; stands in for time.
    uses: u64,
}

#[derive(Debug)]
struct Node {
    /// [`KEY_BLOCK`] of them, or fewer in a leaf.
    tokens: Vec<u32>,
    /// Of the block's first position; keys of other rotations are others.
    rotation: usize,
    stretch: Stretch,
    parent: Option<usize>,
    children: Vec<usize>,
    used: u64,
}

impl Node {
    /// Tokens that a text has in common with this block.
    fn shared(&self, tokens: &[u32]) -> usize {
        let pairs = self.tokens.iter().zip(tokens);
        pairs.take_while(|(a, b)| a == b).count()
    }

    /// Of each of its blocks that no sequence has, the slabs.
    fn unused_slabs(&self) -> impl Iterator<Item = usize> {
        let blocks = self.stretch.iter().flatten();
        blocks
            .filter(|block| Arc::strong_count(block) == 1)
            .map(|block| block.slabs())
    }

    fn has_unused(&self) -> bool {
        self.unused_slabs().next().is_some()
    }

    /// Gives up the blocks that no sequence has; whether there are none left.
    fn give_up_unused(&mut self) -> bool {
        for block in &mut self.stretch {
            block.take_if(|block| Arc::strong_count(block) == 1);
        }
        self.is_empty()
    }

    fn is_empty(&self) -> bool {
        self.stretch.iter().all(Option::is_none)
    }
}

impl PrefixCache {
    /// Appends to an empty cache what there is of a prompt, all but its last token at most, and returns how many tokens that
    /// are. `rotation` says how a position of it is rotated.
    pub(crate) fn restore(
        &mut self,
        prompt: &[u32],
        rotation: impl Fn(usize) -> usize,
        cache: &mut KvCache,
    ) -> usize {
        self.uses += 1;
        let most = prompt.len().saturating_sub(1);
        let mut parent = None;
        while cache.len() < most {
            let first = cache.len();
            let rest = &prompt[first..most];
            let Some((index, shared)) = self.closest(parent, rest, rotation(first)) else {
                break;
            };
            let uses = self.uses;
            let node = self.node_mut(index);
            node.used = uses;
            cache.append(&node.stretch, shared);
            if shared < KEY_BLOCK {
                break;
            }
            parent = Some(index);
        }
        // A window may have given back what the next position sees.
        while cache.len() > 0 && !cache.reaches(cache.len()) {
            cache.truncate((cache.len() - 1) / KEY_BLOCK * KEY_BLOCK);
        }
        cache.len()
    }

    /// How many tokens of a prompt [`Self::restore`] would find where no window has passed them. Nothing counts as used.
    pub(crate) fn known(&self, prompt: &[u32], rotation: impl Fn(usize) -> usize) -> usize {
        let most = prompt.len().saturating_sub(1);
        let (mut parent, mut known) = (None, 0);
        while known < most {
            let rest = &prompt[known..most];
            let Some((index, shared)) = self.closest(parent, rest, rotation(known)) else {
                break;
            };
            known += shared;
            if shared < KEY_BLOCK {
                break;
            }
            parent = Some(index);
        }
        known
    }

    /// Keeps the positions of a sequence that `tokens` are of; with `whole` also those of its last block when that is not
    /// full. What is there already takes the place of the sequence's own blocks: whoever has a block has those before it.
    pub(crate) fn keep(
        &mut self,
        tokens: &[u32],
        rotation: impl Fn(usize) -> usize,
        cache: &mut KvCache,
        whole: bool,
    ) {
        self.uses += 1;
        let mut parent = None;
        for (index, tokens) in tokens[..cache.len()].chunks(KEY_BLOCK).enumerate() {
            if tokens.len() < KEY_BLOCK && !whole {
                return;
            }
            let rotation = rotation(index * KEY_BLOCK);
            let node = self.keep_block(parent, tokens, rotation, || cache.stretch(index));
            if tokens.len() == KEY_BLOCK {
                cache.adopt(index, &self.node(node).stretch);
            }
            parent = Some(node);
        }
    }

    /// Keeps the last block of `tokens`, which was computed before and read; false where the blocks before it are not there, or
    /// there is no memory. All blocks are full.
    pub(crate) fn insert(
        &mut self,
        tokens: &[u32],
        rotation: impl Fn(usize) -> usize,
        memory: &KvMemory,
        bytes: &[u8],
    ) -> bool {
        if self.is_whole(tokens, &rotation) {
            return true;
        }
        let (before, block) = tokens.split_at(tokens.len() - KEY_BLOCK);
        // First, as it may take the blocks before.
        if !self.make_room(memory, memory.slabs()) {
            return false;
        }
        let parent = self.node_behind(before, &rotation);
        if parent.is_none() && !before.is_empty() {
            return false;
        }
        let Some(stretch) = memory.stretch_of(bytes) else {
            return false;
        };
        self.uses += 1;
        let rotation = rotation(before.len());
        self.keep_block(parent, block, rotation, || stretch.clone());
        true
    }

    /// The last block of `tokens`, where it is there with all before it. All blocks are full.
    pub(crate) fn stretch(
        &self,
        tokens: &[u32],
        rotation: impl Fn(usize) -> usize,
    ) -> Option<&Stretch> {
        let node = self.node_behind(tokens, rotation)?;
        Some(&self.node(node).stretch)
    }

    /// Whether the last block of `tokens` is there for every layer, with all before it. All blocks are full.
    pub(crate) fn is_whole(&self, tokens: &[u32], rotation: impl Fn(usize) -> usize) -> bool {
        let stretch = self.stretch(tokens, rotation);
        stretch.is_some_and(|stretch| stretch.iter().all(Option::is_some))
    }

    /// The node at the end of a path of full blocks.
    fn node_behind(&self, tokens: &[u32], rotation: impl Fn(usize) -> usize) -> Option<usize> {
        let mut node = None;
        for (index, block) in tokens.chunks(KEY_BLOCK).enumerate() {
            let (next, shared) = self.closest(node, block, rotation(index * KEY_BLOCK))?;
            if shared < KEY_BLOCK {
                return None;
            }
            node = Some(next);
        }
        node
    }

    /// Gives up blocks until so many slabs can be had; false, and nothing given up, where that cannot be reached.
    pub(crate) fn make_room(&mut self, memory: &KvMemory, slabs: usize) -> bool {
        if memory.available() >= slabs {
            return true;
        }
        if self.lacking(memory, slabs) > 0 {
            return false;
        }
        while memory.available() < slabs && self.evict() {}
        memory.available() >= slabs
    }

    /// How many of so many slabs cannot be had, whatever is given up.
    pub(crate) fn lacking(&self, memory: &KvMemory, slabs: usize) -> usize {
        slabs.saturating_sub(memory.available() + self.unused())
    }

    /// Gives up the blocks longest unused of one stretch that no sequence has; false where there are none. Leaves go first,
    /// whole. What a window has passed goes also from before what a running sequence has.
    fn evict(&mut self) -> bool {
        let nodes = self.nodes.iter().enumerate();
        let unused = nodes.filter_map(|(index, node)| {
            let node = node.as_ref().filter(|node| node.has_unused())?;
            Some((!node.children.is_empty(), node.used, index))
        });
        let Some((has_children, _, index)) = unused.min() else {
            return false;
        };
        let is_empty = self.node_mut(index).give_up_unused();
        // One that lost its blocks before its children goes with the last of them.
        let mut leaf = (is_empty && !has_children).then_some(index);
        while let Some(index) = leaf {
            let parent = self.node(index).parent;
            self.nodes[index] = None;
            self.free.push(index);
            self.children_mut(parent).retain(|child| *child != index);
            leaf = parent.filter(|parent| {
                let parent = self.node(*parent);
                parent.children.is_empty() && parent.is_empty()
            });
        }
        true
    }

    /// Blocks that are kept.
    #[cfg(test)]
    fn blocks(&self) -> usize {
        self.nodes.len() - self.free.len()
    }

    /// Slabs that no sequence has.
    pub(crate) fn unused(&self) -> usize {
        let nodes = self.nodes.iter().flatten();
        nodes.flat_map(Node::unused_slabs).sum()
    }

    /// The child that shares most of its first tokens with `rest`, and how many.
    fn closest(
        &self,
        parent: Option<usize>,
        rest: &[u32],
        rotation: usize,
    ) -> Option<(usize, usize)> {
        let children = self
            .children(parent)
            .iter()
            .map(|index| (*index, self.node(*index)));
        let shared = children
            .filter(|(_, node)| node.rotation == rotation)
            .map(|(index, node)| (index, node.shared(rest)));
        shared
            .filter(|(_, shared)| *shared > 0)
            .max_by_key(|(_, shared)| *shared)
    }

    /// The node of a block behind `parent`, which is made where there is none.
    fn keep_block(
        &mut self,
        parent: Option<usize>,
        tokens: &[u32],
        rotation: usize,
        stretch: impl Fn() -> Stretch,
    ) -> usize {
        let used = self.uses;
        if let Some((index, shared)) = self.closest(parent, tokens, rotation) {
            let node = self.node_mut(index);
            if shared == tokens.len() || shared == node.tokens.len() {
                node.used = used;
                if shared == node.tokens.len() && shared < tokens.len() {
                    // The same block, further written, or a copy of it.
                    node.tokens = tokens.to_vec();
                    node.stretch = stretch();
                } else if shared == node.tokens.len() {
                    // What a window gave back there may be here.
                    for (there, here) in node.stretch.iter_mut().zip(stretch()) {
                        *there = there.take().or(here);
                    }
                }
                return index;
            }
        }
        let node = Node {
            tokens: tokens.to_vec(),
            rotation,
            stretch: stretch(),
            parent,
            children: Vec::new(),
            used,
        };
        let index = self.free.pop().unwrap_or_else(|| {
            self.nodes.push(None);
            self.nodes.len() - 1
        });
        self.nodes[index] = Some(node);
        self.children_mut(parent).push(index);
        index
    }

    fn node(&self, index: usize) -> &Node {
        self.nodes[index].as_ref().expect("a node that is named")
    }

    fn node_mut(&mut self, index: usize) -> &mut Node {
        self.nodes[index].as_mut().expect("a node that is named")
    }

    fn children(&self, parent: Option<usize>) -> &[usize] {
        match parent {
            Some(parent) => &self.node(parent).children,
            None => &self.roots,
        }
    }

    fn children_mut(&mut self, parent: Option<usize>) -> &mut Vec<usize> {
        match parent {
            Some(parent) => &mut self.node_mut(parent).children,
            None => &mut self.roots,
        }
    }
}

#[cfg(test)]
mod tests;
