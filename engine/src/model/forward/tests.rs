//! The forward pass on the tiny checkpoint: the same bits however the work is cut.

pub(crate) mod dynamic;
mod eight_bits;
mod folders;
mod ggufs;
mod rows;
mod threads;
mod windows;

use std::path::Path;

use super::*;
use crate::compute::kernel;
use crate::emulated;
use crate::model::weights::{GgufModel, Quantize, Rounding};

/// Longer than two spans of attention.
const TOKENS: usize = 600;

pub(crate) fn tiny(kernel: &'static Kernel, threads: usize) -> Model {
    rounded_tiny(kernel, threads, Rounding::default())
}

fn tiny_gguf() -> GgufModel {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny.gguf");
    GgufModel::open(&path).unwrap()
}

fn rounded_tiny(kernel: &'static Kernel, threads: usize, rounding: Rounding) -> Model {
    let gguf = tiny_gguf();
    Model::load(
        &gguf,
        gguf.config.model.clone(),
        rounding,
        kernel,
        Pool::new(threads).unwrap(),
        None,
    )
    .unwrap()
}

pub(crate) fn tokens(seed: u32, len: usize) -> Vec<u32> {
    (0..len as u32)
        .map(|i| (i * 31 + seed * 17) % 256)
        .collect()
}

pub(crate) fn bits(logits: &[f32]) -> Vec<u32> {
    logits.iter().map(|v| v.to_bits()).collect()
}

/// New tokens with logits behind the last one.
fn wanting<'a>(tokens: &'a [u32], cache: &'a mut KvCache) -> NewTokens<'a> {
    NewTokens {
        tokens,
        cache,
        draft: &[],
        wants_logits: true,
        reader: None,
    }
}

/// New tokens in the middle of a prefill.
fn chunk<'a>(tokens: &'a [u32], cache: &'a mut KvCache) -> NewTokens<'a> {
    NewTokens {
        wants_logits: false,
        ..wanting(tokens, cache)
    }
}

/// Logits behind the last token when the prompt is computed `chunk` tokens at a time.
fn prefill(model: &mut Model, tokens: &[u32], chunk: usize) -> Vec<u32> {
    let mut cache = model.new_cache();
    cache.begin(tokens.len());
    let mut last = Vec::new();
    for tokens in tokens.chunks(chunk) {
        let batch = &mut [wanting(tokens, &mut cache)];
        last = bits(model.forward(batch, &|| false).unwrap());
    }
    last
}

/// Logits behind the last token of each prompt when all are computed in one step.
fn together(model: &mut Model, prompts: &[Vec<u32>]) -> Vec<Vec<u32>> {
    let mut caches: Vec<_> = prompts.iter().map(|_| model.new_cache()).collect();
    let mut batch: Vec<_> = prompts
        .iter()
        .zip(&mut caches)
        .map(|(tokens, cache)| wanting(tokens, cache))
        .collect();
    let logits = model.forward(&mut batch, &|| false).unwrap();
    let rows = logits.chunks_exact(logits.len() / prompts.len());
    rows.map(bits).collect()
}

#[test]
fn chunks_of_the_prefill_and_threads_do_not_change_a_bit() {
    let tokens = tokens(1, TOKENS);
    for kernel in kernel::supported() {
        let expected = prefill(&mut tiny(kernel, 1), &tokens, TOKENS);
        let cuts = [(3, 1), (2, 7), (3, TOKENS), (1, 1), (2, 128)];
        for (threads, chunk) in cuts.into_iter().take(if emulated() { 3 } else { 5 }) {
            let found = prefill(&mut tiny(kernel, threads), &tokens, chunk);
            assert_eq!(
                found, expected,
                "{kernel:?}, {threads} threads, chunks of {chunk}"
            );
        }
    }
}

#[test]
fn without_rounding_too_every_kernel_gives_the_same_bits_however_the_work_is_cut() {
    let rounding = Rounding {
        quantize: Quantize::None,
        ..Rounding::default()
    };
    let tokens = tokens(1, 100);
    let scalar = kernel::choose(Some("scalar")).unwrap();
    let expected = prefill(&mut rounded_tiny(scalar, 1, rounding), &tokens, 100);
    for kernel in kernel::supported() {
        for (threads, chunk) in [(3, 7), (1, 1), (2, 100)] {
            let found = prefill(&mut rounded_tiny(kernel, threads, rounding), &tokens, chunk);
            assert_eq!(
                found, expected,
                "{kernel:?}, {threads} threads, chunks of {chunk}"
            );
        }
    }
    let mut model = rounded_tiny(scalar, 2, rounding);
    let mut caches = [model.new_cache(), model.new_cache()];
    let mut batch: Vec<_> = [&tokens[..33], &tokens[..]]
        .into_iter()
        .zip(&mut caches)
        .map(|(tokens, cache)| wanting(tokens, cache))
        .collect();
    let logits = model.forward(&mut batch, &|| false).unwrap();
    let second = logits.chunks_exact(logits.len() / 2).nth(1).map(bits);
    assert_eq!(second, Some(expected));
}

#[test]
fn the_tiny_checkpoint_gives_exactly_its_logits_when_nothing_is_rounded() {
    let rounding = Rounding {
        quantize: Quantize::None,
        ..Rounding::default()
    };
    let mut model = rounded_tiny(kernel::choose(None).unwrap(), 2, rounding);
    let golden = include_str!("../../../tests/fixtures/tiny_logits.json");
    for case in serde_json::from_str::<Vec<Reference>>(golden).unwrap() {
        let difference = difference(&mut model, &case);
        assert!(difference < 1e-4, "{difference} for {:?}", case.tokens);
    }
}

#[test]
fn the_head_is_computed_for_those_that_want_logits_alone() {
    let mut model = tiny(kernel::choose(None).unwrap(), 2);
    let (first, second) = (tokens(1, 40), tokens(2, 30));
    let expected = prefill(&mut model, &first, 40);
    let mut caches = [model.new_cache(), model.new_cache()];
    let [cache, other] = &mut caches;
    let mut batch = [
        chunk(&second[..20], &mut *other),
        chunk(&first[..30], &mut *cache),
    ];
    assert!(model.forward(&mut batch, &|| false).unwrap().is_empty());
    let mut batch = [chunk(&second[20..], other), wanting(&first[30..], cache)];
    let found = bits(model.forward(&mut batch, &|| false).unwrap());
    assert_eq!(found, expected);

    model.observe();
    let mut cache = model.new_cache();
    let sites = |model: &Model| model.observed().len();
    model.forward(&mut [chunk(&first[..30], &mut cache)], &|| false);
    assert!(!model.observed().contains_key(&MatmulSite::Head));
    let layers = sites(&model);
    model.forward(&mut [wanting(&first[30..], &mut cache)], &|| false);
    assert_eq!(sites(&model), layers + 1);
}

#[test]
fn sequences_of_a_batch_do_not_influence_each_other() {
    for kernel in kernel::supported() {
        let mut model = tiny(kernel, 2);
        let prompts = [tokens(1, 300), tokens(2, 5), tokens(3, 33)];
        let alone: Vec<_> = prompts
            .iter()
            .map(|prompt| prefill(&mut model, prompt, 64))
            .collect();
        assert_eq!(together(&mut model, &prompts), alone, "{kernel:?}");
    }
}

#[test]
fn sequences_that_decode_together_get_the_bits_of_each_alone() {
    for kernel in kernel::supported() {
        let mut model = tiny(kernel, 3);
        let prompts: Vec<_> = (0..9).map(|i| tokens(i, 3 + 40 * i as usize)).collect();
        let alone: Vec<_> = prompts
            .iter()
            .map(|prompt| prefill(&mut model, prompt, prompt.len()))
            .collect();

        let mut caches: Vec<_> = prompts.iter().map(|_| model.new_cache()).collect();
        let rest = 2;
        for (prompt, cache) in prompts.iter().zip(&mut caches) {
            let tokens = &prompt[..prompt.len() - rest];
            model.forward(&mut [wanting(tokens, cache)], &|| false);
        }
        let mut together = Vec::new();
        for step in (1..=rest).rev() {
            let next = prompts.iter().map(|prompt| prompt.len() - step);
            let mut batch: Vec<_> = prompts
                .iter()
                .zip(next)
                .map(|(prompt, at)| &prompt[at..=at])
                .zip(&mut caches)
                .map(|(tokens, cache)| wanting(tokens, cache))
                .collect();
            let logits = model.forward(&mut batch, &|| false).unwrap();
            let logits = logits.chunks_exact(logits.len() / prompts.len());
            together = logits.map(bits).collect();
        }
        assert_eq!(together, alone, "{kernel:?}");
    }
}

#[test]
fn a_cut_sequence_continues_as_if_the_rest_had_never_been() {
    let kernel = kernel::choose(None).unwrap();
    let mut model = tiny(kernel, 2);
    let (first, second) = (tokens(1, 50), tokens(2, 30));
    let mut cache = model.new_cache();
    model
        .forward(&mut [wanting(&first, &mut cache)], &|| false)
        .unwrap();
    cache.truncate(20);
    let found = bits(
        model
            .forward(&mut [wanting(&second, &mut cache)], &|| false)
            .unwrap(),
    );
    let whole = [&first[..20], &second].concat();
    assert_eq!(found, prefill(&mut model, &whole, 50));
}

#[test]
fn a_cancelled_step_leaves_the_cache_as_it_was() {
    let kernel = kernel::choose(None).unwrap();
    let mut model = tiny(kernel, 2);
    let tokens = tokens(4, 40);
    let mut cache = model.new_cache();
    model
        .forward(&mut [wanting(&tokens[..30], &mut cache)], &|| false)
        .unwrap();
    let looks = std::cell::Cell::new(0);
    let cancelled = || {
        looks.set(looks.get() + 1);
        looks.get() == 2
    };
    let batch = &mut [wanting(&tokens[30..], &mut cache)];
    assert!(model.forward(batch, &cancelled).is_none());
    assert_eq!(cache.len(), 30);
    let batch = &mut [wanting(&tokens[30..], &mut cache)];
    let found = bits(model.forward(batch, &|| false).unwrap());
    assert_eq!(found, prefill(&mut model, &tokens, 40));
}

/// A case of the numpy reference in `tests/fixtures/reference_logits.py`.
#[derive(serde::Deserialize)]
struct Reference {
    tokens: Vec<u32>,
    top: Vec<Logit>,
}

#[derive(serde::Deserialize)]
struct Logit {
    id: usize,
    logit: f32,
}

/// The largest difference from the reference's top logits, relative to the highest.
fn difference(model: &mut Model, case: &Reference) -> f32 {
    let mut cache = model.new_cache();
    cache.begin(case.tokens.len());
    let batch = &mut [wanting(&case.tokens, &mut cache)];
    let logits = model.forward(batch, &|| false).unwrap();
    let differences = case
        .top
        .iter()
        .map(|top| (logits[top.id] - top.logit).abs());
    differences.fold(0.0, f32::max) / case.top[0].logit.abs()
}

/// Compares with the reference for the file at `path`, by the scalar kernel, or where that takes minutes by the fastest,
/// which gives the same bits.
fn assert_close(path: &Path, reference: &str, bound: f32) {
    let gguf = GgufModel::open(path).unwrap();
    let kernel = kernel::choose((!emulated()).then_some("scalar")).unwrap();
    let mut model = Model::load(
        &gguf,
        gguf.config.model.clone(),
        Rounding::default(),
        kernel,
        Pool::new(2).unwrap(),
        None,
    )
    .unwrap();
    for case in serde_json::from_str::<Vec<Reference>>(reference).unwrap() {
        let difference = difference(&mut model, &case);
        assert!(difference < bound, "{difference} for {:?}", case.tokens);
    }
}

#[test]
fn logits_of_the_default_model_are_those_of_the_reference() {
    // All that separates them is the rounding of activations to int8: 0.017 was measured.
    let path = crate::support::default_model();
    assert_close(
        &path,
        include_str!("../../../tests/fixtures/default_logits.json"),
        0.025,
    );
}

#[test]
fn logits_of_the_tiny_checkpoint_are_those_of_the_reference() {
    // A quarter of its weights are floats, which loading rounds to int4: 0.135 was measured.
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny.gguf");
    assert_close(
        &path,
        include_str!("../../../tests/fixtures/tiny_logits.json"),
        0.2,
    );
}

#[test]
fn every_kernel_gives_the_logits_of_scalar_bit_for_bit() {
    let tokens = tokens(5, 300);
    let expected = prefill(
        &mut tiny(kernel::choose(Some("scalar")).unwrap(), 1),
        &tokens,
        64,
    );
    for kernel in kernel::supported() {
        assert_eq!(
            prefill(&mut tiny(kernel, 2), &tokens, 64),
            expected,
            "{kernel:?}"
        );
    }
}
