//! Tensors by name from a model file, as the file stores them.
//!
//! A [`Tensor`] borrows the mapped file: nothing is copied until somebody dequantises or packs it. What the numbers
//! mean for a model is decided in `config` and `model`, not here.

mod gguf;
mod hugging_face;
mod k_quants;
mod mapped;
mod tensor_type;

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

impl Tensor<'_> {
    /// Every number, row after row.
    pub(crate) fn to_f32(&self) -> Vec<f32> {
        self.kind.dequantize(self.bytes)
    }
}
