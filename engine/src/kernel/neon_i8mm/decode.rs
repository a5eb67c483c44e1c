//! One row of activations.
//!
//! A byte holds two nibbles, `byte = 16 high + low`, and extracting both takes two operations. One is enough where
//! the second column of USMMLA is free: beside the byte itself, all it takes is `top = byte & 0xf0`.
//!
//! ```text
//! column 0: byte * x_low - top * x_low = low * x_low
//! column 1:                top * x_high = 16 high * x_high
//! ```
//!
//! The 1/16 costs nothing: sums start at the bits of floats (see [`neon`](super::super::neon)) whose neighbours are 1
//! apart in column 0 and 1/16 in column 1. Read as floats and added pairwise they are the dot product plus both
//! starts, exactly, for all of them are integers below 2^24.
//!
//! Nor does every block need a new start: sums run on over [`RUN`] blocks, and a block's dot product is the difference
//! to the sum before. Q8 has nothing to unpack; there column 1 stays zero.

use std::arch::aarch64::*;

use super::super::neon::{
    CHANNEL, INT4, MAGIC, Q8, ROWS, SYMMETRIC, factors, load, load_quants, store,
};
use super::super::neon_asm::{faddp, smmla, usmmla};
use super::DEPTH;
use crate::activations::{ActivationBlock, Activations};
use crate::kernel::Tiles;

/// Blocks that integer sums run on: column 1 stays within 2^22 of its start for 8 * 32 * 240 * 127 / 2 = 3,901,440,
/// and that of Q8 for 8 * 32 * 128 * 127 = 4,161,536.
const RUN: usize = 8;
/// Blocks of activations that are arranged at a time, 10 KiB on the stack.
const BLOCKS_AT_ONCE: usize = 128;

/// A block of activations as the instructions take it.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
struct Operands {
    quants: [[i8; 2 * DEPTH]; 4],
    /// Scale and sum, and nothing: lanes of a register.
    factors: [f32; 4],
}

impl Operands {
    const ZERO: Self = Self {
        quants: [[0; 2 * DEPTH]; 4],
        factors: [0.0; 4],
    };

    #[inline]
    fn new<const FORMAT: u8>(block: &ActivationBlock<'_>) -> Self {
        let mut quants = [[0; 2 * DEPTH]; 4];
        let eights = block.quants.as_chunks::<DEPTH>().0;
        if FORMAT == Q8 {
            for (operand, x) in quants.iter_mut().zip(eights) {
                operand[..DEPTH].copy_from_slice(x);
            }
        } else {
            for i in 0..2 {
                let (low, high) = (eights[i], eights[2 + i]);
                quants[2 * i][..DEPTH].copy_from_slice(&low);
                quants[2 * i + 1][..DEPTH].copy_from_slice(&low.map(i8::wrapping_neg));
                quants[2 * i + 1][DEPTH..].copy_from_slice(&high);
            }
        }
        Self {
            quants,
            factors: [block.scale, block.sum, 0.0, 0.0],
        }
    }
}

/// The sums of one tile.
struct Sums {
    /// Two rows by two columns each, as integers.
    running: [int32x4_t; ROWS / 2],
    /// Of all blocks with their scales, four rows each.
    totals: [float32x4_t; ROWS / 4],
}

/// # Safety
/// As [`super::int4`], with one row of activations.
#[target_feature(enable = "neon,i8mm")]
pub(super) unsafe fn row<const FORMAT: u8>(tiles: &Tiles<'_>, x: &Activations, out: &mut [f32]) {
    let group_bytes = tiles.format.group_bytes(tiles.layout);
    let mut operands = [Operands::ZERO; BLOCKS_AT_ONCE];
    out.fill(0.0);
    for first in (0..tiles.blocks).step_by(BLOCKS_AT_ONCE) {
        let operands = &mut operands[..BLOCKS_AT_ONCE.min(tiles.blocks - first)];
        for (b, operands) in operands.iter_mut().enumerate() {
            *operands = Operands::new::<FORMAT>(&x.block(first + b, 0));
        }
        for (tile, out) in out.as_chunks_mut::<ROWS>().0.iter_mut().enumerate() {
            let at = tile * tiles.tile_bytes() + first * group_bytes;
            let group = tiles.bytes.as_ptr().wrapping_add(at);
            if FORMAT == CHANNEL {
                // SAFETY: `tiles` holds one group for each block of each tile.
                unsafe { channel_row(group, operands, out) };
            } else {
                // SAFETY: as above.
                unsafe { tile_row::<FORMAT>(group, group_bytes, operands, out) };
            }
        }
    }
}

/// Adds the products of consecutive channelwise blocks to the integer sums of one tile: nothing is scaled on the way.
///
/// # Safety
/// `group` points to as many groups as there are operands.
#[inline]
#[target_feature(enable = "neon,i8mm")]
unsafe fn channel_row(mut group: *const u8, operands: &[Operands], out: &mut [f32; ROWS]) {
    let mut running = [vdupq_n_s32(0); ROWS / 2];
    for x in operands {
        // SAFETY: handed on to the caller.
        unsafe { multiply::<CHANNEL>(group, x, &mut running) };
        group = group.wrapping_add(ROWS * DEPTH * 2);
    }
    let (pairs, _) = running.as_chunks::<2>();
    for ([a, b], out) in pairs.iter().zip(out.as_chunks_mut::<4>().0) {
        let total = vaddq_s32(vreinterpretq_s32_f32(load(out)), vuzp1q_s32(*a, *b));
        // Column 1 holds 16 times its products.
        let total = vsraq_n_s32::<4>(total, vuzp2q_s32(*a, *b));
        store(out, vreinterpretq_f32_s32(total));
    }
}

/// Adds the products of consecutive blocks to the sums of one tile.
///
/// # Safety
/// `group` points to as many groups of the format as there are operands.
#[inline]
#[target_feature(enable = "neon,i8mm")]
unsafe fn tile_row<const FORMAT: u8>(
    mut group: *const u8,
    group_bytes: usize,
    operands: &[Operands],
    out: &mut [f32; ROWS],
) {
    let starts = match FORMAT {
        Q8 => [MAGIC, 0.0],
        _ => [MAGIC, MAGIC / 16.0],
    };
    let [start, other] = starts.map(|start| vreinterpretq_s32_f32(vdupq_n_f32(start)));
    let mut sums = Sums {
        running: [start; ROWS / 2],
        totals: [vdupq_n_f32(0.0); ROWS / 4],
    };
    for (total, out) in sums.totals.iter_mut().zip(out.as_chunks::<4>().0) {
        *total = load(out);
    }
    for run in operands.chunks(RUN) {
        sums.running = [vzip1q_s32(start, other); ROWS / 2];
        let mut before = [vdupq_n_f32(starts[0] + starts[1]); ROWS / 4];
        // Two at a time, so that `before` needs no move.
        let (pairs, last) = run.as_chunks::<2>();
        for [x, y] in pairs {
            // SAFETY: handed on to the caller.
            let between = unsafe { block::<FORMAT>(group, x, &mut sums, before) };
            let next = group.wrapping_add(group_bytes);
            // SAFETY: as above.
            before = unsafe { block::<FORMAT>(next, y, &mut sums, between) };
            group = next.wrapping_add(group_bytes);
        }
        for x in last {
            // SAFETY: as above.
            unsafe { block::<FORMAT>(group, x, &mut sums, before) };
            group = group.wrapping_add(group_bytes);
        }
    }
    for (total, out) in sums.totals.into_iter().zip(out.as_chunks_mut::<4>().0) {
        store(out, total);
    }
}

/// Adds the products of one block; takes the running sums before it, and returns those after it.
///
/// # Safety
/// `group` points to a whole group of the format.
#[inline]
#[target_feature(enable = "neon,i8mm")]
unsafe fn block<const FORMAT: u8>(
    group: *const u8,
    x: &Operands,
    sums: &mut Sums,
    mut running: [float32x4_t; ROWS / 4],
) -> [float32x4_t; ROWS / 4] {
    // SAFETY: handed on to the caller.
    unsafe { multiply::<FORMAT>(group, x, &mut sums.running) };
    let x_factors = load(&x.factors);
    for half in 0..2 {
        // SAFETY: handed on to the caller.
        let [scales, mins] = unsafe { factors::<FORMAT>(group, half) };
        for i in 0..2 {
            let at = 2 * half + i;
            let [a, b] = [sums.running[2 * at], sums.running[2 * at + 1]];
            let after = faddp(vreinterpretq_f32_s32(a), vreinterpretq_f32_s32(b));
            let dot = vsubq_f32(after, running[at]);
            let share = match FORMAT {
                INT4 => vfmaq_f32(vmulq_laneq_f32::<1>(mins[i], x_factors), scales[i], dot),
                SYMMETRIC => {
                    let dot = vfmsq_laneq_f32::<1>(dot, vdupq_n_f32(8.0), x_factors);
                    vmulq_f32(scales[i], dot)
                }
                _ => vmulq_f32(scales[i], dot),
            };
            sums.totals[at] = vfmaq_laneq_f32::<0>(sums.totals[at], share, x_factors);
            running[at] = after;
        }
    }
    running
}

/// Adds the integer products of one block to the running sums.
///
/// # Safety
/// `group` points to a whole group of the format.
#[inline]
#[target_feature(enable = "neon,i8mm")]
unsafe fn multiply<const FORMAT: u8>(
    group: *const u8,
    x: &Operands,
    running: &mut [int32x4_t; ROWS / 2],
) {
    let chunks = if FORMAT == Q8 { 4 } else { 2 };
    for chunk in 0..chunks {
        for (pair, sum) in running.iter_mut().enumerate() {
            let at = group.wrapping_add(chunk * DEPTH * ROWS + 2 * DEPTH * pair);
            // SAFETY: within the quants of the group, by the contract.
            let w = unsafe { vld1q_u8(at) };
            *sum = if FORMAT == Q8 {
                smmla(*sum, vreinterpretq_s8_u8(w), load_quants(&x.quants[chunk]))
            } else {
                let sum = usmmla(*sum, w, load_quants(&x.quants[2 * chunk]));
                usmmla(
                    sum,
                    vandq_u8(w, vdupq_n_u8(0xf0)),
                    load_quants(&x.quants[2 * chunk + 1]),
                )
            };
        }
    }
}
