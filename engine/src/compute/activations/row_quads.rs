//! Four rows of activations side by side, as an instruction takes them that multiplies two rows by two.
//!
//! They are brought together once for all matrices that they meet, and hold every factor of a block in the shape in
//! which its 2 x 2 sums need it.

use std::ops::Range;

use super::{ActivationBlock, Activations, Panel};
use crate::machine::threads::{Parts, Pool};

/// Consecutive columns of a row in an operand, of which there are two rows.
const DEPTH: usize = 8;

/// One block of four rows: two pairs.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(32))]
pub(crate) struct Quad {
    /// Eight columns of one row, then of the other: `[columns / 8, pairs]`.
    pub(crate) quants: [[[i8; 2 * DEPTH]; 2]; 4],
    /// Of the two rows of each pair, twice.
    pub(crate) scales: [[f32; 4]; 2],
    pub(crate) sums: [[f32; 4]; 2],
    /// Where the sums of symmetric weights start, whose quants count from 8; each twice.
    pub(crate) starts: [[[f32; 4]; 2]; 2],
}

impl Quad {
    const ZERO: Self = Self {
        quants: [[[0; 2 * DEPTH]; 2]; 4],
        scales: [[0.0; 4]; 2],
        sums: [[0.0; 4]; 2],
        starts: [[[0.0; 4]; 2]; 2],
    };

    /// Puts one block of a row in its place among the four.
    fn set(&mut self, row: usize, block: &ActivationBlock<'_>) {
        let (pair, side) = (row / 2, row % 2);
        for (operands, eight) in self
            .quants
            .iter_mut()
            .zip(block.quants.as_chunks::<DEPTH>().0)
        {
            operands[pair][side * DEPTH..][..DEPTH].copy_from_slice(eight);
        }
        for at in [side, side + 2] {
            self.scales[pair][at] = block.scale;
            self.sums[pair][at] = block.sum;
            for start in &mut self.starts[pair] {
                start[at] = block.start;
            }
        }
    }
}

impl<'a> Panel<'a> {
    /// Each block of the four rows from `4 * quad` on. Rows beyond the last hold anything.
    pub(crate) fn quads(&self, quad: usize) -> &'a [Quad] {
        &self.quads[quad * self.blocks..][..self.blocks]
    }
}

impl Activations {
    /// Those of some rows, where there are any; panels begin with a quad.
    pub(super) fn quads_of(&self, rows: Range<usize>) -> &[Quad] {
        let range = rows.start / 4 * self.blocks..rows.end.div_ceil(4) * self.blocks;
        self.quads.get(range).unwrap_or_default()
    }

    /// Brings all rows side by side.
    pub(super) fn fill_quads(&mut self, pool: &mut Pool) {
        let count = self.rows().div_ceil(4);
        let mut quads = std::mem::take(&mut self.quads);
        if quads.len() < count * self.blocks {
            quads.resize(count * self.blocks, Quad::ZERO);
        }
        let parts = Parts::new(&mut quads);
        pool.for_each(count, 1, |range, _| {
            for quad in range {
                // SAFETY: every four rows are written by one thread.
                let quads = unsafe { parts.part(quad * self.blocks..(quad + 1) * self.blocks) };
                let panel = self.panel(4 * quad / self.panels.panel_rows());
                for row in 4 * quad..self.rows().min(4 * quad + 4) {
                    for (block, quad) in quads.iter_mut().enumerate() {
                        quad.set(row % 4, &panel.block(block, row % self.panels.panel_rows()));
                    }
                }
            }
        });
        self.quads = quads;
    }
}
