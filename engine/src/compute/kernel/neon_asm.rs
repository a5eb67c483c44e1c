//! Instructions that the Arm kernels cannot get from `std::arch`, one function each.
//!
//! The matrix multiplications and the loads are not marked `pure`, so that the compiler keeps their number and order:
//! it would make copies of what two loads load, or use a register beyond the next load into it, for which it must be
//! copied.
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
            options(nomem, nostack, preserves_flags));
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
            options(nomem, nostack, preserves_flags));
    }
    sum
}

/// Defines a function that loads four registers with one instruction, where the compiler makes two of `vld1q_u8_x4`.
/// The instruction wants neighbouring registers, so they are named: one set for each operand of a loop.
macro_rules! load_four {
    ($name:ident, $a:tt, $b:tt, $c:tt, $d:tt) => {
        /// The next 64 bytes, which `from` then is behind.
        ///
        /// # Safety
        /// `from` points to as many readable bytes.
        #[inline]
        #[target_feature(enable = "neon")]
        pub(super) unsafe fn $name(from: &mut *const u8) -> [uint8x16_t; 4] {
            let (a, b, c, d);
            // SAFETY: reads what the caller says can be read.
            unsafe {
                asm!(concat!("ld1 {{", $a, ".16b, ", $b, ".16b, ", $c, ".16b, ", $d, ".16b}}, [{from}], #64"),
                    from = inout(reg) *from, out($a) a, out($b) b, out($c) c, out($d) d,
                    options(readonly, nostack, preserves_flags));
            }
            [a, b, c, d]
        }
    };
}
load_four!(load_four_weights, "v16", "v17", "v18", "v19");
load_four!(load_four_activations, "v20", "v21", "v22", "v23");

/// Four numbers, loaded once more even where a register has them already.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn load_again(from: &[f32; 4]) -> float32x4_t {
    let to;
    // SAFETY: reads the 16 bytes of the reference.
    unsafe {
        asm!("ldr {to:q}, [{from}]", from = in(reg) from, to = lateout(vreg) to,
            options(readonly, nostack, preserves_flags));
    }
    to
}

/// Four registers of the same four numbers, which memory holds twice. They come from memory, as a Neoverse loads a
/// register at less cost than it copies one: copies take the same pipes as the dot products.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn load_four_times(twice: &[[f32; 4]; 2]) -> [float32x4_t; 4] {
    let (a, b, c, d);
    // SAFETY: reads the 32 bytes of the reference, twice.
    unsafe {
        asm!("ldp {a:q}, {b:q}, [{twice}]", "ldp {c:q}, {d:q}, [{twice}]", twice = in(reg) twice,
            a = out(vreg) a, b = out(vreg) b, c = out(vreg) c, d = out(vreg) d,
            options(readonly, nostack, preserves_flags));
    }
    [a, b, c, d]
}
