//! Inputs and outputs that start anywhere: the steps around the products give the bits that they give for aligned ones.

use super::*;
use crate::compute::kernel::span::{KvBlock, Q8Block};

/// Calls `step` with floats that start at each of 16 places of two cache lines; all results must be the same.
fn anywhere(kernel: &'static Kernel, len: usize, step: impl Fn(&[f32], &mut [f32])) {
    let values = Random::new(11).floats(len);
    let place = |offset: usize| {
        let mut x = vec![f32::NAN; len + 16];
        x[offset..offset + len].copy_from_slice(&values);
        let mut out = vec![f32::NAN; len + 16];
        out[offset..offset + len].copy_from_slice(&values);
        step(&x[offset..offset + len], &mut out[offset..offset + len]);
        let around = out[..offset].iter().chain(&out[offset + len..]);
        assert!(around.copied().all(f32::is_nan), "{kernel:?} wrote beside");
        bits(&out[offset..offset + len])
    };
    let expected = place(0);
    for offset in 1..16 {
        assert_eq!(place(offset), expected, "{kernel:?} {len} at {offset}");
    }
}

#[test]
fn steps_around_the_products_take_floats_from_anywhere() {
    for kernel in supported() {
        for len in [32, 40, 576] {
            anywhere(kernel, len, |x, out| kernel.rms_norm(x, x, 1e-5, out));
            anywhere(kernel, len, |x, out| kernel.swiglu(out, x));
            anywhere(kernel, len, |x, out| kernel.rope(out, x));
            anywhere(kernel, len, |x, out| {
                kernel.softmax_weights(x, 1.0, 0.5, out);
            });
        }
    }
}

#[test]
fn activations_are_quantised_from_anywhere() {
    let pool = &mut Pool::new(1).unwrap();
    for kernel in supported() {
        for grouping in [Grouping::Block, Grouping::Row, Grouping::RowFromZeroPoint] {
            let mut quantised = |offset: usize| {
                let mut x = vec![f32::NAN; offset];
                x.extend(Random::new(12).floats(3 * BLOCK));
                let mut activations = Activations::default();
                activations.fill(pool, kernel, grouping.into(), &one_row(&x[offset..]));
                let panel = activations.panel(0);
                (panel.quants().to_vec(), bits(panel.scales()))
            };
            let expected = quantised(0);
            for offset in 1..16 {
                assert_eq!(quantised(offset), expected, "{kernel:?} at {offset}");
            }
        }
    }
}

#[test]
fn attention_takes_queries_and_cache_from_anywhere() {
    const HEAD: usize = 48;
    for kernel in supported() {
        let attended = |offset: usize, is_q8: bool| {
            let mut random = Random::new(13);
            let mut query = vec![f32::NAN; offset];
            query.extend(random.floats(2 * HEAD));
            let mut stored = vec![f16::NAN; offset];
            let halves = random.floats(2 * KEY_BLOCK * HEAD);
            stored.extend(halves.iter().map(|v| f16::from_f32(*v)));
            let (keys, values) = stored[offset..].split_at(KEY_BLOCK * HEAD);
            let quants = |halves: &[f16]| {
                let quants = halves.iter().map(|v| (v.to_f32() * 100.0) as i8);
                [vec![0; offset], quants.collect()].concat()
            };
            let quants = [keys, values].map(quants);
            let scales: &[[f16; KEY_BLOCK]] = values.as_chunks().0;
            let blocks = [match is_q8 {
                true => KvBlock::Q8(Q8Block {
                    keys: quants[0][offset..].as_chunks().0.as_chunks().0,
                    key_scales: &scales[..2],
                    values: &quants[1][offset..],
                    value_scales: &scales[2..4],
                }),
                false => KvBlock::F16(keys, values),
            }];
            let rows: Vec<_> = query[offset..]
                .chunks_exact(HEAD)
                .zip([KEY_BLOCK - 3, KEY_BLOCK])
                .map(|(query, end)| QueryRow {
                    query,
                    start: 0,
                    end,
                })
                .collect();
            let span = Span {
                rows: &rows,
                start: 0,
                blocks: &blocks,
                ahead: None,
                head_dim: HEAD,
                scale: 0.2,
            };
            let mut scratch = vec![0.0; KEY_BLOCK * HEAD + offset];
            let mut values = vec![0.0; 2 * HEAD + offset];
            let (mut highs, mut sums) = ([0.0; 2], [0.0; 2]);
            let mut out = Partial {
                values: &mut values[offset..],
                highs: &mut highs,
                sums: &mut sums,
            };
            kernel.attend(&span, &mut scratch[offset..], &mut out);
            (bits(&values[offset..]), bits(&highs), bits(&sums))
        };
        for is_q8 in [false, true] {
            let expected = attended(0, is_q8);
            for offset in 1..16 {
                let found = attended(offset, is_q8);
                assert_eq!(found, expected, "{kernel:?} at {offset}, {is_q8}");
            }
        }
    }
}
