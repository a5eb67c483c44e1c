//! Blocks of packed weights from the tensors of a checkpoint.

#[cfg(test)]
mod tests;

use half::f16;

use super::{MatrixSource, RoundingTarget, WeightRequest};
use crate::Error;
use crate::architecture::ModelTensor;
use crate::compute::block::{Block, Parts};
use crate::compute::matrix::{Format, RowSource, RowWriter};
use crate::files::checkpoint::{
    IQ4_NL_LEVELS, Rows, ScaledPiece, Tensor, TensorType, five_bits, nibbles, q4_k_piece,
    q5_k_piece, q6_k_piece,
};

/// A matrix of a checkpoint, whose rows are read as they are asked for.
pub(super) struct StoredMatrix<'a> {
    rows: Rows<'a>,
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
    /// That of a tensor in a checkpoint that keeps such halves.
    pub(super) fn in_halves(tensor: ModelTensor, head_dim: usize) -> Self {
        match tensor.is_rotated() {
            true => Self::Halves(head_dim),
            false => Self::AsStored,
        }
    }

    /// The numbers of a stored vector in the order of the packed rows.
    pub(super) fn numbers(self, stored: &[f32]) -> Vec<f32> {
        let rows = 0..stored.len();
        rows.map(|row| stored[self.stored(row)]).collect()
    }

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

impl<'a> StoredMatrix<'a> {
    /// `tensor` has two dimensions, and rows of whole blocks of 32.
    pub(super) fn new(tensor: Tensor<'a>, order: RowOrder) -> Self {
        let rows = Rows::new(tensor);
        Self { rows, order }
    }

    /// The rows of the matrix as what is wanted.
    pub(super) fn source(self, request: WeightRequest<'a>) -> MatrixSource<'a> {
        let kind = self.rows.tensor.kind;
        let (stored, wanted) = (stored_format(kind), request.target());
        let Some(target) = wanted else {
            let format = match kind {
                TensorType::BF16 => Format::Bf16,
                _ => Format::F32,
            };
            let rows = RowSource::Floats(Box::new(move |row, to| self.floats(row, to)));
            return MatrixSource {
                format,
                order: None,
                rows,
            };
        };
        let rounds = |format: &Format| {
            matches!(request, WeightRequest::Rounded(_)) && !target.keeps(*format)
        };
        let as_stored = stored.filter(|format| !rounds(format));
        let rows: RowWriter<'a, Block> = match as_stored {
            Some(_) => Box::new(move |row, to| self.stored_blocks(row, to)),
            None => Box::new(move |row, to| self.rounded_blocks(row, target, to)),
        };
        MatrixSource {
            format: as_stored.unwrap_or(target.format()),
            order: None,
            rows: RowSource::Blocks(rows),
        }
    }

    /// The blocks of a row as they are stored.
    fn stored_blocks(&self, row: usize, to: &mut [Block]) -> Result<(), Error> {
        self.rows.with(self.order.stored(row), |bytes| {
            for (index, block) in to.iter_mut().enumerate() {
                *block = stored_block(self.rows.tensor.kind, bytes, index);
            }
        })?;
        self.check_scales(row, to)
    }

    /// A row rounded to blocks.
    fn rounded_blocks(
        &self,
        row: usize,
        target: RoundingTarget<'_>,
        to: &mut [Block],
    ) -> Result<(), Error> {
        target.round(|floats| self.floats(row, floats), to)?;
        self.check_scales(row, to)
    }

    /// The numbers of a row.
    fn floats(&self, row: usize, to: &mut [f32]) -> Result<(), Error> {
        self.rows.with(self.order.stored(row), |bytes| {
            for (index, to) in to.as_chunks_mut().0.iter_mut().enumerate() {
                *to = self.rows.tensor.kind.piece(bytes, index);
            }
        })?;
        match to.iter().find(|number| !number.is_finite()) {
            Some(number) => Err(self.refuse(row, &format!("the weight {number}"))),
            None => Ok(()),
        }
    }

    fn check_scales(&self, row: usize, blocks: &[Block]) -> Result<(), Error> {
        let finite = |block: &Block| block.scale.is_finite() && block.min.is_finite();
        match blocks.iter().all(finite) {
            true => Ok(()),
            false => Err(self.refuse(row, "weights beyond the range of an f16 scale")),
        }
    }

    fn refuse(&self, row: usize, what: &str) -> Error {
        let (name, row) = (self.rows.tensor.name, self.order.stored(row));
        self.rows
            .tensor
            .file
            .error(format!("`{name}` has {what} in row {row}"))
    }
}

/// The format that holds what is stored exactly. Rather eight bits than four that would add an error of their own; only for
/// the two and three bits of K types that would be a waste.
fn stored_format(kind: TensorType) -> Option<Format> {
    match kind {
        TensorType::Q1_0 => Some(Format::Int1),
        TensorType::Q2_0 | TensorType::TQ1_0 | TensorType::TQ2_0 => Some(Format::Int2),
        TensorType::Q4_0 => Some(Format::Int4Symmetric),
        TensorType::Q4_1 => Some(Format::Int4),
        TensorType::Q4_K => Some(Format::Int4K),
        TensorType::Q5_0 => Some(Format::Int5Symmetric),
        TensorType::Q5_1 => Some(Format::Int5),
        TensorType::Q5_K => Some(Format::Int5K),
        TensorType::Q6_K => Some(Format::Int6K),
        TensorType::Q8_0 | TensorType::IQ4_NL => Some(Format::Q8),
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
    let symmetric = |scale: f16, zero: f32, quants| Block {
        scale,
        min: f16::from_f32(-zero * scale.to_f32()),
        quants,
        ..Block::ZERO
    };
    let half = |at: usize| f16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let block = |min, quants| Block {
        scale: half(0),
        min,
        quants,
        ..Block::ZERO
    };
    let with_min = |piece: ScaledPiece| Block {
        scale: piece.scale,
        min: -piece.min,
        parts: Parts::ScaleAndMin(piece.parts),
        quants: piece.quants.map(u8::cast_signed),
    };
    match kind {
        TensorType::Q4_0 => symmetric(half(0), 8.0, nibbles(&bytes[2..]).map(u8::cast_signed)),
        TensorType::TQ1_0 | TensorType::TQ2_0 | TensorType::Q1_0 | TensorType::Q2_0 => {
            let (scale, steps) = kind.steps(bytes, of_block);
            symmetric(scale, 1.0, steps.map(|step| step + 1))
        }
        TensorType::Q4_1 => block(half(2), nibbles(&bytes[4..]).map(u8::cast_signed)),
        TensorType::Q4_K => with_min(q4_k_piece(bytes, of_block)),
        TensorType::Q5_K => with_min(q5_k_piece(bytes, of_block)),
        TensorType::Q6_K => {
            let ScaledPiece {
                scale,
                parts,
                quants,
                ..
            } = q6_k_piece(bytes, of_block);
            Block {
                scale,
                parts: Parts::HalfScales(parts.map(u8::cast_signed)),
                quants: quants.map(u8::cast_signed),
                ..Block::ZERO
            }
        }
        TensorType::Q8_0 => block(
            f16::ZERO,
            std::array::from_fn(|i| bytes[2 + i].cast_signed()),
        ),
        TensorType::Q5_0 => symmetric(half(0), 16.0, five_bits(&bytes[2..]).map(u8::cast_signed)),
        TensorType::Q5_1 => block(half(2), five_bits(&bytes[4..]).map(u8::cast_signed)),
        TensorType::IQ4_NL => block(
            f16::ZERO,
            nibbles(&bytes[2..]).map(|q| IQ4_NL_LEVELS[usize::from(q)]),
        ),
        _ => unreachable!("`stored_format` has none for {kind:?}"),
    }
}
