//! Two and more rows of activations.
//!
//! A block of half a tile stays unpacked in 16 registers while the activations pass by in pairs of rows, which were
//! brought side by side once for all tiles of the call. Sums stay 2 x 2 until the last block, so nothing is shuffled
//! within the loop. An odd last row passes as a pair whose second row is ignored.
//!
//! ```text
//! for each pair p of rows of activations, for each pair r of weight rows:
//!     dot[2 x 2] = sum over i < 4 of w[r][8i..] * x[p][8i..]
//!     sum[r][p] += x.scale[p] * (scale[r] * dot + min[r] * x.sum[p])
//! ```

use std::arch::aarch64::*;
use std::ops::Range;

use super::super::neon::{
    CHANNEL, HALF, INT4, Q8, ROWS, SYMMETRIC, factors, load, load_quants, starts, store,
    sum_operand, sums,
};
use super::super::neon_asm::{from_memory, smmla};
use super::DEPTH;
use crate::activations::Activations;
use crate::int4::BLOCK;
use crate::kernel::Tiles;

/// Pairs of rows that are arranged at a time, for as many blocks as fit: 12 KiB, to stay in the L1 cache.
const PAIRS_AT_ONCE: usize = 128;

/// One block of two rows of activations, side by side.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
struct Pair {
    /// Eight columns of either row.
    quants: [[i8; 2 * DEPTH]; BLOCK / DEPTH],
    /// Of the two rows, twice.
    scales: [f32; 4],
    sums: [f32; 4],
}

impl Pair {
    const ZERO: Self = Self {
        quants: [[0; 2 * DEPTH]; BLOCK / DEPTH],
        scales: [0.0; 4],
        sums: [0.0; 4],
    };

    /// Brings two rows side by side.
    #[inline]
    fn new<const FORMAT: u8>(rows: [&[i8; BLOCK]; 2], scales: [f32; 2], sums: [f32; 2]) -> Self {
        let mut quants = [[0; 2 * DEPTH]; BLOCK / DEPTH];
        let [a, b] = rows.map(|row| row.as_chunks::<DEPTH>().0);
        for ((quants, a), b) in quants.iter_mut().zip(a).zip(b) {
            quants[..DEPTH].copy_from_slice(a);
            quants[DEPTH..].copy_from_slice(b);
        }
        let sums = sums.map(sum_operand::<FORMAT>);
        Self {
            quants,
            scales: [scales[0], scales[1], scales[0], scales[1]],
            sums: [sums[0], sums[1], sums[0], sums[1]],
        }
    }
}

/// Brings consecutive rows of one block side by side.
#[inline]
fn arrange<const FORMAT: u8>(x: &Activations, rows: Range<usize>, pairs: &mut [Pair]) {
    let (quants, last_quants) = x.quants()[rows.clone()].as_chunks::<2>();
    let (scales, last_scales) = x.scales()[rows.clone()].as_chunks::<2>();
    let (sums, last_sums) = x.sums()[rows].as_chunks::<2>();
    let (last_pair, full_pairs) = match last_quants {
        [] => (None, pairs),
        _ => pairs
            .split_last_mut()
            .map_or((None, &mut [][..]), |(last, pairs)| (Some(last), pairs)),
    };
    for (((pair, [a, b]), scales), sums) in full_pairs.iter_mut().zip(quants).zip(scales).zip(sums)
    {
        *pair = Pair::new::<FORMAT>([a, b], *scales, *sums);
    }
    if let (Some(pair), [a], [scale], [sum]) = (last_pair, last_quants, last_scales, last_sums) {
        *pair = Pair::new::<FORMAT>([a, a], [*scale; 2], [*sum; 2]);
    }
}

/// One block of half a tile, unpacked.
struct Weights {
    /// Two rows by eight columns each.
    quants: [[int8x16_t; BLOCK / DEPTH]; HALF / 2],
    /// Scales and minima of two rows, each twice.
    factors: [[float32x4_t; 2]; HALF / 2],
}

impl Weights {
    /// Scales and minima for one pair of activation rows. Where they are two, there are no registers left for them.
    #[inline]
    fn factors<const FORMAT: u8>(&self) -> &[[float32x4_t; 2]; HALF / 2] {
        match FORMAT {
            INT4 => from_memory(&self.factors),
            _ => &self.factors,
        }
    }
}

/// # Safety
/// As [`super::int4`].
#[target_feature(enable = "neon,i8mm")]
pub(super) unsafe fn rows<const FORMAT: u8>(tiles: &Tiles<'_>, x: &Activations, out: &mut [f32]) {
    let mut arranged = [Pair::ZERO; PAIRS_AT_ONCE];
    out.fill(0.0);
    for first_row in (0..x.rows()).step_by(2 * PAIRS_AT_ONCE) {
        let rows = first_row..x.rows().min(first_row + 2 * PAIRS_AT_ONCE);
        let pairs = rows.len().div_ceil(2);
        let blocks_at_once = PAIRS_AT_ONCE / pairs;
        for first in (0..tiles.blocks).step_by(blocks_at_once) {
            let blocks = first..tiles.blocks.min(first + blocks_at_once);
            for (b, arranged) in blocks.clone().zip(arranged.chunks_exact_mut(pairs)) {
                let first = b * x.rows();
                arrange::<FORMAT>(x, first + rows.start..first + rows.end, arranged);
            }
            for (tile, out) in out.chunks_exact_mut(x.rows() * ROWS).enumerate() {
                let out = &mut out[rows.start * ROWS..rows.end * ROWS];
                for (b, arranged) in blocks.clone().zip(arranged.chunks_exact(pairs)) {
                    let at = tile * tiles.tile_bytes() + b * tiles.format.group_bytes(tiles.layout);
                    let group = tiles.bytes.as_ptr().wrapping_add(at);
                    for half in 0..2 {
                        // SAFETY: `tiles` holds one group for each block of each tile.
                        unsafe { half_tile::<FORMAT>(group, half, arranged, out) };
                    }
                }
            }
        }
    }
    for out in out.chunks_exact_mut(x.rows() * ROWS) {
        for out in out.as_chunks_mut::<{ 2 * ROWS }>().0 {
            transpose(out);
        }
    }
}

/// Unpacks one block of half a tile.
///
/// # Safety
/// `group` points to a whole group of the format.
#[inline]
#[target_feature(enable = "neon,i8mm")]
unsafe fn unpack<const FORMAT: u8>(group: *const u8, half: usize) -> Weights {
    let bytes_at = |chunk: usize, pair: usize| {
        let at = chunk * DEPTH * ROWS + (half * HALF / 2 + pair) * 2 * DEPTH;
        // SAFETY: within the quants of the group, by the contract.
        unsafe { vld1q_u8(group.wrapping_add(at)) }
    };
    let mut quants = [[vdupq_n_s8(0); BLOCK / DEPTH]; HALF / 2];
    for (pair, quants) in quants.iter_mut().enumerate() {
        let bytes = if FORMAT == Q8 {
            std::array::from_fn(|chunk| bytes_at(chunk, pair))
        } else {
            let [a, b] = [bytes_at(0, pair), bytes_at(1, pair)];
            let low = vdupq_n_u8(15);
            let [low_a, low_b] = [vandq_u8(a, low), vandq_u8(b, low)];
            [low_a, low_b, vshrq_n_u8::<4>(a), vshrq_n_u8::<4>(b)]
        };
        *quants = bytes.map(|bytes| vreinterpretq_s8_u8(bytes));
    }
    // SAFETY: handed on to the caller.
    let factors = unsafe { factors::<FORMAT>(group, half) };
    let [scales, mins] = factors.map(|[a, b]| {
        [
            vzip1q_f32(a, a),
            vzip2q_f32(a, a),
            vzip1q_f32(b, b),
            vzip2q_f32(b, b),
        ]
    });
    Weights {
        quants,
        factors: std::array::from_fn(|pair| [scales[pair], mins[pair]]),
    }
}

/// Adds one block of half a tile, times all pairs, to `out`.
///
/// # Safety
/// `group` points to a whole group of the format.
#[inline]
#[target_feature(enable = "neon,i8mm")]
unsafe fn half_tile<const FORMAT: u8>(
    group: *const u8,
    half: usize,
    pairs: &[Pair],
    out: &mut [f32],
) {
    // SAFETY: handed on to the caller.
    let weights = unsafe { unpack::<FORMAT>(group, half) };
    let (outs, single) = out.as_chunks_mut::<{ 2 * ROWS }>();
    for (pair, out) in pairs.iter().zip(outs) {
        let out = &mut out.as_chunks_mut::<4>().0.as_chunks_mut::<{ HALF / 2 }>().0[half];
        let dots = dots::<FORMAT>(&weights, pair, out);
        let factors = weights.factors::<FORMAT>();
        // Two sums at a time, as loads and stores of two cost one instruction.
        let dots = dots
            .as_chunks::<2>()
            .0
            .iter()
            .zip(factors.as_chunks::<2>().0);
        for (out, (dots, factors)) in out.as_chunks_mut::<2>().0.iter_mut().zip(dots) {
            let totals = [load(&out[0]), load(&out[1])];
            store(
                &mut out[0],
                add::<FORMAT>(totals[0], &factors[0], dots[0], pair),
            );
            store(
                &mut out[1],
                add::<FORMAT>(totals[1], &factors[1], dots[1], pair),
            );
        }
    }
    let single = single.as_chunks_mut::<HALF>().0.get_mut(half);
    if let (Some(pair), Some(out)) = (pairs.last(), single) {
        let zero = vdupq_n_f32(0.0);
        let quads = out.as_chunks_mut::<4>().0;
        let mut wide = [[0.0; 4]; HALF / 2];
        for (wide, quad) in wide.as_chunks_mut::<2>().0.iter_mut().zip(&*quads) {
            let total = load(quad);
            store(&mut wide[0], vzip1q_f32(total, zero));
            store(&mut wide[1], vzip2q_f32(total, zero));
        }
        let dots = dots::<FORMAT>(&weights, pair, &wide);
        for (i, out) in quads.iter_mut().enumerate() {
            let [low, high] = [load(&wide[2 * i]), load(&wide[2 * i + 1])];
            let low = add::<FORMAT>(low, &weights.factors[2 * i], dots[2 * i], pair);
            let high = add::<FORMAT>(high, &weights.factors[2 * i + 1], dots[2 * i + 1], pair);
            store(out, vuzp1q_f32(low, high));
        }
    }
}

/// Products of half a tile with two rows of activations. Symmetric ones carry their offset from the start,
/// channelwise ones go on from `totals`.
#[inline]
#[target_feature(enable = "neon,i8mm")]
fn dots<const FORMAT: u8>(
    weights: &Weights,
    pair: &Pair,
    totals: &[[f32; 4]; HALF / 2],
) -> [int32x4_t; HALF / 2] {
    let mut dots = match FORMAT {
        CHANNEL => totals
            .each_ref()
            .map(|total| vreinterpretq_s32_f32(load(total))),
        SYMMETRIC => [0; HALF / 2].map(|_| vreinterpretq_s32_f32(load(from_memory(&pair.sums)))),
        _ => starts(),
    };
    for (dot, weights) in dots.iter_mut().zip(&weights.quants) {
        for (w, x) in weights.iter().zip(&pair.quants) {
            *dot = smmla(*dot, *w, load_quants(x));
        }
    }
    dots
}

/// Adds the scaled products of two weight rows with two rows of activations, in the order that `scalar` adds.
#[inline]
#[target_feature(enable = "neon,i8mm")]
fn add<const FORMAT: u8>(
    total: float32x4_t,
    [scales, mins]: &[float32x4_t; 2],
    dot: int32x4_t,
    pair: &Pair,
) -> float32x4_t {
    if FORMAT == CHANNEL {
        return vreinterpretq_f32_s32(dot);
    }
    let share = match FORMAT {
        INT4 => vfmaq_f32(vmulq_f32(*mins, load(&pair.sums)), *scales, sums(dot)),
        _ => vmulq_f32(*scales, sums(dot)),
    };
    vfmaq_f32(total, share, load(&pair.scales))
}

/// Turns 2 x 2 sums into two rows.
#[inline]
#[target_feature(enable = "neon,i8mm")]
fn transpose(out: &mut [f32; 2 * ROWS]) {
    let mut squares = [vdupq_n_f32(0.0); ROWS / 2];
    for (square, out) in squares.iter_mut().zip(out.as_chunks::<4>().0) {
        *square = load(out);
    }
    let (first, second) = out.as_chunks_mut::<4>().0.split_at_mut(ROWS / 4);
    for ((pair, first), second) in squares.as_chunks::<2>().0.iter().zip(first).zip(second) {
        store(first, vuzp1q_f32(pair[0], pair[1]));
        store(second, vuzp2q_f32(pair[0], pair[1]));
    }
}
