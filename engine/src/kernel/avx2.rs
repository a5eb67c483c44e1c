//! x86-64 with AVX2, FMA and F16C: Haswell and Zen, and all later.
//!
//! A tile is 8 rows, one per 32-bit lane. `vpmaddubsw` multiplies unsigned weights with signed activations and adds
//! neighbours to 16 bits; 8 of its results fit into 16 bits when the weights are nibbles (8 * 2 * 15 * 127 = 30,480),
//! so a whole block costs 8 multiplications, 7 additions and one widening.
//!
//! ```text
//! for each block b of 32 columns:
//!     w[0..8] = nibbles of 8 rows, 4 columns each      (unpacked once for all rows of activations)
//!     for each row m of activations:
//!         dot = sum over i of w[i] * broadcast(x[b][m][4i..4i+4])
//!         sum[m] += x.scale[b][m] * (scale * dot + min * x.sum[b][m])
//! ```

use std::arch::asm;
use std::arch::x86_64::*;

use half::f16;

use super::vector::vector_ops;
use super::{Kernel, Layout, Tiles};
use crate::activations::Activations;
use crate::int4::BLOCK;
use crate::matrix::Format;

vector_ops!("avx2,fma,f16c", widen = super::widen);

/// Rows of a tile: the 32-bit lanes of a register.
const ROWS: usize = 8;
/// Consecutive columns of a row in a lane.
const DEPTH: usize = 4;
/// Bytes of a group of int4 blocks with a minimum: quants, scales, minima.
const WITH_MIN: usize = ROWS * (BLOCK / 2 + 2 + 2);
/// Bytes of a group of symmetric int4 blocks: quants, scales.
const SYMMETRIC: usize = ROWS * (BLOCK / 2 + 2);
/// Bytes of a group of channelwise int4 blocks: quants.
const CHANNEL: usize = ROWS * BLOCK / 2;
/// Bytes of a group of Q8 blocks: quants, scales.
const Q8: usize = ROWS * (BLOCK + 2);
/// Bytes ahead of the current group that a decode step asks for: more than the latency of memory at full speed.
const PREFETCH: usize = 2048;

pub(super) const KERNEL: Kernel = Kernel {
    name: "avx2",
    layout: Layout {
        rows: ROWS,
        depth: DEPTH,
        rows_in_byte: 1,
    },
    supported: || {
        is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c")
    },
    int4,
    channel,
    q8,
    ops: ops::OPS,
    peak: Some(|rounds| {
        // SAFETY: a kernel is only handed out where its features are there.
        unsafe { peak(rounds) }
    }),
};

#[target_feature(enable = "avx2,fma,f16c")]
fn widen(from: &[f16], to: &mut [f32]) {
    let (from, to) = (from.as_chunks::<ROWS>().0, to.as_chunks_mut::<ROWS>().0);
    for (from, to) in from.iter().zip(to) {
        store(to, load_halves(bytemuck::cast_ref(from)));
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn load(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: the array is as long as the register.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

/// Widens a register of f16.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn load_halves(bytes: &[u8; 2 * ROWS]) -> __m256 {
    // SAFETY: the array is half as long as the register of f32.
    _mm256_cvtph_ps(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) })
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn load_floats(floats: &[f32; ROWS]) -> __m256 {
    // SAFETY: the array is as long as the register.
    unsafe { _mm256_loadu_ps(floats.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn store(floats: &mut [f32; ROWS], register: __m256) {
    // SAFETY: the array is as long as the register.
    unsafe { _mm256_storeu_ps(floats.as_mut_ptr(), register) }
}

/// Four neighbouring activations in every lane.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn broadcast(columns: &[i8; DEPTH]) -> __m256i {
    _mm256_set1_epi32(i32::from_le_bytes(columns.map(i8::cast_unsigned)))
}

/// Asks for the cache lines of a group some way behind this one; they need not exist.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn prefetch<const GROUP: usize>(group: &[u8; GROUP]) {
    for line in (0..GROUP).step_by(64) {
        _mm_prefetch::<_MM_HINT_T0>(group.as_ptr().wrapping_add(PREFETCH + line).cast());
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn int4(tiles: &Tiles<'_>, x: &Activations, out: &mut [f32]) {
    match (tiles.format == Format::Int4, x.rows() == 1) {
        (true, true) => int4_row::<WITH_MIN>(tiles, x, out),
        (false, true) => int4_row::<SYMMETRIC>(tiles, x, out),
        (true, false) => int4_rows::<WITH_MIN>(tiles, x, out),
        (false, false) => int4_rows::<SYMMETRIC>(tiles, x, out),
    }
}

/// Channelwise weights: `out` holds the bits of integer sums until the last block is done.
#[target_feature(enable = "avx2,fma,f16c")]
fn channel(tiles: &Tiles<'_>, x: &Activations, out: &mut [f32]) {
    if x.rows() == 1 {
        int4_row::<CHANNEL>(tiles, x, out);
    } else {
        int4_rows::<CHANNEL>(tiles, x, out);
    }
    for (tile, out) in tiles.iter().zip(out.chunks_exact_mut(x.rows() * ROWS)) {
        let scales = load_halves(&tile.channel_scales().as_chunks().0[0]);
        for (row, out) in out.as_chunks_mut::<ROWS>().0.iter_mut().enumerate() {
            let offset = _mm256_set1_epi32(8 * x.row_sum(row));
            let dot = _mm256_sub_epi32(_mm256_castps_si256(load_floats(out)), offset);
            let share = _mm256_mul_ps(scales, _mm256_cvtepi32_ps(dot));
            let scale = _mm256_set1_ps(x.block(0, row).scale);
            store(out, _mm256_mul_ps(scale, share));
        }
    }
}

/// One block of 8 rows of int4 weights, ready to multiply.
#[derive(Clone, Copy)]
struct Weights {
    quants: [__m256i; BLOCK / DEPTH],
    scales: __m256,
    /// Without meaning in the symmetric format, as are the scales too in the channelwise one.
    mins: __m256,
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn unpack<const GROUP: usize>(group: &[u8; GROUP]) -> Weights {
    let nibble = _mm256_set1_epi8(15);
    let (packed, _) = group.as_chunks::<32>();
    let mut quants = [_mm256_setzero_si256(); BLOCK / DEPTH];
    for i in 0..4 {
        let packed = load(&packed[i]);
        quants[i] = _mm256_and_si256(packed, nibble);
        quants[i + 4] = _mm256_and_si256(_mm256_srli_epi16::<4>(packed), nibble);
    }
    let halves = group[CHANNEL..].as_chunks::<{ 2 * ROWS }>().0;
    let zero = _mm256_setzero_ps();
    Weights {
        quants,
        scales: halves.first().map_or(zero, |halves| load_halves(halves)),
        mins: halves.get(1).map_or(zero, |halves| load_halves(halves)),
    }
}

/// Adds one block's share to the sums of 8 rows, in the order that `scalar` adds. `pairs` holds the block's products
/// in 16 bits, two to a row. Channelwise sums are the bits of integers.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn add<const GROUP: usize>(
    weights: &Weights,
    pairs: __m256i,
    x_scale: __m256,
    x_sum: __m256,
    total: __m256,
) -> __m256 {
    let dot = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
    if GROUP == CHANNEL {
        let total = _mm256_add_epi32(_mm256_castps_si256(total), dot);
        return _mm256_castsi256_ps(total);
    }
    let dot = _mm256_cvtepi32_ps(dot);
    let share = if GROUP == WITH_MIN {
        _mm256_fmadd_ps(weights.scales, dot, _mm256_mul_ps(weights.mins, x_sum))
    } else {
        _mm256_mul_ps(
            weights.scales,
            _mm256_fnmadd_ps(_mm256_set1_ps(8.0), x_sum, dot),
        )
    };
    _mm256_fmadd_ps(x_scale, share, total)
}

/// Decode: one row of activations, sums in registers, weights straight from memory.
#[target_feature(enable = "avx2,fma,f16c")]
fn int4_row<const GROUP: usize>(tiles: &Tiles<'_>, x: &Activations, out: &mut [f32]) {
    for (tile, out) in tiles.iter().zip(out.as_chunks_mut::<ROWS>().0) {
        let groups = tile.group_bytes::<GROUP>();
        let mut total = _mm256_setzero_ps();
        for (((group, quants), scale), sum) in
            groups.iter().zip(x.quants()).zip(x.scales()).zip(x.sums())
        {
            prefetch(group);
            let weights = unpack(group);
            let (columns, _) = quants.as_chunks::<DEPTH>();
            let mut products = [_mm256_setzero_si256(); BLOCK / DEPTH];
            for i in 0..8 {
                products[i] = _mm256_maddubs_epi16(weights.quants[i], broadcast(&columns[i]));
            }
            for half in [4, 2, 1] {
                for i in 0..half {
                    products[i] = _mm256_add_epi16(products[i], products[i + half]);
                }
            }
            let (scale, sum) = (_mm256_set1_ps(*scale), _mm256_set1_ps(*sum));
            total = add::<GROUP>(&weights, products[0], scale, sum, total);
        }
        store(out, total);
    }
}

/// Tiles and rows of activations that prefill multiplies at a time: their sums take half of the registers, and each
/// quad of columns is broadcast for two tiles, each register of weights loaded for four rows. (One tile and one row
/// at a time wait for the load ports.)
const TILES_AT_ONCE: usize = 2;
const ROWS_AT_ONCE: usize = 4;

/// Prefill: each block of weights is unpacked once and multiplied with all rows of activations. The same block of
/// several tiles comes in turn, so that the block of activations stays in the L1 cache.
#[target_feature(enable = "avx2,fma,f16c")]
fn int4_rows<const GROUP: usize>(tiles: &Tiles<'_>, x: &Activations, out: &mut [f32]) {
    let rows = x.rows();
    out.fill(0.0);
    for b in 0..tiles.blocks {
        let block = b * rows..(b + 1) * rows;
        let x = Rows {
            quants: &x.quants()[block.clone()],
            scales: &x.scales()[block.clone()],
            sums: &x.sums()[block],
        };
        let weights = |tile: usize| unpack(&tiles.tile(tile).group_bytes::<GROUP>()[b]);
        let mut pairs = out.chunks_exact_mut(TILES_AT_ONCE * rows * ROWS);
        for (pair, out) in pairs.by_ref().enumerate() {
            let weights = std::array::from_fn(|i| weights(TILES_AT_ONCE * pair + i));
            block_rows::<GROUP, TILES_AT_ONCE>(&weights, x, out);
        }
        let last = pairs.into_remainder();
        if !last.is_empty() {
            block_rows::<GROUP, 1>(&[weights(tiles.count() - 1)], x, last);
        }
    }
}

/// One block of every row of activations.
#[derive(Clone, Copy)]
struct Rows<'a> {
    quants: &'a [[i8; BLOCK]],
    scales: &'a [f32],
    sums: &'a [f32],
}

/// Adds the products of one block of some tiles with all rows to `out` `[tiles, rows, tile rows]`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn block_rows<const GROUP: usize, const TILES: usize>(
    weights: &[Weights; TILES],
    x: Rows<'_>,
    out: &mut [f32],
) {
    let rows = x.quants.len();
    let mut tiles = out.chunks_exact_mut(rows * ROWS);
    let mut outs: [_; TILES] = std::array::from_fn(|_| {
        let tile = tiles.next().unwrap_or_default();
        tile.as_chunks_mut::<ROWS>().0
    });
    let mut first = 0;
    while first + ROWS_AT_ONCE <= rows {
        few_rows::<GROUP, TILES, ROWS_AT_ONCE>(weights, x, first, &mut outs);
        first += ROWS_AT_ONCE;
    }
    for row in first..rows {
        few_rows::<GROUP, TILES, 1>(weights, x, row, &mut outs);
    }
}

/// The part of [`block_rows`] for `N` rows from `first` on.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn few_rows<const GROUP: usize, const TILES: usize, const N: usize>(
    weights: &[Weights; TILES],
    x: Rows<'_>,
    first: usize,
    outs: &mut [&mut [[f32; ROWS]]; TILES],
) {
    let quants = &x.quants[first..first + N];
    let mut pairs = [[_mm256_setzero_si256(); TILES]; N];
    for i in 0..BLOCK / DEPTH {
        for (pairs, quants) in pairs.iter_mut().zip(quants) {
            let columns = broadcast(&quants.as_chunks::<DEPTH>().0[i]);
            for (pairs, weights) in pairs.iter_mut().zip(weights) {
                let product = _mm256_maddubs_epi16(weights.quants[i], columns);
                *pairs = _mm256_add_epi16(*pairs, product);
            }
        }
        in_registers(pairs.as_flattened_mut());
    }
    for (n, pairs) in pairs.iter().enumerate() {
        let row = first + n;
        let (scale, sum) = (_mm256_set1_ps(x.scales[row]), _mm256_set1_ps(x.sums[row]));
        for ((out, weights), pairs) in outs.iter_mut().zip(weights).zip(pairs) {
            let total = load_floats(&out[row]);
            store(
                &mut out[row],
                add::<GROUP>(weights, *pairs, scale, sum, total),
            );
        }
    }
}

/// Has the compiler finish one step of all sums before it begins the next: left alone it computes one sum after the
/// other, and spills what they share.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn in_registers(sums: &mut [__m256i]) {
    if let [a, b, c, d, e, f, g, h] = sums {
        // SAFETY: no instruction.
        unsafe {
            asm!(
                "/* {} {} {} {} {} {} {} {} */",
                inout(ymm_reg) * a,
                inout(ymm_reg) * b,
                inout(ymm_reg) * c,
                inout(ymm_reg) * d,
                inout(ymm_reg) * e,
                inout(ymm_reg) * f,
                inout(ymm_reg) * g,
                inout(ymm_reg) * h,
                options(pure, nomem, nostack, preserves_flags)
            );
        }
    }
}

/// 8-bit weights. `vpmaddubsw` wants one unsigned factor: it gets |w|, and the sign of w goes to the activation. Two
/// products fit into 16 bits (2 * 128 * 127 = 32,512), more do not.
#[target_feature(enable = "avx2,fma,f16c")]
fn q8(tiles: &Tiles<'_>, x: &Activations, out: &mut [f32]) {
    out.fill(0.0);
    for (tile, out) in tiles.iter().zip(out.chunks_exact_mut(x.rows() * ROWS)) {
        for (b, group) in tile.group_bytes::<Q8>().iter().enumerate() {
            prefetch(group);
            let (weights, halves) = group.split_at(ROWS * BLOCK);
            let (weights, _) = weights.as_chunks::<32>();
            let scales = load_halves(&halves.as_chunks().0[0]);
            for (row, out) in out.as_chunks_mut::<ROWS>().0.iter_mut().enumerate() {
                let block = x.block(b, row);
                let mut dot = _mm256_setzero_si256();
                for (weights, columns) in weights.iter().zip(block.quants.as_chunks::<DEPTH>().0) {
                    let weights = load(weights);
                    let columns = _mm256_sign_epi8(broadcast(columns), weights);
                    let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(weights), columns);
                    dot = _mm256_add_epi32(dot, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
                }
                let share = _mm256_mul_ps(scales, _mm256_cvtepi32_ps(dot));
                let total = _mm256_fmadd_ps(_mm256_set1_ps(block.scale), share, load_floats(out));
                store(out, total);
            }
        }
    }
}

/// What a block does with its products, without loads: eight multiplications and the additions behind them.
#[target_feature(enable = "avx2,fma,f16c")]
fn peak(rounds: usize) -> u64 {
    let weights = std::hint::black_box([_mm256_set1_epi8(7); 4]);
    let columns = std::hint::black_box(_mm256_set1_epi8(1));
    let mut sums = [_mm256_setzero_si256(); 8];
    for _ in 0..rounds {
        for (i, sum) in sums.iter_mut().enumerate() {
            // The sum as a factor keeps the product from being computed once for all rounds.
            *sum = _mm256_add_epi16(_mm256_maddubs_epi16(weights[i % 4], *sum), columns);
        }
    }
    std::hint::black_box(sums);
    (rounds * sums.len() * 32) as u64
}
