//! Tensors by name from a model file, as the file stores them.
//!
//! A [`Tensor`] is a place in a file: nothing is read until somebody dequantises or packs it. What the numbers
//! mean for a model is decided in `config` and `model`, not here.

mod few_bits;
mod gguf;
mod hugging_face;
mod k_quants;
mod model_file;
mod rows;
mod tensor_type;
#[cfg(test)]
mod tests;

use std::ops::Range;

use half::f16;

use crate::Error;
use crate::compute::block::BLOCK;
pub(crate) use gguf::Gguf;
#[cfg(test)]
pub(crate) use gguf::written::Written;
#[cfg(test)]
pub(crate) use hugging_face::written;
pub(crate) use hugging_face::{HfFolder, Stored};
pub(crate) use k_quants::{ScaledPiece, q4_k_piece, q5_k_piece, q6_k_piece};
pub(crate) use model_file::ModelFile;
pub(crate) use rows::Rows;
#[cfg(test)]
pub(crate) use tensor_type::tests::golden_blocks;
pub(crate) use tensor_type::{IQ4_NL_LEVELS, TensorType, five_bits, nibbles};

/// Numbers that are read together from a quantised row: what becomes one block.
pub(crate) const PIECE: usize = BLOCK;

fn read_f16(bytes: &[u8]) -> f32 {
    f16::from_le_bytes([bytes[0], bytes[1]]).to_f32()
}

/// One tensor of a file, whose place is exactly that of the blocks of its shape.
#[derive(Clone, Debug)]
pub(crate) struct Tensor<'a> {
    pub(crate) name: &'a str,
    /// Outermost dimension first: `[rows, cols]`, or `[cols]`.
    pub(crate) shape: Vec<usize>,
    pub(crate) kind: TensorType,
    pub(crate) place: Range<usize>,
    pub(crate) file: &'a ModelFile,
}

impl Tensor<'_> {
    /// The bytes of a row.
    pub(crate) fn row(&self, row: usize) -> Result<Vec<u8>, Error> {
        let bytes = self.place.len() / self.shape[0];
        let start = self.place.start + row * bytes;
        self.file.read(start..start + bytes)
    }

    /// Every number, row after row.
    pub(crate) fn to_f32(&self) -> Result<Vec<f32>, Error> {
        let bytes = self.file.read(self.place.clone())?;
        Ok(self.kind.dequantize(&bytes))
    }

    /// Whether a matrix of floats holds the numbers of another of its shape, whatever type they have there.
    pub(crate) fn equals(&self, other: &Self) -> Result<bool, Error> {
        for row in 0..self.shape[0] {
            let (a, b) = (self.row(row)?, other.row(row)?);
            let same_bytes = self.kind == other.kind && a == b;
            if !same_bytes && self.kind.dequantize(&a) != other.kind.dequantize(&b) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Every number, where all of them are numbers.
    pub(crate) fn finite(&self) -> Result<Vec<f32>, Error> {
        let numbers = self.to_f32()?;
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
