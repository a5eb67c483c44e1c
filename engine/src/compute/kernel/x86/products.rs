//! The loops of the x86-64 kernels, written once for any width of registers.
//!
//! A tile is as many rows as a register has 32-bit lanes, four columns of each in its lane. An instruction set is a
//! value that only its own kernel makes, once the CPU is known to have it: that is why the steps of [`Isa`] are safe.
//! Everything here is inlined into functions that are compiled for that instruction set.
//!
//! ```text
//! for each block b of 32 columns:
//!     w[0..8] = nibbles of the tile's rows, 4 columns each   (unpacked once for all rows of activations)
//!     for each row m of activations:
//!         dot = sum over i of w[i] * broadcast(x[b][m][4i..4i+4])
//!         sum[m] += x.scale[b][m] * (scale * dot + min * x.sum[b][m])
//! ```
//!
//! Integers become floats without a conversion, by [`MAGIC`]; a symmetric format takes 8 times the sum of the
//! activations off by starting below. Where a block has a scale for each half, each has a sum of its own. The loop for many
//! rows is in `products/prefill.rs`.

mod prefill;

use super::ahead;
use super::isa::{DEPTH, Isa};
use super::sums::{add, begin, end, multiply_add, start, starts_of_halves};
use super::weights::{
    REGISTERS, Weights, has_halves, scaling, tile_block_bytes, two_registers, unpack,
};
use crate::compute::block::BLOCK;
use crate::compute::kernel::format::Format;
use crate::compute::kernel::panel::{MAGIC, Panel};
use crate::compute::kernel::tile::{Tile, Tiles};

/// The formats, as parameters of the loops.
const INT1: u8 = Format::Int1 as u8;
const INT2: u8 = Format::Int2 as u8;
const INT4: u8 = Format::Int4 as u8;
const SYMMETRIC: u8 = Format::Int4Symmetric as u8;
const CHANNEL: u8 = Format::Int4Channel as u8;
const INT4_K: u8 = Format::Int4K as u8;
const INT5: u8 = Format::Int5 as u8;
const INT5_SYMMETRIC: u8 = Format::Int5Symmetric as u8;
const INT5_K: u8 = Format::Int5K as u8;
const INT6_K: u8 = Format::Int6K as u8;
const Q8: u8 = Format::Q8 as u8;

/// Int4 blocks, with a minimum or symmetric.
#[inline(always)]
pub(in crate::compute::kernel) fn int4<I: Isa>(
    isa: I,
    tiles: &Tiles<'_>,
    x: &Panel<'_>,
    out: &mut [f32],
) {
    if tiles.format == Format::Int4 {
        product::<I, INT4>(isa, tiles, x, out);
    } else {
        product::<I, SYMMETRIC>(isa, tiles, x, out);
    }
}

/// What has a plane of bits, or scales of two parts.
#[inline(always)]
pub(in crate::compute::kernel) fn layered<I: Isa>(
    isa: I,
    tiles: &Tiles<'_>,
    x: &Panel<'_>,
    out: &mut [f32],
) {
    match tiles.format {
        Format::Int1 => product::<I, INT1>(isa, tiles, x, out),
        Format::Int2 => product::<I, INT2>(isa, tiles, x, out),
        Format::Int4K => product::<I, INT4_K>(isa, tiles, x, out),
        Format::Int5 => product::<I, INT5>(isa, tiles, x, out),
        Format::Int5Symmetric => product::<I, INT5_SYMMETRIC>(isa, tiles, x, out),
        Format::Int5K => product::<I, INT5_K>(isa, tiles, x, out),
        _ => product::<I, INT6_K>(isa, tiles, x, out),
    }
}

/// Channelwise int4: `out` holds the bits of integer sums until the last block is done.
#[inline(always)]
pub(in crate::compute::kernel) fn channel<I: Isa>(
    isa: I,
    tiles: &Tiles<'_>,
    x: &Panel<'_>,
    out: &mut [f32],
) {
    product::<I, CHANNEL>(isa, tiles, x, out);
    for (tile, out) in tiles.iter().zip(out.chunks_exact_mut(x.rows() * I::ROWS)) {
        let scales = isa.load_halves(tile.channel_scales());
        let sums = isa.as_floats(isa.load(tile.channel_sums()));
        for (row, out) in out.chunks_exact_mut(I::ROWS).enumerate() {
            let offset = isa.splat_ints(-8 * x.row_sum(row));
            let dot = isa.add_ints(isa.as_ints(isa.load_floats(out)), offset);
            let share = isa.mul(scales, isa.to_floats(dot));
            let share = isa.mul_add(isa.splat(-x.zero_point(row)), sums, share);
            isa.store(out, isa.mul(isa.splat(x.block(0, row).scale), share));
        }
    }
}

/// 8-bit weights.
#[inline(always)]
pub(in crate::compute::kernel) fn q8<I: Isa>(
    isa: I,
    tiles: &Tiles<'_>,
    x: &Panel<'_>,
    out: &mut [f32],
) {
    product::<I, Q8>(isa, tiles, x, out);
}

#[inline(always)]
fn product<I: Isa, const FORMAT: u8>(isa: I, tiles: &Tiles<'_>, x: &Panel<'_>, out: &mut [f32]) {
    match x.rows() {
        1 => one_row::<I, FORMAT>(isa, tiles, x, out),
        2 => rows_in_registers::<I, FORMAT, 2>(isa, tiles, x, out),
        3 => rows_in_registers::<I, FORMAT, 3>(isa, tiles, x, out),
        4 if I::HAS_MANY_REGISTERS => rows_in_registers::<I, FORMAT, 4>(isa, tiles, x, out),
        5..=MOST_IN_GROUPS
            if I::HAS_MANY_REGISTERS
                && tiles.blocks * tile_block_bytes::<I, FORMAT>() <= MOST_BYTES_IN_GROUPS =>
        {
            rows_in_groups::<I, FORMAT>(isa, tiles, x, out);
        }
        _ => prefill::all_rows::<I, FORMAT>(isa, tiles, x, out),
    }
}

/// Asks for as many cache lines as a tile block has, so many bytes behind the start of this one, up to the end of
/// `tiles`: what follows is another thread's.
#[inline(always)]
fn prefetch(tile_block: &[u8], ahead: usize, tiles: &Tiles<'_>) {
    let last = tiles.bytes.as_ptr_range().end.wrapping_sub(1);
    for line in (0..tile_block.len()).step_by(64) {
        let at = tile_block.as_ptr().wrapping_add(ahead + line);
        ahead::prefetch(at.min(last));
    }
}

/// Four neighbouring activations in every lane.
#[inline(always)]
fn columns<I: Isa>(isa: I, quants: &[i8; BLOCK], index: usize) -> I::Ints {
    let columns = quants.as_chunks::<DEPTH>().0[index];
    isa.splat_ints(i32::from_le_bytes(columns.map(i8::cast_unsigned)))
}

/// Which of two sums the products of a register of quants belong to.
#[inline(always)]
const fn sum_of<const FORMAT: u8>(register: usize) -> usize {
    if has_halves(FORMAT) {
        register / (REGISTERS / 2)
    } else {
        0
    }
}

/// The factors that a block shares with others, where the format has such.
#[inline(always)]
fn shared<'a, const FORMAT: u8>(tile: &Tile<'a>, block: usize) -> &'a [u8] {
    match Format::of(FORMAT).shared_bytes() {
        0 => &[],
        _ => tile.shared(block),
    }
}

/// Decode: one row of activations, sums in registers, weights straight from memory.
#[inline(always)]
fn one_row<I: Isa, const FORMAT: u8>(isa: I, tiles: &Tiles<'_>, x: &Panel<'_>, out: &mut [f32]) {
    let ahead = ahead::of_one_row::<I>();
    for (tile, out) in tiles.iter().zip(out.chunks_exact_mut(I::ROWS)) {
        let blocks = tile.bytes().chunks_exact(tile_block_bytes::<I, FORMAT>());
        let mut total = isa.splat(0.0);
        let factors = x.scales().iter().zip(x.sums()).zip(x.half_sums());
        for (b, ((tile_block, quants), ((scale, sum), half_sum))) in
            blocks.zip(x.quants()).zip(factors).enumerate()
        {
            prefetch(tile_block, ahead, tiles);
            let weights = unpack::<I, FORMAT>(isa, tile_block, shared::<FORMAT>(&tile, b));
            let starts = match has_halves(FORMAT) {
                true => starts_of_halves::<I, FORMAT>(isa, *sum, *half_sum),
                false => [start::<I, FORMAT>(isa, *sum, MAGIC - 8.0 * sum); 2],
            };
            let mut dots = [begin::<I, FORMAT>(isa, starts[0]); 2];
            if has_halves(FORMAT) {
                dots[1] = starts[1];
            }
            for i in 0..REGISTERS {
                let columns = columns(isa, quants, i);
                let dot = &mut dots[sum_of::<FORMAT>(i)];
                *dot = multiply_add::<I, FORMAT>(isa, *dot, weights.quants[i], columns);
            }
            dots[0] = end::<I, FORMAT>(isa, dots[0], starts[0]);
            let factors = [isa.splat(*scale), isa.splat(*sum)];
            total = add::<I, FORMAT>(isa, &weights.scaling, dots, factors, total);
        }
        isa.store(out, total);
    }
}

/// A step of a few sequences: as [`one_row`], a tile at a time and sums in registers. With `avx512_vnni` a step of SmolLM2
/// takes 0.72, 0.64 and 0.73 of the time that [`prefill::all_rows`] takes for 2, 3 and 4 rows, with `avx2` 0.82, 0.86 and as long
/// for 4.
#[inline(always)]
fn rows_in_registers<I: Isa, const FORMAT: u8, const N: usize>(
    isa: I,
    tiles: &Tiles<'_>,
    x: &Panel<'_>,
    out: &mut [f32],
) {
    for (tile, out) in tiles.iter().zip(out.chunks_exact_mut(N * I::ROWS)) {
        some_rows::<I, FORMAT, N>(isa, tiles, &tile, x, 0, out);
    }
}

/// Rows up to which a tile is multiplied with up to four of them at a time, and its most bytes. From the second time on it
/// comes from the L1 cache, where it stays if it is small: a step of SmolLM2, whose tiles have 5 to 15 KB, takes 0.81, 0.90 and
/// 0.95 of the time that [`prefill::all_rows`] takes for 6, 8 and 12 rows, and 1.05 for 16. One of a 1b shape, with 20 KB and more, would
/// take 1.1 to 1.2 times as long.
const MOST_IN_GROUPS: usize = 12;
const MOST_BYTES_IN_GROUPS: usize = 16 * 1024;

/// A step of more sequences: as [`rows_in_registers`], a group of rows after the other with each tile.
#[inline(always)]
fn rows_in_groups<I: Isa, const FORMAT: u8>(
    isa: I,
    tiles: &Tiles<'_>,
    x: &Panel<'_>,
    out: &mut [f32],
) {
    let rows = x.rows();
    let groups = rows.div_ceil(4);
    for (tile, out) in tiles.iter().zip(out.chunks_exact_mut(rows * I::ROWS)) {
        for group in 0..groups {
            // As many rows as the others have, or one more.
            let [first, end] = [group, group + 1].map(|group| rows * group / groups);
            let out = &mut out[first * I::ROWS..end * I::ROWS];
            match end - first {
                2 => some_rows::<I, FORMAT, 2>(isa, tiles, &tile, x, first, out),
                3 => some_rows::<I, FORMAT, 3>(isa, tiles, &tile, x, first, out),
                _ => some_rows::<I, FORMAT, 4>(isa, tiles, &tile, x, first, out),
            }
        }
    }
}

/// The products of a tile and `N` rows from `first` on, with each block unpacked once.
#[inline(always)]
fn some_rows<I: Isa, const FORMAT: u8, const N: usize>(
    isa: I,
    tiles: &Tiles<'_>,
    tile: &Tile<'_>,
    x: &Panel<'_>,
    first: usize,
    out: &mut [f32],
) {
    let ahead = ahead::of_few_rows::<I>(x.rows());
    let blocks = tile.bytes().chunks_exact(tile_block_bytes::<I, FORMAT>());
    let mut totals = [isa.splat(0.0); N];
    for (b, tile_block) in blocks.enumerate() {
        if first == 0 {
            prefetch(tile_block, ahead, tiles);
        }
        let shared = shared::<FORMAT>(tile, b);
        let rows = Rows::of(x, b);
        let mut starts = [[isa.splat_ints(0); 2]; N];
        let mut dots = starts;
        for n in 0..N {
            starts[n] = rows.starts::<I, FORMAT>(isa, first + n);
            dots[n] = [begin::<I, FORMAT>(isa, starts[n][0]), starts[n][1]];
        }
        let quants = &rows.quants[first..first + N];
        let scaling = if I::HAS_MANY_REGISTERS {
            let weights = unpack::<I, FORMAT>(isa, tile_block, shared);
            multiply_unpacked::<I, FORMAT, N>(isa, &weights, quants, &mut dots);
            weights.scaling
        } else {
            multiply_packed::<I, FORMAT, N>(isa, tile_block, quants, &mut dots);
            scaling::<I, FORMAT>(isa, tile_block, shared)
        };
        for (n, total) in totals.iter_mut().enumerate() {
            let row = first + n;
            dots[n][0] = end::<I, FORMAT>(isa, dots[n][0], starts[n][0]);
            let factors = [isa.splat(rows.scales[row]), isa.splat(rows.sums[row])];
            *total = add::<I, FORMAT>(isa, &scaling, dots[n], factors, *total);
        }
    }
    for (out, total) in out.chunks_exact_mut(I::ROWS).zip(totals) {
        isa.store(out, total);
    }
}

/// Adds the products of a block, all of which is in registers, with `N` rows to their sums.
#[inline(always)]
fn multiply_unpacked<I: Isa, const FORMAT: u8, const N: usize>(
    isa: I,
    weights: &Weights<I>,
    quants: &[[i8; BLOCK]],
    dots: &mut [[I::Ints; 2]; N],
) {
    for (dots, quants) in dots.iter_mut().zip(quants) {
        for i in 0..REGISTERS {
            let columns = columns(isa, quants, i);
            let dot = &mut dots[sum_of::<FORMAT>(i)];
            *dot = multiply_add::<I, FORMAT>(isa, *dot, weights.quants[i], columns);
        }
    }
}

/// The same where not all of it has room in them: two are unpacked at a time.
#[inline(always)]
fn multiply_packed<I: Isa, const FORMAT: u8, const N: usize>(
    isa: I,
    tile_block: &[u8],
    quants: &[[i8; BLOCK]],
    dots: &mut [[I::Ints; 2]; N],
) {
    for i in 0..REGISTERS / 2 {
        let both = two_registers::<I, FORMAT>(isa, tile_block, i);
        for (i, weights) in [i, i + REGISTERS / 2].into_iter().zip(both) {
            let mut sums = [isa.splat_ints(0); N];
            for n in 0..N {
                let columns = columns(isa, &quants[n], i);
                sums[n] = dots[n][sum_of::<FORMAT>(i)];
                sums[n] = multiply_add::<I, FORMAT>(isa, sums[n], weights, columns);
            }
            isa.in_registers(&mut sums);
            for n in 0..N {
                dots[n][sum_of::<FORMAT>(i)] = sums[n];
            }
        }
    }
}

/// One block of every row of activations.
#[derive(Clone, Copy)]
struct Rows<'a> {
    quants: &'a [[i8; BLOCK]],
    scales: &'a [f32],
    sums: &'a [f32],
    half_sums: &'a [f32],
    starts: &'a [f32],
}

impl<'a> Rows<'a> {
    #[inline(always)]
    fn of(x: &Panel<'a>, block: usize) -> Self {
        let range = block * x.rows()..(block + 1) * x.rows();
        Self {
            quants: &x.quants()[range.clone()],
            scales: &x.scales()[range.clone()],
            sums: &x.sums()[range.clone()],
            half_sums: &x.half_sums()[range.clone()],
            starts: &x.starts()[range],
        }
    }

    /// What the sums of a row's products start at: that of all columns, or those of each half.
    #[inline(always)]
    fn starts<I: Isa, const FORMAT: u8>(&self, isa: I, row: usize) -> [I::Ints; 2] {
        match has_halves(FORMAT) {
            true => starts_of_halves::<I, FORMAT>(isa, self.sums[row], self.half_sums[row]),
            false => [start::<I, FORMAT>(isa, self.sums[row], self.starts[row]); 2],
        }
    }
}
