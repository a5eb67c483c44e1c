//! A block of a tile in registers, ready to multiply: quants of any bits as the instruction set multiplies them, and what
//! their products are multiplied with.

use super::isa::{DEPTH, Isa, tile_layout};
use crate::compute::block::BLOCK;
use crate::compute::kernel::format::{Factors, Format};
use crate::compute::kernel::panel::MAGIC;

const Q8: u8 = Format::Q8 as u8;

/// Registers of quants that a block takes: nibbles are unpacked from half as many.
pub(super) const REGISTERS: usize = BLOCK / DEPTH;

/// Whether each half of a block has a scale.
pub(super) const fn has_halves(format: u8) -> bool {
    matches!(Format::of(format).factors(), Factors::SharedHalfScales)
}

/// Whether quants are multiplied as bytes rather than as nibbles, which they are if they have fewer bits too.
pub(super) const fn are_bytes(format: u8) -> bool {
    format == Q8 || Format::of(format).has_nibbles() && Format::of(format).plane_bits() > 0
}

/// One block of a tile, ready to multiply.
#[derive(Clone, Copy)]
pub(super) struct Weights<I: Isa> {
    pub(super) quants: [I::Ints; REGISTERS],
    pub(super) scaling: Scaling<I>,
}

/// What the products of a block are multiplied with.
#[derive(Clone, Copy)]
pub(super) struct Scaling<I: Isa> {
    /// Without meaning in the channelwise format. Where there are two, that of the first half.
    pub(super) scales: I::Floats,
    /// The minima, or the scales of the second half; without meaning in formats that have neither.
    pub(super) seconds: I::Floats,
    /// What takes [`MAGIC`] off a product with the scales, or with those of the second half: `-MAGIC` times them, which is
    /// exact, as they have 19 bits at the most. Without meaning in formats that have a minimum.
    pub(super) magics: I::Floats,
}

impl<I: Isa> Weights<I> {
    /// Nothing yet.
    #[inline(always)]
    pub(super) fn none(isa: I) -> Self {
        let none = isa.splat(0.0);
        Self {
            quants: [isa.splat_ints(0); REGISTERS],
            scaling: Scaling {
                scales: none,
                seconds: none,
                magics: none,
            },
        }
    }
}

/// `shared` are the factors that the block shares with others, where it does.
#[inline(always)]
pub(super) fn unpack<I: Isa, const FORMAT: u8>(
    isa: I,
    tile_block: &[u8],
    shared: &[u8],
) -> Weights<I> {
    let mut quants = [isa.splat_ints(0); REGISTERS];
    for i in 0..REGISTERS / 2 {
        [quants[i], quants[i + REGISTERS / 2]] = two_registers::<I, FORMAT>(isa, tile_block, i);
    }
    Weights {
        quants,
        scaling: scaling::<I, FORMAT>(isa, tile_block, shared),
    }
}

/// A register of quants of the first half of a block, and the one in its place in the second.
#[inline(always)]
pub(super) fn two_registers<I: Isa, const FORMAT: u8>(
    isa: I,
    tile_block: &[u8],
    index: usize,
) -> [I::Ints; 2] {
    let bytes = I::ROWS * DEPTH;
    if FORMAT == Q8 {
        let register = |index: usize| &tile_block[index * bytes..][..bytes];
        let [first, second] = [register(index), register(index + REGISTERS / 2)];
        return [
            isa.signed_bytes(isa.load(first)),
            isa.signed_bytes(isa.load(second)),
        ];
    }
    let (packed, plane) = tile_block.split_at(I::ROWS * Format::of(FORMAT).nibble_bytes());
    let mut registers = [isa.splat_ints(0); 2];
    if Format::of(FORMAT).has_nibbles() {
        registers = isa.nibbles(isa.load(&packed[index * bytes..]));
    }
    with_plane::<I, FORMAT>(isa, registers, plane, index)
}

/// What the products of a block are multiplied with; `shared` as for [`unpack`].
#[inline(always)]
pub(super) fn scaling<I: Isa, const FORMAT: u8>(
    isa: I,
    tile_block: &[u8],
    shared: &[u8],
) -> Scaling<I> {
    let factors = &tile_block[Format::of(FORMAT).quant_bytes() * I::ROWS..];
    let [scales, seconds] = factors_of::<I, FORMAT>(isa, factors, shared);
    let multiplied_alone = if has_halves(FORMAT) { seconds } else { scales };
    Scaling {
        scales,
        seconds,
        magics: isa.mul(isa.splat(-MAGIC), multiplied_alone),
    }
}

/// The nibbles of a register, or nothing, with the bits of the plane, as they are multiplied.
#[inline(always)]
fn with_plane<I: Isa, const FORMAT: u8>(
    isa: I,
    [low, high]: [I::Ints; 2],
    plane: &[u8],
    register: usize,
) -> [I::Ints; 2] {
    let (bits, place) = (
        Format::of(FORMAT).plane_bits(),
        Format::of(FORMAT).plane_place(),
    );
    if bits == 0 {
        return [low, high];
    }
    // The plane has as many registers as there are bits of a quant in it.
    let plane = isa.load(&plane[register % bits * I::ROWS * DEPTH..]);
    let left = place as i32 - (register / bits * bits) as i32;
    let mask = ((1 << bits) - 1) << place;
    let low = isa.insert(low, plane, left, mask);
    let high = isa.insert(high, plane, left - 4, mask);
    if !are_bytes(FORMAT) {
        return [low, high];
    }
    let middle = middle::<FORMAT>();
    [
        isa.unsigned_bytes(low, middle),
        isa.unsigned_bytes(high, middle),
    ]
}

/// The middle of the quants of a format of five bits or six, from which signed ones are counted.
pub(super) const fn middle<const FORMAT: u8>() -> i8 {
    8 << Format::of(FORMAT).plane_bits()
}

/// What the quants of a tile block are multiplied with, and the second factor.
#[inline(always)]
fn factors_of<I: Isa, const FORMAT: u8>(isa: I, own: &[u8], shared: &[u8]) -> [I::Floats; 2] {
    let none = isa.splat(0.0);
    match const { Format::of(FORMAT).factors() } {
        Factors::None => [none; 2],
        Factors::Scale => [isa.load_halves(own), none],
        Factors::ScaleAndMin => [isa.load_halves(own), isa.load_halves(&own[2 * I::ROWS..])],
        Factors::SharedScale => [isa.load_halves(shared), none],
        Factors::SharedScaleAndMin => {
            let scales = isa.to_floats(isa.load_bytes(own));
            let mins = isa.to_floats(isa.load_bytes(&own[I::ROWS..]));
            [
                isa.mul(isa.load_halves(shared), scales),
                isa.mul(isa.load_halves(&shared[2 * I::ROWS..]), mins),
            ]
        }
        Factors::SharedHalfScales => {
            let first = isa.to_floats(isa.load_signed_bytes(own));
            let second = isa.to_floats(isa.load_signed_bytes(&own[I::ROWS..]));
            let scales = isa.load_halves(shared);
            [isa.mul(scales, first), isa.mul(scales, second)]
        }
    }
}

/// Bytes of one block of every row of a tile.
pub(super) const fn tile_block_bytes<I: Isa, const FORMAT: u8>() -> usize {
    Format::of(FORMAT).tile_block_bytes(tile_layout::<I>())
}
