//! Products of floats, norms and functions of vectors.

use super::*;

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
