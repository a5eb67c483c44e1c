//! What a request takes over from the one before.

use super::*;
use crate::compute::kernel;
use crate::model::forward::tests::{bits, dynamic, tiny, tokens};

/// Tokens that the model was trained on.
const TRAINED: usize = 32;

/// How much of the sequence a prompt keeps, and the logits behind it.
fn ask(model: &mut Model, cached: &mut CachedSequence, prompt: &[u32]) -> (usize, Vec<u32>) {
    let shared = cached.keep_prefix(prompt, model.rope());
    let logits = cached.append(model, &prompt[shared..], true, &|| false);
    (shared, bits(logits.unwrap()))
}

/// A sequence with a prompt of so many tokens and others behind it, one at a time.
fn cached(model: &mut Model, sequence: &[u32], prompt: usize) -> CachedSequence {
    let mut cached = CachedSequence::new(model.new_cache());
    ask(model, &mut cached, &sequence[..prompt]);
    for token in sequence[prompt..].chunks(1) {
        cached.append(model, token, true, &|| false).unwrap();
    }
    cached
}

#[test]
fn a_prompt_keeps_what_was_rotated_as_it_rotates_it() {
    let mut model = dynamic::model(TRAINED);
    let sequence = tokens(1, 60);
    // The prompt before, all tokens behind it, the prompt that shares them, and how many it keeps.
    let cases = [
        (20, 25, 30, 25),
        (20, 40, 30, 29),
        (20, 25, 40, 0),
        (20, 50, 40, 0),
        (40, 45, 41, 0),
        (40, 45, 39, 0),
        (40, 45, 20, 0),
        (40, 45, 40, 39),
        (20, 50, 20, 19),
    ];
    for (before, behind, prompt, expected) in cases {
        let case = format!("{behind} tokens behind a prompt of {before}, then one of {prompt}");
        let mut found = cached(&mut model, &sequence[..behind], before);
        let mut fresh = CachedSequence::new(model.new_cache());
        let prompt = &sequence[..prompt];
        let (shared, logits) = ask(&mut model, &mut found, prompt);
        assert_eq!(shared, expected, "{case}");
        assert_eq!((0, logits), ask(&mut model, &mut fresh, prompt), "{case}");
    }
}

#[test]
fn a_rope_that_does_not_grow_keeps_all_that_is_shared() {
    let mut model = tiny(kernel::choose(None).unwrap(), 2);
    let sequence = tokens(1, 60);
    let mut found = cached(&mut model, &sequence[..50], 20);
    assert_eq!(ask(&mut model, &mut found, &sequence).0, 50);
    assert_eq!(ask(&mut model, &mut found, &sequence).0, 59);
    assert_eq!(ask(&mut model, &mut found, &tokens(2, 60)).0, 0);
}
