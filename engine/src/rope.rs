//! Rotary position embedding (Su et al., 2021): the angles by which pairs of a head's elements turn.
//!
//! GGUF files of this architecture have their q and k rows permuted so that a pair stands side by side.

/// The frequencies of one model.
#[derive(Debug)]
pub(crate) struct Rope {
    /// Radians per position, one for each pair. In f64, since positions in the thousands would cost an f32 product
    /// its last digits.
    frequencies: Vec<f64>,
}

impl Rope {
    /// `theta^(-2i / head_dim)`, divided by the model's own factors where it has them (Llama 3.1 stretches its
    /// context that way).
    pub(crate) fn new(head_dim: usize, theta: f32, factors: Option<&[f32]>) -> Self {
        let frequencies = (0..head_dim / 2)
            .map(|i| {
                let frequency = f64::from(theta).powf(-2.0 * i as f64 / head_dim as f64);
                frequency / factors.map_or(1.0, |factors| f64::from(factors[i]))
            })
            .collect();
        Self { frequencies }
    }

    /// Cosines and sines of one position, alternating; `out` is `[head_dim]`.
    pub(crate) fn angles(&self, position: usize, out: &mut [f32]) {
        for (pair, frequency) in out.as_chunks_mut::<2>().0.iter_mut().zip(&self.frequencies) {
            let (sin, cos) = (position as f64 * frequency).sin_cos();
            *pair = [cos as f32, sin as f32];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn angles_follow_the_formula() {
        let rope = Rope::new(4, 100.0, Some(&[1.0, 2.0]));
        let mut angles = [0.0; 4];
        rope.angles(3, &mut angles);
        // Frequencies 1 and 100^(-1/2) / 2 = 0.05.
        let expected = [3.0f32.cos(), 3.0f32.sin(), 0.15f32.cos(), 0.15f32.sin()];
        for (found, expected) in angles.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6);
        }
    }
}
