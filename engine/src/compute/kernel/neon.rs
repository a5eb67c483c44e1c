//! What the Arm kernels share: the shape of a tile, widening, and integer sums that become floats at no cost.
//!
//! Converting an integer takes two operations on two of the four pipes of a Neoverse V2. Instead, a sum starts at the
//! bits of [`MAGIC`] rather than at zero. While it stays within 2^22 of its start, its bits read as a float are
//! `MAGIC` plus the sum, exactly, so that one subtraction is left.

use std::arch::aarch64::*;

use half::f16;

use super::format::Format;
use super::panel::{MAGIC, Panel};
use super::tile::Tiles;
use crate::compute::block::BLOCK;

/// Rows of a tile.
pub(super) const ROWS: usize = 16;
/// Rows of which prefill holds a block in registers.
pub(super) const HALF: usize = ROWS / 2;

/// Formats as parameters of functions.
pub(super) const INT4: u8 = Format::Int4 as u8;
pub(super) const SYMMETRIC: u8 = Format::Int4Symmetric as u8;
pub(super) const CHANNEL: u8 = Format::Int4Channel as u8;
pub(super) const Q8: u8 = Format::Q8 as u8;

/// Four integer sums as floats.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn sums(accumulated: int32x4_t) -> float32x4_t {
    vsubq_f32(vreinterpretq_f32_s32(accumulated), vdupq_n_f32(MAGIC))
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn load(from: &[f32; 4]) -> float32x4_t {
    // SAFETY: 4 floats.
    unsafe { vld1q_f32(from.as_ptr()) }
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn store(to: &mut [f32; 4], from: float32x4_t) {
    // SAFETY: 4 floats.
    unsafe { vst1q_f32(to.as_mut_ptr(), from) }
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn load_quants(from: &[i8; 16]) -> int8x16_t {
    // SAFETY: 16 quants.
    unsafe { vld1q_s8(from.as_ptr()) }
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn store_quants(to: &mut [i8; 16], from: int8x16_t) {
    // SAFETY: 16 quants.
    unsafe { vst1q_s8(to.as_mut_ptr(), from) }
}

#[target_feature(enable = "neon")]
pub(super) fn widen(from: &[f16], to: &mut [f32]) {
    let (from, to) = (from.as_chunks::<8>().0, to.as_chunks_mut::<8>().0);
    for (from, to) in from.iter().zip(to) {
        // SAFETY: `from` is 8 halves.
        let [low, high] = unsafe { load_halves(from.as_ptr().cast()) };
        for (half, to) in [low, high].into_iter().zip(to.as_chunks_mut::<4>().0) {
            store(to, half);
        }
    }
}

/// Eight halves as floats.
///
/// # Safety
/// `from` points to 16 readable bytes.
#[inline]
#[target_feature(enable = "neon")]
pub(super) unsafe fn load_halves(from: *const u8) -> [float32x4_t; 2] {
    // SAFETY: handed on to the caller.
    let halves = vreinterpretq_f16_u8(unsafe { vld1q_u8(from) });
    [
        vcvt_f32_f16(vget_low_f16(halves)),
        vcvt_high_f32_f16(halves),
    ]
}

/// Scales and minima of half a tile, four rows at a time; what the format has none of is of no use.
///
/// # Safety
/// `tile_block` points to a whole tile block of the format.
#[inline]
#[target_feature(enable = "neon")]
pub(super) unsafe fn factors<const FORMAT: u8>(
    tile_block: *const u8,
    half: usize,
) -> [[float32x4_t; 2]; 2] {
    if FORMAT == CHANNEL {
        return [[vdupq_n_f32(0.0); 2]; 2];
    }
    let quant_bytes = if FORMAT == Q8 { BLOCK } else { BLOCK / 2 };
    let at = tile_block.wrapping_add(quant_bytes * ROWS + 2 * HALF * half);
    // SAFETY: the scales follow the quants.
    let scales = unsafe { load_halves(at) };
    let mins = match FORMAT {
        // SAFETY: the minima follow the scales.
        INT4 => unsafe { load_halves(at.wrapping_add(2 * ROWS)) },
        _ => scales,
    };
    [scales, mins]
}

/// What a kernel needs of a block's sum of activations: the sum itself beside minima. A symmetric format takes 8 times
/// the sum off its dot product by starting there.
#[inline]
pub(super) fn sum_operand<const FORMAT: u8>(sum: f32) -> f32 {
    if FORMAT == SYMMETRIC {
        MAGIC - 8.0 * sum
    } else {
        sum
    }
}

/// Scales the integer sums of channelwise tiles, which `out` `[tiles, x rows, tile rows]` holds the bits of.
#[target_feature(enable = "neon")]
pub(super) fn finish_channels(tiles: &Tiles<'_>, x: &Panel<'_>, out: &mut [f32]) {
    for (tile, out) in tiles.iter().zip(out.chunks_exact_mut(x.rows() * ROWS)) {
        let scales: [f32; ROWS] = std::array::from_fn(|row| tile.channel_scale(row));
        let sums: [f32; ROWS] = std::array::from_fn(|row| tile.channel_sum(row));
        let factors = || {
            scales
                .as_chunks::<4>()
                .0
                .iter()
                .zip(sums.as_chunks::<4>().0)
        };
        for (row, out) in out.chunks_exact_mut(ROWS).enumerate() {
            let offset = vdupq_n_s32(8 * x.row_sum(row));
            let zero_point = vdupq_n_f32(x.zero_point(row));
            let x_scale = vdupq_n_f32(x.block(0, row).scale);
            for (out, (scales, sums)) in out.as_chunks_mut::<4>().0.iter_mut().zip(factors()) {
                let dot = vsubq_s32(vreinterpretq_s32_f32(load(out)), offset);
                let share = vmulq_f32(load(scales), vcvtq_f32_s32(dot));
                let share = vfmsq_f32(share, zero_point, load(sums));
                store(out, vmulq_f32(x_scale, share));
            }
        }
    }
}
