//! What a block of 32 weights means.
//!
//! A block is 32 consecutive weights of one row with one scale and one minimum: `w = scale * q + min`. Int4 blocks
//! hold `q` from 0 to 15; symmetric ones have `min = -8 * scale` and need not store it. Q8 blocks hold `q` from -128
//! to 127 and have no minimum. Nothing here is fast: packed layouts are made from blocks once.

use half::f16;

/// Weights in a block, and columns of a row that share a scale.
pub(crate) const BLOCK: usize = 32;

/// 32 quantised weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Block {
    pub(crate) scale: f16,
    pub(crate) min: f16,
    /// 0 to 15 in an int4 block, -128 to 127 in a Q8 block.
    pub(crate) quants: [i8; BLOCK],
}

impl Block {
    /// All weights zero.
    pub(crate) const ZERO: Self = Self {
        scale: f16::ZERO,
        min: f16::ZERO,
        quants: [0; BLOCK],
    };

    /// Rounds 32 weights to 8 bits.
    pub(crate) fn q8(weights: &[f32; BLOCK]) -> Self {
        let high = weights.iter().fold(0.0, |high: f32, w| high.max(w.abs()));
        let scale = f16::from_f32(high / 127.0);
        let inverse = if scale == f16::ZERO {
            0.0
        } else {
            1.0 / scale.to_f32()
        };
        let quants = weights.map(|w| (w * inverse).round().clamp(-127.0, 127.0) as i8);
        Self {
            scale,
            min: f16::ZERO,
            quants,
        }
    }

    /// The weights that the block stands for.
    #[cfg(test)]
    pub(crate) fn dequantize(&self) -> [f32; BLOCK] {
        let (scale, min) = (self.scale.to_f32(), self.min.to_f32());
        self.quants.map(|q| scale * f32::from(q) + min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q8_error_is_at_most_half_a_level() {
        let weights = std::array::from_fn(|i| ((i * 37 % 32) as f32 - 15.5) / 7.0);
        let block = Block::q8(&weights);
        for (w, restored) in weights.iter().zip(block.dequantize()) {
            assert!((w - restored).abs() <= block.scale.to_f32() * 0.51);
        }
        assert_eq!(Block::q8(&[0.0; BLOCK]).dequantize(), [0.0; BLOCK]);
    }
}
