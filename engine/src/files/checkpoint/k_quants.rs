//! GGML's formats with blocks of 256 numbers, whose scales are quantised too.
//!
//! A block is eight pieces of 32 numbers. The quants of a piece lie in one or two bit fields of 32 successive bytes, so
//! that piece `p` differs from the others only in the offset and the shift. Scales (and minima) are small integers, one
//! for 16 or 32 numbers, times an f16 `d` (and `dmin`) for the whole block.

use half::f16;

use super::{PIECE, read_f16};

/// Numbers of a block.
pub(super) const BLOCK: usize = 256;

/// scales and minima, quants, d, dmin.
pub(super) const Q2_K_BYTES: usize = 16 + 64 + 2 + 2;
/// high bits, quants, scales, d.
pub(super) const Q3_K_BYTES: usize = 32 + 64 + 12 + 2;
/// d, dmin, scales and minima, quants.
pub(super) const Q4_K_BYTES: usize = 2 + 2 + 12 + 128;
/// d, dmin, scales and minima, high bits, quants.
pub(super) const Q5_K_BYTES: usize = 2 + 2 + 12 + 32 + 128;
/// low bits, high bits, scales, d.
pub(super) const Q6_K_BYTES: usize = 128 + 64 + 16 + 2;

/// Two bits of each of the 32 bytes that hold them for a piece.
fn two_bits(bytes: &[u8], piece: usize) -> [u8; PIECE] {
    let bytes = &bytes[piece / 4 * PIECE..];
    std::array::from_fn(|i| bytes[i] >> (piece % 4 * 2) & 3)
}

/// Bit `piece` of each of 32 bytes.
fn one_bit(bytes: &[u8], piece: usize) -> [u8; PIECE] {
    std::array::from_fn(|i| bytes[i] >> piece & 1)
}

/// `d * scale * q - dmin * min`, q from 0 to 3; scale and min, of four bits, for 16 numbers.
pub(super) fn q2_k(block: &[u8], piece: usize) -> [f32; PIECE] {
    let (d, min) = (read_f16(&block[80..]), read_f16(&block[82..]));
    let quants = two_bits(&block[16..], piece);
    std::array::from_fn(|i| {
        let scales = block[2 * piece + i / 16];
        d * f32::from(scales & 15) * f32::from(quants[i]) - min * f32::from(scales >> 4)
    })
}

/// `d * (scale - 32) * (q - 4)`, q from 0 to 7; scale, of six bits, for 16 numbers.
pub(super) fn q3_k(block: &[u8], piece: usize) -> [f32; PIECE] {
    let (scales, d) = (&block[96..108], read_f16(&block[108..]));
    let (high, low) = (one_bit(block, piece), two_bits(&block[32..], piece));
    std::array::from_fn(|i| {
        let group = 2 * piece + i / 16;
        let low_bits = scales[group % 8] >> (group / 8 * 4) & 15;
        let high_bits = scales[8 + group % 4] >> (group / 4 * 2) & 3;
        let scale = f32::from(low_bits | high_bits << 4) - 32.0;
        d * scale * (f32::from(low[i] | high[i] << 2) - 4.0)
    })
}

/// Scale and minimum of a piece of a `Q4_K` or `Q5_K` block, each of six bits, before `d` and `dmin`.
fn six_bit_scales(scales: &[u8], piece: usize) -> (u8, u8) {
    match piece {
        0..4 => (scales[piece] & 63, scales[piece + 4] & 63),
        _ => (
            scales[piece + 4] & 15 | scales[piece - 4] >> 6 << 4,
            scales[piece + 4] >> 4 | scales[piece] >> 6 << 4,
        ),
    }
}

/// A piece as it is stored.
pub(crate) struct ScaledPiece {
    /// `d`.
    pub(crate) scale: f16,
    /// `dmin`, or 0 where there is none.
    pub(crate) min: f16,
    /// What these are multiplied with; in a `Q6_K` block both are of the scale, signed, each for half a piece.
    pub(crate) parts: [u8; 2],
    pub(crate) quants: [u8; PIECE],
}

impl ScaledPiece {
    /// A piece of a `Q4_K` or `Q5_K` block.
    fn with_min(block: &[u8], piece: usize, quants: [u8; PIECE]) -> Self {
        let (scale, min) = six_bit_scales(&block[4..16], piece);
        Self {
            scale: half(block),
            min: half(&block[2..]),
            parts: [scale, min],
            quants,
        }
    }

    /// `scale * q - min`.
    fn numbers(&self) -> [f32; PIECE] {
        let scale = self.scale.to_f32() * f32::from(self.parts[0]);
        let min = self.min.to_f32() * f32::from(self.parts[1]);
        self.quants.map(|q| scale * f32::from(q) - min)
    }
}

fn half(bytes: &[u8]) -> f16 {
    f16::from_le_bytes([bytes[0], bytes[1]])
}

/// The nibbles of a piece; two pieces share 32 bytes.
fn four_bits(bytes: &[u8], piece: usize) -> [u8; PIECE] {
    let bytes = &bytes[piece / 2 * PIECE..];
    std::array::from_fn(|i| bytes[i] >> (piece % 2 * 4) & 15)
}

/// A piece of a `Q4_K` block, its quants from 0 to 15.
pub(crate) fn q4_k_piece(block: &[u8], piece: usize) -> ScaledPiece {
    ScaledPiece::with_min(block, piece, four_bits(&block[16..], piece))
}

/// A piece of a `Q5_K` block, its quants from 0 to 31.
pub(crate) fn q5_k_piece(block: &[u8], piece: usize) -> ScaledPiece {
    let (high, low) = (one_bit(&block[16..], piece), four_bits(&block[48..], piece));
    let quants = std::array::from_fn(|i| low[i] | high[i] << 4);
    ScaledPiece::with_min(block, piece, quants)
}

/// A piece of a `Q6_K` block, its quants from 0 to 63.
pub(crate) fn q6_k_piece(block: &[u8], piece: usize) -> ScaledPiece {
    // The low bits of pieces 0 and 2, and of 1 and 3, share bytes.
    let low = &block[piece / 4 * 64 + piece % 2 * PIECE..];
    let high = two_bits(&block[128..], piece);
    let scales = &block[192 + 2 * piece..];
    ScaledPiece {
        scale: half(&block[208..]),
        min: f16::ZERO,
        parts: [scales[0], scales[1]],
        quants: std::array::from_fn(|i| low[i] >> (piece % 4 / 2 * 4) & 15 | high[i] << 4),
    }
}

/// `scale * q - min`, q from 0 to 15.
pub(super) fn q4_k(block: &[u8], piece: usize) -> [f32; PIECE] {
    q4_k_piece(block, piece).numbers()
}

/// `scale * q - min`, q from 0 to 31.
pub(super) fn q5_k(block: &[u8], piece: usize) -> [f32; PIECE] {
    q5_k_piece(block, piece).numbers()
}

/// `d * scale * (q - 32)`, q from 0 to 63; scale, an i8, for 16 numbers.
pub(super) fn q6_k(block: &[u8], piece: usize) -> [f32; PIECE] {
    let piece = q6_k_piece(block, piece);
    let scales = piece.parts.map(|part| f32::from(part.cast_signed()));
    let scales = scales.map(|part| piece.scale.to_f32() * part);
    std::array::from_fn(|i| scales[i / 16] * (f32::from(piece.quants[i]) - 32.0))
}
