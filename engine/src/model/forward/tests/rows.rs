//! What is read of every row of a step.

use super::*;

#[derive(Default)]
struct Read(Vec<Vec<f32>>, Option<Rows>);

impl RowReader for Read {
    fn wants(&self) -> Rows {
        self.1.unwrap_or(Rows::Logits)
    }

    fn row(&mut self, index: usize, values: &[f32]) {
        assert_eq!(index, self.0.len());
        self.0.push(values.to_vec());
    }
}

/// The rows of a prompt in the company of another.
fn rows(model: &mut Model, tokens: &[u32], wants: Rows) -> (Vec<Vec<f32>>, Vec<u32>) {
    let other = super::tokens(9, 21);
    let (mut cache, mut beside) = (model.new_cache(), model.new_cache());
    let mut read = Read(Vec::new(), Some(wants));
    let mut batch = [
        wanting(&other, &mut beside),
        NewTokens {
            reader: Some(&mut read),
            ..wanting(tokens, &mut cache)
        },
    ];
    let logits = model.forward(&mut batch, &|| false).unwrap();
    let last = bits(&logits[logits.len() / 2..]);
    (read.0, last)
}

#[test]
fn the_logits_of_every_row_are_those_behind_it_alone() {
    for kernel in kernel::supported() {
        let mut model = tiny(kernel, 2);
        // More than the head is computed for at a time.
        let tokens = tokens(3, 70);
        let (found, last) = rows(&mut model, &tokens, Rows::Logits);
        assert_eq!(found.len(), 70);
        for end in [1, 31, 32, 33, 64, 65, 70] {
            let expected = prefill(&mut model, &tokens[..end], 70);
            assert_eq!(bits(&found[end - 1]), expected, "{kernel:?} {end}");
        }
        assert_eq!(last, bits(&found[69]));
    }
}

/// The head of the tiny checkpoint is its embedding, or stored as that is.
#[test]
fn states_are_what_the_head_makes_logits_of() {
    let rounding = Rounding {
        quantize: Quantize::None,
        ..Rounding::default()
    };
    let mut model = rounded_tiny(kernel::choose(Some("scalar")).unwrap(), 1, rounding);
    let tokens = tokens(3, 40);
    let (states, _) = rows(&mut model, &tokens, Rows::States);
    let (logits, _) = rows(&mut model, &tokens, Rows::Logits);
    assert_eq!(states.len(), 40);
    let mut weights = vec![0.0; model.config.hidden];
    for (state, logits) in states.iter().zip(&logits) {
        for (token, logit) in logits.iter().enumerate() {
            model.weights.head().row_to_f32(token, &mut weights);
            let products = state.iter().zip(&weights);
            let sum: f64 = products.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            assert!((sum - f64::from(*logit)).abs() < 1e-3, "{sum} {logit}");
        }
    }
}
