//! Where the likeliest tokens of a vocabulary end, without a sort.
//!
//! One pass collects weights, and whenever it has more than enough, it keeps the highest and from then on passes over what
//! is lighter. That is quick for a few tokens. For many, a pass before it counts weights by the highest bits of their
//! floats, which tells in which bucket the last of the likeliest lies, and leaves only that bucket to collect.

use std::ops::Range;

/// Weights that are compared at a time.
const LANES: usize = 16;
/// One token of so many is many.
const MANY: usize = 64;
/// Bits of a weight that its bucket does not tell: there are 32 buckets for weights of 1 to 2, and for each half of them.
const SHIFT: u32 = 18;
/// Of weights below 2. Positive floats stand in the order of their bits.
const BUCKETS: usize = (2f32.to_bits() >> SHIFT) as usize;

/// A token and its weight, in the order of likelihood: what weighs more is higher, and of equal weights the first token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank(u64);

impl Rank {
    fn new(token: usize, weight: f32) -> Self {
        Self(u64::from(weight.to_bits()) << 32 | u64::from(!(token as u32)))
    }

    pub(super) fn token(self) -> usize {
        !(self.0 as u32) as usize
    }

    pub(super) fn weight(self) -> f32 {
        f32::from_bits((self.0 >> 32) as u32)
    }
}

/// Finds where the likeliest tokens end; kept from token to token for its memory.
#[derive(Debug, Default)]
pub(super) struct Likeliest {
    ranks: Vec<Rank>,
}

impl Likeliest {
    /// The last of the `count` likeliest tokens, of which there must be some and no more than weights; these are from 0
    /// to 1.
    pub(super) fn last(&mut self, weights: &[f32], count: usize) -> Rank {
        /// Makes cuts rare where few tokens are kept.
        const ROOM: usize = 256;
        let (mut range, count) = if count > weights.len() / MANY {
            bucket_of_last(weights, count)
        } else {
            (0.0..f32::INFINITY, count)
        };
        self.ranks.clear();
        let (chunks, rest) = weights.as_chunks::<LANES>();
        for (first, chunk) in (0..).step_by(LANES).zip(chunks) {
            // Few chunks have a token to look at, and registers tell.
            let within = |weight| u32::from(weight >= range.start) & u32::from(weight < range.end);
            if chunk.iter().fold(0, |any, weight| any | within(*weight)) != 0 {
                self.add(first, chunk, &range);
                if self.ranks.len() >= 2 * count + ROOM {
                    // Of equal weights the first ones came before it.
                    range.start = self.cut(count).weight().next_up();
                }
            }
        }
        self.add(weights.len() - rest.len(), rest, &range);
        self.cut(count)
    }

    /// Adds those of some weights that are in the range; they begin with that of the token `first`.
    fn add(&mut self, first: usize, weights: &[f32], range: &Range<f32>) {
        let tokens = (first..).zip(weights);
        let within = tokens.filter(|(_, weight)| range.contains(weight));
        let ranks = within.map(|(token, weight)| Rank::new(token, *weight));
        self.ranks.extend(ranks);
    }

    /// Keeps the highest ranks; the lowest of them.
    fn cut(&mut self, count: usize) -> Rank {
        let (_, last, _) = self
            .ranks
            .select_nth_unstable_by(count - 1, |a, b| b.cmp(a));
        let last = *last;
        self.ranks.truncate(count);
        last
    }
}

/// The bucket of the last of the `count` likeliest tokens, as a range of weights, and how many of them are in it.
fn bucket_of_last(weights: &[f32], count: usize) -> (Range<f32>, usize) {
    let mut sizes = [0u32; BUCKETS];
    for weight in weights {
        sizes[(weight.to_bits() >> SHIFT) as usize] += 1;
    }
    let (mut bucket, mut within) = (BUCKETS - 1, count);
    while (sizes[bucket] as usize) < within {
        within -= sizes[bucket] as usize;
        bucket -= 1;
    }
    let start = |bucket: usize| f32::from_bits((bucket as u32) << SHIFT);
    (start(bucket)..start(bucket + 1), within)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Few levels make many equal weights, and scales spread them over one bucket or hundreds. The cube lets one time in
        /// four a few be asked for.
        #[test]
        fn the_last_of_the_likeliest_is_where_a_sort_puts_it(
            levels in proptest::collection::vec(0u16..300, 1..2000),
            scale in proptest::sample::select(vec![0.0f32, 1e-5, 0.01, 0.7]),
            share in 0.0f64..1.0,
        ) {
            let weights: Vec<_> = levels.iter().map(|level| (f32::from(*level) * -scale).exp()).collect();
            let mut sorted: Vec<_> = (0..weights.len()).collect();
            sorted.sort_by(|a, b| weights[*b].total_cmp(&weights[*a]));
            let last = (share.powi(3) * weights.len() as f64) as usize;
            let found = Likeliest::default().last(&weights, last + 1);
            prop_assert_eq!(found.token(), sorted[last]);
            prop_assert_eq!(found.weight(), weights[sorted[last]]);
        }
    }
}
