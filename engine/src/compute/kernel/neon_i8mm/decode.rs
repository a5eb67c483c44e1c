//! One row of activations.
//!
//! A byte holds the nibbles of two neighbouring rows, `byte = 16 high + low`, and extracting both takes two operations.
//! One is enough where the second column of USMMLA is free: beside the byte itself, all it takes is
//! `top = byte & 0xf0`.
//!
//! ```text
//! column 0: byte * x - top * x = low * x
//! column 1:            top * x = 16 high * x
//! ```
//!
//! So one register of 2 x 2 sums has four rows side by side, and nothing is shuffled. The 1/16 costs nothing: sums
//! start at the bits of floats (see [`neon`](super::super::neon)) whose neighbours are 1 apart in column 0 and 1/16 in
//! column 1. Q8 has nothing to unpack, and what has a plane of bits is unpacked to bytes; there column 1 is of no use.

use std::arch::aarch64::*;
use std::ops::Range;

use super::super::neon::{
    CHANNEL, Q8, ROWS, SYMMETRIC, factors, has_halves, load, load_quants, quants, shared_at, store,
    store_quants, sums,
};
use super::super::neon_asm::{load_four_times, load_four_weights, smmla, usmmla};
use crate::compute::block::BLOCK;
use crate::compute::kernel::format::Format;
use crate::compute::kernel::panel::{ActivationBlock, DEPTH, MAGIC, Panel};
use crate::compute::kernel::tile::Tiles;

/// Blocks of activations that are arranged at a time, 22 KiB on the stack.
const BLOCKS_AT_ONCE: usize = 128;

/// A block of activations as the instructions take it.
#[derive(Clone, Copy)]
#[repr(C, align(32))]
struct Operands {
    /// What eight columns of bytes are multiplied with, and what their tops are.
    quants: [[[i8; 2 * DEPTH]; 2]; BLOCK / DEPTH],
    /// Where the sums of the two columns start, twice for a register, and that twice.
    start: [[f32; 4]; 2],
    /// Scale and sum, and nothing: lanes of a register.
    factors: [f32; 4],
}

impl Operands {
    const ZERO: Self = Self {
        quants: [[[0; 2 * DEPTH]; 2]; BLOCK / DEPTH],
        start: [[0.0; 4]; 2],
        factors: [0.0; 4],
    };

    /// Arranges a block, in few enough instructions that threads which take few tiles at a time do not notice.
    #[inline]
    #[target_feature(enable = "neon")]
    fn arrange<const FORMAT: u8>(&mut self, block: &ActivationBlock<'_>) {
        let sixteens = block.quants.as_chunks::<{ 2 * DEPTH }>().0;
        for (eights, x) in self.quants.as_chunks_mut::<2>().0.iter_mut().zip(sixteens) {
            let x = vreinterpretq_s64_s8(load_quants(x));
            let minus_x = vreinterpretq_s64_s8(vnegq_s8(vreinterpretq_s8_s64(x)));
            let nothing = vdupq_n_s64(0);
            let [[bytes, tops], [next_bytes, next_tops]] = eights;
            for (to, eights) in [
                (bytes, vzip1q_s64(x, nothing)),
                (tops, vzip1q_s64(minus_x, x)),
                (next_bytes, vzip2q_s64(x, nothing)),
                (next_tops, vzip2q_s64(minus_x, x)),
            ] {
                store_quants(to, vreinterpretq_s8_s64(eights));
            }
        }
        // Symmetric quants count from 8.
        let offset = if FORMAT == SYMMETRIC {
            8.0 * block.sum
        } else {
            0.0
        };
        let start = vsubq_f32(load(&STARTS), vdupq_n_f32(offset));
        for to in &mut self.start {
            store(to, start);
        }
        self.factors = [block.scale, block.sum, 0.0, 0.0];
    }
}

/// Where sums start but for the offset of symmetric ones.
const STARTS: [f32; 4] = [MAGIC, MAGIC / 16.0, MAGIC, MAGIC / 16.0];

/// # Safety
/// As [`super::int4`], with one row of activations.
#[target_feature(enable = "neon,i8mm")]
pub(super) unsafe fn row<const FORMAT: u8>(tiles: &Tiles<'_>, x: &Panel<'_>, out: &mut [f32]) {
    let tile_block_bytes = tiles.format.tile_block_bytes(tiles.layout);
    let mut operands = [Operands::ZERO; BLOCKS_AT_ONCE];
    out.fill(0.0);
    for first in (0..tiles.blocks).step_by(BLOCKS_AT_ONCE) {
        let operands = &mut operands[..BLOCKS_AT_ONCE.min(tiles.blocks - first)];
        for (b, operands) in operands.iter_mut().enumerate() {
            operands.arrange::<FORMAT>(&x.block(first + b, 0));
        }
        for (tile, out) in out.as_chunks_mut::<ROWS>().0.iter_mut().enumerate() {
            if FORMAT == CHANNEL {
                let at = tile * tiles.tile_bytes() + first * tile_block_bytes;
                let tile_block = tiles.bytes.as_ptr().wrapping_add(at);
                // SAFETY: `tiles` holds one tile block for each block of each tile.
                unsafe { channel_row(tile_block, operands, out) };
            } else {
                // SAFETY: as above.
                unsafe { tile_row::<FORMAT>(tiles, [tile, first], operands, out) };
            }
        }
    }
}

/// Adds the products of consecutive channelwise blocks to the integer sums of one tile: nothing is scaled on the way.
///
/// # Safety
/// `tile_block` points to as many tile blocks as there are operands.
#[inline]
#[target_feature(enable = "neon,i8mm")]
unsafe fn channel_row(mut tile_block: *const u8, operands: &[Operands], out: &mut [f32; ROWS]) {
    // Two sets, for not every core can add to a sum again at once.
    let mut sets = [[vdupq_n_s32(0); ROWS / 4]; 2];
    for x in operands {
        // SAFETY: handed on to the caller.
        unsafe { multiply(tile_block, x, &mut sets) };
        tile_block = tile_block.wrapping_add(BLOCK / 2 * ROWS);
    }
    // Column 1 holds 16 times its products.
    let shifts = vreinterpretq_s32_s64(vdupq_n_s64(-4 << 32));
    let [dots, more] = sets;
    for ((dot, more), out) in dots.into_iter().zip(more).zip(out.as_chunks_mut::<4>().0) {
        let dot = vaddq_s32(dot, more);
        let total = vaddq_s32(vreinterpretq_s32_f32(load(out)), vshlq_s32(dot, shifts));
        store(out, vreinterpretq_f32_s32(total));
    }
}

/// Adds the products of consecutive blocks, from one of a tile on, to the sums of the tile.
///
/// # Safety
/// The tile has as many blocks of the format from there on as there are operands.
#[inline]
#[target_feature(enable = "neon,i8mm")]
unsafe fn tile_row<const FORMAT: u8>(
    tiles: &Tiles<'_>,
    [tile, first]: [usize; 2],
    operands: &[Operands],
    out: &mut [f32; ROWS],
) {
    let tile_block_bytes = tiles.format.tile_block_bytes(tiles.layout);
    let at = tile * tiles.tile_bytes() + first * tile_block_bytes;
    let mut tile_block = tiles.bytes.as_ptr().wrapping_add(at);
    let mut totals = [vdupq_n_f32(0.0); ROWS / 4];
    for (total, out) in totals.iter_mut().zip(out.as_chunks::<4>().0) {
        *total = load(out);
    }
    for (b, x) in operands.iter().enumerate() {
        // SAFETY: handed on to the caller.
        let [dots, second_dots] = unsafe { dots::<FORMAT>(tile_block, x) };
        let x_factors = load(&x.factors);
        let shared = shared_at::<FORMAT>(tiles, tile, first + b);
        for half in 0..2 {
            // SAFETY: handed on to the caller.
            let [scales, seconds] = unsafe { factors::<FORMAT>(tile_block, shared, half) };
            for i in 0..2 {
                let at = 2 * half + i;
                let share = if has_halves(FORMAT) {
                    let second = vmulq_f32(seconds[i], second_dots[at]);
                    vfmaq_f32(second, scales[i], dots[at])
                } else if const { Format::of(FORMAT).has_min() } {
                    let offset = vmulq_laneq_f32::<1>(seconds[i], x_factors);
                    vfmaq_f32(offset, scales[i], dots[at])
                } else {
                    vmulq_f32(scales[i], dots[at])
                };
                totals[at] = vfmaq_laneq_f32::<0>(totals[at], share, x_factors);
            }
        }
        tile_block = tile_block.wrapping_add(tile_block_bytes);
    }
    for (total, out) in totals.into_iter().zip(out.as_chunks_mut::<4>().0) {
        store(out, total);
    }
}

/// The dot products of one block, four rows each; where each half of it has a scale, those of both halves.
///
/// # Safety
/// `tile_block` points to a whole tile block of the format.
#[inline]
#[target_feature(enable = "neon,i8mm")]
unsafe fn dots<const FORMAT: u8>(
    tile_block: *const u8,
    x: &Operands,
) -> [[float32x4_t; ROWS / 4]; 2] {
    if const { Format::of(FORMAT).plane_bits() > 0 } {
        let chunks = x.quants.len();
        let middle = if has_halves(FORMAT) {
            chunks / 2
        } else {
            chunks
        };
        // SAFETY: handed on to the caller.
        let [first, second] = [0..middle, middle..chunks]
            .map(|chunks| unsafe { wide_dots::<FORMAT>(tile_block, x, chunks) });
        return [first, second];
    }
    let starts = || load_four_times(&x.start).map(|start| vreinterpretq_s32_f32(start));
    let dots = if FORMAT == Q8 {
        let mut pairs = [starts(), starts()];
        // SAFETY: handed on to the caller.
        unsafe { multiply_q8(tile_block, x, &mut pairs) };
        let pairs = pairs.as_flattened().as_chunks::<2>().0;
        std::array::from_fn(|i| vuzp1q_s32(pairs[i][0], pairs[i][1]))
    } else {
        let mut sets = [starts()];
        // SAFETY: handed on to the caller.
        unsafe { multiply(tile_block, x, &mut sets) };
        sets[0]
    };
    let base = if FORMAT == Q8 {
        vdupq_n_f32(MAGIC)
    } else {
        load(&STARTS)
    };
    [dots.map(|dot| vsubq_f32(vreinterpretq_f32_s32(dot), base)); 2]
}

/// The dot products of some columns, eight to a chunk, of a block that has a plane of bits.
///
/// # Safety
/// `tile_block` points to a whole tile block of the format, which has these chunks.
#[inline]
#[target_feature(enable = "neon,i8mm")]
unsafe fn wide_dots<const FORMAT: u8>(
    tile_block: *const u8,
    x: &Operands,
    chunks: Range<usize>,
) -> [float32x4_t; ROWS / 4] {
    let start = vdupq_n_s32(MAGIC.to_bits().cast_signed());
    // Rows that share bytes: the first of two neighbours, then the second.
    let mut pairs = [[start; 2]; ROWS / 4];
    for chunk in chunks {
        let columns = load_quants(&x.quants[chunk][0]);
        for (i, pairs) in pairs.iter_mut().enumerate() {
            // SAFETY: handed on to the caller.
            let w = unsafe { quants::<FORMAT>(tile_block, chunk * ROWS * DEPTH / 2 + 16 * i) };
            for (pair, w) in pairs.iter_mut().zip(w) {
                *pair = smmla(*pair, w, columns);
            }
        }
    }
    pairs.map(|[first, second]| sums(vtrn1q_s32(first, second)))
}

/// Adds the products of one block of nibbles to sums of four rows each, to each set of them in turn.
///
/// # Safety
/// `tile_block` points to a whole tile block of a format of nibbles.
#[inline]
#[target_feature(enable = "neon,i8mm")]
unsafe fn multiply<const SETS: usize>(
    tile_block: *const u8,
    x: &Operands,
    sets: &mut [[int32x4_t; ROWS / 4]; SETS],
) {
    let mut at = tile_block;
    for (chunk, [x, x_tops]) in x.quants.iter().enumerate() {
        let dots = &mut sets[chunk % SETS];
        // SAFETY: within the quants of the tile block, by the contract.
        let bytes = unsafe { load_four_weights(&mut at) };
        for (dot, bytes) in dots.iter_mut().zip(bytes) {
            *dot = usmmla(*dot, bytes, load_quants(x));
        }
        for (dot, bytes) in dots.iter_mut().zip(bytes) {
            let tops = vandq_u8(bytes, vdupq_n_u8(0xf0));
            *dot = usmmla(*dot, tops, load_quants(x_tops));
        }
    }
}

/// Adds the products of one block of bytes to the sums of two rows each.
///
/// # Safety
/// `tile_block` points to a whole tile block of Q8.
#[inline]
#[target_feature(enable = "neon,i8mm")]
unsafe fn multiply_q8(tile_block: *const u8, x: &Operands, pairs: &mut [[int32x4_t; 4]; 2]) {
    let mut at = tile_block;
    for [x, _] in &x.quants {
        for pairs in &mut *pairs {
            // SAFETY: within the quants of the tile block, by the contract.
            let w = unsafe { load_four_weights(&mut at) };
            for (pair, w) in pairs.iter_mut().zip(w) {
                *pair = smmla(*pair, vreinterpretq_s8_u8(w), load_quants(x));
            }
        }
    }
}
