//! Choosing the next token.
//!
//! The order is that of Hugging Face's generation: temperature, then top-k, top-p and min-p, each on the renormalised
//! probabilities of what is left. Drawing uses a PCG of its own for each answer, so a seed gives the same tokens
//! whatever else the engine computes.

use rand_pcg::Pcg64;
use rand_pcg::rand_core::{Rng, SeedableRng};

use crate::Sampling;
use crate::compute::kernel::Kernel;

/// The sampler of one answer.
pub(crate) struct Sampler {
    sampling: Sampling,
    kernel: &'static Kernel,
    random: Pcg64,
    /// `exp(logit - highest)` over the temperature, for the whole vocabulary.
    weights: Vec<f32>,
    /// Tokens still eligible and their weights.
    candidates: Vec<(u32, f32)>,
}

impl Sampler {
    /// A sampler for checked settings; `entropy` seeds it when the settings do not.
    pub(crate) fn new(sampling: Sampling, kernel: &'static Kernel, entropy: u64) -> Self {
        let random = Pcg64::seed_from_u64(sampling.seed.unwrap_or(entropy));
        Self {
            sampling,
            kernel,
            random,
            weights: Vec::new(),
            candidates: Vec::new(),
        }
    }

    /// The next token for these logits.
    pub(crate) fn next(&mut self, logits: &[f32]) -> u32 {
        let (best, high) = highest(logits);
        if self.sampling.temperature == 0.0 || !high.is_finite() {
            return best;
        }
        self.weights.resize(logits.len(), 0.0);
        let inverse = 1.0 / self.sampling.temperature;
        let sum = self
            .kernel
            .softmax_weights(logits, high, inverse, &mut self.weights);
        self.collect(sum);
        self.draw().unwrap_or(best)
    }

    /// Fills `candidates` with the tokens that top-k, top-p and min-p leave, likeliest first.
    fn collect(&mut self, mut sum: f32) {
        let Sampling {
            top_k,
            top_p,
            min_p,
            ..
        } = self.sampling;
        // A token below this cannot be among the likeliest that reach top_p: even all such tokens together weigh
        // less than what top_p leaves out. The likeliest token has the weight 1.
        let rare = if top_k == 0 && top_p < 1.0 {
            (1.0 - top_p) * sum / self.weights.len() as f32
        } else {
            0.0
        };
        let least = rare.max(min_p).min(1.0);
        let tokens = (0..).zip(self.weights.iter().copied());
        self.candidates.clear();
        self.candidates
            .extend(tokens.filter(|(_, weight)| *weight >= least && *weight > 0.0));
        let order = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if top_k > 0 && top_k < self.candidates.len() {
            self.candidates.select_nth_unstable_by(top_k - 1, order);
            self.candidates.truncate(top_k);
            sum = self.candidates.iter().map(|(_, weight)| weight).sum();
        }
        self.candidates.sort_unstable_by(order);
        if top_p < 1.0 {
            let mut reached = 0.0;
            let kept = self.candidates.iter().position(|(_, weight)| {
                reached += weight;
                reached >= top_p * sum
            });
            self.candidates
                .truncate(kept.map_or(usize::MAX, |last| last + 1));
        }
    }

    /// Draws one of the candidates by weight.
    fn draw(&mut self) -> Option<u32> {
        let sum: f32 = self.candidates.iter().map(|(_, weight)| weight).sum();
        // 24 bits, all that an f32 below 1 can hold.
        let uniform = (self.random.next_u32() >> 8) as f32 / (1 << 24) as f32;
        let mut left = uniform * sum;
        let drawn = self.candidates.iter().find(|(_, weight)| {
            left -= weight;
            left < 0.0
        });
        drawn.or(self.candidates.last()).map(|(token, _)| *token)
    }
}

/// The first of the highest logits; NaN counts as the lowest.
fn highest(logits: &[f32]) -> (u32, f32) {
    let mut best = (0, f32::NEG_INFINITY);
    for (token, logit) in (0..).zip(logits) {
        if *logit > best.1 {
            best = (token, *logit);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::kernel;

    fn sampler(sampling: Sampling) -> Sampler {
        Sampler::new(sampling, kernel::choose(Some("scalar")).unwrap(), 1)
    }

    /// Share of each token in many draws from probabilities 1/2, 1/4, 1/8, 1/16, 1/16.
    fn shares(sampling: Sampling) -> [f64; 5] {
        let logits = [0.5f32, 0.25, 0.125, 0.0625, 0.0625].map(f32::ln);
        let mut sampler = sampler(Sampling {
            temperature: 1.0,
            ..sampling
        });
        let mut counts = [0; 5];
        for _ in 0..20_000 {
            counts[sampler.next(&logits) as usize] += 1;
        }
        counts.map(|count| f64::from(count) / 20_000.0)
    }

    fn assert_shares(sampling: Sampling, expected: [f64; 5]) {
        let found = shares(sampling);
        let close = found
            .iter()
            .zip(expected)
            .all(|(found, expected)| (found - expected).abs() < 0.02);
        assert!(close, "{found:?} instead of {expected:?}");
    }

    #[test]
    fn greedy_takes_the_first_of_the_highest_and_ignores_nan() {
        let mut sampler = sampler(Sampling::default());
        assert_eq!(sampler.next(&[0.0, 3.0, f32::NAN, 3.0]), 1);
        assert_eq!(sampler.next(&[f32::NAN; 4]), 0);
    }

    #[test]
    fn draws_follow_the_probabilities() {
        assert_shares(Sampling::default(), [0.5, 0.25, 0.125, 0.0625, 0.0625]);
    }

    #[test]
    fn top_k_keeps_the_likeliest() {
        assert_shares(
            Sampling {
                top_k: 2,
                ..Sampling::default()
            },
            [0.667, 0.333, 0.0, 0.0, 0.0],
        );
    }

    #[test]
    fn top_p_keeps_the_token_that_crosses_the_sum() {
        assert_shares(
            Sampling {
                top_p: 0.7,
                ..Sampling::default()
            },
            [0.667, 0.333, 0.0, 0.0, 0.0],
        );
        assert_shares(
            Sampling {
                top_p: 1e-6,
                ..Sampling::default()
            },
            [1.0, 0.0, 0.0, 0.0, 0.0],
        );
    }

    #[test]
    fn top_p_counts_within_what_top_k_left() {
        let sampling = Sampling {
            top_k: 2,
            top_p: 0.6,
            ..Sampling::default()
        };
        assert_shares(sampling, [1.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn min_p_is_relative_to_the_likeliest() {
        assert_shares(
            Sampling {
                min_p: 0.2,
                ..Sampling::default()
            },
            [0.571, 0.286, 0.143, 0.0, 0.0],
        );
    }

    #[test]
    fn a_seed_repeats_its_draws() {
        let logits: Vec<f32> = (0..100).map(|i| (i as f32 * 0.7).sin()).collect();
        let settings = |seed| Sampling {
            temperature: 1.0,
            seed: Some(seed),
            ..Sampling::default()
        };
        let draw = |seed| {
            let mut sampler = sampler(settings(seed));
            (0..20).map(|_| sampler.next(&logits)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }
}
