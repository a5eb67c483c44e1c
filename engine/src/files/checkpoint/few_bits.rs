//! GGML's formats of one and two bits, as models have them that were trained with such weights: many numbers with one
//! f16 scale, each -1, 0, 1 or 2 times it.

use half::f16;

use super::PIECE;

/// quants, those of the last 16 numbers, d: 256 numbers.
pub(super) const TQ1_0_BYTES: usize = 48 + 4 + 2;
/// quants, d: 256 numbers.
pub(super) const TQ2_0_BYTES: usize = 64 + 2;
/// d, quants: 128 numbers.
pub(super) const Q1_0_BYTES: usize = 2 + 16;
/// d, quants: 64 numbers.
pub(super) const Q2_0_BYTES: usize = 2 + 16;

/// The scale of a piece, and how many of it each number is.
type Steps = (f16, [i8; PIECE]);

fn half(bytes: &[u8]) -> f16 {
    f16::from_le_bytes([bytes[0], bytes[1]])
}

/// Five numbers to a byte, each a digit to base 3 of the fraction that the byte is of 256. Those of a byte are 32 apart
/// in the first 160 numbers, 16 in the next 80, and 4, of which there are four, in the last 16.
pub(super) fn tq1_0(block: &[u8], piece: usize) -> Steps {
    let digit = |byte: u8, place: usize| {
        let behind = byte.wrapping_mul([1, 3, 9, 27, 81][place]);
        ((u16::from(behind) * 3) >> 8) as i8
    };
    let steps = std::array::from_fn(|i| {
        let (byte, place) = match piece * PIECE + i {
            at @ 0..160 => (at % 32, at / 32),
            at @ 160..240 => (32 + at % 16, (at - 160) / 16),
            at => (48 + at % 4, (at - 240) / 4),
        };
        digit(block[byte], place) - 1
    });
    (half(&block[52..]), steps)
}

/// Four numbers to a byte, 32 apart.
pub(super) fn tq2_0(block: &[u8], piece: usize) -> Steps {
    let bytes = &block[piece / 4 * PIECE..];
    let steps = std::array::from_fn(|i| two_bits(bytes[i], piece % 4));
    (half(&block[64..]), steps)
}

/// Eight neighbours to a byte.
pub(super) fn q1_0(block: &[u8], piece: usize) -> Steps {
    let bytes = &block[2 + piece * PIECE / 8..];
    let steps = std::array::from_fn(|i| 2 * (bytes[i / 8] >> (i % 8) & 1).cast_signed() - 1);
    (half(block), steps)
}

/// Four neighbours to a byte.
pub(super) fn q2_0(block: &[u8], piece: usize) -> Steps {
    let bytes = &block[2 + piece * PIECE / 4..];
    let steps = std::array::from_fn(|i| two_bits(bytes[i / 4], i % 4));
    (half(block), steps)
}

/// The number that two bits of a byte stand for.
fn two_bits(byte: u8, place: usize) -> i8 {
    (byte >> (2 * place) & 3).cast_signed() - 1
}
