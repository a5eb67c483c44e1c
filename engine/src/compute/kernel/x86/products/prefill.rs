//! The products of many rows of activations, as a prefill has them.
//!
//! Of ten instructions on the ports that multiply, eight multiply here and two scale, where a format has no minimum; with one
//! it is four of twelve. So no loop of this kind is faster than 80 or 67 % of the multiply rate where additions take the same
//! ports, as on Intel. The rest keeps these ports busy: every four columns are broadcast for two tiles (one tile and one row
//! at a time wait for the load ports), and the sums of up to six rows at a time are more chains than the latency of a
//! multiplication has places for. `RESULTS.md` has what each of these gives.

use super::{Rows, columns, shared};
use crate::compute::block::BLOCK;
use crate::compute::kernel::panel::Panel;
use crate::compute::kernel::tile::Tiles;
use crate::compute::kernel::x86::ahead;
use crate::compute::kernel::x86::isa::Isa;
use crate::compute::kernel::x86::sums::{add, begin, end, multiply_add};
use crate::compute::kernel::x86::weights::{Weights, has_halves, tile_block_bytes, unpack};

/// Tiles that are multiplied at a time.
const TILES_AT_ONCE: usize = 2;

/// Two tiles at a time, each block of weights is unpacked once and multiplied with all rows of activations, in groups of as
/// many rows as the others, or one more. Every size of group is a loop of its own for each format and instruction set, so there
/// are no more of them than are called: what is left out here takes minutes to compile.
#[inline(always)]
pub(super) fn all_rows<I: Isa, const FORMAT: u8>(
    isa: I,
    tiles: &Tiles<'_>,
    x: &Panel<'_>,
    out: &mut [f32],
) {
    out.fill(0.0);
    let paired = tiles.count() / TILES_AT_ONCE * TILES_AT_ONCE;
    let (pairs, last) = out.split_at_mut(paired * x.rows() * I::ROWS);
    in_pairs::<I, FORMAT>(isa, tiles, x, pairs);
    // The last tile of an odd number, which is seldom there.
    if !last.is_empty() {
        let rows_of_four = x.rows() / 4 * 4;
        some_tiles::<I, FORMAT, 1, 1, 4>(isa, tiles, paired, x, rows_of_four, last);
    }
}

/// [`all_rows`] of an even number of tiles.
#[inline(always)]
fn in_pairs<I: Isa, const FORMAT: u8>(isa: I, tiles: &Tiles<'_>, x: &Panel<'_>, out: &mut [f32]) {
    let at_once = const { rows_at_once::<I, FORMAT>() };
    let fewer = (x.rows() / x.rows().div_ceil(at_once)).min(at_once - 1);
    if const { rows_at_once::<I, FORMAT>() == MOST_AT_ONCE } {
        match fewer {
            // Fewer rows than five have a loop of their own.
            0..=3 => in_groups::<I, FORMAT, 3, 4>(isa, tiles, x, out),
            4 => in_groups::<I, FORMAT, 4, 5>(isa, tiles, x, out),
            _ => in_groups::<I, FORMAT, 5, 6>(isa, tiles, x, out),
        }
    } else {
        match fewer {
            0..=2 => in_groups::<I, FORMAT, 2, 3>(isa, tiles, x, out),
            _ => in_groups::<I, FORMAT, 3, 4>(isa, tiles, x, out),
        }
    }
}

/// The most rows whose sums are kept in registers, where there are 32.
const MOST_AT_ONCE: usize = 6;

/// Rows whose sums are kept in registers, with two blocks of weights beside them. Halves of blocks have sums of their own.
const fn rows_at_once<I: Isa, const FORMAT: u8>() -> usize {
    if I::HAS_MANY_REGISTERS && !has_halves(FORMAT) {
        MOST_AT_ONCE
    } else {
        4
    }
}

/// [`in_pairs`] in groups of `N` rows and of `MORE`, which is one more.
#[inline(always)]
fn in_groups<I: Isa, const FORMAT: u8, const N: usize, const MORE: usize>(
    isa: I,
    tiles: &Tiles<'_>,
    x: &Panel<'_>,
    out: &mut [f32],
) {
    let groups = x.rows().div_ceil(const { rows_at_once::<I, FORMAT>() });
    let rows_of_more = (x.rows() - groups * N) * MORE;
    let pairs = out.chunks_exact_mut(TILES_AT_ONCE * x.rows() * I::ROWS);
    for (pair, out) in pairs.enumerate() {
        let first = pair * TILES_AT_ONCE;
        some_tiles::<I, FORMAT, TILES_AT_ONCE, N, MORE>(isa, tiles, first, x, rows_of_more, out);
    }
}

/// The part of [`in_groups`] for some tiles from `first` on, where the first rows come in groups of `MORE`; `out` is
/// `[tiles, rows, tile rows]`.
#[inline(always)]
fn some_tiles<I: Isa, const FORMAT: u8, const TILES: usize, const N: usize, const MORE: usize>(
    isa: I,
    tiles: &Tiles<'_>,
    first: usize,
    x: &Panel<'_>,
    rows_of_more: usize,
    out: &mut [f32],
) {
    let bytes = tile_block_bytes::<I, FORMAT>();
    let blocks_ahead = ahead::blocks(x.rows());
    let some: [_; TILES] = std::array::from_fn(|index| tiles.tile(first + index));
    let mut outs = out.chunks_exact_mut(x.rows() * I::ROWS);
    let mut outs: [_; TILES] = std::array::from_fn(|_| outs.next().unwrap_or_default());
    for block in 0..tiles.blocks {
        // Behind a tile's last block the tile is next that follows those that are multiplied with it, in this call or the next.
        let ahead = match block + blocks_ahead < tiles.blocks {
            true => blocks_ahead * bytes,
            false => blocks_ahead * bytes + (TILES - 1) * tiles.tile_bytes(),
        };
        let mut weights = [Weights::none(isa); TILES];
        for (weights, tile) in weights.iter_mut().zip(&some) {
            let tile_block = &tile.bytes()[block * bytes..][..bytes];
            for line in (0..bytes).step_by(64) {
                ahead::prefetch(tile_block.as_ptr().wrapping_add(ahead + line));
            }
            *weights = unpack::<I, FORMAT>(isa, tile_block, shared::<FORMAT>(tile, block));
        }
        let x = Rows::of(x, block);
        for first in (0..rows_of_more).step_by(MORE) {
            few_rows::<I, FORMAT, TILES, MORE>(isa, &weights, x, first, &mut outs);
        }
        for first in (rows_of_more..x.quants.len()).step_by(N) {
            few_rows::<I, FORMAT, TILES, N>(isa, &weights, x, first, &mut outs);
        }
    }
}

/// Adds the products of one block of some tiles with `N` rows from `first` on to those of each tile, `[rows, tile rows]`.
#[inline(always)]
fn few_rows<I: Isa, const FORMAT: u8, const TILES: usize, const N: usize>(
    isa: I,
    weights: &[Weights<I>; TILES],
    x: Rows<'_>,
    first: usize,
    outs: &mut [&mut [f32]; TILES],
) {
    let quants = &x.quants[first..first + N];
    let mut starts = [[isa.splat_ints(0); 2]; N];
    let mut sums = [[isa.splat_ints(0); TILES]; N];
    let mut first_halves = sums;
    for n in 0..N {
        starts[n] = x.starts::<I, FORMAT>(isa, first + n);
        sums[n] = [begin::<I, FORMAT>(isa, starts[n][0]); TILES];
    }
    // A loop of so many instructions is not unrolled, and weights that are looked up by a number are in memory.
    multiply::<I, FORMAT, TILES, N>(isa, weights, quants, 0, &mut sums);
    multiply::<I, FORMAT, TILES, N>(isa, weights, quants, 1, &mut sums);
    multiply::<I, FORMAT, TILES, N>(isa, weights, quants, 2, &mut sums);
    multiply::<I, FORMAT, TILES, N>(isa, weights, quants, 3, &mut sums);
    if has_halves(FORMAT) {
        first_halves = sums;
        for n in 0..N {
            sums[n] = [starts[n][1]; TILES];
        }
    }
    multiply::<I, FORMAT, TILES, N>(isa, weights, quants, 4, &mut sums);
    multiply::<I, FORMAT, TILES, N>(isa, weights, quants, 5, &mut sums);
    multiply::<I, FORMAT, TILES, N>(isa, weights, quants, 6, &mut sums);
    multiply::<I, FORMAT, TILES, N>(isa, weights, quants, 7, &mut sums);
    for (n, sums) in sums.iter().enumerate() {
        let row = first + n;
        let factors = [isa.splat(x.scales[row]), isa.splat(x.sums[row])];
        let range = row * I::ROWS..(row + 1) * I::ROWS;
        // All loads before the stores: the rows of two tiles may lie 4 KiB apart, where one waits for the other.
        let mut totals = [isa.splat(0.0); TILES];
        for t in 0..TILES {
            let total = isa.load_floats(&outs[t][range.clone()]);
            let dots = match has_halves(FORMAT) {
                true => [first_halves[n][t], sums[t]],
                false => [end::<I, FORMAT>(isa, sums[t], starts[n][0]); 2],
            };
            totals[t] = add::<I, FORMAT>(isa, &weights[t].scaling, dots, factors, total);
        }
        for (out, total) in outs.iter_mut().zip(totals) {
            isa.store(&mut out[range.clone()], total);
        }
    }
}

/// Adds the products of one of the registers of each tile.
#[inline(always)]
fn multiply<I: Isa, const FORMAT: u8, const TILES: usize, const N: usize>(
    isa: I,
    weights: &[Weights<I>; TILES],
    quants: &[[i8; BLOCK]],
    register: usize,
    sums: &mut [[I::Ints; TILES]; N],
) {
    for (sums, quants) in sums.iter_mut().zip(quants) {
        let columns = columns(isa, quants, register);
        for (sum, weights) in sums.iter_mut().zip(weights) {
            *sum = multiply_add::<I, FORMAT>(isa, *sum, weights.quants[register], columns);
        }
    }
    isa.in_registers(sums.as_flattened_mut());
}
