//! Every kernel of this CPU against `scalar`, and `scalar` against hand-worked numbers.

mod arm;
mod attention;
mod guarded;
mod ordered;
mod unaligned;

use std::sync::Arc;

use half::f16;
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};

use super::panel::MAGIC;
use super::span::{KEY_BLOCK, QueryRow};
use super::*;
use crate::compute::activations::{Activations, StoredRows};
use crate::compute::block::{BLOCK, Block};
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
        let min = match format {
            Format::Int4 => f16::from_f32(self.float()),
            Format::Int4Symmetric | Format::Int4Channel => f16::from_f32(-8.0 * scale.to_f32()),
            _ => f16::ZERO,
        };
        let quants = std::array::from_fn(|_| {
            let byte = self.0.next_u32() as u8;
            if format == Format::Q8 {
                byte.cast_signed()
            } else {
                (byte & 15).cast_signed()
            }
        });
        Block { scale, min, quants }
    }

    /// The blocks of a matrix, row after row.
    fn blocks(&mut self, format: Format, rows: usize, per_row: usize) -> Vec<Block> {
        let mut blocks: Vec<_> = (0..rows * per_row).map(|_| self.block(format)).collect();
        if format == Format::Int4Channel {
            for row in blocks.chunks_exact_mut(per_row) {
                let Block { scale, min, .. } = row[0];
                row.iter_mut()
                    .for_each(|block| (block.scale, block.min) = (scale, min));
            }
        }
        blocks
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
fn every_kernel_gives_the_bits_of_scalar_for_every_shape() {
    let mut random = Random::new(2);
    for format in Format::QUANTIZED {
        for rows in [1, 3, 7, 8, 9, 15, 16, 17, 33] {
            for blocks_in_row in [1, 2, 5] {
                let blocks = random.blocks(format, rows, blocks_in_row);
                for m in [1, 2, 3, 4, 5, 6, 7, 8, 11, 13, 16, 18] {
                    let x = random.floats(m * blocks_in_row * BLOCK);
                    let expected = product(scalar(), &pack(scalar(), format, rows, &blocks), &x, 1);
                    for kernel in supported() {
                        let found = product(kernel, &pack(kernel, format, rows, &blocks), &x, 2);
                        let shape = (rows, blocks_in_row * BLOCK, m);
                        assert_eq!(
                            bits(&found),
                            bits(&expected),
                            "{kernel:?} {format:?} {shape:?}"
                        );
                    }
                }
            }
        }
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
            let high = if format == Format::Q8 { 127 } else { 15 };
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
        let (low, high) = if format == Format::Q8 {
            (-128, 127)
        } else {
            (0, 15)
        };
        for quants in [
            [low; BLOCK],
            [high; BLOCK],
            std::array::from_fn(|i| if i % 2 == 0 { low } else { high }),
        ] {
            let block = Block {
                scale: f16::ONE,
                min: f16::from_f32(-8.0),
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
fn activations_keep_half_a_level_of_precision_and_their_sum() {
    let mut random = Random::new(4);
    let mut x = random.floats(4 * BLOCK);
    x[BLOCK..2 * BLOCK].fill(0.0);
    x[2 * BLOCK] = 100.0;
    for kernel in supported() {
        let mut activations = Activations::default();
        let pool = &mut Pool::new(1).unwrap();
        activations.fill(pool, kernel, Grouping::Block.into(), &one_row(&x));
        let activations = activations.panel(0);
        for (index, x) in x.chunks_exact(BLOCK).enumerate() {
            let block = activations.block(index, 0);
            let restored: Vec<_> = block
                .quants
                .iter()
                .map(|q| f32::from(*q) * block.scale)
                .collect();
            for (restored, x) in restored.iter().zip(x) {
                assert!(
                    (restored - x).abs() <= block.scale * 0.5001,
                    "{kernel:?}: {x} became {restored}"
                );
            }
            let sum: i32 = block.quants.iter().map(|q| i32::from(*q)).sum();
            assert_eq!(block.sum, sum as f32);
            assert_eq!(block.start, MAGIC - 8.0 * block.sum);
        }
    }
}

#[test]
fn a_row_of_activations_may_share_a_scale() {
    let x = Random::new(9).floats(3 * BLOCK);
    let high = x.iter().fold(0.0f32, |high, v| high.max(v.abs()));
    for kernel in supported() {
        let mut activations = Activations::default();
        let pool = &mut Pool::new(1).unwrap();
        activations.fill(pool, kernel, Grouping::Row.into(), &one_row(&x));
        let activations = activations.panel(0);
        let mut sum = 0;
        for (index, x) in x.chunks_exact(BLOCK).enumerate() {
            let block = activations.block(index, 0);
            assert_eq!(block.scale, high / 127.0);
            for (q, x) in block.quants.iter().zip(x) {
                assert!((f32::from(*q) * block.scale - x).abs() <= block.scale * 0.5001);
                sum += i32::from(*q);
            }
        }
        assert_eq!(activations.row_sum(0), sum, "{kernel:?}");
        assert_eq!(activations.zero_point(0), 0.0);
    }
}

#[test]
fn a_row_from_its_zero_point_has_the_steps_of_its_range() {
    let around = |middle: f32, half: f32| {
        let mut floats = Random::new(9).floats(3 * BLOCK);
        floats.iter_mut().for_each(|v| *v = middle + half * *v);
        floats
    };
    let half_steps = (0..3 * BLOCK as i32).map(|i| (i * 8 - 255) as f32 / 2.0);
    let cases = [
        around(0.0, 1.0),
        around(0.9, 1.0),
        around(-7.0, 2.0),
        around(1e6, 1.0),
        half_steps.collect(),
        vec![3.0; 3 * BLOCK],
        vec![0.0; 3 * BLOCK],
    ];
    for (kernel, x) in supported().flat_map(|kernel| cases.iter().map(move |x| (kernel, x))) {
        let (low, high) = x.iter().fold((0.0f32, 0.0f32), |(low, high), v| {
            (low.min(*v), high.max(*v))
        });
        let mut activations = Activations::default();
        let pool = &mut Pool::new(1).unwrap();
        let grouping = Grouping::RowFromZeroPoint;
        activations.fill(pool, kernel, grouping.into(), &one_row(x));
        let activations = activations.panel(0);
        let zero_point = activations.zero_point(0);
        for (index, x) in x.chunks_exact(BLOCK).enumerate() {
            let block = activations.block(index, 0);
            assert_eq!(block.scale, (high - low) / 253.0);
            for (q, x) in block.quants.iter().zip(x) {
                assert!(*q >= -127, "{kernel:?}: kernels negate quants");
                let restored = (f32::from(*q) - zero_point) * block.scale;
                assert!(
                    (restored - x).abs() <= block.scale * 0.501,
                    "{kernel:?}: {x} became {restored}"
                );
            }
        }
    }
}

#[test]
fn channelwise_products_know_the_zero_point_of_lopsided_rows() {
    let mut random = Random::new(21);
    let (rows, blocks) = (20, 3);
    let weights = random.blocks(Format::Int4Channel, rows, blocks);
    for x_rows in [1, 2, 5, 17] {
        let mut x = random.floats(x_rows * blocks * BLOCK);
        x.iter_mut().for_each(|v| *v = *v * 0.1 + 4.0);
        for kernel in supported() {
            let matrix = pack(kernel, Format::Int4Channel, rows, &weights);
            let found = product(kernel, &matrix, &x, 2);
            let mut row = vec![0.0; matrix.cols()];
            for (x, found) in x.chunks_exact(matrix.cols()).zip(found.chunks_exact(rows)) {
                // Half a step of each activation.
                let high = x.iter().fold(0.0f32, |high, v| high.max(*v));
                for (r, found) in found.iter().enumerate() {
                    matrix.row_to_f32(r, &mut row);
                    let exact: f32 = x.iter().zip(&row).map(|(x, w)| x * w).sum();
                    let bound: f32 = row.iter().map(|w| w.abs() * high / 253.0 * 0.51).sum();
                    assert!(
                        (found - exact).abs() <= bound + 1e-4,
                        "{kernel:?}: {found}, not {exact}"
                    );
                }
            }
        }
    }
}

#[test]
fn products_of_floats_are_sums_of_products_with_the_same_bits_by_every_kernel() {
    let mut random = Random::new(11);
    for cols in [8, 16, 24, 96, 576] {
        for (rows, x_rows) in [(1, 1), (3, 2), (2, 4), (5, 7), (8, 9)] {
            let (weights, x) = (random.floats(rows * cols), random.floats(x_rows * cols));
            let found = supported().map(|kernel| {
                let mut out = vec![f32::NAN; rows * x_rows];
                kernel.dots(&weights, &x, cols, &mut out);
                out
            });
            let found: Vec<_> = found.collect();
            for (kernel, other) in supported().zip(&found) {
                assert_eq!(bits(other), bits(&found[0]), "{kernel:?}, {cols} columns");
            }
            let mut products = found[0].iter();
            for x in x.chunks_exact(cols) {
                for weights in weights.chunks_exact(cols) {
                    let terms = weights.iter().zip(x);
                    let exact: f64 = terms.map(|(w, x)| f64::from(*w) * f64::from(*x)).sum();
                    let found = f64::from(*products.next().unwrap());
                    assert!((found - exact).abs() < 1e-5, "{found}, not {exact}");
                }
            }
        }
    }
}

#[test]
fn rms_norm_swiglu_and_rope_follow_their_formulas() {
    let mut random = Random::new(5);
    for kernel in supported() {
        for len in [8, 24, 40, 576] {
            let (x, weight) = (random.floats(len), random.floats(len));
            let mut out = vec![0.0; len];
            kernel.rms_norm(&x, &weight, 1e-5, &mut out);
            let mean = x.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / len as f64;
            for i in 0..len {
                let expected = f64::from(x[i]) / (mean + 1e-5).sqrt() * f64::from(weight[i]);
                assert!((f64::from(out[i]) - expected).abs() < 1e-6 * (1.0 + expected.abs()));
            }

            let gates: Vec<_> = x.iter().map(|v| v * 30.0).collect();
            let mut out = gates.clone();
            kernel.swiglu(&mut out, &weight);
            for i in 0..len {
                let gate = f64::from(gates[i]);
                let expected = gate / (1.0 + (-gate).exp()) * f64::from(weight[i]);
                assert!((f64::from(out[i]) - expected).abs() < 1e-6 * (1.0 + expected.abs()));
            }

            let mut out = x.clone();
            kernel.rope(&mut out, &weight);
            for i in (0..len).step_by(2) {
                let (cos, sin) = (weight[i], weight[i + 1]);
                assert!((out[i] - (x[i] * cos - x[i + 1] * sin)).abs() < 1e-6);
                assert!((out[i + 1] - (x[i] * sin + x[i + 1] * cos)).abs() < 1e-6);
            }
        }
    }
}

#[test]
fn softmax_weights_are_exponentials_down_to_zero() {
    for kernel in supported() {
        let logits: Vec<_> = (0..200).map(|i| -(i as f32)).collect();
        let mut weights = vec![0.0; 200];
        let sum = kernel.softmax_weights(&logits, 0.0, 0.5, &mut weights);
        for (logit, weight) in logits.iter().zip(&weights) {
            let expected = f64::from(logit * 0.5).exp();
            assert!(
                (f64::from(*weight) - expected).abs() <= 4e-7 * expected + 1e-38,
                "{logit}: {weight}"
            );
        }
        assert_eq!(
            kernel.softmax_weights(&[-1e30], 0.0, 1.0, &mut weights[..1]),
            0.0
        );
        let expected: f64 = logits.iter().map(|v| f64::from(v * 0.5).exp()).sum();
        assert!((f64::from(sum) - expected).abs() < 1e-5);
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
