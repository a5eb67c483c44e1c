//! Matrices in one kernel's layout and their products with activations on the pool.
//!
//! A [`PackedMatrix`] carries the kernel that reads it, so a wrong layout cannot be expressed.

mod floats;
mod gated;
mod input;
mod output;
mod packed;
mod packing;
mod product;

pub(crate) use self::gated::multiply_gated;
pub(crate) use self::input::{MatmulInput, layout_for};
pub(crate) use self::packed::PackedMatrix;
pub(crate) use self::packing::{
    CHUNK_BYTES, MatrixPlan, PackedMatrices, Packing, RowSource, RowWriter,
};
pub(crate) use self::product::{MatmulScratch, Product, multiply};
pub(crate) use crate::compute::kernel::format::Format;
