//! Keys and values in eight bits: the same bits however the work is cut, near those of half precision.

use super::*;
use crate::compute::kv::KvPrecision;

fn model(kernel: &'static Kernel, threads: usize, kv: KvPrecision) -> Model {
    let rounding = Rounding {
        kv: Some(kv),
        ..Rounding::default()
    };
    rounded_tiny(kernel, threads, rounding)
}

#[test]
fn keys_and_values_in_eight_bits_give_the_same_bits_however_the_work_is_cut() {
    let tokens = tokens(1, 300);
    let scalar = kernel::choose(Some("scalar")).unwrap();
    let expected = prefill(&mut model(scalar, 2, KvPrecision::Q8), &tokens, 300);
    for kernel in kernel::supported() {
        for (threads, chunk) in [(3, 7), (1, 64), (2, 300)] {
            let mut model = model(kernel, threads, KvPrecision::Q8);
            let found = prefill(&mut model, &tokens, chunk);
            assert_eq!(
                found, expected,
                "{kernel:?}, {threads} threads, chunks of {chunk}"
            );
        }
        let mut model = model(kernel, 2, KvPrecision::Q8);
        let prompts = [tokens[..33].to_vec(), tokens.clone()];
        assert_eq!(together(&mut model, &prompts)[1], expected, "{kernel:?}");
    }
}

#[test]
fn tokens_that_were_taken_back_leave_no_bit_behind() {
    let (wanted, wrong) = (tokens(1, 80), tokens(2, 20));
    let mut model = model(kernel::choose(None).unwrap(), 2, KvPrecision::Q8);
    let expected = prefill(&mut model, &wanted, 80);
    let mut cache = model.new_cache();
    cache.begin(wanted.len());
    model.forward(&mut [chunk(&wanted[..45], &mut cache)], &|| false);
    model.forward(&mut [chunk(&wrong, &mut cache)], &|| false);
    cache.truncate(45);
    let batch = &mut [wanting(&wanted[45..], &mut cache)];
    assert_eq!(bits(model.forward(batch, &|| false).unwrap()), expected);
}

#[test]
fn keys_and_values_in_eight_bits_move_logits_less_than_activations_in_eight_bits_do() {
    let tokens = tokens(1, 200);
    let kernel = kernel::choose(None).unwrap();
    let logits = |kv, floats: bool| {
        let mut model = model(kernel, 2, kv);
        if floats {
            model.keep_floats();
        }
        let logits = prefill(&mut model, &tokens, 200).into_iter();
        logits.map(f32::from_bits).collect::<Vec<_>>()
    };
    let exact = logits(KvPrecision::F16, true);
    let distance = |logits: Vec<f32>| {
        let squares = logits.iter().zip(&exact).map(|(a, b)| (a - b).powi(2));
        squares.sum::<f32>().sqrt()
    };
    let of_kv = distance(logits(KvPrecision::Q8, true));
    let of_activations = distance(logits(KvPrecision::F16, false));
    assert!(
        0.0 < of_kv && of_kv < of_activations,
        "{of_kv}, {of_activations}"
    );
}
