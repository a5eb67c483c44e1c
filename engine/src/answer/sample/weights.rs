//! The weights of all tokens: some are taken away, and one of the rest is drawn.
//!
//! Tokens are never sorted. To take away all behind a token in the order of likelihood needs one pass that compares
//! weights, and of the order itself nothing else is ever asked. Likelier is what weighs more; of equal weights, what
//! comes first in the vocabulary. Sums have a fixed order, so that they are the same bits on every CPU.

use super::likeliest::Likeliest;
use crate::compute::kernel::Kernel;

/// Weights that are summed together: a draw walks over the sums, and then over one block.
const BLOCK: usize = 1024;

/// Partial sums within a block: enough for the registers of any instruction set.
const LANES: usize = 16;

/// Weights of a vocabulary, in its order.
#[derive(Debug, Default)]
pub(super) struct TokenWeights {
    /// 0 for a token that was taken away.
    weights: Vec<f32>,
    /// Of each block.
    sums: Vec<f32>,
    likeliest: Likeliest,
}

/// Where among the weights a token stands that was drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drawn(usize);

impl Drawn {
    pub(super) fn token(self) -> u32 {
        self.0 as u32
    }
}

impl TokenWeights {
    /// Weighs each token with `exp((logit - high) / temperature)`; the likeliest, whose logit is `high`, weighs 1.
    pub(super) fn weigh(&mut self, kernel: &Kernel, logits: &[f32], high: f32, temperature: f32) {
        let inverse = (1.0 / temperature).min(f32::MAX);
        self.weights.resize(logits.len(), 0.0);
        self.sums.clear();
        let blocks = self.weights.chunks_mut(BLOCK).zip(logits.chunks(BLOCK));
        let sums =
            blocks.map(|(block, logits)| kernel.softmax_weights(logits, high, inverse, block));
        self.sums.extend(sums);
    }

    /// Of all that is left.
    pub(super) fn total(&self) -> f64 {
        self.sums.iter().map(|sum| f64::from(*sum)).sum()
    }

    /// Where a share of the total weight ends, from 0 to below 1, when tokens lie side by side in the order of the
    /// vocabulary.
    pub(super) fn draw(&self, share: f64) -> Drawn {
        let target = share * self.total();
        let mut reached = 0.0;
        for (index, (block, sum)) in self.weights.chunks(BLOCK).zip(&self.sums).enumerate() {
            let before = reached;
            reached += f64::from(*sum);
            if reached > target {
                return Drawn(index * BLOCK + at(block, target - before));
            }
        }
        panic!("no weight is left");
    }

    /// Takes away all but so many of the likeliest tokens.
    pub(super) fn keep_likeliest(&mut self, count: usize) {
        if count < self.weights.len() {
            let last = self.likeliest.last(&self.weights, count);
            self.keep(last.weight(), last.token() + 1);
        }
    }

    /// Takes away all tokens lighter than `least`.
    pub(super) fn keep_heavier(&mut self, least: f32) {
        self.keep(least, self.weights.len());
    }

    /// Takes away this token and all that are less likely.
    pub(super) fn keep_before(&mut self, Drawn(index): Drawn) {
        self.keep(self.weights[index], index);
    }

    /// Takes away the tokens from `split` on that weigh no more than `weight`, and those before it that weigh less.
    fn keep(&mut self, weight: f32, split: usize) {
        let blocks = self.weights.chunks_mut(BLOCK).zip(&mut self.sums);
        for (index, (block, sum)) in blocks.enumerate() {
            let split = split.saturating_sub(index * BLOCK).min(block.len());
            let (before, behind) = block.split_at_mut(split);
            *sum = clear_below(weight, before) + clear_below(weight.next_up(), behind);
        }
    }
}

/// Sets weights below `least` to 0; the sum of the others.
fn clear_below(least: f32, weights: &mut [f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    let mut clear = |chunk: &mut [f32]| {
        for (weight, lane) in chunk.iter_mut().zip(&mut lanes) {
            *weight = if *weight >= least { *weight } else { 0.0 };
            *lane += *weight;
        }
    };
    let (chunks, rest) = weights.as_chunks_mut::<LANES>();
    chunks.iter_mut().for_each(|chunk| clear(chunk));
    clear(rest);
    lanes.iter().sum()
}

/// The index in a block at a distance from its start; the last with a weight where rounding put the distance behind it.
fn at(block: &[f32], distance: f64) -> usize {
    let mut reached = 0.0;
    let mut last = 0;
    for (index, weight) in block
        .iter()
        .enumerate()
        .filter(|(_, weight)| **weight > 0.0)
    {
        last = index;
        reached += f64::from(*weight);
        if reached > distance {
            break;
        }
    }
    last
}

/// The first of the highest logits; NaN counts as the lowest.
pub(super) fn highest(logits: &[f32]) -> (usize, f32) {
    let (mut start, mut high) = (0, f32::NEG_INFINITY);
    for (index, block) in logits.chunks(BLOCK).enumerate() {
        let of_block = highest_of(block);
        if of_block > high {
            (start, high) = (index * BLOCK, of_block);
        }
    }
    let token = logits[start..].iter().position(|logit| *logit == high);
    (start + token.unwrap_or(0), high)
}

fn highest_of(block: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = block.as_chunks::<LANES>();
    for chunk in chunks.iter().map(|chunk| &chunk[..]).chain([rest]) {
        for (lane, logit) in lanes.iter_mut().zip(chunk) {
            *lane = if *logit > *lane { *logit } else { *lane };
        }
    }
    lanes.into_iter().fold(f32::NEG_INFINITY, f32::max)
}
