//! Blocks of packed weights from the tensors of a checkpoint.

#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use half::f16;

use super::{MatrixSource, TensorSource, Want};
use crate::Error;
use crate::checkpoint::{
    Gguf, IQ4_NL_LEVELS, Tensor, TensorType, five_bits, nibbles, q4_k_quants, q4_k_scales,
};
use crate::int4::{BLOCK, Block, channel_scale};
use crate::matrix::{BlockSource, Format};

impl TensorSource for Gguf {
    fn matrix(
        &self,
        name: &str,
        [rows, cols]: [usize; 2],
        want: Want,
    ) -> Result<MatrixSource<'_>, Error> {
        let tensor = tensor(self, &format!("{name}.weight"), &[rows, cols])?;
        Ok(StoredMatrix::new(tensor, RowOrder::AsStored).source(want))
    }

    fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>, Error> {
        Ok(tensor(self, &format!("{name}.weight"), &[len])?.to_f32())
    }

    fn bias(&self, name: &str, len: usize) -> Result<Option<Vec<f32>>, Error> {
        let name = format!("{name}.bias");
        match self.find_tensor(&name) {
            None => Ok(None),
            Some(_) => Ok(Some(tensor(self, &name, &[len])?.to_f32())),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.find_tensor(&format!("{name}.weight")).is_some()
    }
}

fn tensor<'a>(gguf: &'a Gguf, name: &str, shape: &[usize]) -> Result<Tensor<'a>, Error> {
    let tensor = gguf.tensor(name)?;
    if tensor.shape != shape {
        return Err(gguf.error(format!(
            "`{name}` must have the shape {shape:?}, found {:?}",
            tensor.shape
        )));
    }
    Ok(tensor)
}

/// A matrix of a checkpoint, whose memory goes back to the system when it has been packed.
pub(super) struct StoredMatrix<'a> {
    tensor: Tensor<'a>,
    order: RowOrder,
}

/// Which row of a stored matrix is which row of the packed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowOrder {
    AsStored,
    /// Heads of this many rows are stored with the first elements of all rotated pairs before the second ones. In packed
    /// matrices a pair stands side by side.
    Halves(usize),
}

impl RowOrder {
    /// The stored place of a row.
    pub(super) fn stored(self, row: usize) -> usize {
        match self {
            Self::AsStored => row,
            Self::Halves(head_dim) => {
                let (head, row) = (row / head_dim, row % head_dim);
                head * head_dim + row % 2 * (head_dim / 2) + row / 2
            }
        }
    }
}

impl Drop for StoredMatrix<'_> {
    fn drop(&mut self) {
        self.tensor.file.release(self.tensor.bytes);
    }
}

impl<'a> StoredMatrix<'a> {
    /// `tensor` has two dimensions, and rows of whole blocks of 32.
    pub(super) fn new(tensor: Tensor<'a>, order: RowOrder) -> Self {
        Self { tensor, order }
    }

    /// The blocks of the matrix as what is wanted.
    pub(super) fn source(self, want: Want) -> MatrixSource<'a> {
        let kind = self.tensor.kind;
        let stored = stored_format(kind);
        let format = match want {
            Want::Stored(format) => stored.unwrap_or(format),
            Want::Rounded(format) => format,
        };
        let blocks: BlockSource<'a> = match (format, stored == Some(format)) {
            (_, true) => Box::new(move |row, block| stored_block(kind, self.row(row), block)),
            (Format::Int4Channel, _) => self.channel_blocks(),
            (Format::Q8, _) => Box::new(move |row, block| Block::q8(&self.floats(row, block))),
            (Format::Int4 | Format::Int4Symmetric, _) => {
                Box::new(move |row, block| Block::int4(&self.floats(row, block)))
            }
        };
        MatrixSource { format, blocks }
    }

    /// The bytes of a row.
    fn row(&self, row: usize) -> &'a [u8] {
        let bytes = self.tensor.bytes.len() / self.tensor.shape[0];
        &self.tensor.bytes[self.order.stored(row) * bytes..][..bytes]
    }

    /// 32 numbers of a row.
    fn floats(&self, row: usize, block: usize) -> [f32; BLOCK] {
        self.tensor.kind.piece(self.row(row), block)
    }

    /// The matrix rounded to one scale a row. The scale is found when the first block of its row is asked for, by the
    /// thread that packs the row.
    fn channel_blocks(self) -> BlockSource<'a> {
        let scales: Vec<OnceLock<f16>> = vec![OnceLock::new(); self.tensor.shape[0]];
        Box::new(move |row, block| {
            let scale = scales[row].get_or_init(|| {
                let blocks = 0..self.tensor.shape[1] / BLOCK;
                let row: Vec<_> = blocks.map(|block| self.floats(row, block)).collect();
                channel_scale(row.as_flattened())
            });
            Block::channel(&self.floats(row, block), *scale)
        })
    }
}

/// The format that holds what is stored as it is: exactly, or with an error far below the stored rounding's own. Rather
/// eight bits than four that would add an error of their own; only for fewer than four bits that would be a waste.
fn stored_format(kind: TensorType) -> Option<Format> {
    match kind {
        TensorType::Q4_0 => Some(Format::Int4Symmetric),
        TensorType::Q4_1 | TensorType::Q4_K => Some(Format::Int4),
        TensorType::Q8_0
        | TensorType::Q5_0
        | TensorType::Q5_1
        | TensorType::Q5_K
        | TensorType::Q6_K
        | TensorType::IQ4_NL => Some(Format::Q8),
        TensorType::F32
        | TensorType::F16
        | TensorType::BF16
        | TensorType::Q2_K
        | TensorType::Q3_K => None,
    }
}

/// A piece of a row as a block of [`stored_format`].
fn stored_block(kind: TensorType, row: &[u8], piece: usize) -> Block {
    let (bytes, of_block) = kind.block_of(row, piece);
    let half = |at: usize| f16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let block = |min, quants| Block {
        scale: half(0),
        min,
        quants,
    };
    match kind {
        TensorType::Q4_0 => block(
            f16::from_f32(-8.0 * half(0).to_f32()),
            nibbles(&bytes[2..]).map(u8::cast_signed),
        ),
        TensorType::Q4_1 => block(half(2), nibbles(&bytes[4..]).map(u8::cast_signed)),
        TensorType::Q4_K => {
            let (scale, min) = q4_k_scales(bytes, of_block);
            Block {
                scale: f16::from_f32(scale),
                min: f16::from_f32(-min),
                quants: q4_k_quants(bytes, of_block).map(u8::cast_signed),
            }
        }
        TensorType::Q8_0 => block(
            f16::ZERO,
            std::array::from_fn(|i| bytes[2 + i].cast_signed()),
        ),
        TensorType::Q5_0 => block(
            f16::ZERO,
            five_bits(&bytes[2..]).map(|q| q.cast_signed() - 16),
        ),
        TensorType::IQ4_NL => block(
            f16::ZERO,
            nibbles(&bytes[2..]).map(|q| IQ4_NL_LEVELS[usize::from(q)]),
        ),
        _ => Block::q8(&kind.piece(row, piece)),
    }
}
