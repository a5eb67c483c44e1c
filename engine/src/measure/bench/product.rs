//! One matrix product of one kernel, to be timed by itself.

use std::fmt;

use super::shapes::RandomWeights;
use crate::compute::activations::{Activations, StoredRows};
use crate::compute::kernel::format::Format;
use crate::compute::kernel::{self, Kernel};
use crate::compute::matrix::{
    self, MatmulInput, MatmulScratch, PackedMatrix, Packing, Product, layout_for,
};
use crate::machine::threads::Pool;

/// Rows and columns of the matrix: as large as the products of an 8B model.
const SIDE: usize = 4096;
/// Of so many matrices are the weights of one row of activations, to be beyond every cache: 134 MB and more.
const MATRICES: usize = 16;

/// A product that this CPU can compute.
#[derive(Clone, Debug)]
pub struct Case {
    kernel: &'static Kernel,
    format: Format,
    rows: usize,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?} m={}", self.kernel, self.format, self.rows)
    }
}

/// Every supported kernel with every format, for so many rows of activations.
pub fn cases<const N: usize>(rows: [usize; N]) -> Vec<Case> {
    let mut cases = Vec::new();
    for kernel in kernel::supported() {
        for format in Format::QUANTIZED {
            cases.extend(rows.map(|rows| Case {
                kernel,
                format,
                rows,
            }));
        }
    }
    cases
}

impl Case {
    /// Packs random weights and quantises random activations.
    ///
    /// # Panics
    /// When there is no memory for the matrix.
    #[must_use]
    pub fn prepare(&self) -> PreparedProduct {
        let mut pool = Pool::new(1).expect("a pool of the caller's thread alone starts none");
        let mut packing = Packing::new(self.kernel);
        let rows = if self.rows == 1 {
            MATRICES * SIDE
        } else {
            SIDE
        };
        packing.add("", [rows, SIDE], self.format, RandomWeights::rows(SIDE));
        let matrix = packing
            .pack(&mut pool)
            .expect("memory for the matrix")
            .remove("")
            .expect("it was planned");
        let row: Vec<f32> = (0..SIDE).map(|i| (i % 63) as f32 / 31.0 - 1.0).collect();
        let values = &row.repeat(self.rows);
        let mut x = Activations::default();
        let layout = layout_for(&[&matrix]);
        let source = StoredRows { values, cols: SIDE };
        x.fill(&mut pool, self.kernel, layout, &source);
        PreparedProduct {
            matrix,
            x,
            pool,
            scratch: MatmulScratch::default(),
            out: vec![0.0; self.rows * rows],
        }
    }
}

/// Operands of a product and room for it.
#[derive(Debug)]
pub struct PreparedProduct {
    matrix: PackedMatrix,
    x: Activations,
    pool: Pool,
    scratch: MatmulScratch,
    out: Vec<f32>,
}

impl PreparedProduct {
    /// Computes the product once.
    pub fn run(&mut self) {
        let product = Product {
            matrix: &self.matrix,
            out: &mut self.out,
            add: false,
        };
        let x = MatmulInput::Rows(&self.x);
        matrix::multiply(&mut self.pool, &x, &mut self.scratch, [product]);
    }

    /// Bytes of packed weights that a run reads.
    #[must_use]
    pub fn weight_bytes(&self) -> usize {
        self.matrix.bytes()
    }

    /// Multiply-accumulates of a run.
    #[must_use]
    pub fn multiply_accumulates(&self) -> usize {
        self.matrix.rows() * self.matrix.cols() * self.x.rows()
    }
}
