//! Two and more rows of activations.
//!
//! Some blocks of a tile are unpacked to bytes, which stay in the L1 cache while all rows of activations pass by in
//! fours. Sums of eight rows of weights and four of activations stay in registers over these blocks, 2 x 2 to a
//! register, so that nothing is stored or shuffled within the loop. Channelwise sums, which are not scaled on the way,
//! leave registers for eight rows of activations.
//!
//! ```text
//! for each pair p of rows of activations, for each pair r of weight rows:
//!     dot[2 x 2] = sum over i < 4 of w[r][8i..] * x[p][8i..]
//!     sum[r][p] += x.scale[p] * (scale[r] * dot + min[r] * x.sum[p])
//! ```

use std::arch::aarch64::*;

use super::super::neon::{
    CHANNEL, HALF, Q8, ROWS, SYMMETRIC, factors, has_halves, load, load_quants, quants, shared_at,
    store, store_quants, sums,
};
use super::super::neon_asm::{load_four_activations, load_four_times, load_four_weights, smmla};
use crate::compute::block::BLOCK;
use crate::compute::kernel::format::Format;
use crate::compute::kernel::panel::{DEPTH, MAGIC, Panel, RowQuad};
use crate::compute::kernel::tile::Tiles;

/// Blocks of a tile that are unpacked at a time: 40 KiB on the stack, to stay in the L1 cache of 64 KiB, and 8 KiB of
/// minima.
const BLOCKS_AT_ONCE: usize = 64;
/// Pairs of rows in half a tile.
const PAIRS: usize = HALF / 2;

/// One block of half a tile, unpacked.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Weights {
    /// Two rows by eight columns each: `[columns / 8, pairs]`.
    quants: [[[i8; 2 * DEPTH]; PAIRS]; BLOCK / DEPTH],
    /// Of the two rows of each pair, twice.
    scales: [[f32; 4]; PAIRS],
}

impl Weights {
    const ZERO: Self = Self {
        quants: [[[0; 2 * DEPTH]; PAIRS]; BLOCK / DEPTH],
        scales: [[0.0; 4]; PAIRS],
    };
}

// The loop takes the scales as the operands behind the last.
const _: () = assert!(size_of::<Weights>() == (BLOCK / DEPTH + 1) * 64);

/// The minima of one block of half a tile, or the scales of its second half, as the scales of [`Weights`].
type Seconds = [[f32; 4]; PAIRS];

/// The sums of half a tile with `N` pairs of rows of activations: for each, those of every pair of weight rows.
type Squares<const N: usize> = [[float32x4_t; PAIRS]; N];

/// # Safety
/// As [`super::int4`].
#[target_feature(enable = "neon,i8mm")]
pub(super) unsafe fn rows<const FORMAT: u8>(tiles: &Tiles<'_>, x: &Panel<'_>, out: &mut [f32]) {
    let rows_at_once = if FORMAT == CHANNEL { 8 } else { 4 };
    let mut weights = [[Weights::ZERO; BLOCKS_AT_ONCE]; 2];
    let mut seconds = [[[[0.0; 4]; PAIRS]; BLOCKS_AT_ONCE]; 2];
    out.fill(0.0);
    for first in (0..tiles.blocks).step_by(BLOCKS_AT_ONCE) {
        let blocks = first..tiles.blocks.min(first + BLOCKS_AT_ONCE);
        for (tile, out) in out.chunks_exact_mut(x.rows() * ROWS).enumerate() {
            for (i, b) in blocks.clone().enumerate() {
                let at =
                    tile * tiles.tile_bytes() + b * tiles.format.tile_block_bytes(tiles.layout);
                let tile_block = tiles.bytes.as_ptr().wrapping_add(at);
                let places = [tile_block, shared_at::<FORMAT>(tiles, tile, b)];
                for half in 0..2 {
                    let to = (&mut weights[half][i], &mut seconds[half][i]);
                    // SAFETY: `tiles` holds one tile block for each block of each tile.
                    unsafe { unpack::<FORMAT>(places, half, to) };
                }
            }
            let out = out.as_chunks_mut::<ROWS>().0;
            for (i, out) in out.chunks_mut(rows_at_once).enumerate() {
                let first = i * rows_at_once / 4;
                let last = first + (out.len() - 1) / 4;
                let x = [first, last].map(|quad| &x.quads(quad)[blocks.clone()]);
                let pass = match (FORMAT, out.len()) {
                    (CHANNEL, 5..) => pass::<CHANNEL, 4>,
                    (_, 3..) => pass::<FORMAT, 2>,
                    _ => pass::<FORMAT, 1>,
                };
                for half in 0..2 {
                    pass((&weights[half], &seconds[half]), x, half, out);
                }
            }
        }
    }
}

/// Unpacks one block of half a tile.
///
/// # Safety
/// `tile_block` points to a whole tile block of the format, `shared` to what it shares with others.
#[inline]
#[target_feature(enable = "neon,i8mm")]
unsafe fn unpack<const FORMAT: u8>(
    [tile_block, shared]: [*const u8; 2],
    half: usize,
    (to, to_seconds): (&mut Weights, &mut Seconds),
) {
    let row_bytes = if FORMAT == Q8 { DEPTH } else { DEPTH / 2 };
    for (chunk, to) in to.quants.iter_mut().enumerate() {
        let at = (chunk * ROWS + half * HALF) * row_bytes;
        let pairs = if FORMAT == Q8 {
            let places = [0, 16, 32, 48].map(|offset| tile_block.wrapping_add(at + offset));
            // SAFETY: within the quants of the tile block, by the contract.
            places.map(|place| unsafe { vld1q_s8(place.cast()) })
        } else {
            // SAFETY: handed on to the caller.
            let [a, b] = unsafe { quants::<FORMAT>(tile_block, at) };
            // SAFETY: as above.
            let [c, d] = unsafe { quants::<FORMAT>(tile_block, at + 16) };
            [a, b, c, d]
        };
        for (pair, to) in pairs.into_iter().zip(to) {
            store_quants(to, pair);
        }
    }
    if FORMAT != CHANNEL {
        // SAFETY: handed on to the caller.
        let [scales, seconds] = unsafe { factors::<FORMAT>(tile_block, shared, half) };
        for i in 0..2 {
            let scales = squares::<FORMAT>(scales[i], scales[i]);
            let seconds = squares::<FORMAT>(seconds[i], seconds[i]);
            for side in 0..2 {
                store(&mut to.scales[2 * i + side], scales[side]);
                if has_seconds(FORMAT) {
                    store(&mut to_seconds[2 * i + side], seconds[side]);
                }
            }
        }
    }
}

/// Whether a block has more than a scale.
const fn has_seconds(format: u8) -> bool {
    Format::of(format).has_min() || has_halves(format)
}

/// Four rows of weights by two of activations as 2 x 2 of the pairs of weight rows, which are neighbours in Q8 and two
/// apart where neighbours share a byte.
#[inline]
#[target_feature(enable = "neon,i8mm")]
fn squares<const FORMAT: u8>(a: float32x4_t, b: float32x4_t) -> [float32x4_t; 2] {
    if FORMAT == Q8 {
        [vzip1q_f32(a, b), vzip2q_f32(a, b)]
    } else {
        [vtrn1q_f32(a, b), vtrn2q_f32(a, b)]
    }
}

/// The inverse of [`squares`].
#[inline]
#[target_feature(enable = "neon,i8mm")]
fn from_squares<const FORMAT: u8>(a: float32x4_t, b: float32x4_t) -> [float32x4_t; 2] {
    if FORMAT == Q8 {
        [vuzp1q_f32(a, b), vuzp2q_f32(a, b)]
    } else {
        [vtrn1q_f32(a, b), vtrn2q_f32(a, b)]
    }
}

/// Adds some blocks of half a tile, times up to `N` pairs of rows, to the sums `out`. The third and fourth pair are in
/// the second quads.
#[inline]
#[target_feature(enable = "neon,i8mm")]
fn pass<const FORMAT: u8, const N: usize>(
    (weights, seconds): (&[Weights; BLOCKS_AT_ONCE], &[Seconds; BLOCKS_AT_ONCE]),
    [x, next_x]: [&[RowQuad]; 2],
    half: usize,
    out: &mut [[f32; ROWS]],
) {
    let mut totals: Squares<N> = [[vdupq_n_f32(0.0); PAIRS]; N];
    for (totals, out) in totals.iter_mut().zip(out.chunks(2)) {
        for (i, totals) in totals.as_chunks_mut::<2>().0.iter_mut().enumerate() {
            // An odd last row passes as two of the same.
            let row = |row: usize| load(&out[row].as_chunks().0[2 * half + i]);
            *totals = squares::<FORMAT>(row(0), row(out.len() - 1));
        }
    }
    let len = x.len();
    let (weights, seconds, next_x) = (&weights[..len], &seconds[..len], &next_x[..len]);
    let mut at = weights.as_ptr().cast();
    for i in 0..len {
        let x = [&x[i], &next_x[i]];
        let mut dots = [[vdupq_n_s32(0); PAIRS]; N];
        for (pair, (dots, totals)) in dots.iter_mut().zip(&totals).enumerate() {
            let start = match FORMAT {
                CHANNEL => *totals,
                SYMMETRIC => load_four_times(&x[pair / 2].starts[pair % 2]),
                _ => load_four_times(&[[MAGIC; 4]; 2]),
            };
            *dots = start.map(|start| vreinterpretq_s32_f32(start));
        }
        let mut dots = [dots; 2];
        // SAFETY: there are so many weights.
        let scales = unsafe { multiply::<FORMAT, N>(&mut at, x, &mut dots) };
        let [dots, second_dots] = dots;
        for (pair, (dots, totals)) in dots.into_iter().zip(&mut totals).enumerate() {
            let x = x[pair / 2];
            let (x_scales, x_sums) = (load(&x.scales[pair % 2]), load(&x.sums[pair % 2]));
            for (k, dot) in dots.into_iter().enumerate() {
                if FORMAT == CHANNEL {
                    totals[k] = vreinterpretq_f32_s32(dot);
                    continue;
                }
                let share = if has_halves(FORMAT) {
                    let second = sums(second_dots[pair][k]);
                    let second = vmulq_f32(load(&seconds[i][k]), second);
                    vfmaq_f32(second, scales[k], sums(dot))
                } else if has_seconds(FORMAT) {
                    let offset = vmulq_f32(load(&seconds[i][k]), x_sums);
                    vfmaq_f32(offset, scales[k], sums(dot))
                } else {
                    vmulq_f32(scales[k], sums(dot))
                };
                totals[k] = vfmaq_f32(totals[k], share, x_scales);
            }
        }
    }
    for (totals, out) in totals.into_iter().zip(out.chunks_mut(2)) {
        for (i, totals) in totals.as_chunks::<2>().0.iter().enumerate() {
            let rows = from_squares::<FORMAT>(totals[0], totals[1]);
            for (out, row) in out.iter_mut().zip(rows) {
                store(&mut out.as_chunks_mut().0[2 * half + i], row);
            }
        }
    }
}

/// Adds the integer products of one block, those of its second half to second sums where it has a scale. Returns the scales
/// of the weights, and moves on behind them.
///
/// # Safety
/// `at` points to [`Weights`].
#[inline]
#[target_feature(enable = "neon,i8mm")]
unsafe fn multiply<const FORMAT: u8, const N: usize>(
    at: &mut *const u8,
    x: [&RowQuad; 2],
    dots: &mut [[[int32x4_t; PAIRS]; N]; 2],
) -> [float32x4_t; PAIRS] {
    let mut multiply = |half: usize, x: [int8x16_t; N]| {
        // SAFETY: four operands for every chunk.
        let weights = unsafe { load_four_weights(at) };
        let dots = &mut dots[half * usize::from(has_halves(FORMAT))];
        for (dots, x) in dots.iter_mut().zip(x) {
            for (dot, w) in dots.iter_mut().zip(weights) {
                *dot = smmla(*dot, vreinterpretq_s8_u8(w), x);
            }
        }
    };
    if N == 2 {
        let mut x_at = x[0].quants.as_ptr().cast();
        for half in 0..2 {
            // SAFETY: two pairs of two chunks each.
            let x = unsafe { load_four_activations(&mut x_at) };
            for chunk in x.as_chunks::<2>().0 {
                multiply(
                    half,
                    std::array::from_fn(|pair| vreinterpretq_s8_u8(chunk[pair])),
                );
            }
        }
    } else {
        for chunk in 0..BLOCK / DEPTH {
            let operand = |pair: usize| load_quants(&x[pair / 2].quants[chunk][pair % 2]);
            multiply(chunk / 2, std::array::from_fn(operand));
        }
    }
    // SAFETY: the scales follow.
    unsafe { load_four_weights(at) }.map(|scales| vreinterpretq_f32_u8(scales))
}
