//! Activations as they are rounded to eight bits.

use super::*;

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
