//! Tensors by name from a model file, as the file stores them.
//!
//! A [`Tensor`] borrows the mapped file: nothing is copied until somebody dequantises or packs it. What the numbers
//! mean for a model is decided in `config` and `model`, not here.

mod gguf;
mod hugging_face;
mod k_quants;
mod mapped;
mod tensor_type;

use half::f16;

use crate::Error;
use crate::compute::block::BLOCK;
pub(crate) use gguf::Gguf;
#[cfg(test)]
pub(crate) use gguf::written::Written;
#[cfg(test)]
pub(crate) use hugging_face::written;
pub(crate) use hugging_face::{HfFolder, Stored};
pub(crate) use k_quants::{q4_k_quants, q4_k_scales};
pub(crate) use mapped::MappedFile;
#[cfg(test)]
pub(crate) use tensor_type::tests::golden_blocks;
pub(crate) use tensor_type::{IQ4_NL_LEVELS, TensorType, five_bits, nibbles};

/// Numbers that are read together from a quantised row: what becomes one block.
pub(crate) const PIECE: usize = BLOCK;

fn read_f16(bytes: &[u8]) -> f32 {
    f16::from_le_bytes([bytes[0], bytes[1]]).to_f32()
}

/// One tensor of a file. Its bytes are exactly the blocks of its shape.
#[derive(Clone, Debug)]
pub(crate) struct Tensor<'a> {
    pub(crate) name: &'a str,
    /// Outermost dimension first: `[rows, cols]`, or `[cols]`.
    pub(crate) shape: Vec<usize>,
    pub(crate) kind: TensorType,
    pub(crate) bytes: &'a [u8],
    /// What `bytes` are a part of.
    pub(crate) file: &'a MappedFile,
}

impl<'a> Tensor<'a> {
    /// Every number, row after row.
    pub(crate) fn to_f32(&self) -> Vec<f32> {
        self.kind.dequantize(self.bytes)
    }

    /// Whether a tensor of floats holds the numbers of another, whatever type they have there.
    pub(crate) fn equals(&self, other: &Self) -> bool {
        let same_bytes = self.kind == other.kind && self.bytes == other.bytes;
        same_bytes || self.numbers().eq(other.numbers())
    }

    /// The numbers of a tensor of floats.
    fn numbers(&self) -> impl Iterator<Item = f32> + 'a {
        let kind = self.kind;
        let numbers = self.bytes.chunks_exact(kind.block_bytes());
        numbers.map(move |bytes| kind.number(bytes))
    }

    /// Every number, where all of them are numbers.
    pub(crate) fn finite(&self) -> Result<Vec<f32>, Error> {
        let numbers = self.to_f32();
        match numbers.iter().position(|number| !number.is_finite()) {
            None => Ok(numbers),
            Some(place) => {
                let (name, found) = (self.name, numbers[place]);
                let why = format!("`{name}` has the weight {found} in place {place}");
                Err(self.file.error(why))
            }
        }
    }
}
