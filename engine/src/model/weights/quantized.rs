//! Matrices that a folder holds in four bits, taken as they are.
//!
//! A weight is `scale * (q - zero)`. Its `q` goes into a block unchanged, with the scale and `-zero * scale`, each
//! rounded to f16. A group of more than 32 columns becomes several blocks with the same scale. Columns that do not lie in
//! groups (act-order) are packed in an order in which they do.

#[cfg(test)]
mod golden;
mod tensors;
#[cfg(test)]
mod tests;

use half::f16;

use super::blocks::RowOrder;
use super::{MatrixSource, RoundingTarget, WeightRequest};
use crate::Error;
use crate::compute::block::{BLOCK, Block};
use crate::compute::matrix::{Format, RowSource, RowWriter};
use crate::files::checkpoint::HfFolder;
use crate::files::config::quantization::Quantization;
use tensors::QuantizedTensors;

/// The zero point of symmetric weights.
const MIDDLE: i16 = 8;

/// A matrix, which is in memory while it is packed.
#[derive(Debug)]
pub(super) struct QuantizedMatrix<'a> {
    tensors: QuantizedTensors<'a>,
    order: RowOrder,
    /// Columns that share a scale.
    group: usize,
    cols: usize,
    /// Whether all zero points are [`MIDDLE`], so that blocks need no minimum.
    symmetric: bool,
}

impl<'a> QuantizedMatrix<'a> {
    /// The matrix `name` with rows of whole blocks of 32.
    ///
    /// # Errors
    /// [`Error::Model`] when a part is missing or is not what it must be.
    pub(super) fn open(
        folder: &'a HfFolder,
        name: &str,
        shape: [usize; 2],
        quantization: Quantization,
        order: RowOrder,
    ) -> Result<Self, Error> {
        let [rows, cols] = shape;
        let group = quantization.group.unwrap_or(cols);
        let tensors = QuantizedTensors::open(folder, name, shape, group, quantization.packing)?;
        let groups = cols.div_ceil(group);
        let all = || (0..rows).flat_map(|row| (0..groups).map(move |group| (row, group)));
        let known = tensors.groups()?;
        let symmetric = all().all(|(row, group)| known.zero(row, group) == MIDDLE);
        let inexact = all().find(|(row, group)| {
            let scale = known.scale(*row, *group);
            f16::from_f32(scale).to_f32() != scale
        });
        if let Some((row, _)) = inexact {
            tracing::warn!("`{name}` has scales that are not f16, one in row {row}: rounded");
        }
        Ok(Self {
            tensors,
            order,
            group,
            cols,
            symmetric,
        })
    }

    /// The rows of the matrix as what is wanted.
    pub(super) fn source(self, request: WeightRequest<'a>) -> MatrixSource<'a> {
        let Some(target) = request.target() else {
            return MatrixSource {
                format: Format::F32,
                order: None,
                rows: RowSource::Floats(Box::new(move |row, to| self.floats(row, to))),
            };
        };
        let stored = self.format(target);
        let rounds = matches!(request, WeightRequest::Rounded(_)) && !self.keeps(target, stored);
        let order = self.tensors.order.clone().filter(|_| !rounds);
        let (format, rows): (_, RowWriter<'a, Block>) = match rounds {
            false => (stored, Box::new(move |row, to| self.blocks(row, to))),
            true => (
                target.format(),
                Box::new(move |row, to| self.rounded_blocks(row, target, to)),
            ),
        };
        MatrixSource {
            format,
            order,
            rows: RowSource::Blocks(rows),
        }
    }

    /// The format that holds what is stored; one scale for a row only where that is wanted.
    fn format(&self, target: RoundingTarget<'_>) -> Format {
        match self.symmetric {
            true if self.group >= self.cols && target.format() == Format::Int4Channel => {
                Format::Int4Channel
            }
            true => Format::Int4Symmetric,
            false => Format::Int4,
        }
    }

    /// Whether rounding would only add an error.
    fn keeps(&self, target: RoundingTarget<'_>, stored: Format) -> bool {
        stored == Format::Int4Channel || target.keeps(stored)
    }

    /// The blocks of a row as they are stored, but for the order of its columns.
    fn blocks(&self, row: usize, to: &mut [Block]) -> Result<(), Error> {
        let (stored, numbers) = (self.order.stored(row), self.tensors.numbers()?);
        for (index, block) in to.iter_mut().enumerate() {
            let (first, group) = (index * BLOCK, index * BLOCK / self.group);
            let scale = f16::from_f32(numbers.scale(stored, group));
            let zero = f32::from(numbers.zero(stored, group));
            let quant = |i| numbers.quant(stored, self.column(first + i));
            *block = Block {
                scale,
                min: f16::from_f32(-zero * scale.to_f32()),
                quants: std::array::from_fn(|i| quant(i).cast_signed()),
                ..Block::ZERO
            };
        }
        self.check_scales(row, to)
    }

    /// A row rounded to other blocks.
    fn rounded_blocks(
        &self,
        row: usize,
        target: RoundingTarget<'_>,
        to: &mut [Block],
    ) -> Result<(), Error> {
        target.round(|floats| self.floats(row, floats), to)?;
        self.check_scales(row, to)
    }

    /// The stored place of a column of groups side by side.
    fn column(&self, column: usize) -> usize {
        let order = self.tensors.order.as_ref();
        order.map_or(column, |order| order.stored(column))
    }

    /// The weights of a row, its columns as they are stored.
    fn floats(&self, row: usize, to: &mut [f32]) -> Result<(), Error> {
        let (stored, numbers) = (self.order.stored(row), self.tensors.numbers()?);
        for group in 0..self.cols.div_ceil(self.group) {
            let scale = numbers.scale(stored, group);
            if !scale.is_finite() {
                return Err(self.tensors.refuse_scale(stored, scale));
            }
            let (first, zero) = (group * self.group, numbers.zero(stored, group));
            for column in first..self.cols.min(first + self.group) {
                let column = self.column(column);
                let quant = i16::from(numbers.quant(stored, column));
                to[column] = scale * f32::from(quant - zero);
            }
        }
        Ok(())
    }

    fn check_scales(&self, row: usize, blocks: &[Block]) -> Result<(), Error> {
        let finite = |block: &&Block| !(block.scale.is_finite() && block.min.is_finite());
        match blocks.iter().find(finite) {
            None => Ok(()),
            Some(block) => {
                let stored = self.order.stored(row);
                Err(self.tensors.refuse_scale(stored, block.scale.to_f32()))
            }
        }
    }
}
