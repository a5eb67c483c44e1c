//! x86-64 with AVX-512 VNNI: Ice Lake, Zen 4, and later.
//!
//! A tile is 16 rows, one per 32-bit lane. `vpdpbusd` multiplies four unsigned weights with four signed activations
//! and adds them to a lane; nothing can overflow, so a block costs 8 of them.
//!
//! ```text
//! for each block b of 32 columns:
//!     w[0..8] = nibbles of 16 rows, 4 columns each     (unpacked once for all rows of activations)
//!     for each row m of activations:
//!         dot = sum over i of w[i] * broadcast(x[b][m][4i..4i+4])
//!         sum[m] += x.scale[b][m] * (scale * dot + min * x.sum[b][m])
//! ```

use std::arch::x86_64::*;

use half::f16;

use super::vector::vector_ops;
use super::{Kernel, Layout, Tiles};
use crate::activations::Activations;
use crate::int4::BLOCK;
use crate::matrix::Format;

vector_ops!(
    "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c",
    widen = super::widen
);

/// Rows of a tile: the 32-bit lanes of a register.
const ROWS: usize = 16;
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
const PREFETCH: usize = 2560;

pub(super) const KERNEL: Kernel = Kernel {
    name: "avx512_vnni",
    layout: Layout {
        rows: ROWS,
        depth: DEPTH,
        rows_in_byte: 1,
    },
    supported: || {
        is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni")
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

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
fn widen(from: &[f16], to: &mut [f32]) {
    let (from, to) = (from.as_chunks::<ROWS>().0, to.as_chunks_mut::<ROWS>().0);
    for (from, to) in from.iter().zip(to) {
        store(to, load_halves(bytemuck::cast_ref(from)));
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
fn load(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: the array is as long as the register.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

/// Widens a register of f16.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
fn load_halves(bytes: &[u8; 2 * ROWS]) -> __m512 {
    // SAFETY: the array is half as long as the register of f32.
    _mm512_cvtph_ps(unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) })
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
fn load_floats(floats: &[f32; ROWS]) -> __m512 {
    // SAFETY: the array is as long as the register.
    unsafe { _mm512_loadu_ps(floats.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
fn store(floats: &mut [f32; ROWS], register: __m512) {
    // SAFETY: the array is as long as the register.
    unsafe { _mm512_storeu_ps(floats.as_mut_ptr(), register) }
}

/// Four neighbouring activations in every lane.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
fn broadcast(columns: &[i8; DEPTH]) -> __m512i {
    _mm512_set1_epi32(i32::from_le_bytes(columns.map(i8::cast_unsigned)))
}

/// Asks for the cache lines of a group some way behind this one; they need not exist.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
fn prefetch<const GROUP: usize>(group: &[u8; GROUP]) {
    for line in (0..GROUP).step_by(64) {
        _mm_prefetch::<_MM_HINT_T0>(group.as_ptr().wrapping_add(PREFETCH + line).cast());
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
fn int4(tiles: &Tiles<'_>, x: &Activations, out: &mut [f32]) {
    match (tiles.format == Format::Int4, x.rows() == 1) {
        (true, true) => int4_row::<WITH_MIN>(tiles, x, out),
        (false, true) => int4_row::<SYMMETRIC>(tiles, x, out),
        (true, false) => int4_rows::<WITH_MIN>(tiles, x, out),
        (false, false) => int4_rows::<SYMMETRIC>(tiles, x, out),
    }
}

/// Channelwise weights: `out` holds the bits of integer sums until the last block is done.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
fn channel(tiles: &Tiles<'_>, x: &Activations, out: &mut [f32]) {
    if x.rows() == 1 {
        int4_row::<CHANNEL>(tiles, x, out);
    } else {
        int4_rows::<CHANNEL>(tiles, x, out);
    }
    for (tile, out) in tiles.iter().zip(out.chunks_exact_mut(x.rows() * ROWS)) {
        let scales = load_halves(&tile.channel_scales().as_chunks().0[0]);
        for (row, out) in out.as_chunks_mut::<ROWS>().0.iter_mut().enumerate() {
            let offset = _mm512_set1_epi32(8 * x.row_sum(row));
            let dot = _mm512_sub_epi32(_mm512_castps_si512(load_floats(out)), offset);
            let share = _mm512_mul_ps(scales, _mm512_cvtepi32_ps(dot));
            let scale = _mm512_set1_ps(x.block(0, row).scale);
            store(out, _mm512_mul_ps(scale, share));
        }
    }
}

/// One block of 16 rows of int4 weights, ready to multiply.
struct Weights {
    quants: [__m512i; 8],
    scales: __m512,
    /// Without meaning in the symmetric format, as are the scales too in the channelwise one.
    mins: __m512,
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
fn unpack<const GROUP: usize>(group: &[u8; GROUP]) -> Weights {
    let nibble = _mm512_set1_epi8(15);
    let (packed, _) = group.as_chunks::<64>();
    let mut quants = [_mm512_setzero_si512(); 8];
    for i in 0..4 {
        let packed = load(&packed[i]);
        quants[i] = _mm512_and_si512(packed, nibble);
        quants[i + 4] = _mm512_and_si512(_mm512_srli_epi16::<4>(packed), nibble);
    }
    let halves = group[CHANNEL..].as_chunks::<{ 2 * ROWS }>().0;
    let zero = _mm512_setzero_ps();
    Weights {
        quants,
        scales: halves.first().map_or(zero, |halves| load_halves(halves)),
        mins: halves.get(1).map_or(zero, |halves| load_halves(halves)),
    }
}

/// Products of one block of activations with the 16 rows, in two chains that hide the latency of `vpdpbusd`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
fn dot(weights: &[__m512i; 8], x: &[i8; BLOCK]) -> __m512i {
    let (columns, _) = x.as_chunks::<DEPTH>();
    let mut sums = [_mm512_setzero_si512(); 2];
    for i in 0..8 {
        sums[i % 2] = _mm512_dpbusd_epi32(sums[i % 2], weights[i], broadcast(&columns[i]));
    }
    _mm512_add_epi32(sums[0], sums[1])
}

/// Adds one block's share to the sums of 16 rows, in the order that `scalar` adds. Channelwise sums are the bits of
/// integers.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
fn add<const GROUP: usize>(
    weights: &Weights,
    dot: __m512i,
    x_scale: f32,
    x_sum: f32,
    total: __m512,
) -> __m512 {
    if GROUP == CHANNEL {
        let total = _mm512_add_epi32(_mm512_castps_si512(total), dot);
        return _mm512_castsi512_ps(total);
    }
    let (dot, x_sum) = (_mm512_cvtepi32_ps(dot), _mm512_set1_ps(x_sum));
    let share = if GROUP == WITH_MIN {
        _mm512_fmadd_ps(weights.scales, dot, _mm512_mul_ps(weights.mins, x_sum))
    } else {
        _mm512_mul_ps(
            weights.scales,
            _mm512_fnmadd_ps(_mm512_set1_ps(8.0), x_sum, dot),
        )
    };
    _mm512_fmadd_ps(_mm512_set1_ps(x_scale), share, total)
}

/// Decode: one row of activations, sums in registers, weights straight from memory.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
fn int4_row<const GROUP: usize>(tiles: &Tiles<'_>, x: &Activations, out: &mut [f32]) {
    for (tile, out) in tiles.iter().zip(out.as_chunks_mut::<ROWS>().0) {
        let groups = tile.group_bytes::<GROUP>();
        let mut total = _mm512_setzero_ps();
        for (((group, quants), scale), sum) in
            groups.iter().zip(x.quants()).zip(x.scales()).zip(x.sums())
        {
            prefetch(group);
            let weights = unpack(group);
            total = add::<GROUP>(&weights, dot(&weights.quants, quants), *scale, *sum, total);
        }
        store(out, total);
    }
}

/// Prefill: each block of weights is unpacked once and multiplied with all rows of activations. The same block of
/// several tiles comes in turn, so that the block of activations stays in the L1 cache.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
fn int4_rows<const GROUP: usize>(tiles: &Tiles<'_>, x: &Activations, out: &mut [f32]) {
    let rows = x.rows();
    out.fill(0.0);
    for b in 0..tiles.blocks {
        let block = b * rows..(b + 1) * rows;
        let (quants, scales, sums) = (
            &x.quants()[block.clone()],
            &x.scales()[block.clone()],
            &x.sums()[block],
        );
        for (tile, out) in out.chunks_exact_mut(rows * ROWS).enumerate() {
            let weights = unpack(&tiles.tile(tile).group_bytes::<GROUP>()[b]);
            let (out, _) = out.as_chunks_mut::<ROWS>();
            for (((quants, scale), sum), out) in quants.iter().zip(scales).zip(sums).zip(out) {
                let total = load_floats(out);
                store(
                    out,
                    add::<GROUP>(&weights, dot(&weights.quants, quants), *scale, *sum, total),
                );
            }
        }
    }
}

/// 8-bit weights. `vpdpbusd` wants one unsigned factor: it gets |w|, and the sign of w goes to the activation.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
fn q8(tiles: &Tiles<'_>, x: &Activations, out: &mut [f32]) {
    out.fill(0.0);
    for (tile, out) in tiles.iter().zip(out.chunks_exact_mut(x.rows() * ROWS)) {
        for (b, group) in tile.group_bytes::<Q8>().iter().enumerate() {
            prefetch(group);
            let (weights, halves) = group.split_at(ROWS * BLOCK);
            let (weights, _) = weights.as_chunks::<64>();
            let scales = load_halves(&halves.as_chunks().0[0]);
            for (row, out) in out.as_chunks_mut::<ROWS>().0.iter_mut().enumerate() {
                let block = x.block(b, row);
                let mut dot = _mm512_setzero_si512();
                for (weights, columns) in weights.iter().zip(block.quants.as_chunks::<DEPTH>().0) {
                    let weights = load(weights);
                    let (columns, negative) = (broadcast(columns), _mm512_movepi8_mask(weights));
                    let columns =
                        _mm512_mask_sub_epi8(columns, negative, _mm512_setzero_si512(), columns);
                    dot = _mm512_dpbusd_epi32(dot, _mm512_abs_epi8(weights), columns);
                }
                let share = _mm512_mul_ps(scales, _mm512_cvtepi32_ps(dot));
                let total = _mm512_fmadd_ps(_mm512_set1_ps(block.scale), share, load_floats(out));
                store(out, total);
            }
        }
    }
}

/// Multiplications on registers alone, in enough chains to hide their latency.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
fn peak(rounds: usize) -> u64 {
    let weights = std::hint::black_box(_mm512_set1_epi8(7));
    let columns = std::hint::black_box(_mm512_set1_epi8(1));
    let mut sums = [_mm512_setzero_si512(); 12];
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = _mm512_dpbusd_epi32(*sum, weights, columns);
        }
    }
    std::hint::black_box(sums);
    (rounds * sums.len() * 64) as u64
}
