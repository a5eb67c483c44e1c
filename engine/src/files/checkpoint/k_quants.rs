//! GGML's formats with blocks of 256 numbers, whose scales are quantised too.
//!
//! A block is eight pieces of 32 numbers. The quants of a piece lie in one or two bit fields of 32 successive bytes, so
//! that piece `p` differs from the others only in the offset and the shift. Scales (and minima) are small integers, one
//! for 16 or 32 numbers, times an f16 `d` (and `dmin`) for the whole block.

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

/// The scale and the minimum of a piece of a `Q4_K` or `Q5_K` block: `scale * q - min`.
pub(crate) fn q4_k_scales(block: &[u8], piece: usize) -> (f32, f32) {
    let (scale, min) = six_bit_scales(&block[4..16], piece);
    (
        read_f16(block) * f32::from(scale),
        read_f16(&block[2..]) * f32::from(min),
    )
}

/// The nibbles of a piece; two pieces share 32 bytes.
fn four_bits(bytes: &[u8], piece: usize) -> [u8; PIECE] {
    let bytes = &bytes[piece / 2 * PIECE..];
    std::array::from_fn(|i| bytes[i] >> (piece % 2 * 4) & 15)
}

/// The quants of a piece of a `Q4_K` block, from 0 to 15.
pub(crate) fn q4_k_quants(block: &[u8], piece: usize) -> [u8; PIECE] {
    four_bits(&block[16..], piece)
}

/// `scale * q - min`, q from 0 to 15.
pub(super) fn q4_k(block: &[u8], piece: usize) -> [f32; PIECE] {
    let (scale, min) = q4_k_scales(block, piece);
    q4_k_quants(block, piece).map(|q| scale * f32::from(q) - min)
}

/// `scale * q - min`, q from 0 to 31.
pub(super) fn q5_k(block: &[u8], piece: usize) -> [f32; PIECE] {
    let (scale, min) = q4_k_scales(block, piece);
    let (high, low) = (one_bit(&block[16..], piece), four_bits(&block[48..], piece));
    std::array::from_fn(|i| scale * f32::from(low[i] | high[i] << 4) - min)
}

/// `d * scale * (q - 32)`, q from 0 to 63; scale, an i8, for 16 numbers.
pub(super) fn q6_k(block: &[u8], piece: usize) -> [f32; PIECE] {
    let (scales, d) = (&block[192..208], read_f16(&block[208..]));
    // The low bits of pieces 0 and 2, and of 1 and 3, share bytes.
    let low = &block[piece / 4 * 64 + piece % 2 * PIECE..];
    let high = two_bits(&block[128..], piece);
    std::array::from_fn(|i| {
        let scale = f32::from(scales[2 * piece + i / 16].cast_signed());
        let quant = low[i] >> (piece % 4 / 2 * 4) & 15 | high[i] << 4;
        d * scale * (f32::from(quant) - 32.0)
    })
}
