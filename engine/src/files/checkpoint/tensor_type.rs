//! How the numbers of a tensor are stored, and what they are.
//!
//! Every format is read in pieces of 32 numbers, even where scales are shared by 256: a piece is what becomes one block
//! of packed weights, whatever it comes from.

#[cfg(test)]
pub(super) mod tests;

use half::{bf16, f16};

use super::{PIECE, few_bits, k_quants, read_f16};

/// How a tensor's numbers are stored, by GGML's names.
///
/// The quantised formats store a row as blocks of 32 numbers: an f16 scale `d` (and, where the name ends in 1, an f16
/// minimum `m`) and 32 quants. Byte `j` of a four-bit block holds number `j` in its low nibble and number `j + 16` in
/// its high one; the fifth bits of five-bit blocks stand before them, as one number of 32 bits. The formats whose name
/// ends in K have blocks of 256 and scales that are quantised themselves: see `k_quants`. Those of one and two bits have
/// blocks of 64 to 256 with one scale: see `few_bits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(
    non_camel_case_types,
    reason = "GGML's own names, as in files and in print"
)]
pub(crate) enum TensorType {
    F32,
    F16,
    BF16,
    /// `d * q`, q an i8.
    Q8_0,
    /// `d * (q - 8)`, q from 0 to 15.
    Q4_0,
    /// `d * q + m`, q from 0 to 15.
    Q4_1,
    /// `d * (q - 16)`, q from 0 to 31.
    Q5_0,
    /// `d * q + m`, q from 0 to 31.
    Q5_1,
    Q2_K,
    Q3_K,
    Q4_K,
    Q5_K,
    Q6_K,
    /// `d * level[q]`, q from 0 to 15.
    IQ4_NL,
    /// `d * (q - 1)`, q from 0 to 2, five of them in a byte.
    TQ1_0,
    /// `d * (q - 1)`, q from 0 to 3.
    TQ2_0,
    /// `d * (2 * q - 1)`, q 0 or 1.
    Q1_0,
    /// `d * (q - 1)`, q from 0 to 3.
    Q2_0,
}

/// The levels of [`TensorType::IQ4_NL`]: close together near zero, where weights are many.
pub(crate) const IQ4_NL_LEVELS: [i8; 16] = [
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
];

impl TensorType {
    /// Every type with GGML's number for it.
    pub(crate) const NUMBERS: [(u32, Self); 18] = [
        (0, Self::F32),
        (1, Self::F16),
        (2, Self::Q4_0),
        (3, Self::Q4_1),
        (6, Self::Q5_0),
        (7, Self::Q5_1),
        (8, Self::Q8_0),
        (10, Self::Q2_K),
        (11, Self::Q3_K),
        (12, Self::Q4_K),
        (13, Self::Q5_K),
        (14, Self::Q6_K),
        (20, Self::IQ4_NL),
        (30, Self::BF16),
        (34, Self::TQ1_0),
        (35, Self::TQ2_0),
        (41, Self::Q1_0),
        (42, Self::Q2_0),
    ];

    /// Numbers that are stored together; a row is a whole number of blocks.
    pub(crate) const fn block_len(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => 1,
            Self::Q8_0 | Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::IQ4_NL => PIECE,
            Self::Q2_K | Self::Q3_K | Self::Q4_K | Self::Q5_K | Self::Q6_K => k_quants::BLOCK,
            Self::TQ1_0 | Self::TQ2_0 => 256,
            Self::Q1_0 => 128,
            Self::Q2_0 => 64,
        }
    }

    /// Bytes of one block.
    pub(crate) const fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Q8_0 => 2 + 32,
            Self::Q4_0 | Self::IQ4_NL => 2 + 16,
            Self::Q4_1 => 2 + 2 + 16,
            Self::Q5_0 => 2 + 4 + 16,
            Self::Q5_1 => 2 + 2 + 4 + 16,
            Self::Q2_K => k_quants::Q2_K_BYTES,
            Self::Q3_K => k_quants::Q3_K_BYTES,
            Self::Q4_K => k_quants::Q4_K_BYTES,
            Self::Q5_K => k_quants::Q5_K_BYTES,
            Self::Q6_K => k_quants::Q6_K_BYTES,
            Self::TQ1_0 => few_bits::TQ1_0_BYTES,
            Self::TQ2_0 => few_bits::TQ2_0_BYTES,
            Self::Q1_0 => few_bits::Q1_0_BYTES,
            Self::Q2_0 => few_bits::Q2_0_BYTES,
        }
    }

    /// Whether the type is one of plain floating-point numbers.
    pub(crate) const fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F16 | Self::BF16)
    }

    /// The numbers of whole blocks.
    pub(crate) fn dequantize(self, bytes: &[u8]) -> Vec<f32> {
        if self.is_float() {
            let numbers = bytes.chunks_exact(self.block_bytes());
            return numbers.map(|bytes| self.number(bytes)).collect();
        }
        let pieces = bytes.len() / self.block_bytes() * (self.block_len() / PIECE);
        (0..pieces)
            .flat_map(|piece| self.piece(bytes, piece))
            .collect()
    }

    /// The block of a row that holds a piece of 32 numbers, and which of the block's pieces it is. A block of floats
    /// is then taken to be 32 of them.
    pub(crate) fn block_of(self, row: &[u8], piece: usize) -> (&[u8], usize) {
        let pieces = (self.block_len() / PIECE).max(1);
        let bytes = self.block_bytes() * (PIECE / self.block_len()).max(1);
        (&row[piece / pieces * bytes..][..bytes], piece % pieces)
    }

    /// 32 numbers of a row.
    pub(crate) fn piece(self, row: &[u8], piece: usize) -> [f32; PIECE] {
        let (block, piece) = self.block_of(row, piece);
        match self {
            Self::F32 | Self::F16 | Self::BF16 => {
                let bytes = self.block_bytes();
                std::array::from_fn(|i| self.number(&block[i * bytes..][..bytes]))
            }
            Self::Q8_0 => {
                let scale = read_f16(block);
                std::array::from_fn(|i| scale * f32::from(block[2 + i].cast_signed()))
            }
            Self::Q4_0 => {
                let scale = read_f16(block);
                nibbles(&block[2..]).map(|q| scale * (f32::from(q) - 8.0))
            }
            Self::Q4_1 => {
                let (scale, min) = (read_f16(block), read_f16(&block[2..]));
                nibbles(&block[4..]).map(|q| scale * f32::from(q) + min)
            }
            Self::Q5_0 => {
                let scale = read_f16(block);
                five_bits(&block[2..]).map(|q| scale * (f32::from(q) - 16.0))
            }
            Self::Q5_1 => {
                let (scale, min) = (read_f16(block), read_f16(&block[2..]));
                five_bits(&block[4..]).map(|q| scale * f32::from(q) + min)
            }
            Self::IQ4_NL => {
                let scale = read_f16(block);
                nibbles(&block[2..]).map(|q| scale * f32::from(IQ4_NL_LEVELS[usize::from(q)]))
            }
            Self::Q2_K => k_quants::q2_k(block, piece),
            Self::Q3_K => k_quants::q3_k(block, piece),
            Self::Q4_K => k_quants::q4_k(block, piece),
            Self::Q5_K => k_quants::q5_k(block, piece),
            Self::Q6_K => k_quants::q6_k(block, piece),
            Self::TQ1_0 | Self::TQ2_0 | Self::Q1_0 | Self::Q2_0 => {
                let (scale, steps) = self.steps(block, piece);
                steps.map(|step| scale.to_f32() * f32::from(step))
            }
        }
    }

    /// A piece of a block of one of the types of one and two bits: its scale, and how many of it each number is, from
    /// -1 to 2.
    pub(crate) fn steps(self, block: &[u8], piece: usize) -> (f16, [i8; PIECE]) {
        match self {
            Self::TQ1_0 => few_bits::tq1_0(block, piece),
            Self::TQ2_0 => few_bits::tq2_0(block, piece),
            Self::Q1_0 => few_bits::q1_0(block, piece),
            Self::Q2_0 => few_bits::q2_0(block, piece),
            _ => panic!("{self:?} has more bits"),
        }
    }

    /// One number of a type of floats.
    pub(crate) fn number(self, bytes: &[u8]) -> f32 {
        match self {
            Self::F32 => f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
            Self::BF16 => bf16::from_le_bytes([bytes[0], bytes[1]]).to_f32(),
            _ => read_f16(bytes),
        }
    }
}

/// The quants of a four-bit block, from 0 to 15.
pub(crate) fn nibbles(quants: &[u8]) -> [u8; PIECE] {
    std::array::from_fn(|i| quants[i % 16] >> (i / 16 * 4) & 15)
}

/// The quants of a five-bit block, from 0 to 31: the fifth bits, then the nibbles.
pub(crate) fn five_bits(bytes: &[u8]) -> [u8; PIECE] {
    let low = nibbles(&bytes[4..]);
    std::array::from_fn(|i| low[i] | (bytes[i / 8] >> (i % 8) & 1) << 4)
}
