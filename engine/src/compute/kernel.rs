//! The kernels: what runs on this CPU, and the one way to reach it.
//!
//! A [`Kernel`] is one file of `kernel/` and one row of [`KERNELS`]. Its functions may use instructions that not every
//! CPU has; a `&'static Kernel` is only handed out by [`choose`] and [`supported`], which have asked the CPU, and that
//! is what makes the safe methods here safe. Everything a kernel computes has its plain twin in `scalar`.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512_vnni;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "aarch64")]
mod neon_asm;
#[cfg(target_arch = "aarch64")]
mod neon_dotprod;
#[cfg(target_arch = "aarch64")]
mod neon_i8mm;
mod scalar;
mod vector;
#[cfg(target_arch = "x86_64")]
mod x86;

use half::f16;

use crate::Error;
use crate::compute::activations::{Grouping, Panel, RowsWriter};
use crate::compute::attention::{Partial, Span};
use crate::compute::block::BLOCK;
use crate::compute::matrix::Format;

/// All kernels of this architecture, slowest first.
static KERNELS: &[Kernel] = &[
    scalar::KERNEL,
    #[cfg(target_arch = "x86_64")]
    avx2::KERNEL,
    #[cfg(target_arch = "x86_64")]
    avx512_vnni::KERNEL,
    #[cfg(target_arch = "aarch64")]
    neon_dotprod::KERNEL,
    #[cfg(target_arch = "aarch64")]
    neon_i8mm::KERNEL,
];

/// How a kernel wants the quants of a tile: `rows` rows side by side, `depth` consecutive columns of each in turn.
/// `depth` divides half a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) rows: usize,
    pub(crate) depth: usize,
    /// Rows whose nibbles share a byte: two neighbours, the first in the low nibble, or one, which has columns 16
    /// apart in a byte.
    pub(crate) rows_in_byte: usize,
}

/// One kernel: its layout of weights, its two matrix products and its version of the steps around them.
pub(crate) struct Kernel {
    /// Instruction set and feature, such as "neon_i8mm".
    pub(crate) name: &'static str,
    pub(crate) layout: Layout,
    supported: fn() -> bool,
    int4: TileProduct,
    /// Channelwise int4.
    channel: TileProduct,
    q8: TileProduct,
    ops: VectorOps,
    /// So many rounds of the kernel's multiplication on registers alone; returns the multiply-accumulates. None where
    /// that would not be a limit of prefill.
    peak: Option<fn(usize) -> u64>,
}

/// Multiplies whole tiles with every row of activations; `out` is `[tiles, activation rows, tile rows]`.
type TileProduct = unsafe fn(tiles: &Tiles<'_>, x: &Panel<'_>, out: &mut [f32]);

/// The steps around the products; what each does is said at its twin in [`vector`].
struct VectorOps {
    rms_norm: unsafe fn(&[f32], &[f32], f32, &mut [f32]),
    quantize: unsafe fn(&[&[f32]], Grouping, &RowsWriter),
    swiglu: unsafe fn(&mut [f32], &[f32]),
    softmax_weights: unsafe fn(&[f32], f32, f32, &mut [f32]) -> f32,
    rope: unsafe fn(&mut [f32], &[f32]),
    attend: unsafe fn(&Span<'_>, &mut [f32], &mut Partial<'_>),
    dots: unsafe fn(&[f32], &[f32], usize, &mut [f32]),
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// The kernels of this architecture, slowest first.
pub(crate) fn all() -> impl Iterator<Item = &'static Kernel> {
    KERNELS.iter()
}

/// The kernels that this CPU can run, slowest first.
pub(crate) fn supported() -> impl DoubleEndedIterator<Item = &'static Kernel> {
    KERNELS.iter().filter(|kernel| (kernel.supported)())
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

/// The kernel of that name, or the fastest.
///
/// # Errors
/// [`Error::Option`] that lists the supported ones.
pub(crate) fn choose(name: Option<&str>) -> Result<&'static Kernel, Error> {
    let found = match name {
        Some(name) => supported().find(|kernel| kernel.name == name),
        None => supported().next_back(),
    };
    found.ok_or_else(|| {
        let names: Vec<_> = supported().map(|kernel| kernel.name).collect();
        let (name, names) = (name.unwrap_or_default(), names.join("`, `"));
        Error::Option(format!(
            "kernel `{name}` does not run on this CPU; these do: `{names}`"
        ))
    })
}

impl Kernel {
    /// The loop that [`crate::measure::bench`] measures the multiply rate with.
    pub(crate) fn peak(&self) -> Option<fn(usize) -> u64> {
        self.peak
    }

    /// Products of whole tiles with every row of `x`, into `out` of shape `[tiles, x.rows(), layout.rows]`.
    pub(crate) fn multiply(&self, tiles: &Tiles<'_>, x: &Panel<'_>, out: &mut [f32]) {
        assert_eq!(tiles.layout, self.layout, "tiles packed for another kernel");
        assert_eq!(
            tiles.blocks,
            x.blocks(),
            "columns of weights and activations"
        );
        assert_eq!(
            out.len(),
            tiles.count() * x.rows() * self.layout.rows,
            "shape of the product"
        );
        assert!(
            tiles.format != Format::Int4Channel || x.grouping() == Grouping::Row,
            "a scale per row of weights needs one per row of activations"
        );
        let product = match tiles.format {
            Format::Int4 | Format::Int4Symmetric => self.int4,
            Format::Int4Channel => self.channel,
            Format::Q8 => self.q8,
            Format::Bf16 | Format::F32 => panic!("floats are multiplied by `dots`"),
        };
        // SAFETY: this CPU has the kernel's features (module header); the shapes were just checked.
        unsafe { product(tiles, x, out) }
    }

    /// `out = x / rms(x) * weight`.
    pub(crate) fn rms_norm(&self, x: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
        assert!(x.len() == weight.len() && x.len() == out.len());
        // SAFETY: this CPU has the kernel's features (module header).
        unsafe { (self.ops.rms_norm)(x, weight, epsilon, out) }
    }

    /// Quantises some rows of activations, all equally long.
    ///
    /// # Safety
    /// No other thread writes these rows.
    pub(crate) unsafe fn quantize(&self, rows: &[&[f32]], grouping: Grouping, writer: &RowsWriter) {
        // SAFETY: this CPU has the kernel's features (module header); the rest is the caller's.
        unsafe { (self.ops.quantize)(rows, grouping, writer) }
    }

    /// `gate = silu(gate) * up`.
    pub(crate) fn swiglu(&self, gate: &mut [f32], up: &[f32]) {
        assert_eq!(gate.len(), up.len());
        // SAFETY: this CPU has the kernel's features (module header).
        unsafe { (self.ops.swiglu)(gate, up) }
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
        unsafe { (self.ops.softmax_weights)(logits, high, inverse, weights) }
    }

    /// Rotates adjacent pairs of one head; `angles` alternates cosine and sine.
    pub(crate) fn rope(&self, head: &mut [f32], angles: &[f32]) {
        assert_eq!(head.len(), angles.len());
        // SAFETY: this CPU has the kernel's features (module header).
        unsafe { (self.ops.rope)(head, angles) }
    }

    /// Products of float rows: `weights` is `[rows, cols]`, `x` `[x rows, cols]` and `out` `[x rows, rows]`.
    pub(crate) fn dots(&self, weights: &[f32], x: &[f32], cols: usize, out: &mut [f32]) {
        let (rows, x_rows) = (weights.len() / cols, x.len() / cols);
        assert_eq!((rows * cols, x_rows * cols), (weights.len(), x.len()));
        assert_eq!(out.len(), rows * x_rows, "shape of the product");
        // SAFETY: this CPU has the kernel's features (module header).
        unsafe { (self.ops.dots)(weights, x, cols, out) }
    }

    /// Attention of a few query rows over one span of positions; `scratch` holds a block of keys.
    pub(crate) fn attend(&self, span: &Span<'_>, scratch: &mut [f32], out: &mut Partial<'_>) {
        span.check(scratch, out);
        // SAFETY: this CPU has the kernel's features (module header).
        unsafe { (self.ops.attend)(span, scratch, out) }
    }
}

/// Whole tiles of one matrix, as packed by [`crate::compute::matrix`].
///
/// A tile is `layout.rows` rows; a group is one block of each of them: all quants, then all scales, then (in the
/// format with a minimum) all minima, the latter as f16. In the channelwise format groups are quants alone, and the
/// rows' scales follow the last group of the tile.
pub(crate) struct Tiles<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) layout: Layout,
    pub(crate) format: Format,
    /// Blocks in a row.
    pub(crate) blocks: usize,
}

impl<'a> Tiles<'a> {
    /// Tiles that there are.
    pub(crate) fn count(&self) -> usize {
        self.bytes.len() / self.tile_bytes()
    }

    fn tile_bytes(&self) -> usize {
        self.format.tile_bytes(self.layout, self.blocks)
    }

    /// One after the other.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Tile<'a>> {
        (0..self.count()).map(|index| self.tile(index))
    }

    /// One of them.
    #[inline]
    pub(crate) fn tile(&self, index: usize) -> Tile<'a> {
        let (layout, format) = (self.layout, self.format);
        let bytes = &self.bytes[index * self.tile_bytes()..][..self.tile_bytes()];
        let (groups, channel_scales) = bytes.split_at(format.group_bytes(layout) * self.blocks);
        Tile {
            groups,
            channel_scales,
            layout,
            format,
        }
    }
}

/// Some rows of a matrix, side by side.
pub(crate) struct Tile<'a> {
    groups: &'a [u8],
    /// Empty but in the channelwise format.
    channel_scales: &'a [u8],
    layout: Layout,
    format: Format,
}

impl<'a> Tile<'a> {
    /// One group for each block of a row.
    pub(crate) fn groups(&self) -> impl Iterator<Item = Group<'a>> + Clone {
        let (layout, format) = (self.layout, self.format);
        self.groups
            .chunks_exact(format.group_bytes(layout))
            .map(move |bytes| Group {
                bytes,
                layout,
                format,
            })
    }

    /// The bytes of all groups.
    #[cfg(target_arch = "x86_64")]
    fn bytes(&self) -> &'a [u8] {
        self.groups
    }

    /// The scales of the rows of a channelwise tile, as f16.
    #[cfg(target_arch = "x86_64")]
    fn channel_scales(&self) -> &'a [u8] {
        self.channel_scales
    }

    /// The scale of one row of a channelwise tile.
    pub(crate) fn channel_scale(&self, row: usize) -> f32 {
        half_at(self.channel_scales, row)
    }
}

fn half_at(halves: &[u8], index: usize) -> f32 {
    f16::from_le_bytes([halves[2 * index], halves[2 * index + 1]]).to_f32()
}

/// One block of every row of a tile.
pub(crate) struct Group<'a> {
    bytes: &'a [u8],
    layout: Layout,
    format: Format,
}

impl Group<'_> {
    /// The quants of all rows, interleaved by the layout.
    pub(crate) fn quants(&self) -> &[u8] {
        &self.bytes[..self.format.quant_bytes() * self.layout.rows]
    }

    /// The scale of one row, where it is that of a block.
    pub(crate) fn scale(&self, row: usize) -> f32 {
        self.half(row)
    }

    /// The minimum of one row, where the format stores it.
    pub(crate) fn min(&self, row: usize) -> Option<f32> {
        (self.format == Format::Int4).then(|| self.half(self.layout.rows + row))
    }

    fn half(&self, index: usize) -> f32 {
        half_at(
            &self.bytes[self.format.quant_bytes() * self.layout.rows..],
            index,
        )
    }

    /// The quants of one row in order of its columns, 0 to 15 or signed.
    pub(crate) fn row_quants(&self, row: usize) -> [i8; BLOCK] {
        std::array::from_fn(|column| {
            if self.format == Format::Q8 {
                return self.bytes[self.layout.quant_index(row, column)].cast_signed();
            }
            let (index, shift) = self.layout.nibble_index(row, column);
            (self.bytes[index] >> shift & 15).cast_signed()
        })
    }
}

impl Layout {
    /// Where the quant of a column stands among a group's bytes.
    pub(crate) fn quant_index(self, row: usize, column: usize) -> usize {
        self.index(self.rows, row, column)
    }

    /// The same of a nibble, and by how many bits it is shifted within its byte.
    pub(crate) fn nibble_index(self, row: usize, column: usize) -> (usize, usize) {
        if self.rows_in_byte == 2 {
            (self.index(self.rows / 2, row / 2, column), row % 2 * 4)
        } else {
            let (half, column) = (column / (BLOCK / 2), column % (BLOCK / 2));
            (self.quant_index(row, column), half * 4)
        }
    }

    fn index(self, rows: usize, row: usize, column: usize) -> usize {
        (column / self.depth * rows + row) * self.depth + column % self.depth
    }
}

#[cfg(test)]
mod tests;
