//! x86-64 with AVX-512 VNNI: Ice Lake, Zen 4, and later.
//!
//! A tile is 16 rows. `vpdpbusd` multiplies four unsigned weights with four signed activations and adds them to a lane;
//! nothing can overflow, so a block costs 8 of them. Signed weights become unsigned by adding 128, which their sums
//! begin without.

use std::arch::asm;
use std::arch::x86_64::*;

use super::entry::{Entry, KernelSpec};
use super::panel::{Panel, PanelLayout};
use super::span::{Partial, Span};
use super::tile::Tiles;
use super::vector::vector_ops;
use super::x86::{self, Isa};

vector_ops!(
    "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c",
    attend = super::attend
);

pub(super) const KERNEL: Entry = Entry {
    spec: KernelSpec {
        name: "avx512_vnni",
        tile: x86::tile_layout::<Avx512>(),
        panel: PanelLayout::Rows,
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
    layered,
    q8,
    ops: ops::OPS,
    peak: Some(|rounds| {
        // SAFETY: a kernel is only handed out where its features are there.
        unsafe { peak(rounds) }
    }),
};

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
fn int4(tiles: &Tiles<'_>, x: &Panel<'_>, out: &mut [f32]) {
    x86::int4(Avx512(()), tiles, x, out);
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
fn channel(tiles: &Tiles<'_>, x: &Panel<'_>, out: &mut [f32]) {
    x86::channel(Avx512(()), tiles, x, out);
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
fn layered(tiles: &Tiles<'_>, x: &Panel<'_>, out: &mut [f32]) {
    x86::layered(Avx512(()), tiles, x, out);
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
fn q8(tiles: &Tiles<'_>, x: &Panel<'_>, out: &mut [f32]) {
    x86::q8(Avx512(()), tiles, x, out);
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma,f16c")]
fn attend(span: &Span<'_>, scratch: &mut [f32], out: &mut Partial<'_>) {
    x86::attend(Avx512(()), span, scratch, out);
}

/// Made only by this module's functions, which run where the CPU has their features.
#[derive(Clone, Copy)]
struct Avx512(());

#[expect(
    clippy::undocumented_unsafe_blocks,
    reason = "the duty is the same for all: the instructions exist, as a value of this type proves; what is loaded and \
              stored is a slice that is checked to be as long as the register"
)]
impl Isa for Avx512 {
    type Ints = __m512i;
    type Floats = __m512;
    const ROWS: usize = 16;
    const HAS_MANY_REGISTERS: bool = true;
    const UNSIGNED: bool = true;

    #[inline(always)]
    fn load(self, bytes: &[u8]) -> __m512i {
        let bytes = bytes[..64].as_ptr();
        unsafe { _mm512_loadu_si512(bytes.cast()) }
    }

    #[inline(always)]
    fn load_floats(self, floats: &[f32]) -> __m512 {
        let floats = floats[..16].as_ptr();
        unsafe { _mm512_loadu_ps(floats) }
    }

    #[inline(always)]
    fn load_halves(self, bytes: &[u8]) -> __m512 {
        let bytes = bytes[..32].as_ptr();
        let halves = unsafe { _mm256_loadu_si256(bytes.cast()) };
        unsafe { _mm512_cvtph_ps(halves) }
    }

    #[inline(always)]
    fn load_bytes(self, bytes: &[u8]) -> __m512i {
        let bytes = bytes[..16].as_ptr();
        let bytes = unsafe { _mm_loadu_si128(bytes.cast()) };
        unsafe { _mm512_cvtepu8_epi32(bytes) }
    }

    #[inline(always)]
    fn load_signed_bytes(self, bytes: &[u8]) -> __m512i {
        let bytes = bytes[..16].as_ptr();
        let bytes = unsafe { _mm_loadu_si128(bytes.cast()) };
        unsafe { _mm512_cvtepi8_epi32(bytes) }
    }

    #[inline(always)]
    fn store(self, floats: &mut [f32], register: __m512) {
        let floats = floats[..16].as_mut_ptr();
        unsafe { _mm512_storeu_ps(floats, register) }
    }

    #[inline(always)]
    fn nibbles(self, packed: __m512i) -> [__m512i; 2] {
        let mask = self.splat_ints(0x0f0f_0f0f);
        let high = unsafe { _mm512_srli_epi16::<4>(packed) };
        let low = unsafe { _mm512_and_si512(packed, mask) };
        [low, unsafe { _mm512_and_si512(high, mask) }]
    }

    #[inline(always)]
    fn insert(self, a: __m512i, b: __m512i, left: i32, mask: u8) -> __m512i {
        let bits = unsafe { _mm_cvtsi32_si128(left.abs()) };
        let shifted = match left {
            0.. => unsafe { _mm512_sll_epi16(b, bits) },
            _ => unsafe { _mm512_srl_epi16(b, bits) },
        };
        let mask = self.splat_ints(i32::from_ne_bytes([mask; 4]));
        // A bit of the result for each of the three: the first, or both others.
        unsafe { _mm512_ternarylogic_epi32::<0b1111_1000>(a, shifted, mask) }
    }

    #[inline(always)]
    fn splat_ints(self, value: i32) -> __m512i {
        unsafe { _mm512_set1_epi32(value) }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> __m512 {
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    fn add_ints(self, a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_add_epi32(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn as_floats(self, ints: __m512i) -> __m512 {
        unsafe { _mm512_castsi512_ps(ints) }
    }

    #[inline(always)]
    fn as_ints(self, floats: __m512) -> __m512i {
        unsafe { _mm512_castps_si512(floats) }
    }

    #[inline(always)]
    fn to_floats(self, ints: __m512i) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(ints) }
    }

    #[inline(always)]
    fn begin(self, start: __m512i) -> __m512i {
        start
    }

    #[inline(always)]
    fn multiply_add(self, sum: __m512i, nibbles: __m512i, columns: __m512i) -> __m512i {
        unsafe { _mm512_dpbusd_epi32(sum, nibbles, columns) }
    }

    #[inline(always)]
    fn end(self, sum: __m512i, _: __m512i) -> __m512i {
        sum
    }

    #[inline(always)]
    fn signed_bytes(self, bytes: __m512i) -> __m512i {
        let bias = self.splat_ints(i32::from_ne_bytes([128; 4]));
        unsafe { _mm512_xor_si512(bytes, bias) }
    }

    #[inline(always)]
    fn unsigned_bytes(self, bytes: __m512i, _: i8) -> __m512i {
        bytes
    }

    #[inline(always)]
    fn multiply_add_bytes(self, sum: __m512i, bytes: __m512i, columns: __m512i) -> __m512i {
        unsafe { _mm512_dpbusd_epi32(sum, bytes, columns) }
    }

    #[inline(always)]
    fn in_registers(self, sums: &mut [__m512i]) {
        unsafe { in_registers(sums) }
    }
}

/// [`Isa::in_registers`]. What is not pure keeps its order.
#[inline]
#[target_feature(enable = "avx512f")]
fn in_registers(sums: &mut [__m512i]) {
    for sum in sums {
        // SAFETY: no instruction.
        unsafe {
            asm!(
                "/* {} */",
                inout(zmm_reg) * sum,
                options(nomem, nostack, preserves_flags)
            );
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
