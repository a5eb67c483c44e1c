//! Many threads: the bits and the barriers of a step.

use super::*;
use crate::machine::threads::Traffic;

/// Sixteen are those of an r8g.4xlarge.
const THREADS: [usize; 5] = [2, 3, 4, 8, 16];

/// Logits of a prefill that is cut, of decoding after it, of steps of three sequences, and of a draft.
fn every_kind_of_step(model: &mut Model) -> Vec<Vec<u32>> {
    let prompt = tokens(1, 290);
    let mut caches: Vec<_> = (0..3).map(|_| model.new_cache()).collect();
    let mut logits = Vec::new();
    for chunk in prompt.chunks(PREFILL_CHUNK) {
        let batch = &mut [wanting(chunk, &mut caches[0])];
        logits.push(bits(model.forward(batch, &|| false).unwrap()));
    }
    for token in [[3], [77], [200]] {
        let batch = &mut [wanting(&token, &mut caches[0])];
        logits.push(bits(model.forward(batch, &|| false).unwrap()));
    }
    for seed in 0..3 {
        let of_each = [tokens(seed, 1), tokens(seed + 1, 1), tokens(seed + 2, 5)];
        let sequences = of_each.iter().zip(&mut caches);
        let mut batch: Vec<_> = sequences
            .map(|(tokens, cache)| wanting(tokens, cache))
            .collect();
        logits.push(bits(model.forward(&mut batch, &|| false).unwrap()));
    }
    let draft = &mut [NewTokens {
        draft: &[4, 5, 6],
        ..wanting(&[9], &mut caches[0])
    }];
    logits.push(bits(model.forward(draft, &|| false).unwrap()));
    logits
}

#[test]
fn up_to_sixteen_threads_give_the_bits_of_one() {
    for kernel in kernel::supported() {
        let expected = every_kind_of_step(&mut tiny(kernel, 1));
        for threads in THREADS {
            let mut model = tiny(kernel, threads);
            let found = every_kind_of_step(&mut model);
            assert!(found == expected, "{kernel:?}, {threads} threads");
            model.set_decode_threads(threads / 2);
            assert_eq!(model.decode_threads(), threads / 2);
            let found = every_kind_of_step(&mut model);
            assert!(
                found == expected,
                "{kernel:?}, half of {threads} threads decode"
            );
        }
    }
}

/// What a decode step comes to, at a position that attention reads in one span.
fn of_a_decode(threads: usize) -> Traffic {
    let mut model = tiny(kernel::choose(None).unwrap(), threads);
    let mut cache = model.new_cache();
    prefill_into(&mut model, &mut cache);
    let before = model.traffic();
    model.forward(&mut [wanting(&[1], &mut cache)], &|| false);
    model.traffic().since(before)
}

fn prefill_into(model: &mut Model, cache: &mut KvCache) {
    model.forward(&mut [chunk(&tokens(1, 40), cache)], &|| false);
}

#[test]
fn a_decode_step_has_six_stages_a_layer_and_one_for_the_head() {
    let layers = tiny_gguf().config.model.layers as u64;
    for threads in [1, 2, 16] {
        let traffic = of_a_decode(threads);
        assert_eq!(traffic.stages, 6 * layers + 1, "{threads} threads");
        assert!(traffic.bytes > 0);
    }
}
