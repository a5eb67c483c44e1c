//! Rotary position embedding (Su et al., 2021): the angles by which pairs of a head's elements turn.
//!
//! The q and k rows of this engine are permuted so that a pair stands side by side, as Llama's GGUF files have them.

use std::borrow::Cow;

use crate::files::config::{RopeConfig, frequency};

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

    /// What decides how a position turns in a sequence that begins with a prompt of so many tokens: the same for two
    /// prompts where both turn it alike.
    ///
    /// A dynamic base grows with the sequence, and what is cached was turned when that was shorter. So that nothing
    /// depends on how a prefill is cut, a whole prompt counts from its first token on.
    pub(crate) fn length(&self, prompt: usize, position: usize) -> usize {
        let dynamic = self.config.dynamic;
        dynamic.map_or(0, |dynamic| dynamic.trained.max(prompt).max(position + 1))
    }

    /// The angles of a sequence that begins with a prompt of so many tokens.
    pub(crate) fn angles(&self, prompt: usize) -> Angles<'_> {
        let length = self.length(prompt, 0);
        Angles {
            rope: self,
            prompt,
            length,
            frequencies: self.frequencies(length),
        }
    }

    fn frequencies(&self, length: usize) -> Cow<'_, [f64]> {
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
}

/// The angles of one sequence.
#[derive(Debug)]
pub(crate) struct Angles<'a> {
    rope: &'a Rope,
    prompt: usize,
    /// What `frequencies` are for.
    length: usize,
    frequencies: Cow<'a, [f64]>,
}

impl Angles<'_> {
    /// Cosines and sines of one position, alternating; `out` is `[head_dim]`.
    pub(crate) fn of(&mut self, position: usize, out: &mut [f32]) {
        let length = self.rope.length(self.prompt, position);
        if length != self.length {
            (self.length, self.frequencies) = (length, self.rope.frequencies(length));
        }
        let magnitude = self.rope.config.magnitude;
        let pairs = out.as_chunks_mut::<2>().0.iter_mut();
        for (pair, frequency) in pairs.zip(&*self.frequencies) {
            let (sin, cos) = (position as f64 * frequency).sin_cos();
            *pair = [cos, sin].map(|x| (x * magnitude) as f32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::config::DynamicRope;

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
        rope.angles(4).of(3, &mut angles);
        // Frequencies 1 and 100^(-1/2) / 2 = 0.05.
        let expected = [3.0f32.cos(), 3.0f32.sin(), 0.15f32.cos(), 0.15f32.sin()];
        for (found, expected) in angles.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6);
        }
    }
    #[test]
    fn a_dynamic_base_is_that_of_the_whole_prompt_and_then_of_each_token() {
        let dynamic = DynamicRope {
            factor: 2.0,
            trained: 8,
        };
        let plain = RopeConfig::plain(100.0);
        let rope = Rope::new(
            4,
            RopeConfig {
                dynamic: Some(dynamic),
                ..plain.clone()
            },
        );
        // (2 * 12 / 8 - 1)^(4 / 2) = 4 times the base, for frequencies of 1 and 400^(-1/2) = 0.05.
        let mut angles = [0.0; 4];
        for (prompt, position) in [(12, 0), (12, 3), (12, 11), (5, 11)] {
            rope.angles(prompt).of(position, &mut angles);
            let expected = (position as f32 * 0.05).cos();
            assert!((angles[2] - expected).abs() < 1e-6, "{prompt}, {position}");
        }
        let mut of_prompt = rope.angles(5);
        of_prompt.of(11, &mut angles);
        of_prompt.of(7, &mut angles);
        assert!((angles[2] - 0.7f32.cos()).abs() < 1e-6);
        assert_eq!(rope.length(5, 7), rope.length(8, 0));
        assert_ne!(rope.length(5, 7), rope.length(9, 7));
        let rope = Rope::new(4, plain);
        assert_eq!(rope.length(1, 7), rope.length(1000, 999));
    }
}
