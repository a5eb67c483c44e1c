//! What a kernel's file says of it: a row of the table.

use super::panel::{Grouping, Panel, PanelLayout};
use super::quantized::RowsMut;
use super::span::{Partial, Span};
use super::tile::Tiles;
use super::tile_layout::TileLayout;

/// A kernel's name, and how it wants its operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KernelSpec {
    /// Instruction set and feature, such as "neon_i8mm".
    pub(crate) name: &'static str,
    pub(crate) tile: TileLayout,
    pub(crate) panel: PanelLayout,
}

/// One kernel: its layouts, its matrix products and its version of the steps around them. All functions may use
/// instructions that not every CPU has.
pub(super) struct Entry {
    pub(super) spec: KernelSpec,
    /// Whether this CPU has the instructions.
    pub(super) supported: fn() -> bool,
    pub(super) int4: TileProduct,
    /// Channelwise int4.
    pub(super) channel: TileProduct,
    /// What has a plane of bits, or scales of two parts.
    pub(super) layered: TileProduct,
    pub(super) q8: TileProduct,
    pub(super) ops: VectorOps,
    /// So many rounds of the kernel's multiplication on registers alone; returns the multiply-accumulates. None where
    /// that would not be a limit of prefill.
    pub(super) peak: Option<fn(usize) -> u64>,
}

/// Multiplies whole tiles with every row of activations; `out` is `[tiles, activation rows, tile rows]`.
pub(super) type TileProduct = unsafe fn(tiles: &Tiles<'_>, x: &Panel<'_>, out: &mut [f32]);

/// The steps around the products; what each does is said at its twin in [`vector`](super::vector).
pub(super) struct VectorOps {
    pub(super) rms_norm: unsafe fn(&[f32], &[f32], f32, &mut [f32]),
    pub(super) quantize: unsafe fn(&[&[f32]], Grouping, &mut RowsMut<'_>),
    pub(super) swiglu: unsafe fn(&mut [f32], &[f32]),
    pub(super) softmax_weights: unsafe fn(&[f32], f32, f32, &mut [f32]) -> f32,
    pub(super) rope: unsafe fn(&mut [f32], &[f32]),
    pub(super) attend: unsafe fn(&Span<'_>, &mut [f32], &mut Partial<'_>),
    pub(super) dots: unsafe fn(&[f32], &[f32], usize, &mut [f32]),
}
