//! Matrices in one kernel's layout and their products with activations on the pool.

mod floats;
mod gated;
mod packing;
mod product;

pub(crate) use self::gated::multiply_gated;
pub(crate) use self::packing::{
    Format, PIECE, PackedMatrices, PackedMatrix, Packing, Plan, RowSource, RowWriter,
};
pub(crate) use self::product::{Product, Sums, multiply};
