//! Choosing the next token.
//!
//! Temperature comes first, then top-k, then top-p among the probabilities of what top-k left, then min-p, which asks for
//! a share of the likeliest. Each leaves the likeliest tokens, so the strictest of them decides; without the temperature
//! in front, this is llama.cpp's order.
//!
//! The vocabulary is not sorted. A token is drawn from all, and one pass sums up what is likelier: when that falls short
//! of top-p, the token is among those to choose from. Otherwise it and all behind it are taken away and another is drawn.
//! What is drawn in the end has the same distribution as if the choice had been made first, since those taken away were
//! none of it, and each draw leaves half of what top-p excludes on average: with 0.9, one pass in most cases.
//!
//! Drawing uses a PCG of its own for each answer, so a seed gives the same tokens whatever else the engine computes.

mod likeliest;
mod weights;

use rand_pcg::Pcg64;
use rand_pcg::rand_core::{Rng, SeedableRng};

use self::weights::{TokenWeights, highest};
use crate::Sampling;
use crate::compute::kernel::Kernel;

/// The sampler of one answer.
#[derive(Debug)]
pub(crate) struct Sampler {
    sampling: Sampling,
    kernel: &'static Kernel,
    random: Pcg64,
    weights: TokenWeights,
}

impl Sampler {
    /// A sampler for checked settings; `entropy` seeds it when the settings do not.
    pub(crate) fn new(sampling: Sampling, kernel: &'static Kernel, entropy: u64) -> Self {
        let random = Pcg64::seed_from_u64(sampling.seed.unwrap_or(entropy));
        Self {
            sampling,
            kernel,
            random,
            weights: TokenWeights::default(),
        }
    }

    /// The next token for these logits.
    pub(crate) fn next(&mut self, logits: &[f32]) -> u32 {
        let (best, high) = highest(logits);
        let temperature = self.sampling.temperature;
        if temperature == 0.0 || !high.is_finite() {
            return best as u32;
        }
        self.weights.weigh(self.kernel, logits, high, temperature);
        // 53 bits, all that an f64 below 1 can hold.
        let mut uniform = || (self.random.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        choose(self.sampling, &mut self.weights, &mut uniform)
    }
}

/// The likeliest token, of equals the first.
pub(crate) fn likeliest(logits: &[f32]) -> u32 {
    highest(logits).0 as u32
}

/// One of the tokens that top-k, top-p and min-p leave, by weight. `uniform` gives numbers from 0 to below 1.
fn choose(sampling: Sampling, weights: &mut TokenWeights, uniform: &mut dyn FnMut() -> f64) -> u32 {
    let Sampling {
        top_k,
        top_p,
        min_p,
        ..
    } = sampling;
    if top_k > 0 {
        weights.keep_likeliest(top_k);
    }
    let enough = f64::from(top_p) * weights.total();
    if min_p > 0.0 {
        weights.keep_heavier(min_p);
    }
    loop {
        let drawn = weights.draw(uniform());
        if top_p >= 1.0 {
            return drawn.token();
        }
        weights.keep_before(drawn);
        if weights.total() < enough {
            return drawn.token();
        }
    }
}

#[cfg(test)]
mod tests;
