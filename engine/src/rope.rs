//! Rotary position embedding (Su et al., 2021): the angles by which pairs of a head's elements turn.
//!
//! The q and k rows of this engine are permuted so that a pair stands side by side, as Llama's GGUF files have them.

use std::borrow::Cow;

use crate::config::{RopeConfig, frequency};

/// The frequencies of one model.
#[derive(Debug)]
pub(crate) struct Rope {
    head_dim: usize,
    config: RopeConfig,
    /// Radians per position, one for each pair. In f64, since positions in the thousands would cost an f32 product
    /// its last digits.
    frequencies: Vec<f64>,
}

impl Rope {
    pub(crate) fn new(head_dim: usize, config: RopeConfig) -> Self {
        let divisor = |pair: usize| config.factors.as_ref().map_or(1.0, |factors| factors[pair]);
        let pairs = 0..head_dim / 2;
        let frequencies = pairs.map(|pair| frequency(config.theta, head_dim, pair) / divisor(pair));
        Self {
            head_dim,
            frequencies: frequencies.collect(),
            config,
        }
    }

    /// The frequencies for a step that ends a sequence at this length.
    pub(crate) fn frequencies(&self, length: usize) -> Cow<'_, [f64]> {
        match self.config.dynamic {
            Some(dynamic) if length > dynamic.trained => {
                let stretch = dynamic.factor * length as f64 / dynamic.trained as f64;
                let width = self.head_dim as f64;
                let base = (stretch - (dynamic.factor - 1.0)).powf(width / (width - 2.0));
                let theta = f64::from(self.config.theta) * base;
                let pairs = 0..self.head_dim / 2;
                pairs
                    .map(|pair| theta.powf(-2.0 * pair as f64 / width))
                    .collect()
            }
            _ => Cow::Borrowed(&self.frequencies),
        }
    }

    /// Cosines and sines of one position, alternating; `out` is `[head_dim]`.
    pub(crate) fn angles(&self, frequencies: &[f64], position: usize, out: &mut [f32]) {
        for (pair, frequency) in out.as_chunks_mut::<2>().0.iter_mut().zip(frequencies) {
            let (sin, cos) = (position as f64 * frequency).sin_cos();
            *pair = [cos, sin].map(|x| (x * self.config.magnitude) as f32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn angles_follow_the_formula() {
        let rope = Rope::new(
            4,
            RopeConfig {
                factors: Some(vec![1.0, 2.0]),
                ..RopeConfig::plain(100.0)
            },
        );
        let mut angles = [0.0; 4];
        rope.angles(&rope.frequencies(4), 3, &mut angles);
        // Frequencies 1 and 100^(-1/2) / 2 = 0.05.
        let expected = [3.0f32.cos(), 3.0f32.sin(), 0.15f32.cos(), 0.15f32.sin()];
        for (found, expected) in angles.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6);
        }
    }
}
