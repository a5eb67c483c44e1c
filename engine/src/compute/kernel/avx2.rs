//! x86-64 with AVX2, FMA and F16C: Haswell and Zen, and all later.
//!
//! A tile is 8 rows. `vpmaddubsw` multiplies unsigned weights with signed activations and adds neighbours to 16 bits; 8
//! of its results fit into 16 bits when the weights are nibbles (8 * 2 * 15 * 127 = 30,480), so a whole block costs 8
//! multiplications, 8 additions and one widening. Of bytes two products fit (2 * 128 * 127 = 32,512), and more do not;
//! the unsigned factor is then |w|, and the sign of w goes to the activation.

use std::arch::asm;
use std::arch::x86_64::*;

use super::entry::{Entry, KernelSpec};
use super::panel::{Panel, PanelLayout};
use super::span::{Partial, Span};
use super::tile::Tiles;
use super::vector::vector_ops;
use super::x86::{self, Isa};

vector_ops!("avx2,fma,f16c", attend = super::attend);

pub(super) const KERNEL: Entry = Entry {
    spec: KernelSpec {
        name: "avx2",
        tile: x86::tile_layout::<Avx2>(),
        panel: PanelLayout::Rows,
    },
    supported: || {
        is_x86_feature_detected!("avx2")
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

#[target_feature(enable = "avx2,fma,f16c")]
fn int4(tiles: &Tiles<'_>, x: &Panel<'_>, out: &mut [f32]) {
    x86::int4(Avx2(()), tiles, x, out);
}

#[target_feature(enable = "avx2,fma,f16c")]
fn channel(tiles: &Tiles<'_>, x: &Panel<'_>, out: &mut [f32]) {
    x86::channel(Avx2(()), tiles, x, out);
}

#[target_feature(enable = "avx2,fma,f16c")]
fn layered(tiles: &Tiles<'_>, x: &Panel<'_>, out: &mut [f32]) {
    x86::layered(Avx2(()), tiles, x, out);
}

#[target_feature(enable = "avx2,fma,f16c")]
fn q8(tiles: &Tiles<'_>, x: &Panel<'_>, out: &mut [f32]) {
    x86::q8(Avx2(()), tiles, x, out);
}

#[target_feature(enable = "avx2,fma,f16c")]
fn attend(span: &Span<'_>, scratch: &mut [f32], out: &mut Partial<'_>) {
    x86::attend(Avx2(()), span, scratch, out);
}

/// Made only by this module's functions, which run where the CPU has their features.
#[derive(Clone, Copy)]
struct Avx2(());

#[expect(
    clippy::undocumented_unsafe_blocks,
    reason = "the duty is the same for all: the instructions exist, as a value of this type proves; what is loaded and \
              stored is a slice that is checked to be as long as the register"
)]
impl Isa for Avx2 {
    type Ints = __m256i;
    type Floats = __m256;
    const ROWS: usize = 8;
    const HAS_MANY_REGISTERS: bool = false;
    const UNSIGNED: bool = false;

    #[inline(always)]
    fn load(self, bytes: &[u8]) -> __m256i {
        let bytes = bytes[..32].as_ptr();
        unsafe { _mm256_loadu_si256(bytes.cast()) }
    }

    #[inline(always)]
    fn load_floats(self, floats: &[f32]) -> __m256 {
        let floats = floats[..8].as_ptr();
        unsafe { _mm256_loadu_ps(floats) }
    }

    #[inline(always)]
    fn load_halves(self, bytes: &[u8]) -> __m256 {
        let bytes = bytes[..16].as_ptr();
        let halves = unsafe { _mm_loadu_si128(bytes.cast()) };
        unsafe { _mm256_cvtph_ps(halves) }
    }

    #[inline(always)]
    fn load_bytes(self, bytes: &[u8]) -> __m256i {
        let bytes = bytes[..8].as_ptr();
        let bytes = unsafe { _mm_loadl_epi64(bytes.cast()) };
        unsafe { _mm256_cvtepu8_epi32(bytes) }
    }

    #[inline(always)]
    fn load_signed_bytes(self, bytes: &[u8]) -> __m256i {
        let bytes = bytes[..8].as_ptr();
        let bytes = unsafe { _mm_loadl_epi64(bytes.cast()) };
        unsafe { _mm256_cvtepi8_epi32(bytes) }
    }

    #[inline(always)]
    fn store(self, floats: &mut [f32], register: __m256) {
        let floats = floats[..8].as_mut_ptr();
        unsafe { _mm256_storeu_ps(floats, register) }
    }

    #[inline(always)]
    fn nibbles(self, packed: __m256i) -> [__m256i; 2] {
        let mask = self.splat_ints(0x0f0f_0f0f);
        let high = unsafe { _mm256_srli_epi16::<4>(packed) };
        let low = unsafe { _mm256_and_si256(packed, mask) };
        [low, unsafe { _mm256_and_si256(high, mask) }]
    }

    #[inline(always)]
    fn insert(self, a: __m256i, b: __m256i, left: i32, mask: u8) -> __m256i {
        let bits = unsafe { _mm_cvtsi32_si128(left.abs()) };
        let shifted = match left {
            0.. => unsafe { _mm256_sll_epi16(b, bits) },
            _ => unsafe { _mm256_srl_epi16(b, bits) },
        };
        let mask = self.splat_ints(i32::from_ne_bytes([mask; 4]));
        let masked = unsafe { _mm256_and_si256(shifted, mask) };
        unsafe { _mm256_or_si256(a, masked) }
    }

    #[inline(always)]
    fn splat_ints(self, value: i32) -> __m256i {
        unsafe { _mm256_set1_epi32(value) }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> __m256 {
        unsafe { _mm256_set1_ps(value) }
    }

    #[inline(always)]
    fn add_ints(self, a: __m256i, b: __m256i) -> __m256i {
        unsafe { _mm256_add_epi32(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_mul_ps(a, b) }
    }

    #[inline(always)]
    fn mul_add(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn as_floats(self, ints: __m256i) -> __m256 {
        unsafe { _mm256_castsi256_ps(ints) }
    }

    #[inline(always)]
    fn as_ints(self, floats: __m256) -> __m256i {
        unsafe { _mm256_castps_si256(floats) }
    }

    #[inline(always)]
    fn to_floats(self, ints: __m256i) -> __m256 {
        unsafe { _mm256_cvtepi32_ps(ints) }
    }

    #[inline(always)]
    fn begin(self, _: __m256i) -> __m256i {
        self.splat_ints(0)
    }

    #[inline(always)]
    fn multiply_add(self, sum: __m256i, nibbles: __m256i, columns: __m256i) -> __m256i {
        let pairs = unsafe { _mm256_maddubs_epi16(nibbles, columns) };
        unsafe { _mm256_add_epi16(sum, pairs) }
    }

    #[inline(always)]
    fn end(self, sum: __m256i, start: __m256i) -> __m256i {
        let ones = unsafe { _mm256_set1_epi16(1) };
        self.add_ints(unsafe { _mm256_madd_epi16(sum, ones) }, start)
    }

    #[inline(always)]
    fn signed_bytes(self, bytes: __m256i) -> __m256i {
        bytes
    }

    #[inline(always)]
    fn unsigned_bytes(self, bytes: __m256i, middle: i8) -> __m256i {
        let middle = unsafe { _mm256_set1_epi8(middle) };
        unsafe { _mm256_sub_epi8(bytes, middle) }
    }

    #[inline(always)]
    fn multiply_add_bytes(self, sum: __m256i, bytes: __m256i, columns: __m256i) -> __m256i {
        let columns = unsafe { _mm256_sign_epi8(columns, bytes) };
        let bytes = unsafe { _mm256_abs_epi8(bytes) };
        let pairs = unsafe { _mm256_maddubs_epi16(bytes, columns) };
        let ones = unsafe { _mm256_set1_epi16(1) };
        self.add_ints(sum, unsafe { _mm256_madd_epi16(pairs, ones) })
    }

    #[inline(always)]
    fn in_registers(self, sums: &mut [__m256i]) {
        unsafe { in_registers(sums) }
    }
}

/// [`Isa::in_registers`]. What is not pure keeps its order.
#[inline]
#[target_feature(enable = "avx2")]
fn in_registers(sums: &mut [__m256i]) {
    for sum in sums {
        // SAFETY: no instruction.
        unsafe {
            asm!(
                "/* {} */",
                inout(ymm_reg) * sum,
                options(nomem, nostack, preserves_flags)
            );
        }
    }
}

/// What a block does with its products, without loads: eight multiplications and the additions behind them.
#[target_feature(enable = "avx2,fma,f16c")]
fn peak(rounds: usize) -> u64 {
    let weights = std::hint::black_box([_mm256_set1_epi8(7); 4]);
    let columns = std::hint::black_box(_mm256_set1_epi8(1));
    let mut sums = [_mm256_setzero_si256(); 8];
    for _ in 0..rounds {
        for (i, sum) in sums.iter_mut().enumerate() {
            // The sum as a factor keeps the product from being computed once for all rounds.
            *sum = _mm256_add_epi16(_mm256_maddubs_epi16(weights[i % 4], *sum), columns);
        }
    }
    std::hint::black_box(sums);
    (rounds * sums.len() * 32) as u64
}
