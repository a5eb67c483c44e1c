//! The next token of one vocabulary with one way of sampling, to be timed by itself.

use std::fmt;

use crate::Sampling;
use crate::answer::sample::Sampler;
use crate::compute::kernel;

/// Those of SmolLM2, Llama 3 and Qwen 2.
const VOCABULARIES: [usize; 3] = [49_152, 128_256, 151_936];
/// Temperature, top-k, top-p and min-p.
const SETTINGS: [(f32, usize, f32, f32); 13] = [
    (0.0, 0, 1.0, 0.0),
    (1.0, 0, 1.0, 0.0),
    (1.0, 0, 0.95, 0.0),
    (1.0, 0, 0.9, 0.0),
    (0.2, 0, 0.9, 0.0),
    (1.0, 0, 1.0, 0.05),
    (1.0, 40, 1.0, 0.0),
    (1.0, 40, 0.9, 0.0),
    (1.0, 40, 0.95, 0.05),
    (1.0, 1000, 1.0, 0.0),
    (1.0, 1000, 0.9, 0.0),
    (1.0, 10_000, 1.0, 0.0),
    (1.0, 10_000, 0.9, 0.0),
];
/// Widths of the logits: of random weights, and of a model that expects something.
const WIDTHS: [f32; 2] = [0.5, 3.0];

/// A token to draw.
#[derive(Clone, Copy, Debug)]
pub struct Draw {
    vocabulary: usize,
    sampling: Sampling,
    /// Standard deviation of the logits.
    width: f32,
}

impl fmt::Display for Draw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            vocabulary,
            sampling,
            width,
        } = self;
        write!(
            f,
            "{vocabulary} of width {width} t={} k={} p={} m={}",
            sampling.temperature, sampling.top_k, sampling.top_p, sampling.min_p
        )
    }
}

/// Vocabularies of all sizes with all kinds of settings.
pub fn draws() -> Vec<Draw> {
    let mut draws = Vec::new();
    for vocabulary in VOCABULARIES {
        for width in WIDTHS {
            draws.extend(SETTINGS.map(|(temperature, top_k, top_p, min_p)| Draw {
                vocabulary,
                sampling: Sampling {
                    temperature,
                    top_k,
                    top_p,
                    min_p,
                    seed: Some(0),
                },
                width,
            }));
        }
    }
    draws
}

impl Draw {
    /// Makes random logits.
    ///
    /// # Panics
    /// Never: some kernel runs on every CPU.
    #[must_use]
    pub fn prepare(&self) -> PreparedDraw {
        let kernel = kernel::choose(None).expect("`scalar` runs everywhere");
        let mut state = 1u64;
        let mut uniform = || {
            state = state
                .wrapping_mul(0xD134_2543_DE82_EF95)
                .wrapping_add(1 << 32 | 1);
            (state >> 40) as f32 / (1 << 24) as f32 - 0.5
        };
        // Twelve uniform numbers have a variance of 1.
        let mut normal = || (0..12).map(|_| uniform()).sum::<f32>();
        PreparedDraw {
            logits: (0..self.vocabulary)
                .map(|_| normal() * self.width)
                .collect(),
            sampler: Sampler::new(self.sampling, kernel, 0),
        }
    }
}

/// Logits and a sampler.
#[derive(Debug)]
pub struct PreparedDraw {
    logits: Vec<f32>,
    sampler: Sampler,
}

impl PreparedDraw {
    /// Draws one token.
    pub fn run(&mut self) -> u32 {
        self.sampler.next(&self.logits)
    }
}
