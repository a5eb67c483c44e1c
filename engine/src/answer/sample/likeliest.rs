//! The likeliest tokens of a vocabulary, in its order.

/// Weights that are compared at a time.
const LANES: usize = 16;

/// A token and its weight, in the order of likelihood: what weighs more is higher, and of equal weights the first token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank(u64);

impl Rank {
    fn new(token: u32, weight: f32) -> Self {
        // Positive floats stand in the order of their bits.
        Self(u64::from(weight.to_bits()) << 32 | u64::from(!token))
    }

    pub(super) fn token(self) -> u32 {
        !(self.0 as u32)
    }

    pub(super) fn weight(self) -> f32 {
        f32::from_bits((self.0 >> 32) as u32)
    }
}

/// Finds the likeliest tokens; kept from token to token for its memory.
#[derive(Debug, Default)]
pub(super) struct Likeliest {
    ranks: Vec<Rank>,
    selected: Vec<Rank>,
}

impl Likeliest {
    /// So many tokens with a weight above 0, or all there are.
    pub(super) fn find(&mut self, weights: &[f32], count: usize) -> &[Rank] {
        /// Makes selections rare where few tokens are kept.
        const ROOM: usize = 256;
        self.ranks.clear();
        // What a token must weigh more than to be still among them: of equal weights the first ones came before it.
        let mut above = 0.0;
        let (chunks, rest) = weights.as_chunks::<LANES>();
        for (first, chunk) in (0..).step_by(LANES).zip(chunks) {
            // Few chunks have a token to look at, and registers tell.
            let heavier = chunk.iter().map(|weight| u32::from(*weight > above));
            if heavier.fold(0, |any, heavier| any | heavier) != 0 {
                self.add(first, chunk, above);
                if self.ranks.len() >= 2 * count + ROOM {
                    above = self.cut(count).weight();
                }
            }
        }
        self.add((weights.len() - rest.len()) as u32, rest, above);
        if self.ranks.len() > count {
            self.cut(count);
        }
        &self.ranks
    }

    /// Adds the heavier ones of some weights, which begin with that of the token `first`.
    fn add(&mut self, first: u32, weights: &[f32], above: f32) {
        let heavier = (first..)
            .zip(weights)
            .filter(|(_, weight)| **weight > above);
        let ranks = heavier.map(|(token, weight)| Rank::new(token, *weight));
        self.ranks.extend(ranks);
    }

    /// Keeps the highest ranks, without changing their order; the lowest of them.
    fn cut(&mut self, count: usize) -> Rank {
        self.selected.clone_from(&self.ranks);
        let (_, last, _) = self
            .selected
            .select_nth_unstable_by(count - 1, |a, b| b.cmp(a));
        self.ranks.retain(|rank| rank >= last);
        *last
    }
}
