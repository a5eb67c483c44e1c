//! Numbers and kernels: weights in four to eight bits, activations, products and attention.

pub(crate) mod activations;
pub(crate) mod attention;
pub(crate) mod block;
pub(crate) mod column_order;
pub(crate) mod int4;
pub(crate) mod kernel;
pub(crate) mod kv;
pub(crate) mod matrix;
mod room;
