//! What a block of 32 weights means.
//!
//! A block is 32 consecutive weights of one row with one scale and one minimum: `w = scale * q + min`. Int4 blocks
//! hold `q` from 0 to 15; symmetric ones have `min = -8 * scale` and need not store it. Blocks of five bits are the same
//! with `q` from 0 to 31 and 16, and of two bits and one with `q` from 0 to 3, or 0 or 2, and 1. Q8 blocks hold `q` from -128 to 127 and have no minimum. Where scales are of two
//! [`Parts`], scale and minimum are those of several blocks. Nothing here is fast: packed layouts are made from blocks
//! once.

use half::f16;

/// Weights in a block, and columns of a row that share a scale.
pub(crate) const BLOCK: usize = 32;

/// What a block has of its own of its scales, where others share the rest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Parts {
    /// All.
    Whole,
    /// How many times the shared scale and the shared minimum count.
    ScaleAndMin([u8; 2]),
    /// How many times the shared scale counts in each half; the quants, from 0 to 63, count from 32.
    HalfScales([i8; 2]),
}

impl Parts {
    /// As they are stored.
    pub(crate) fn bytes(self) -> [u8; 2] {
        match self {
            Self::Whole => [0; 2],
            Self::ScaleAndMin(parts) => parts,
            Self::HalfScales(parts) => parts.map(i8::cast_unsigned),
        }
    }
}

/// 32 quantised weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Block {
    pub(crate) scale: f16,
    pub(crate) min: f16,
    pub(crate) parts: Parts,
    /// 0 to 15 in an int4 block, -128 to 127 in a Q8 block.
    pub(crate) quants: [i8; BLOCK],
}

impl Block {
    /// All weights zero.
    pub(crate) const ZERO: Self = Self {
        scale: f16::ZERO,
        min: f16::ZERO,
        parts: Parts::Whole,
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
            quants,
            ..Self::ZERO
        }
    }

    /// The weights that the block stands for.
    #[cfg(test)]
    pub(crate) fn dequantize(&self) -> [f32; BLOCK] {
        let (scale, min) = (self.scale.to_f32(), self.min.to_f32());
        match self.parts {
            Parts::Whole => self.quants.map(|q| scale * f32::from(q) + min),
            Parts::ScaleAndMin(parts) => {
                let [times_scale, times_min] = parts.map(f32::from);
                let (scale, min) = (scale * times_scale, min * times_min);
                self.quants.map(|q| scale * f32::from(q) + min)
            }
            Parts::HalfScales(parts) => std::array::from_fn(|i| {
                let scale = scale * f32::from(parts[i / (BLOCK / 2)]);
                scale * f32::from(self.quants[i] - 32)
            }),
        }
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
