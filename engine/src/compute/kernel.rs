//! The kernels: what runs on this CPU, and the one way to reach it.
//!
//! A [`Kernel`] is one file of `kernel/` and one row of [`KERNELS`]. Its functions may use instructions that not every
//! CPU has; a `&'static Kernel` is only handed out by [`choose`] and [`supported`], which have asked the CPU, and that
//! is what makes the safe methods here safe. Everything a kernel computes has its plain twin in `scalar`. What kernels
//! take and give is said in files of its own, from [`mod@format`] to [`span`].

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512_vnni;
mod entry;
pub(crate) mod format;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "aarch64")]
mod neon_asm;
#[cfg(target_arch = "aarch64")]
mod neon_dotprod;
#[cfg(target_arch = "aarch64")]
mod neon_i8mm;
pub(crate) mod panel;
pub(crate) mod panels;
pub(crate) mod quantized;
mod scalar;
pub(crate) mod span;
pub(crate) mod tile;
pub(crate) mod tile_layout;
pub(crate) mod turn;
mod vector;
#[cfg(target_arch = "x86_64")]
mod x86;

use entry::Entry;
pub(crate) use entry::KernelSpec;
use format::Format;
use panel::{Grouping, Panel};
use quantized::RowsMut;
use span::{Partial, Span};
use tile::Tiles;

use crate::Error;

/// All kernels of this architecture, slowest first.
static KERNELS: &[Kernel] = &[
    Kernel(scalar::KERNEL),
    #[cfg(target_arch = "x86_64")]
    Kernel(avx2::KERNEL),
    #[cfg(target_arch = "x86_64")]
    Kernel(avx512_vnni::KERNEL),
    #[cfg(target_arch = "aarch64")]
    Kernel(neon_dotprod::KERNEL),
    #[cfg(target_arch = "aarch64")]
    Kernel(neon_i8mm::KERNEL),
];

/// A kernel that this CPU can run.
pub(crate) struct Kernel(Entry);

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Names and layouts of all kernels of this architecture, slowest first, whatever this CPU has.
pub(crate) fn all() -> impl Iterator<Item = KernelSpec> {
    KERNELS.iter().map(Kernel::spec)
}

/// The kernels that this CPU can run, slowest first.
pub(crate) fn supported() -> impl DoubleEndedIterator<Item = &'static Kernel> {
    KERNELS.iter().filter(|kernel| (kernel.0.supported)())
}

/// Instruction-set features that matter to matrix products, and whether this CPU has them.
pub(crate) fn cpu_features() -> Vec<(&'static str, bool)> {
    macro_rules! features {
        ($detected:ident: $($name:tt)*) => {
            vec![$(($name, std::arch::$detected!($name))),*]
        };
    }
    #[cfg(target_arch = "x86_64")]
    let features = features!(is_x86_feature_detected:
        "avx2" "fma" "f16c" "avxvnni" "avx512f" "avx512bw" "avx512vl" "avx512vnni");
    #[cfg(target_arch = "aarch64")]
    let features = features!(is_aarch64_feature_detected:
        "neon" "dotprod" "fp16" "bf16" "i8mm" "sve" "sve2");
    features
}

/// Asks for the cache line so many bytes behind the start of these, on a CPU that takes such a hint.
#[cfg_attr(
    not(target_arch = "x86_64"),
    expect(unused_variables, reason = "no hint")
)]
pub(crate) fn prefetch(bytes: &[u8], ahead: usize) {
    #[cfg(target_arch = "x86_64")]
    x86::prefetch(bytes.as_ptr().wrapping_add(ahead));
}

/// The kernel of that name, or the fastest.
///
/// # Errors
/// [`Error::Option`] that lists the supported ones.
pub(crate) fn choose(name: Option<&str>) -> Result<&'static Kernel, Error> {
    let found = match name {
        Some(name) => supported().find(|kernel| kernel.name() == name),
        None => supported().next_back(),
    };
    found.ok_or_else(|| {
        let names: Vec<_> = supported().map(Kernel::name).collect();
        let (name, names) = (name.unwrap_or_default(), names.join("`, `"));
        Error::Option(format!(
            "kernel `{name}` does not run on this CPU; these do: `{names}`"
        ))
    })
}

impl Kernel {
    /// Its name and layouts.
    pub(crate) fn spec(&self) -> KernelSpec {
        self.0.spec
    }

    pub(crate) fn name(&self) -> &'static str {
        self.0.spec.name
    }

    /// A loop that measures the multiply rate.
    pub(crate) fn peak(&self) -> Option<fn(usize) -> u64> {
        self.0.peak
    }

    /// Products of whole tiles with every row of `x`, into `out` of shape `[tiles, x.rows(), tile rows]`.
    pub(crate) fn multiply(&self, tiles: &Tiles<'_>, x: &Panel<'_>, out: &mut [f32]) {
        let layout = self.0.spec.tile;
        assert_eq!(tiles.layout, layout, "tiles packed for another kernel");
        assert_eq!(
            tiles.blocks,
            x.blocks(),
            "columns of weights and activations"
        );
        assert_eq!(
            out.len(),
            tiles.count() * x.rows() * layout.rows,
            "shape of the product"
        );
        assert!(
            tiles.format != Format::Int4Channel || x.grouping().is_by_row(),
            "a scale per row of weights needs one per row of activations"
        );
        assert!(
            tiles.format == Format::Int4Channel || x.grouping() != Grouping::RowFromZeroPoint,
            "zero points need the sums of rows of weights"
        );
        let product = match tiles.format {
            Format::Int4 | Format::Int4Symmetric => self.0.int4,
            Format::Int4Channel => self.0.channel,
            Format::Int1
            | Format::Int2
            | Format::Int4K
            | Format::Int5
            | Format::Int5Symmetric
            | Format::Int5K
            | Format::Int6K => self.0.layered,
            Format::Q8 => self.0.q8,
            Format::Bf16 | Format::F32 => panic!("floats are multiplied by `dots`"),
        };
        // SAFETY: this CPU has the kernel's features (module header); the shapes were just checked.
        unsafe { product(tiles, x, out) }
    }

    /// `out = x / rms(x) * weight`.
    pub(crate) fn rms_norm(&self, x: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
        assert!(x.len() == weight.len() && x.len() == out.len());
        // SAFETY: this CPU has the kernel's features (module header).
        unsafe { (self.0.ops.rms_norm)(x, weight, epsilon, out) }
    }

    /// Quantises some rows of activations, all equally long.
    pub(crate) fn quantize(&self, rows: &[&[f32]], grouping: Grouping, out: &mut RowsMut<'_>) {
        assert_eq!(rows.len(), out.count(), "rows of activations");
        // SAFETY: this CPU has the kernel's features (module header).
        unsafe { (self.0.ops.quantize)(rows, grouping, out) }
    }

    /// `gate = silu(gate) * up`.
    pub(crate) fn swiglu(&self, gate: &mut [f32], up: &[f32]) {
        assert_eq!(gate.len(), up.len());
        // SAFETY: this CPU has the kernel's features (module header).
        unsafe { (self.0.ops.swiglu)(gate, up) }
    }

    /// `weights = exp((logits - high) * inverse_temperature)`; returns their sum.
    pub(crate) fn softmax_weights(
        &self,
        logits: &[f32],
        high: f32,
        inverse: f32,
        weights: &mut [f32],
    ) -> f32 {
        assert_eq!(logits.len(), weights.len());
        // SAFETY: this CPU has the kernel's features (module header).
        unsafe { (self.0.ops.softmax_weights)(logits, high, inverse, weights) }
    }

    /// Rotates adjacent pairs of one head; `angles` alternates cosine and sine.
    pub(crate) fn rope(&self, head: &mut [f32], angles: &[f32]) {
        assert_eq!(head.len(), angles.len());
        // SAFETY: this CPU has the kernel's features (module header).
        unsafe { (self.0.ops.rope)(head, angles) }
    }

    /// Products of float rows: `weights` is `[rows, cols]`, `x` `[x rows, cols]` and `out` `[x rows, rows]`.
    pub(crate) fn dots(&self, weights: &[f32], x: &[f32], cols: usize, out: &mut [f32]) {
        let (rows, x_rows) = (weights.len() / cols, x.len() / cols);
        assert_eq!((rows * cols, x_rows * cols), (weights.len(), x.len()));
        assert_eq!(out.len(), rows * x_rows, "shape of the product");
        // SAFETY: this CPU has the kernel's features (module header).
        unsafe { (self.0.ops.dots)(weights, x, cols, out) }
    }

    /// Attention of a few query rows over one span of positions; `scratch` holds a block of keys.
    pub(crate) fn attend(&self, span: &Span<'_>, scratch: &mut [f32], out: &mut Partial<'_>) {
        span.check(scratch, out);
        // SAFETY: this CPU has the kernel's features (module header).
        unsafe { (self.0.ops.attend)(span, scratch, out) }
    }
}

#[cfg(test)]
mod tests;
