//! Every kernel of this CPU against `scalar`, and `scalar` against hand-worked numbers.

mod activations;
mod arm;
mod attention;
mod eight_bits;
mod guarded;
mod ordered;
mod unaligned;
mod vectors;

use std::sync::Arc;

use half::f16;
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};

use super::format::Factors;
use super::panel::MAGIC;
use super::span::{KEY_BLOCK, QueryRow};
use super::*;
use crate::compute::activations::{Activations, StoredRows};
use crate::compute::block::{BLOCK, Block, Parts};
use crate::compute::column_order::ColumnOrder;
use crate::compute::matrix::{
    self, MatmulInput, MatmulScratch, PackedMatrix, Packing, Product, RowSource, layout_for,
};
use crate::machine::threads::Pool;

fn scalar() -> &'static Kernel {
    choose(Some("scalar")).unwrap()
}

struct Random(Pcg64Mcg);

impl Random {
    fn new(seed: u64) -> Self {
        Self(Pcg64Mcg::seed_from_u64(seed))
    }

    /// From -1 to 1.
    fn float(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / (1 << 23) as f32 - 1.0
    }

    fn floats(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.float()).collect()
    }

    fn block(&mut self, format: Format) -> Block {
        let scale = f16::from_f32(self.float() * 0.1);
        let min = match format.has_min() {
            true => f16::from_f32(self.float()),
            false => f16::from_f32(-f32::from(format.zero()) * scale.to_f32()),
        };
        let quants = std::array::from_fn(|_| {
            let byte = self.0.next_u32() as u8;
            if format == Format::Q8 {
                byte.cast_signed()
            } else {
                (byte & highest(format).cast_unsigned()).cast_signed()
            }
        });
        let parts = self.0.next_u32().to_le_bytes();
        Block {
            scale,
            min,
            parts: parts_of(format, [parts[0], parts[1]]),
            quants,
        }
    }

    /// The blocks of a matrix, row after row.
    fn blocks(&mut self, format: Format, rows: usize, per_row: usize) -> Vec<Block> {
        let mut blocks: Vec<_> = (0..rows * per_row).map(|_| self.block(format)).collect();
        for row in blocks.chunks_exact_mut(per_row) {
            let together = match format.factors() {
                Factors::None => per_row,
                Factors::Scale | Factors::ScaleAndMin => 1,
                _ => format.sharing(),
            };
            for blocks in row.chunks_mut(together) {
                let Block { scale, min, .. } = blocks[0];
                blocks
                    .iter_mut()
                    .for_each(|block| (block.scale, block.min) = (scale, min));
            }
        }
        blocks
    }
}

/// The highest quant of a format, which has all bits set.
fn highest(format: Format) -> i8 {
    match format {
        Format::Q8 => 127,
        Format::Int1 => 2,
        Format::Int2 => 3,
        _ => (16 << format.plane_bits()) - 1,
    }
}

/// The lowest quant of a format.
fn lowest(format: Format) -> i8 {
    if format == Format::Q8 { -128 } else { 0 }
}

/// These two bytes where the scales of a format have two parts.
fn parts_of(format: Format, bytes: [u8; 2]) -> Parts {
    match format.factors() {
        Factors::SharedScaleAndMin => Parts::ScaleAndMin(bytes),
        Factors::SharedHalfScales => Parts::HalfScales(bytes.map(u8::cast_signed)),
        _ => Parts::Whole,
    }
}

/// Packs `blocks`, row after row, for a kernel.
fn pack(kernel: &'static Kernel, format: Format, rows: usize, blocks: &[Block]) -> PackedMatrix {
    pack_in_order(None, kernel, format, rows, blocks)
}

/// The same where columns are not as activations have them.
fn pack_in_order(
    order: Option<Arc<ColumnOrder>>,
    kernel: &'static Kernel,
    format: Format,
    rows: usize,
    blocks: &[Block],
) -> PackedMatrix {
    let per_row = blocks.len() / rows;
    let mut packing = Packing::new(kernel);
    let rows_of_blocks = RowSource::of_blocks(|row, index| blocks[row * per_row + index]);
    packing
        .add("", [rows, per_row * BLOCK], format, rows_of_blocks)
        .region
        .order = order;
    let pool = &mut Pool::new(1).unwrap();
    packing.pack(pool).unwrap().remove("").unwrap()
}

/// `x [m, cols]` times the matrix, `[m, rows]`.
fn product(kernel: &'static Kernel, matrix: &PackedMatrix, x: &[f32], threads: usize) -> Vec<f32> {
    product_of(Activations::default(), kernel, matrix, x, threads)
}

/// The same with activations that were set up before.
fn product_of(
    mut activations: Activations,
    kernel: &'static Kernel,
    matrix: &PackedMatrix,
    x: &[f32],
    threads: usize,
) -> Vec<f32> {
    let mut pool = Pool::new(threads).unwrap();
    let m = x.len() / matrix.cols();
    let (values, cols) = (x, matrix.cols());
    let x = StoredRows { values, cols };
    let layout = layout_for(&[matrix]);
    let x = MatmulInput::new(&mut activations, &mut pool, kernel, layout, &x);
    let mut out = vec![f32::NAN; m * matrix.rows()];
    let product = Product {
        matrix,
        out: &mut out,
        add: false,
    };
    matrix::multiply(&mut pool, &x, &mut MatmulScratch::default(), [product]);
    out
}

fn one_row(values: &[f32]) -> StoredRows<'_> {
    let cols = values.len();
    StoredRows { values, cols }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

#[test]
fn a_product_worked_by_hand() {
    // Weights 0.5 * q - 1 with q = 0, 1, .. 15, 0, .. 15; activations 127 at column 3 and -126 at column 17,
    // which have a step of 1 from a zero point too.
    let block = Block {
        scale: f16::from_f32(0.5),
        min: f16::from_f32(-1.0),
        quants: std::array::from_fn(|i| (i % 16) as i8),
        ..Block::ZERO
    };
    let mut x = [0.0; BLOCK];
    (x[3], x[17]) = (127.0, -126.0);
    let matrix = pack(scalar(), Format::Int4, 1, &[block]);
    // Column 3 weighs 0.5 and column 17 -0.5.
    assert_eq!(product(scalar(), &matrix, &x, 1), [126.5]);

    let block = Block {
        min: f16::from_f32(-4.0),
        ..block
    };
    // Now they weigh -2.5 and -3.5.
    for format in [Format::Int4Symmetric, Format::Int4Channel] {
        let matrix = pack(scalar(), format, 1, &[block]);
        assert_eq!(product(scalar(), &matrix, &x, 1), [123.5]);
    }

    let block = Block {
        quants: std::array::from_fn(|i| -(i as i8)),
        min: f16::ZERO,
        ..block
    };
    let matrix = pack(scalar(), Format::Q8, 1, &[block]);
    assert_eq!(
        product(scalar(), &matrix, &x, 1),
        [(126.0 * 17.0 - 127.0 * 3.0) * 0.5]
    );
}

#[test]
fn packed_rows_dequantise_to_what_was_packed() {
    let mut random = Random::new(1);
    for kernel in supported() {
        for format in Format::QUANTIZED {
            let blocks = random.blocks(format, 11, 3);
            let matrix = pack(kernel, format, 11, &blocks);
            let mut row = vec![0.0; 3 * BLOCK];
            for (index, blocks) in blocks.chunks_exact(3).enumerate() {
                matrix.row_to_f32(index, &mut row);
                let expected: Vec<_> = blocks.iter().flat_map(Block::dequantize).collect();
                assert_eq!(row, expected, "{kernel:?} {format:?} row {index}");
            }
        }
    }
}

#[test]
fn products_are_those_of_the_dequantised_weights_but_for_the_rounding_of_activations() {
    let mut random = Random::new(22);
    let (rows, blocks_in_row) = (5, 9);
    for format in Format::QUANTIZED {
        let blocks = random.blocks(format, rows, blocks_in_row);
        let matrix = pack(scalar(), format, rows, &blocks);
        let x = random.floats(matrix.cols());
        let found = product(scalar(), &matrix, &x, 1);
        let mut row = vec![0.0; matrix.cols()];
        for (r, found) in found.into_iter().enumerate() {
            matrix.row_to_f32(r, &mut row);
            let terms = row.iter().zip(&x);
            let exact: f64 = terms.map(|(w, x)| f64::from(*w) * f64::from(*x)).sum();
            // Half a step of each activation, which are at most 1; a step is a 253rd or more of their range.
            let sizes: f64 = row.iter().map(|w| f64::from(w.abs())).sum();
            let error = (f64::from(found) - exact).abs();
            assert!(
                error <= sizes * 0.51 / 126.0,
                "{format:?}: {found}, not {exact}"
            );
            assert!(error > 0.0, "{format:?}: activations are rounded");
        }
    }
}

#[test]
fn every_kernel_gives_the_bits_of_scalar_for_every_shape() {
    let mut random = Random::new(2);
    for format in Format::QUANTIZED {
        for rows in [1, 3, 7, 8, 9, 15, 16, 17, 33] {
            for blocks_in_row in [1, 2, 5, 9] {
                let blocks = random.blocks(format, rows, blocks_in_row);
                for m in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16, 18] {
                    let x = random.floats(m * blocks_in_row * BLOCK);
                    expect_the_bits_of_scalar(format, rows, &blocks, &x);
                }
            }
        }
    }
}

/// Of tiles beyond the size up to which they are multiplied several times with a few rows.
#[test]
fn every_kernel_gives_the_bits_of_scalar_for_long_rows() {
    let mut random = Random::new(3);
    for format in Format::QUANTIZED {
        let blocks = random.blocks(format, 17, 60);
        for m in [5, 7, 8, 12] {
            let x = random.floats(m * 60 * BLOCK);
            expect_the_bits_of_scalar(format, 17, &blocks, &x);
        }
    }
}

fn expect_the_bits_of_scalar(format: Format, rows: usize, blocks: &[Block], x: &[f32]) {
    let expected = product(scalar(), &pack(scalar(), format, rows, blocks), x, 1);
    for kernel in supported() {
        let found = product(kernel, &pack(kernel, format, rows, blocks), x, 2);
        let (rows, values) = (rows, x.len());
        assert_eq!(
            bits(&found),
            bits(&expected),
            "{kernel:?} {format:?}, {rows} rows, {values} values"
        );
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(60))]

    #[test]
    fn any_product_has_the_bits_of_scalar(
        format in proptest::sample::select(Format::QUANTIZED.to_vec()),
        rows in 1..70usize,
        blocks_in_row in 1..10usize,
        m in 1..20usize,
        threads in 1..4usize,
        extreme in 0..4usize,
        seed: u64,
    ) {
        let mut random = Random::new(seed);
        let mut blocks = random.blocks(format, rows, blocks_in_row);
        let mut x = random.floats(m * blocks_in_row * BLOCK);
        // The largest quants side by side, and activations that are as large as floats can be or all zero.
        if extreme & 1 != 0 {
            let high = highest(format);
            blocks.iter_mut().step_by(2).for_each(|block| block.quants = [high; BLOCK]);
        }
        if extreme & 2 != 0 {
            x.iter_mut().step_by(3).for_each(|v| *v = 1e30f32.copysign(*v));
            x[..BLOCK].fill(0.0);
        }
        let expected = product(scalar(), &pack(scalar(), format, rows, &blocks), &x, 1);
        for kernel in supported() {
            let found = product(kernel, &pack(kernel, format, rows, &blocks), &x, threads);
            proptest::prop_assert_eq!(bits(&found), bits(&expected), "{:?}", kernel);
        }
    }
}

#[test]
fn extreme_weights_and_activations_do_not_overflow() {
    for format in Format::QUANTIZED {
        let (low, high) = (lowest(format), highest(format));
        for quants in [
            [low; BLOCK],
            [high; BLOCK],
            std::array::from_fn(|i| if i % 2 == 0 { low } else { high }),
        ] {
            let block = Block {
                scale: f16::ONE,
                min: f16::from_f32(-8.0),
                parts: parts_of(format, [255, 127]),
                quants,
            };
            let blocks = [block; 2 * 16];
            for sign in [1.0, -1.0, 0.0] {
                for pattern in [[1.0, 1.0], [1.0, -1.0]] {
                    let x: Vec<_> = (0..2 * BLOCK)
                        .map(|i| 127.0 * sign * pattern[i % 2])
                        .collect();
                    let expected = product(scalar(), &pack(scalar(), format, 16, &blocks), &x, 1);
                    for kernel in supported() {
                        let found = product(kernel, &pack(kernel, format, 16, &blocks), &x, 1);
                        assert_eq!(found, expected, "{kernel:?} {format:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_product_is_the_same_for_any_threads_and_any_rows_beside_it() {
    let mut random = Random::new(3);
    let (rows, cols) = (100, 96);
    for kernel in supported() {
        for format in Format::QUANTIZED {
            let blocks = random.blocks(format, rows, cols / BLOCK);
            let matrix = pack(kernel, format, rows, &blocks);
            // A panel; one for each of two threads, then for each of three; several for each.
            for m in [9, 130, 200, 500] {
                let x = random.floats(m * cols);
                let together = [1, 2, 3].map(|threads| product(kernel, &matrix, &x, threads));
                for row in (0..m).step_by(1 + m / 16) {
                    let alone = bits(&product(kernel, &matrix, &x[row * cols..][..cols], 1));
                    for together in &together {
                        let found = bits(&together[row * rows..][..rows]);
                        assert_eq!(found, alone, "{kernel:?} {format:?} row {row} of {m}");
                    }
                }
                assert_eq!(bits(&together[0]), bits(&together[1]));
                assert_eq!(bits(&together[0]), bits(&together[2]));
            }
        }
    }
}

#[test]
fn gate_and_up_in_one_stage_give_the_bits_of_three() {
    let mut random = Random::new(14);
    let (cols, ffn) = (64, 96);
    for kernel in supported() {
        for format in Format::QUANTIZED {
            let [gate, up] = [0, 1].map(|_| {
                let blocks = random.blocks(format, ffn, cols / BLOCK);
                pack(kernel, format, ffn, &blocks)
            });
            for (m, threads) in [(1, 2), (5, 3), (17, 1), (150, 2)] {
                let x = random.floats(m * cols);
                let mut values = product(kernel, &gate, &x, 1);
                let ups = product(kernel, &up, &x, 1);
                kernel.swiglu(&mut values, &ups);
                let pool = &mut Pool::new(threads).unwrap();
                let mut expected = Activations::default();
                let activated = StoredRows {
                    values: &values,
                    cols: ffn,
                };
                expected.fill(pool, kernel, Grouping::Block.into(), &activated);

                let mut quantized = Activations::default();
                let layout = layout_for(&[&gate, &up]);
                let x = StoredRows { values: &x, cols };
                let x = MatmulInput::new(&mut quantized, pool, kernel, layout, &x);
                let mut out = Activations::default();
                // What it held before does not matter.
                out.fill(pool, kernel, Grouping::Unrounded.into(), &activated);
                let scratch = &mut MatmulScratch::default();
                matrix::multiply_gated(pool, &x, scratch, [&gate, &up], &mut out);
                assert_eq!(out.panels(), expected.panels());
                for panel in 0..out.panels().count() {
                    let (found, expected) = (out.panel(panel), expected.panel(panel));
                    assert_eq!(
                        found.quants(),
                        expected.quants(),
                        "{kernel:?} {format:?} {m}"
                    );
                    assert_eq!(bits(found.scales()), bits(expected.scales()));
                    assert_eq!(bits(found.sums()), bits(expected.sums()));
                }
            }
        }
    }
}

#[test]
fn an_unknown_kernel_is_an_error_that_lists_the_supported_ones() {
    let error = choose(Some("mmx")).unwrap_err().to_string();
    assert!(
        error.contains("`mmx`") && error.contains("`scalar`"),
        "{error}"
    );
}
