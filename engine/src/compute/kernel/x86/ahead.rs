//! How far ahead the products ask for weights, beyond what the CPU asks for by itself.

use std::arch::x86_64::{__cpuid, _MM_HINT_T0, _mm_prefetch};
use std::sync::LazyLock;

use super::isa::Isa;

/// Enough bytes ahead for what the CPU does not ask for by itself.
const FAR: usize = 2304;

/// Whether a CPU with AVX-512 asks for enough by itself while one row is multiplied, as AMD's do.
static ASKS_BY_ITSELF: LazyLock<bool> = LazyLock::new(|| !is_intel());

/// Bytes ahead of the current tile block that are asked for when it is multiplied with one row. On an Intel Xeon of the fifth
/// generation a step of a 1b shape takes 0.78 of its time at 128, on AMD's Zen 3 0.8. On Zen 4, whose own prefetching goes
/// further, three times 128 costs weights of eight bits a tenth of their speed.
#[inline(always)]
pub(super) fn of_one_row<I: Isa>() -> usize {
    match I::HAS_MANY_REGISTERS && *ASKS_BY_ITSELF {
        true => 128,
        false => FAR,
    }
}

/// The same for the products of a few rows, a tile at a time. From four on they take long enough that the CPU's own prefetching
/// pauses: on Zen 4 a step of four of a 1b shape takes 0.90 of its time with 128.
#[inline(always)]
pub(super) fn of_few_rows<I: Isa>(rows: usize) -> usize {
    if rows < 4 { of_one_row::<I>() } else { FAR }
}

/// Tile blocks ahead of the current ones that are asked for when two tiles are multiplied with so many rows. The fewer rows
/// there are, the sooner the next is wanted; four are far enough for any number. On an Intel Xeon of the fifth generation
/// weights from memory are multiplied with 18 rows at 1.37 times the speed of one ahead within the two tiles, with 36 and 64 at
/// 1.06: most of it since the first blocks of the next two tiles are asked for as well.
#[inline(always)]
pub(super) fn blocks(rows: usize) -> usize {
    (64 / rows).clamp(4, 8)
}

/// Asks for a cache line.
#[inline(always)]
pub(in crate::compute::kernel) fn prefetch(at: *const u8) {
    // SAFETY: a hint, which may name any address.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
}

fn is_intel() -> bool {
    let vendor = __cpuid(0);
    let name = [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes);
    name.as_flattened() == b"GenuineIntel"
}
