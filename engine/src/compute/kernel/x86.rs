//! The loops of the x86-64 kernels, written once for any width of registers.

mod ahead;
mod attention;
mod isa;
mod products;
mod sums;
mod weights;

pub(super) use self::ahead::prefetch;
pub(super) use self::attention::attend;
pub(super) use self::isa::{Isa, tile_layout};
pub(super) use self::products::{channel, int4, layered, q8};
