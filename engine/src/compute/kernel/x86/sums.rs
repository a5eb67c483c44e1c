//! The sums of products of a block: where they start, how they are added to, and what they add to a row's.
//!
//! Registers are in no closure here or beside: it would be compiled without the instruction set that it is inlined into.

use super::isa::Isa;
use super::weights::{Scaling, are_bytes, has_halves, middle};
use crate::compute::kernel::format::Format;
use crate::compute::kernel::panel::MAGIC;

const SYMMETRIC: u8 = Format::Int4Symmetric as u8;
const CHANNEL: u8 = Format::Int4Channel as u8;
const Q8: u8 = Format::Q8 as u8;

/// What the sums of nibbles and less start at, or of bytes with a scale for a whole block.
#[inline(always)]
pub(super) fn start<I: Isa, const FORMAT: u8>(isa: I, x_sum: f32, x_start: f32) -> I::Ints {
    if are_bytes(FORMAT) {
        return start_of_bytes::<I, FORMAT>(isa, x_sum);
    }
    match FORMAT {
        SYMMETRIC => isa.splat_ints(x_start.to_bits().cast_signed()),
        CHANNEL => isa.splat_ints(0),
        _ if Format::of(FORMAT).zero() != 0 => {
            let start = MAGIC - f32::from(Format::of(FORMAT).zero()) * x_sum;
            isa.splat_ints(start.to_bits().cast_signed())
        }
        _ => isa.splat_ints(MAGIC.to_bits().cast_signed()),
    }
}

/// What the sums of bytes start at, which are multiplied counted from their lowest or their middle, and mean numbers that
/// count from the format's zero.
#[inline(always)]
fn start_of_bytes<I: Isa, const FORMAT: u8>(isa: I, x_sum: f32) -> I::Ints {
    let (middle, zero) = match FORMAT {
        Q8 => (128.0, 128.0),
        _ => (
            f32::from(middle::<FORMAT>()),
            f32::from(Format::of(FORMAT).zero()),
        ),
    };
    let origin = if I::UNSIGNED { 0.0 } else { middle };
    let start = MAGIC + (origin - zero) * x_sum;
    isa.splat_ints(start.to_bits().cast_signed())
}

/// A sum of products of one block.
#[inline(always)]
pub(super) fn begin<I: Isa, const FORMAT: u8>(isa: I, start: I::Ints) -> I::Ints {
    match are_bytes(FORMAT) {
        true => start,
        false => isa.begin(start),
    }
}

#[inline(always)]
pub(super) fn multiply_add<I: Isa, const FORMAT: u8>(
    isa: I,
    sum: I::Ints,
    quants: I::Ints,
    columns: I::Ints,
) -> I::Ints {
    match are_bytes(FORMAT) {
        true => isa.multiply_add_bytes(sum, quants, columns),
        false => isa.multiply_add(sum, quants, columns),
    }
}

#[inline(always)]
pub(super) fn end<I: Isa, const FORMAT: u8>(isa: I, sum: I::Ints, start: I::Ints) -> I::Ints {
    match are_bytes(FORMAT) {
        true => sum,
        false => isa.end(sum, start),
    }
}

/// Adds one block's share to the sums of a tile's rows, in the order that `scalar` adds. Channelwise sums are the bits
/// of integers. There is a second dot product where each half has a scale.
///
/// A scale times the sum is the scale times what the register reads as, less the scale times [`MAGIC`]: one multiply-add, rounded
/// once, has the bits of a subtraction and a multiplication.
#[inline(always)]
pub(super) fn add<I: Isa, const FORMAT: u8>(
    isa: I,
    scaling: &Scaling<I>,
    dots: [I::Ints; 2],
    [x_scale, x_sum]: [I::Floats; 2],
    total: I::Floats,
) -> I::Floats {
    if FORMAT == CHANNEL {
        return isa.as_floats(isa.add_ints(isa.as_ints(total), dots[0]));
    }
    let [first, second] = [isa.as_floats(dots[0]), isa.as_floats(dots[1])];
    let share = if has_halves(FORMAT) {
        let second = isa.mul_add(scaling.seconds, second, scaling.magics);
        let first = isa.sub(first, isa.splat(MAGIC));
        isa.mul_add(scaling.scales, first, second)
    } else if Format::of(FORMAT).has_min() {
        let dot = isa.sub(first, isa.splat(MAGIC));
        isa.mul_add(scaling.scales, dot, isa.mul(scaling.seconds, x_sum))
    } else {
        isa.mul_add(scaling.scales, first, scaling.magics)
    };
    isa.mul_add(x_scale, share, total)
}

/// What the sums of each half of a block start at.
#[inline(always)]
pub(super) fn starts_of_halves<I: Isa, const FORMAT: u8>(
    isa: I,
    x_sum: f32,
    x_half_sum: f32,
) -> [I::Ints; 2] {
    [
        start_of_bytes::<I, FORMAT>(isa, x_sum - x_half_sum),
        start_of_bytes::<I, FORMAT>(isa, x_half_sum),
    ]
}
