//! Arm with the matrix multiplications SMMLA and USMMLA: Neoverse V1, N2, V2 and all later.
//!
//! A tile is 16 rows, of which a register has eight columns of two, or of four that share bytes in twos. One
//! instruction multiplies two rows with two times eight activations to 2 x 2 sums. What the second column of
//! activations is, differs: [`prefill`] has two rows of activations, [`decode`] has one and lets the other column help
//! to unpack nibbles.

mod decode;
mod prefill;

use std::arch::aarch64::{vdupq_n_s8, vdupq_n_s32};
use std::arch::is_aarch64_feature_detected;

use super::entry::{Entry, KernelSpec};
use super::format::Format;
use super::neon::{
    CHANNEL, INT1, INT2, INT4, INT4_K, INT5, INT5_K, INT5_SYMMETRIC, INT6_K, Q8, ROWS, SYMMETRIC,
    finish_channels, key_dots, widen,
};
use super::neon_asm::smmla;
use super::panel::{DEPTH, Panel, PanelLayout};
use super::span::{Partial, Span};
use super::tile::Tiles;
use super::tile_layout::TileLayout;
use super::vector::{self, vector_ops};

vector_ops!("neon,dotprod,i8mm", attend = super::attend);

#[target_feature(enable = "neon,dotprod,i8mm")]
fn attend(span: &Span<'_>, scratch: &mut [f32], out: &mut Partial<'_>) {
    vector::attend(
        span,
        |from, to| widen(from, to),
        |keys, query| key_dots(keys, query),
        scratch,
        out,
    );
}

pub(super) const KERNEL: Entry = Entry {
    spec: KernelSpec {
        name: "neon_i8mm",
        tile: TileLayout {
            rows: ROWS,
            depth: DEPTH,
            rows_in_byte: 2,
        },
        panel: PanelLayout::RowQuads,
    },
    supported: || is_aarch64_feature_detected!("dotprod") && is_aarch64_feature_detected!("i8mm"),
    int4,
    channel,
    layered,
    q8,
    ops: ops::OPS,
    peak: Some(|rounds| {
        // SAFETY: a kernel is only handed out where its features are there.
        unsafe { peak(rounds) }
    }),
};

/// # Safety
/// The CPU has the features, and the shapes are those that [`Kernel::multiply`](super::Kernel::multiply) checks.
#[target_feature(enable = "neon,i8mm")]
unsafe fn int4(tiles: &Tiles<'_>, x: &Panel<'_>, out: &mut [f32]) {
    let product = match (tiles.format == Format::Int4, x.rows() == 1) {
        (true, true) => decode::row::<INT4>,
        (false, true) => decode::row::<SYMMETRIC>,
        (true, false) => prefill::rows::<INT4>,
        (false, false) => prefill::rows::<SYMMETRIC>,
    };
    // SAFETY: handed on to the caller.
    unsafe { product(tiles, x, out) }
}

/// # Safety
/// As [`int4`].
#[target_feature(enable = "neon,i8mm")]
unsafe fn channel(tiles: &Tiles<'_>, x: &Panel<'_>, out: &mut [f32]) {
    let product = match x.rows() {
        1 => decode::row::<CHANNEL>,
        _ => prefill::rows::<CHANNEL>,
    };
    // SAFETY: handed on to the caller.
    unsafe { product(tiles, x, out) }
    finish_channels(tiles, x, out);
}

/// # Safety
/// As [`int4`].
#[target_feature(enable = "neon,i8mm")]
unsafe fn layered(tiles: &Tiles<'_>, x: &Panel<'_>, out: &mut [f32]) {
    let product = match (tiles.format, x.rows() == 1) {
        (Format::Int1, true) => decode::row::<INT1>,
        (Format::Int1, false) => prefill::rows::<INT1>,
        (Format::Int2, true) => decode::row::<INT2>,
        (Format::Int2, false) => prefill::rows::<INT2>,
        (Format::Int4K, true) => decode::row::<INT4_K>,
        (Format::Int4K, false) => prefill::rows::<INT4_K>,
        (Format::Int5, true) => decode::row::<INT5>,
        (Format::Int5, false) => prefill::rows::<INT5>,
        (Format::Int5Symmetric, true) => decode::row::<INT5_SYMMETRIC>,
        (Format::Int5Symmetric, false) => prefill::rows::<INT5_SYMMETRIC>,
        (Format::Int5K, true) => decode::row::<INT5_K>,
        (Format::Int5K, false) => prefill::rows::<INT5_K>,
        (_, true) => decode::row::<INT6_K>,
        (_, false) => prefill::rows::<INT6_K>,
    };
    // SAFETY: handed on to the caller.
    unsafe { product(tiles, x, out) }
}

/// # Safety
/// As [`int4`].
#[target_feature(enable = "neon,i8mm")]
unsafe fn q8(tiles: &Tiles<'_>, x: &Panel<'_>, out: &mut [f32]) {
    let product = match x.rows() {
        1 => decode::row::<Q8>,
        _ => prefill::rows::<Q8>,
    };
    // SAFETY: handed on to the caller.
    unsafe { product(tiles, x, out) }
}

/// Multiplications on registers alone, in enough chains to hide their latency.
#[target_feature(enable = "neon,i8mm")]
fn peak(rounds: usize) -> u64 {
    let weights = std::hint::black_box(vdupq_n_s8(7));
    let columns = std::hint::black_box(vdupq_n_s8(1));
    // Chains that are known to be alike would be computed once.
    let mut sums = std::hint::black_box([vdupq_n_s32(0); 16]);
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = smmla(*sum, weights, columns);
        }
    }
    std::hint::black_box(sums);
    (rounds * sums.len() * 32) as u64
}
