//! What the Arm kernels share: the shape of a tile, widening, and integer sums that become floats at no cost.
//!
//! Converting an integer takes two operations on two of the four pipes of a Neoverse V2. Instead, a sum starts at the
//! bits of [`MAGIC`] rather than at zero. While it stays within 2^22 of its start, its bits read as a float are
//! `MAGIC` plus the sum, exactly, so that one subtraction is left.

use std::arch::aarch64::*;

use half::f16;

use super::format::{Factors, Format};
use super::neon_asm::sdot;
use super::panel::{MAGIC, Panel};
use super::span::{KEY_BLOCK, KEY_DEPTH};
use super::tile::Tiles;
use crate::compute::block::BLOCK;

/// Rows of a tile.
pub(super) const ROWS: usize = 16;
/// Rows of which prefill holds a block in registers.
pub(super) const HALF: usize = ROWS / 2;

/// Formats as parameters of functions.
pub(super) const INT1: u8 = Format::Int1 as u8;
pub(super) const INT2: u8 = Format::Int2 as u8;
pub(super) const INT4: u8 = Format::Int4 as u8;
pub(super) const SYMMETRIC: u8 = Format::Int4Symmetric as u8;
pub(super) const CHANNEL: u8 = Format::Int4Channel as u8;
pub(super) const INT4_K: u8 = Format::Int4K as u8;
pub(super) const INT5: u8 = Format::Int5 as u8;
pub(super) const INT5_SYMMETRIC: u8 = Format::Int5Symmetric as u8;
pub(super) const INT5_K: u8 = Format::Int5K as u8;
pub(super) const INT6_K: u8 = Format::Int6K as u8;
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

/// The products of a query with the keys of a block, both in eight bits.
#[inline]
#[target_feature(enable = "neon,dotprod")]
pub(super) fn key_dots(
    keys: &[[[i8; KEY_DEPTH]; KEY_BLOCK]],
    query: &[[i8; KEY_DEPTH]],
) -> [i32; KEY_BLOCK] {
    let mut sums = [vdupq_n_s32(0); KEY_BLOCK / 4];
    for (keys, query) in keys.iter().zip(query) {
        let query = vreinterpretq_s8_s32(vdupq_n_s32(i32::from_ne_bytes(
            query.map(i8::cast_unsigned),
        )));
        for (sum, keys) in sums.iter_mut().zip(keys.as_flattened().as_chunks().0) {
            *sum = sdot::<0>(*sum, load_quants(keys), query);
        }
    }
    let mut dots = [0; KEY_BLOCK];
    for (dots, sum) in dots.as_chunks_mut::<4>().0.iter_mut().zip(sums) {
        // SAFETY: 4 sums.
        unsafe { vst1q_s32(dots.as_mut_ptr(), sum) };
    }
    dots
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

/// Whether each half of a block has a scale.
pub(super) const fn has_halves(format: u8) -> bool {
    matches!(Format::of(format).factors(), Factors::SharedHalfScales)
}

/// The quants of 16 bytes of nibbles with the bits of the plane; `at` says where these bytes stand among those of the tile
/// block, or would if there were any. Symmetric quants are signed where there is a plane.
///
/// # Safety
/// `tile_block` points to a whole tile block of the format, and `at` is a multiple of 16 below 16 times its rows.
#[inline]
#[target_feature(enable = "neon")]
pub(super) unsafe fn quants<const FORMAT: u8>(tile_block: *const u8, at: usize) -> [int8x16_t; 2] {
    let (mut low, mut high) = (vdupq_n_u8(0), vdupq_n_u8(0));
    if const { Format::of(FORMAT).has_nibbles() } {
        // SAFETY: within the quants of the tile block, by the contract.
        let packed = unsafe { vld1q_u8(tile_block.wrapping_add(at)) };
        (low, high) = (vandq_u8(packed, vdupq_n_u8(15)), vshrq_n_u8::<4>(packed));
    }
    if const { Format::of(FORMAT).plane_bits() == 0 } {
        return [vreinterpretq_s8_u8(low), vreinterpretq_s8_u8(high)];
    }
    let bits = const { Format::of(FORMAT).plane_bits() };
    let plane_bytes = ROWS * BLOCK / 8 * bits;
    let place = const { Format::of(FORMAT).nibble_bytes() * ROWS } + at % plane_bytes;
    // SAFETY: the plane follows the nibbles, if there are any.
    let plane = unsafe { vld1q_u8(tile_block.wrapping_add(place)) };
    let to = const { Format::of(FORMAT).plane_place() };
    let left = to as i8 - (at / plane_bytes * bits) as i8;
    let mask = vdupq_n_u8(((1 << bits) - 1) << to);
    let of_low = vandq_u8(vshlq_u8(plane, vdupq_n_s8(left)), mask);
    let of_high = vandq_u8(vshlq_u8(plane, vdupq_n_s8(left - 4)), mask);
    let zero = vdupq_n_s8(const { Format::of(FORMAT).zero() });
    [
        vsubq_s8(vreinterpretq_s8_u8(vorrq_u8(low, of_low)), zero),
        vsubq_s8(vreinterpretq_s8_u8(vorrq_u8(high, of_high)), zero),
    ]
}

/// Where the factors stand that a block shares with others; of no use in formats that have none.
#[inline]
pub(super) fn shared_at<const FORMAT: u8>(
    tiles: &Tiles<'_>,
    tile: usize,
    block: usize,
) -> *const u8 {
    let bytes = const { Format::of(FORMAT).shared_bytes() };
    if bytes == 0 {
        return tiles.bytes.as_ptr();
    }
    let blocks = tiles.format.tile_block_bytes(tiles.layout) * tiles.blocks;
    let shared = block / const { Format::of(FORMAT).sharing() } * bytes * ROWS;
    let at = tile * tiles.tile_bytes() + blocks + shared;
    tiles.bytes.as_ptr().wrapping_add(at)
}

/// Scales of half a tile, four rows at a time, and its minima or the scales of second halves; what the format has none of is
/// of no use.
///
/// # Safety
/// `tile_block` points to a whole tile block of the format, `shared` to what it shares.
#[inline]
#[target_feature(enable = "neon")]
pub(super) unsafe fn factors<const FORMAT: u8>(
    tile_block: *const u8,
    shared: *const u8,
    half: usize,
) -> [[float32x4_t; 2]; 2] {
    let own = tile_block.wrapping_add(const { Format::of(FORMAT).quant_bytes() * ROWS });
    let at = |base: *const u8, index: usize| base.wrapping_add(2 * (index * ROWS + HALF * half));
    match const { Format::of(FORMAT).factors() } {
        Factors::None => [[vdupq_n_f32(0.0); 2]; 2],
        Factors::Scale => {
            // SAFETY: the scales follow the quants.
            let scales = unsafe { load_halves(at(own, 0)) };
            [scales, scales]
        }
        Factors::ScaleAndMin => {
            // SAFETY: the scales follow the quants.
            let scales = unsafe { load_halves(at(own, 0)) };
            // SAFETY: the minima follow the scales.
            [scales, unsafe { load_halves(at(own, 1)) }]
        }
        Factors::SharedScale => {
            // SAFETY: the shared scales.
            let scales = unsafe { load_halves(at(shared, 0)) };
            [scales, scales]
        }
        Factors::SharedScaleAndMin => {
            // SAFETY: eight bytes of each of two rows of them follow the quants.
            let parts = [0, 1]
                .map(|which| unsafe { vld1_u8(own.wrapping_add(which * ROWS + HALF * half)) });
            let [scales, mins] =
                parts.map(|parts| widen_bytes(vreinterpretq_s16_u16(vmovl_u8(parts))));
            // SAFETY: the shared scales, then the minima.
            let shared = [0, 1].map(|which| unsafe { load_halves(at(shared, which)) });
            [times(shared[0], scales), times(shared[1], mins)]
        }
        Factors::SharedHalfScales => {
            // SAFETY: eight bytes of each of two rows of them follow the quants.
            let parts = [0, 1].map(|which| unsafe {
                vld1_s8(own.wrapping_add(which * ROWS + HALF * half).cast())
            });
            // SAFETY: the shared scales.
            let shared = unsafe { load_halves(at(shared, 0)) };
            parts.map(|parts| times(shared, widen_bytes(vmovl_s8(parts))))
        }
    }
}

/// Eight integers as floats.
#[inline]
#[target_feature(enable = "neon")]
fn widen_bytes(wide: int16x8_t) -> [float32x4_t; 2] {
    let low = vmovl_s16(vget_low_s16(wide));
    [vcvtq_f32_s32(low), vcvtq_f32_s32(vmovl_high_s16(wide))]
}

#[inline]
#[target_feature(enable = "neon")]
fn times(a: [float32x4_t; 2], b: [float32x4_t; 2]) -> [float32x4_t; 2] {
    [vmulq_f32(a[0], b[0]), vmulq_f32(a[1], b[1])]
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
