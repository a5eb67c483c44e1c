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
//! activations off by starting below.

use super::ahead;
use super::isa::{DEPTH, Isa};
use crate::compute::block::BLOCK;
use crate::compute::kernel::format::Format;
use crate::compute::kernel::panel::{MAGIC, Panel};
use crate::compute::kernel::tile::Tiles;

/// Registers of quants that a block takes: nibbles are unpacked from half as many.
const REGISTERS: usize = BLOCK / DEPTH;

/// The formats, as the loops are compiled for them.
const WITH_MIN: u8 = 0;
const SYMMETRIC: u8 = 1;
const CHANNEL: u8 = 2;
const Q8: u8 = 3;

/// Int4 blocks, with a minimum or symmetric.
#[inline(always)]
pub(in crate::compute::kernel) fn int4<I: Isa>(
    isa: I,
    tiles: &Tiles<'_>,
    x: &Panel<'_>,
    out: &mut [f32],
) {
    if tiles.format == Format::Int4 {
        product::<I, WITH_MIN>(isa, tiles, x, out);
    } else {
        product::<I, SYMMETRIC>(isa, tiles, x, out);
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
    if x.rows() == 1 {
        one_row::<I, FORMAT>(isa, tiles, x, out);
    } else {
        all_rows::<I, FORMAT>(isa, tiles, x, out);
    }
}

/// One block of a tile, ready to multiply.
struct Weights<I: Isa> {
    quants: [I::Ints; REGISTERS],
    /// Without meaning in the channelwise format.
    scales: I::Floats,
    /// Without meaning but in the format with minima.
    mins: I::Floats,
}

#[inline(always)]
fn unpack<I: Isa, const FORMAT: u8>(isa: I, tile_block: &[u8]) -> Weights<I> {
    let (packed, halves) = tile_block.split_at(quant_bytes::<I, FORMAT>());
    let mut quants = [isa.splat_ints(0); REGISTERS];
    for (i, packed) in packed.chunks_exact(I::ROWS * DEPTH).enumerate() {
        let packed = isa.load(packed);
        if FORMAT == Q8 {
            quants[i] = isa.biased(packed);
        } else {
            [quants[i], quants[i + REGISTERS / 2]] = isa.nibbles(packed);
        }
    }
    let mut factors = [isa.splat(0.0); 2];
    for (factors, halves) in factors.iter_mut().zip(halves.chunks_exact(2 * I::ROWS)) {
        *factors = isa.load_halves(halves);
    }
    let [scales, mins] = factors;
    Weights {
        quants,
        scales,
        mins,
    }
}

/// Bytes of the quants of one block of every row of a tile.
const fn quant_bytes<I: Isa, const FORMAT: u8>() -> usize {
    match FORMAT {
        Q8 => I::ROWS * BLOCK,
        _ => I::ROWS * BLOCK / 2,
    }
}

/// Scales and minima that a block of a row has of its own.
const fn halves_of(format: u8) -> usize {
    match format {
        WITH_MIN => 2,
        SYMMETRIC | Q8 => 1,
        _ => 0,
    }
}

/// Bytes of one block of every row of a tile.
const fn tile_block_bytes<I: Isa, const FORMAT: u8>() -> usize {
    quant_bytes::<I, FORMAT>() + 2 * I::ROWS * halves_of(FORMAT)
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

/// What a block's sums start at.
#[inline(always)]
fn start<I: Isa, const FORMAT: u8>(isa: I, x_sum: f32, x_start: f32) -> I::Ints {
    match FORMAT {
        WITH_MIN => isa.splat_ints(MAGIC.to_bits().cast_signed()),
        SYMMETRIC => isa.splat_ints(x_start.to_bits().cast_signed()),
        Q8 => isa.splat_ints((MAGIC - I::Q8_BIAS * x_sum).to_bits().cast_signed()),
        _ => isa.splat_ints(0),
    }
}

/// A sum of products of one block.
#[inline(always)]
fn begin<I: Isa, const FORMAT: u8>(isa: I, start: I::Ints) -> I::Ints {
    match FORMAT {
        Q8 => start,
        _ => isa.begin(start),
    }
}

#[inline(always)]
fn multiply_add<I: Isa, const FORMAT: u8>(
    isa: I,
    sum: I::Ints,
    quants: I::Ints,
    columns: I::Ints,
) -> I::Ints {
    match FORMAT {
        Q8 => isa.multiply_add_q8(sum, quants, columns),
        _ => isa.multiply_add(sum, quants, columns),
    }
}

#[inline(always)]
fn end<I: Isa, const FORMAT: u8>(isa: I, sum: I::Ints, start: I::Ints) -> I::Ints {
    match FORMAT {
        Q8 => sum,
        _ => isa.end(sum, start),
    }
}

/// Adds one block's share to the sums of a tile's rows, in the order that `scalar` adds. Channelwise sums are the bits
/// of integers.
#[inline(always)]
fn add<I: Isa, const FORMAT: u8>(
    isa: I,
    weights: &Weights<I>,
    dot: I::Ints,
    [x_scale, x_sum]: [I::Floats; 2],
    total: I::Floats,
) -> I::Floats {
    if FORMAT == CHANNEL {
        return isa.as_floats(isa.add_ints(isa.as_ints(total), dot));
    }
    let dot = isa.sub(isa.as_floats(dot), isa.splat(MAGIC));
    let share = if FORMAT == WITH_MIN {
        isa.mul_add(weights.scales, dot, isa.mul(weights.mins, x_sum))
    } else {
        isa.mul(weights.scales, dot)
    };
    isa.mul_add(x_scale, share, total)
}

/// Decode: one row of activations, sums in registers, weights straight from memory.
#[inline(always)]
fn one_row<I: Isa, const FORMAT: u8>(isa: I, tiles: &Tiles<'_>, x: &Panel<'_>, out: &mut [f32]) {
    let ahead = ahead::of_one_row();
    for (tile, out) in tiles.iter().zip(out.chunks_exact_mut(I::ROWS)) {
        let blocks = tile.bytes().chunks_exact(tile_block_bytes::<I, FORMAT>());
        let mut total = isa.splat(0.0);
        for (((tile_block, quants), scale), sum) in
            blocks.zip(x.quants()).zip(x.scales()).zip(x.sums())
        {
            prefetch(tile_block, ahead, tiles);
            let weights = unpack::<I, FORMAT>(isa, tile_block);
            let start = start::<I, FORMAT>(isa, *sum, MAGIC - 8.0 * sum);
            let mut dot = begin::<I, FORMAT>(isa, start);
            for i in 0..REGISTERS {
                let columns = columns(isa, quants, i);
                dot = multiply_add::<I, FORMAT>(isa, dot, weights.quants[i], columns);
            }
            let dot = end::<I, FORMAT>(isa, dot, start);
            let factors = [isa.splat(*scale), isa.splat(*sum)];
            total = add::<I, FORMAT>(isa, &weights, dot, factors, total);
        }
        isa.store(out, total);
    }
}

/// Tiles that prefill multiplies at a time: every four columns are broadcast for both. (One tile and one row at a time
/// wait for the load ports.)
const TILES_AT_ONCE: usize = 2;

/// One block of every row of activations.
#[derive(Clone, Copy)]
struct Rows<'a> {
    quants: &'a [[i8; BLOCK]],
    scales: &'a [f32],
    sums: &'a [f32],
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
            starts: &x.starts()[range],
        }
    }
}

/// Prefill: two tiles at a time, each block of weights is unpacked once and multiplied with all rows of activations.
#[inline(always)]
fn all_rows<I: Isa, const FORMAT: u8>(isa: I, tiles: &Tiles<'_>, x: &Panel<'_>, out: &mut [f32]) {
    let ahead = ahead::blocks(x.rows());
    out.fill(0.0);
    let mut pairs = out.chunks_exact_mut(TILES_AT_ONCE * x.rows() * I::ROWS);
    let mut tile = 0;
    for out in pairs.by_ref() {
        for block in 0..tiles.blocks {
            let weights = [
                weights::<I, FORMAT>(isa, tiles, tile, block, ahead),
                weights::<I, FORMAT>(isa, tiles, tile + 1, block, ahead),
            ];
            block_rows::<I, FORMAT, TILES_AT_ONCE>(isa, &weights, Rows::of(x, block), out);
        }
        tile += TILES_AT_ONCE;
    }
    let last = pairs.into_remainder();
    if !last.is_empty() {
        for block in 0..tiles.blocks {
            let weights = [weights::<I, FORMAT>(isa, tiles, tile, block, ahead)];
            block_rows::<I, FORMAT, 1>(isa, &weights, Rows::of(x, block), last);
        }
    }
}

/// One block of a tile of many, and so many blocks ahead of it another asked for.
#[inline(always)]
fn weights<I: Isa, const FORMAT: u8>(
    isa: I,
    tiles: &Tiles<'_>,
    tile: usize,
    block: usize,
    ahead: usize,
) -> Weights<I> {
    let tile_block_bytes = tile_block_bytes::<I, FORMAT>();
    let tile_block = &tiles.tile(tile).bytes()[block * tile_block_bytes..][..tile_block_bytes];
    prefetch(tile_block, ahead * tile_block_bytes, tiles);
    unpack::<I, FORMAT>(isa, tile_block)
}

/// Adds the products of one block of some tiles with all rows to `out` `[tiles, rows, tile rows]`.
#[inline(always)]
fn block_rows<I: Isa, const FORMAT: u8, const TILES: usize>(
    isa: I,
    weights: &[Weights<I>; TILES],
    x: Rows<'_>,
    out: &mut [f32],
) {
    let rows = x.quants.len();
    let mut tiles = out.chunks_exact_mut(rows * I::ROWS);
    let mut outs: [_; TILES] = std::array::from_fn(|_| tiles.next().unwrap_or_default());
    let mut first = 0;
    while first + 4 <= rows {
        few_rows::<I, FORMAT, TILES, 4>(isa, weights, x, first, &mut outs);
        first += 4;
    }
    for row in first..rows {
        few_rows::<I, FORMAT, TILES, 1>(isa, weights, x, row, &mut outs);
    }
}

/// The part of [`block_rows`] for `N` rows from `first` on.
#[inline(always)]
fn few_rows<I: Isa, const FORMAT: u8, const TILES: usize, const N: usize>(
    isa: I,
    weights: &[Weights<I>; TILES],
    x: Rows<'_>,
    first: usize,
    outs: &mut [&mut [f32]; TILES],
) {
    let quants = &x.quants[first..first + N];
    let mut starts = [isa.splat_ints(0); N];
    let mut sums = [[isa.splat_ints(0); TILES]; N];
    for n in 0..N {
        starts[n] = start::<I, FORMAT>(isa, x.sums[first + n], x.starts[first + n]);
        sums[n] = [begin::<I, FORMAT>(isa, starts[n]); TILES];
    }
    for i in 0..REGISTERS {
        for (sums, quants) in sums.iter_mut().zip(quants) {
            let columns = columns(isa, quants, i);
            for (sum, weights) in sums.iter_mut().zip(weights) {
                *sum = multiply_add::<I, FORMAT>(isa, *sum, weights.quants[i], columns);
            }
        }
        isa.in_registers(sums.as_flattened_mut());
    }
    for (n, sums) in sums.iter().enumerate() {
        let row = first + n;
        let factors = [isa.splat(x.scales[row]), isa.splat(x.sums[row])];
        let range = row * I::ROWS..(row + 1) * I::ROWS;
        // All loads before the stores: the rows of two tiles may lie 4 KiB apart, where one waits for the other.
        let mut totals = [isa.splat(0.0); TILES];
        for t in 0..TILES {
            let total = isa.load_floats(&outs[t][range.clone()]);
            let dot = end::<I, FORMAT>(isa, sums[t], starts[n]);
            totals[t] = add::<I, FORMAT>(isa, &weights[t], dot, factors, total);
        }
        for (out, total) in outs.iter_mut().zip(totals) {
            isa.store(&mut out[range.clone()], total);
        }
    }
}
