//! Arm with SDOT: Neoverse N1 and all later.
//!
//! A tile is 16 rows, four to a register with four columns each. SDOT by element multiplies such a register with four
//! columns of activations out of a register that holds sixteen, so no activation is ever broadcast.
//!
//! ```text
//! for each block b of 32 columns, for each row m of activations:
//!     dot[16 rows] = sum over i < 4 of low nibbles[i] * x[b][m][4i..] + high nibbles[i] * x[b][m][16 + 4i..]
//!     sum[m] += x.scale[b][m] * (scale * dot + min * x.sum[b][m])
//! ```
//!
//! Decode unpacks nibbles as they come from memory and keeps all sums in registers. Prefill holds one block of half a
//! tile unpacked in 16 registers while the rows of activations pass by.

use std::arch::aarch64::*;
use std::arch::is_aarch64_feature_detected;

use super::entry::{Entry, KernelSpec};
use super::format::Format;
use super::neon::{
    CHANNEL, HALF, INT1, INT2, INT4, INT4_K, INT5, INT5_K, INT5_SYMMETRIC, INT6_K, Q8, ROWS,
    SYMMETRIC, factors, finish_channels, has_halves, key_dots, load, load_quants, quants,
    shared_at, store, sum_operand, sums, widen,
};
use super::neon_asm::{load_again, sdot};
use super::panel::{MAGIC, Panel, PanelLayout};
use super::span::{Partial, Span};
use super::tile::Tiles;
use super::tile_layout::TileLayout;
use super::vector::{self, vector_ops};
use crate::compute::block::BLOCK;

vector_ops!("neon,dotprod", attend = super::attend);

#[target_feature(enable = "neon,dotprod")]
fn attend(span: &Span<'_>, scratch: &mut [f32], out: &mut Partial<'_>) {
    vector::attend(
        span,
        |from, to| widen(from, to),
        |keys, query| key_dots(keys, query),
        scratch,
        out,
    );
}

/// Consecutive columns of a row in a 32-bit lane.
const DEPTH: usize = 4;
/// Blocks of activations, counting each row's, that prefill goes through before it turns to the next tile: 4 KiB, to
/// stay in the L1 cache.
const BLOCKS_AT_ONCE: usize = 128;

pub(super) const KERNEL: Entry = Entry {
    spec: KernelSpec {
        name: "neon_dotprod",
        tile: TileLayout {
            rows: ROWS,
            depth: DEPTH,
            rows_in_byte: 1,
        },
        panel: PanelLayout::Rows,
    },
    supported: || is_aarch64_feature_detected!("dotprod"),
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
#[target_feature(enable = "neon,dotprod")]
unsafe fn int4(tiles: &Tiles<'_>, x: &Panel<'_>, out: &mut [f32]) {
    let product = match (tiles.format == Format::Int4, x.rows() == 1) {
        (true, true) => row::<INT4>,
        (false, true) => row::<SYMMETRIC>,
        (true, false) => rows::<INT4>,
        (false, false) => rows::<SYMMETRIC>,
    };
    // SAFETY: handed on to the caller.
    unsafe { product(tiles, x, out) }
}

/// # Safety
/// As [`int4`].
#[target_feature(enable = "neon,dotprod")]
unsafe fn channel(tiles: &Tiles<'_>, x: &Panel<'_>, out: &mut [f32]) {
    let product = match x.rows() {
        1 => row::<CHANNEL>,
        _ => rows::<CHANNEL>,
    };
    // SAFETY: handed on to the caller.
    unsafe { product(tiles, x, out) }
    finish_channels(tiles, x, out);
}

/// # Safety
/// As [`int4`].
#[target_feature(enable = "neon,dotprod")]
unsafe fn layered(tiles: &Tiles<'_>, x: &Panel<'_>, out: &mut [f32]) {
    let product = match (tiles.format, x.rows() == 1) {
        (Format::Int1, true) => row::<INT1>,
        (Format::Int1, false) => rows::<INT1>,
        (Format::Int2, true) => row::<INT2>,
        (Format::Int2, false) => rows::<INT2>,
        (Format::Int4K, true) => row::<INT4_K>,
        (Format::Int4K, false) => rows::<INT4_K>,
        (Format::Int5, true) => row::<INT5>,
        (Format::Int5, false) => rows::<INT5>,
        (Format::Int5Symmetric, true) => row::<INT5_SYMMETRIC>,
        (Format::Int5Symmetric, false) => rows::<INT5_SYMMETRIC>,
        (Format::Int5K, true) => row::<INT5_K>,
        (Format::Int5K, false) => rows::<INT5_K>,
        (_, true) => row::<INT6_K>,
        (_, false) => rows::<INT6_K>,
    };
    // SAFETY: handed on to the caller.
    unsafe { product(tiles, x, out) }
}

/// # Safety
/// As [`int4`].
#[target_feature(enable = "neon,dotprod")]
unsafe fn q8(tiles: &Tiles<'_>, x: &Panel<'_>, out: &mut [f32]) {
    let product = match x.rows() {
        1 => row::<Q8>,
        _ => rows::<Q8>,
    };
    // SAFETY: handed on to the caller.
    unsafe { product(tiles, x, out) }
}

/// Where the integer sums of four rows start: channelwise ones go on, symmetric ones carry their offset.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn start<const FORMAT: u8, const LANE: i32>(total: float32x4_t, x_sums: float32x4_t) -> int32x4_t {
    vreinterpretq_s32_f32(match FORMAT {
        CHANNEL => total,
        SYMMETRIC => vdupq_laneq_f32::<LANE>(x_sums),
        _ => load_again(&[MAGIC; 4]),
    })
}

/// Adds one block's share to the sums of four rows, in the order that `scalar` adds. Scale and sum of the activations
/// are in one lane of their registers. Where each half of a block has a scale, each has a dot product.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn add<const FORMAT: u8, const LANE: i32>(
    total: float32x4_t,
    [scales, seconds]: [float32x4_t; 2],
    [dot, second]: [int32x4_t; 2],
    [x_scales, x_sums]: [float32x4_t; 2],
) -> float32x4_t {
    if FORMAT == CHANNEL {
        return vreinterpretq_f32_s32(dot);
    }
    let share = if has_halves(FORMAT) {
        vfmaq_f32(vmulq_f32(seconds, sums(second)), scales, sums(dot))
    } else if const { Format::of(FORMAT).has_min() } {
        let offset = vmulq_laneq_f32::<LANE>(seconds, x_sums);
        vfmaq_f32(offset, scales, sums(dot))
    } else {
        vmulq_f32(scales, sums(dot))
    };
    vfmaq_laneq_f32::<LANE>(total, share, x_scales)
}

/// Decode: one row of activations.
///
/// # Safety
/// As [`int4`].
#[target_feature(enable = "neon,dotprod")]
unsafe fn row<const FORMAT: u8>(tiles: &Tiles<'_>, x: &Panel<'_>, out: &mut [f32]) {
    let tile_block_bytes = tiles.format.tile_block_bytes(tiles.layout);
    for (tile, out) in out.as_chunks_mut::<ROWS>().0.iter_mut().enumerate() {
        let mut tile_block = tiles.bytes.as_ptr().wrapping_add(tile * tiles.tile_bytes());
        let mut totals = [vdupq_n_f32(0.0); ROWS / 4];
        let blocks = x.quants().iter().zip(x.scales()).zip(x.sums());
        for (b, ((quants, scale), sum)) in blocks.enumerate() {
            let x = load_x(quants);
            let x_factors = [*scale, sum_operand::<FORMAT>(*sum)].map(|v| vdupq_n_f32(v));
            let mut dots = totals.map(|total| [start::<FORMAT, 0>(total, x_factors[1]); 2]);
            // SAFETY: `tiles` holds one tile block for each block of each tile.
            unsafe { columns::<FORMAT, 0>(tile_block, x, &mut dots) };
            // SAFETY: as above.
            unsafe { columns::<FORMAT, 1>(tile_block, x, &mut dots) };
            // SAFETY: as above.
            unsafe { columns::<FORMAT, 2>(tile_block, x, &mut dots) };
            // SAFETY: as above.
            unsafe { columns::<FORMAT, 3>(tile_block, x, &mut dots) };
            let shared = shared_at::<FORMAT>(tiles, tile, b);
            for half in 0..2 {
                // SAFETY: as above.
                let [scales, seconds] = unsafe { factors::<FORMAT>(tile_block, shared, half) };
                for i in 0..2 {
                    let at = 2 * half + i;
                    let factors = [scales[i], seconds[i]];
                    totals[at] = add::<FORMAT, 0>(totals[at], factors, dots[at], x_factors);
                }
            }
            tile_block = tile_block.wrapping_add(tile_block_bytes);
        }
        for (total, out) in totals.into_iter().zip(out.as_chunks_mut::<4>().0) {
            store(out, total);
        }
    }
}

/// The two halves of a block of activations.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn load_x(quants: &[i8; BLOCK]) -> [int8x16_t; 2] {
    let halves = quants.as_chunks().0;
    [load_quants(&halves[0]), load_quants(&halves[1])]
}

/// Multiplies the columns of one lane of each half of the activations with all rows of a tile.
///
/// # Safety
/// `tile_block` points to a whole tile block of the format.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn columns<const FORMAT: u8, const LANE: usize>(
    tile_block: *const u8,
    [x_low, x_high]: [int8x16_t; 2],
    dots: &mut [[int32x4_t; 2]; ROWS / 4],
) {
    let second = usize::from(has_halves(FORMAT));
    for (i, dots) in dots.iter_mut().enumerate() {
        // SAFETY: handed on to the caller.
        let [low, high] = unsafe { unpack::<FORMAT>(tile_block, LANE, i) };
        dots[0] = sdot::<LANE>(dots[0], low, x_low);
        dots[second] = sdot::<LANE>(dots[second], high, x_high);
    }
}

/// Four rows by four columns of each half of a block.
///
/// # Safety
/// `tile_block` points to a whole tile block of the format, `lane` and `four` are below 4.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn unpack<const FORMAT: u8>(
    tile_block: *const u8,
    lane: usize,
    four: usize,
) -> [int8x16_t; 2] {
    let at = lane * DEPTH * ROWS + 16 * four;
    if FORMAT == Q8 {
        // Q8 has as many bytes for the other half of the columns.
        let halves = [at, at + BLOCK / 2 * ROWS].map(|at| tile_block.wrapping_add(at));
        // SAFETY: within the quants of the tile block, by the contract.
        return halves.map(|half| unsafe { vld1q_s8(half.cast()) });
    }
    // SAFETY: handed on to the caller.
    unsafe { quants::<FORMAT>(tile_block, at) }
}

/// Small batches and prefill: a block of half a tile is unpacked once for all rows of activations.
///
/// # Safety
/// As [`int4`].
#[target_feature(enable = "neon,dotprod")]
unsafe fn rows<const FORMAT: u8>(tiles: &Tiles<'_>, x: &Panel<'_>, out: &mut [f32]) {
    let tile_block_bytes = tiles.format.tile_block_bytes(tiles.layout);
    out.fill(0.0);
    let at_once = (BLOCKS_AT_ONCE / x.rows()).max(1);
    for first in (0..tiles.blocks).step_by(at_once) {
        for (tile, out) in out.chunks_exact_mut(x.rows() * ROWS).enumerate() {
            for b in first..(first + at_once).min(tiles.blocks) {
                let at = tile * tiles.tile_bytes() + b * tile_block_bytes;
                let tile_block = tiles.bytes.as_ptr().wrapping_add(at);
                let shared = shared_at::<FORMAT>(tiles, tile, b);
                for half in 0..2 {
                    let places = [tile_block, shared];
                    // SAFETY: `tiles` holds one tile block for each block of each tile.
                    unsafe { half_tile::<FORMAT>(places, half, x, b, out) };
                }
            }
        }
    }
}

/// One block of half a tile, unpacked.
struct Weights {
    /// Four columns of each half of the block, by four rows: `[lanes, fours of rows, halves]`.
    quants: [[[int8x16_t; 2]; HALF / 4]; 4],
    /// Of four rows each.
    scales: [float32x4_t; HALF / 4],
    /// The minima, or the scales of the second half of the block.
    seconds: [float32x4_t; HALF / 4],
}

/// Adds one block of half a tile, times all rows of activations, to `out` `[x rows, tile rows]`.
///
/// # Safety
/// `tile_block` points to a whole tile block of the format, `shared` to what it shares with others.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn half_tile<const FORMAT: u8>(
    [tile_block, shared]: [*const u8; 2],
    half: usize,
    x: &Panel<'_>,
    b: usize,
    out: &mut [f32],
) {
    // SAFETY: handed on to the caller.
    let [scales, seconds] = unsafe { factors::<FORMAT>(tile_block, shared, half) };
    let mut weights = Weights {
        quants: [[[vdupq_n_s8(0); 2]; HALF / 4]; 4],
        scales,
        seconds,
    };
    for (lane, quants) in weights.quants.iter_mut().enumerate() {
        for (i, quants) in quants.iter_mut().enumerate() {
            // SAFETY: handed on to the caller.
            *quants = unsafe { unpack::<FORMAT>(tile_block, lane, HALF / 4 * half + i) };
        }
    }
    let block = b * x.rows()..(b + 1) * x.rows();
    let (quants, last_quants) = x.quants()[block.clone()].as_chunks::<4>();
    let (scales, last_scales) = x.scales()[block.clone()].as_chunks::<4>();
    let (sums, last_sums) = x.sums()[block].as_chunks::<4>();
    let (out, last_out) = out.as_chunks_mut::<ROWS>().0.as_chunks_mut::<4>();
    for (((quants, scales), sums), out) in quants.iter().zip(scales).zip(sums).zip(out) {
        let factors = [load(scales), load(&sums.map(sum_operand::<FORMAT>))];
        let [a, b, c, d] = out;
        one_row::<FORMAT, 0>(&weights, half, &quants[0], factors, a);
        one_row::<FORMAT, 1>(&weights, half, &quants[1], factors, b);
        one_row::<FORMAT, 2>(&weights, half, &quants[2], factors, c);
        one_row::<FORMAT, 3>(&weights, half, &quants[3], factors, d);
    }
    let last = last_quants.iter().zip(last_scales).zip(last_sums);
    for (((quants, scale), sum), out) in last.zip(last_out) {
        let factors = [*scale, sum_operand::<FORMAT>(*sum)].map(|v| vdupq_n_f32(v));
        one_row::<FORMAT, 0>(&weights, half, quants, factors, out);
    }
}

/// One row of activations, whose scale and sum are in one lane of `x_factors`.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn one_row<const FORMAT: u8, const LANE: i32>(
    weights: &Weights,
    half: usize,
    quants: &[i8; BLOCK],
    x_factors: [float32x4_t; 2],
    out: &mut [f32; ROWS],
) {
    let x = load_x(quants);
    let out = &mut out.as_chunks_mut::<HALF>().0[half];
    for (i, out) in out.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        let total = load(out);
        let mut dots = [start::<FORMAT, LANE>(total, x_factors[1]); 2];
        for (side, x) in x.into_iter().enumerate() {
            let dot = &mut dots[side * usize::from(has_halves(FORMAT))];
            *dot = sdot::<0>(*dot, weights.quants[0][i][side], x);
            *dot = sdot::<1>(*dot, weights.quants[1][i][side], x);
            *dot = sdot::<2>(*dot, weights.quants[2][i][side], x);
            *dot = sdot::<3>(*dot, weights.quants[3][i][side], x);
        }
        let factors = [weights.scales[i], weights.seconds[i]];
        let total = add::<FORMAT, LANE>(total, factors, dots, x_factors);
        store(out, total);
    }
}

/// Multiplications on registers alone, in enough chains to hide their latency.
#[target_feature(enable = "neon,dotprod")]
fn peak(rounds: usize) -> u64 {
    let weights = std::hint::black_box(vdupq_n_s8(7));
    let columns = std::hint::black_box(vdupq_n_s8(1));
    // Chains that are known to be alike would be computed once.
    let mut sums = std::hint::black_box([vdupq_n_s32(0); 16]);
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = sdot::<0>(*sum, weights, columns);
        }
    }
    std::hint::black_box(sums);
    (rounds * sums.len() * 16) as u64
}
