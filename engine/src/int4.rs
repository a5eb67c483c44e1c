//! What a block of 32 weights means.
//!
//! A block is 32 consecutive weights of one row with one scale and one minimum: `w = scale * q + min`. Int4 blocks
//! hold `q` from 0 to 15; symmetric ones have `min = -8 * scale` and need not store it. Q8 blocks hold `q` from -128
//! to 127 and have no minimum. Nothing here is fast: the packed layouts of [`crate::matrix`] are made from blocks once.

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

    /// Rounds 32 weights to int4, spreading the 16 levels over their range.
    pub(crate) fn int4(weights: &[f32; BLOCK]) -> Self {
        let low = weights.iter().copied().fold(f32::INFINITY, f32::min);
        let high = weights.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let scale = f16::from_f32((high - low) / 15.0);
        let min = f16::from_f32(low);
        let quants = weights.map(|w| quant(w - min.to_f32(), scale, 0.0, 15.0));
        Self { scale, min, quants }
    }

    /// Rounds 32 weights of a row to the levels -8 to 7 of the row's scale.
    pub(crate) fn channel(weights: &[f32; BLOCK], scale: f16) -> Self {
        Self {
            scale,
            min: f16::from_f32(-8.0 * scale.to_f32()),
            quants: weights.map(|w| quant(w, scale, -8.0, 7.0) + 8),
        }
    }

    /// Rounds 32 weights to 8 bits.
    pub(crate) fn q8(weights: &[f32; BLOCK]) -> Self {
        let high = weights.iter().fold(0.0, |high: f32, w| high.max(w.abs()));
        let scale = f16::from_f32(high / 127.0);
        let quants = weights.map(|w| quant(w, scale, -127.0, 127.0));
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

/// The scale of a whole row for [`Block::channel`]: of some that cut off more or fewer of the largest weights, the one
/// with the smallest squared error.
pub(crate) fn channel_scale(row: &[f32]) -> f16 {
    let high = row.iter().fold(0.0, |high: f32, w| high.max(w.abs()));
    let candidates = (8..=16).map(|sixteenths| {
        let scale = f16::from_f32(high * sixteenths as f32 / 16.0 / 7.5);
        let inverse = if scale == f16::ZERO {
            0.0
        } else {
            1.0 / scale.to_f32()
        };
        let error = row.iter().map(|w| {
            let level = (w * inverse).round().clamp(-8.0, 7.0);
            (w - level * scale.to_f32()).powi(2)
        });
        (error.sum::<f32>(), scale)
    });
    candidates
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .map_or(f16::ZERO, |(_, scale)| scale)
}

/// The level nearest to `weight`; everything is level 0 where the scale is too small for an f16.
fn quant(weight: f32, scale: f16, low: f32, high: f32) -> i8 {
    if scale == f16::ZERO {
        return 0;
    }
    (weight / scale.to_f32()).round().clamp(low, high) as i8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn int4_levels_span_the_range_of_the_block() {
        let weights = std::array::from_fn(|i| i as f32 * 0.5 - 3.0);
        let block = Block::int4(&weights);
        assert_eq!(block.min.to_f32(), -3.0);
        assert_eq!((block.quants[0], block.quants[31]), (0, 15));
        let half_a_level = block.scale.to_f32() / 2.0;
        for (w, restored) in weights.iter().zip(block.dequantize()) {
            assert!(
                (w - restored).abs() <= half_a_level * 1.01,
                "{w} became {restored}"
            );
        }
    }

    #[test]
    fn a_block_of_equal_weights_keeps_their_value() {
        assert_eq!(Block::int4(&[0.25; BLOCK]).dequantize(), [0.25; BLOCK]);
        assert_eq!(Block::q8(&[0.0; BLOCK]).dequantize(), [0.0; BLOCK]);
    }

    #[test]
    fn a_row_of_normal_weights_is_cut_off_where_that_helps() {
        // Sums of uniform numbers, with one weight far out.
        let mut state = 1u32;
        let mut row: Vec<f32> = (0..512)
            .map(|_| {
                let uniform = |_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 8) as f32 / (1 << 24) as f32 - 0.5
                };
                (0..12).map(uniform).sum()
            })
            .collect();
        row[17] = 6.0;
        let error = |scale: f16| {
            let blocks = row.as_chunks::<BLOCK>().0.iter();
            let restored = blocks.flat_map(|block| Block::channel(block, scale).dequantize());
            let errors = restored
                .zip(&row)
                .map(|(restored, w)| (restored - w).powi(2));
            errors.sum::<f32>()
        };
        let found = error(channel_scale(&row));
        assert!(found < 0.8 * error(f16::from_f32(6.0 / 7.5)));
        assert_eq!(channel_scale(&[0.0; BLOCK]), f16::ZERO);
    }

    #[test]
    fn q8_error_is_at_most_half_a_level() {
        let weights = std::array::from_fn(|i| ((i * 37 % 32) as f32 - 15.5) / 7.0);
        let block = Block::q8(&weights);
        for (w, restored) in weights.iter().zip(block.dequantize()) {
            assert!((w - restored).abs() <= block.scale.to_f32() * 0.51);
        }
    }
}
