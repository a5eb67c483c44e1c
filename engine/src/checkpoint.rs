//! Tensors by name from a model file, as the file stores them.
//!
//! A [`Tensor`] borrows the mapped file: nothing is copied until somebody dequantises or packs it. What the numbers
//! mean for a Llama model is decided in `config` and `model`, not here.

mod gguf;

pub(crate) use gguf::Gguf;
#[cfg(test)]
pub(crate) use gguf::written::Written;

use half::{bf16, f16};

/// How a tensor's numbers are stored, by GGML's names.
///
/// The quantised formats store a row as blocks of 32 numbers: an f16 scale `d` (and, for `Q4_1`, an f16 minimum `m`)
/// and 32 quants. Byte `j` of a four-bit block holds number `j` in its low nibble and number `j + 16` in its high one.
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
}

impl TensorType {
    /// Numbers that are stored together; a row is a whole number of blocks.
    pub(crate) const fn block_len(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => 1,
            Self::Q8_0 | Self::Q4_0 | Self::Q4_1 => 32,
        }
    }

    /// Bytes of one block.
    pub(crate) const fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Q8_0 => 2 + 32,
            Self::Q4_0 => 2 + 16,
            Self::Q4_1 => 2 + 2 + 16,
        }
    }

    /// The numbers of whole blocks.
    pub(crate) fn dequantize(self, bytes: &[u8], out: &mut [f32]) {
        let blocks = bytes.chunks_exact(self.block_bytes());
        for (block, numbers) in blocks.zip(out.chunks_exact_mut(self.block_len())) {
            self.block_to_f32(block, numbers);
        }
    }

    /// Numbers of one block; `block` and `out` have the lengths above.
    fn block_to_f32(self, block: &[u8], out: &mut [f32]) {
        match self {
            Self::F32 => out[0] = f32::from_le_bytes([block[0], block[1], block[2], block[3]]),
            Self::F16 => out[0] = read_f16(block),
            Self::BF16 => out[0] = bf16::from_le_bytes([block[0], block[1]]).to_f32(),
            Self::Q8_0 => {
                let scale = read_f16(block);
                for (number, &quant) in out.iter_mut().zip(&block[2..]) {
                    *number = scale * f32::from(quant.cast_signed());
                }
            }
            Self::Q4_0 => {
                let scale = read_f16(block);
                nibbles_to_f32(&block[2..], out, |quant| scale * (quant - 8.0));
            }
            Self::Q4_1 => {
                let (scale, min) = (read_f16(block), read_f16(&block[2..]));
                nibbles_to_f32(&block[4..], out, |quant| scale * quant + min);
            }
        }
    }
}

fn read_f16(bytes: &[u8]) -> f32 {
    f16::from_le_bytes([bytes[0], bytes[1]]).to_f32()
}

fn nibbles_to_f32(quants: &[u8], out: &mut [f32], value: impl Fn(f32) -> f32) {
    let (low, high) = out.split_at_mut(quants.len());
    for ((low, high), &quant) in low.iter_mut().zip(high).zip(quants) {
        *low = value(f32::from(quant & 0x0f));
        *high = value(f32::from(quant >> 4));
    }
}

/// One tensor of a file. Its bytes are exactly the blocks of its shape.
#[derive(Clone, Debug)]
pub(crate) struct Tensor<'a> {
    pub(crate) name: &'a str,
    /// Outermost dimension first: `[rows, cols]`, or `[cols]`.
    pub(crate) shape: Vec<usize>,
    pub(crate) kind: TensorType,
    pub(crate) bytes: &'a [u8],
}

impl Tensor<'_> {
    /// Every number, row after row.
    pub(crate) fn to_f32(&self) -> Vec<f32> {
        let blocks = self.bytes.len() / self.kind.block_bytes();
        let mut numbers = vec![0.0; blocks * self.kind.block_len()];
        self.kind.dequantize(self.bytes, &mut numbers);
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dequantised(kind: TensorType, bytes: &[u8]) -> Vec<f32> {
        let cols = bytes.len() / kind.block_bytes() * kind.block_len();
        let tensor = Tensor {
            name: "t",
            shape: vec![1, cols],
            kind,
            bytes,
        };
        tensor.to_f32()
    }

    #[test]
    fn four_bit_blocks_hold_numbers_j_and_j_plus_16_in_one_byte() {
        let mut block = f16::from_f32(0.5).to_le_bytes().to_vec();
        block.extend((0..16).map(|j| j | ((15 - j) << 4)));
        let numbers = dequantised(TensorType::Q4_0, &block);
        for j in 0..16u8 {
            assert_eq!(numbers[usize::from(j)], (f32::from(j) - 8.0) * 0.5);
            assert_eq!(numbers[usize::from(j) + 16], (7.0 - f32::from(j)) * 0.5);
        }

        block.splice(2..2, f16::from_f32(-3.0).to_le_bytes());
        let numbers = dequantised(TensorType::Q4_1, &block);
        assert_eq!(numbers[3], 3.0 * 0.5 - 3.0);
        assert_eq!(numbers[19], 12.0 * 0.5 - 3.0);
    }

    #[test]
    fn eight_bit_quants_are_signed() {
        let mut block = f16::from_f32(0.25).to_le_bytes().to_vec();
        block.extend((0..32).map(|j: u8| j.wrapping_sub(16)));
        let numbers = dequantised(TensorType::Q8_0, &block);
        assert_eq!((numbers[0], numbers[31]), (-4.0, 3.75));
    }

    #[test]
    fn plain_floats_are_read_as_little_endian() {
        assert_eq!(dequantised(TensorType::F32, &1.5f32.to_le_bytes()), [1.5]);
        assert_eq!(
            dequantised(TensorType::F16, &f16::from_f32(-2.5).to_le_bytes()),
            [-2.5]
        );
        assert_eq!(dequantised(TensorType::BF16, &[0x80, 0x3f]), [1.0]);
    }
}
