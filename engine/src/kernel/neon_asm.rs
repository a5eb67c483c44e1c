//! Instructions that the Arm kernels cannot get from `std::arch`, one function each.
//!
//! The dot products go when `vdotq_laneq_s32`, `vmmlaq_s32` and `vusmmlaq_s32` are stable.

use std::arch::aarch64::*;
use std::arch::asm;

/// `sum[i] += w[4i..4i+4] . x[4 LANE..4 LANE+4]`.
#[inline]
#[target_feature(enable = "neon,dotprod")]
pub(super) fn sdot<const LANE: usize>(mut sum: int32x4_t, w: int8x16_t, x: int8x16_t) -> int32x4_t {
    // SAFETY: registers only, of a feature that this function has.
    unsafe {
        asm!("sdot {sum:v}.4s, {w:v}.16b, {x:v}.4b[{lane}]", sum = inout(vreg) sum, w = in(vreg) w, x = in(vreg) x,
            lane = const LANE, options(pure, nomem, nostack, preserves_flags));
    }
    sum
}

/// `sum[2i + j] += w[8i..8i+8] . x[8j..8j+8]` for i and j of 0 and 1.
#[inline]
#[target_feature(enable = "neon,i8mm")]
pub(super) fn smmla(mut sum: int32x4_t, w: int8x16_t, x: int8x16_t) -> int32x4_t {
    // SAFETY: registers only, of a feature that this function has.
    unsafe {
        asm!("smmla {sum:v}.4s, {w:v}.16b, {x:v}.16b", sum = inout(vreg) sum, w = in(vreg) w, x = in(vreg) x,
            options(pure, nomem, nostack, preserves_flags));
    }
    sum
}

/// As [`smmla`] with unsigned `w`.
#[inline]
#[target_feature(enable = "neon,i8mm")]
pub(super) fn usmmla(mut sum: int32x4_t, w: uint8x16_t, x: int8x16_t) -> int32x4_t {
    // SAFETY: registers only, of a feature that this function has.
    unsafe {
        asm!("usmmla {sum:v}.4s, {w:v}.16b, {x:v}.16b", sum = inout(vreg) sum, w = in(vreg) w, x = in(vreg) x,
            options(pure, nomem, nostack, preserves_flags));
    }
    sum
}

/// `[a0 + a1, a2 + a3, b0 + b1, b2 + b3]`, which the compiler makes three instructions of when it is `vpaddq_f32`.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn faddp(a: float32x4_t, b: float32x4_t) -> float32x4_t {
    let sums;
    // SAFETY: registers only, of a feature that this function has.
    unsafe {
        asm!("faddp {sums:v}.4s, {a:v}.4s, {b:v}.4s", sums = lateout(vreg) sums, a = in(vreg) a, b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags));
    }
    sums
}

/// The same reference, which the compiler does not recognise: it neither moves loads through it out of a loop nor knows
/// the values. This takes no instruction, and spares registers where they are short.
#[inline]
#[expect(
    clippy::pointers_in_nomem_asm_block,
    reason = "what the pointer points to does not change"
)]
pub(super) fn from_memory<T>(value: &T) -> &T {
    let mut pointer: *const T = value;
    // SAFETY: nothing happens to the pointer.
    unsafe {
        asm!("/* {pointer} */", pointer = inout(reg) pointer, options(nomem, nostack, preserves_flags));
    }
    // SAFETY: it still is the reference.
    unsafe { &*pointer }
}
