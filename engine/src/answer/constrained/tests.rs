//! Logits under a constraint, stage by stage.

use std::sync::Arc;

use super::*;
use crate::Sampling;
use crate::answer::sample::Sampler;
use crate::compute::kernel;
use crate::files::checkpoint::Gguf;
use crate::text::constraint::grammars::Grammars;
use crate::text::constraint::{Constraint, Language};

fn tokenizer() -> Arc<Tokenizer> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny.gguf");
    let gguf = Gguf::open(path.as_ref()).unwrap();
    Arc::new(Tokenizer::from_gguf(&gguf).unwrap().unwrap())
}

fn constrained(tokenizer: &Arc<Tokenizer>, pattern: &str) -> Constrained {
    let constraint = Constraint {
        field: "form",
        language: Language::Regex(pattern.into()),
    };
    let grammars = Grammars::new(tokenizer).unwrap();
    Constrained::new(grammars.compile(&constraint).unwrap(), None, tokenizer)
}

/// Every token with a logit of its own.
fn logits(tokenizer: &Tokenizer) -> Vec<f32> {
    (0..tokenizer.vocabulary())
        .map(|id| (id % 97) as f32 / 10.0)
        .collect()
}

#[test]
fn logits_of_what_may_not_come_are_less_than_any() {
    let tokenizer = tokenizer();
    let mut constrained = constrained(&tokenizer, "[ab]x");
    let logits = logits(&tokenizer);
    let masked = constrained.mask(&logits, Stage::Answer).unwrap().unwrap();
    for (id, (masked, logit)) in masked.iter().zip(&logits).enumerate() {
        let bytes = tokenizer.bytes(id as u32);
        let fits =
            !bytes.is_empty() && (b"ax".starts_with(&bytes[..]) || b"bx".starts_with(&bytes[..]));
        let expected = if fits { *logit } else { f32::NEG_INFINITY };
        assert_eq!(*masked, expected, "{id}");
    }
}

/// Masks come in words of 32 tokens, of which some are full and some are empty; a model may have more logits than tokens.
#[test]
fn a_mask_is_that_of_each_token_alone_whatever_stands_beside_it() {
    let tokenizer = tokenizer();
    let known = tokenizer.vocabulary();
    for (pattern, more) in [("(?s:.){1,9}", 0), ("[^aeiou]{2,5}|e", 1), ("[0-9]+", 77)] {
        let mut constrained = constrained(&tokenizer, pattern);
        let mut logits = logits(&tokenizer);
        logits.extend(std::iter::repeat_n(99.0, more));
        logits[known / 2] = f32::NAN;
        let allowed = constrained.follower.allowed().unwrap().to_list();
        let masked = constrained.mask(&logits, Stage::Answer).unwrap().unwrap();
        assert_eq!(masked.len(), logits.len(), "{pattern}");
        for (id, (masked, logit)) in masked.iter().zip(&logits).enumerate() {
            let may_come = id < known && allowed.contains(&(id as u32));
            let expected = if may_come { *logit } else { f32::NEG_INFINITY };
            assert_eq!(masked.to_bits(), expected.to_bits(), "{pattern}, {id}");
        }
        let nothing: Vec<_> = logits.iter().map(|_| f32::NEG_INFINITY).collect();
        assert_eq!(constrained.mask(&nothing, Stage::Answer).unwrap(), None);
    }
}

#[test]
fn an_answer_without_a_token_ends_only_where_it_may() {
    let tokenizer = tokenizer();
    let nothing = vec![f32::NEG_INFINITY; tokenizer.vocabulary()];
    for (pattern, may_end) in [("(ab)*", true), ("(ab)+", false)] {
        let mut constrained = constrained(&tokenizer, pattern);
        for stage in [Stage::Start, Stage::Behind, Stage::Answer] {
            assert_eq!(constrained.mask(&nothing, stage).unwrap(), None);
            assert_eq!(constrained.may_end(stage).unwrap(), may_end, "{pattern}");
        }
        // The answer is still to come.
        assert_eq!(constrained.mask(&nothing, Stage::Thought).unwrap(), None);
        assert!(!constrained.may_end(Stage::Thought).unwrap());
        let reason = |fields| constrained.left_without_token(fields).to_string();
        let taken = reason(&["logit_bias", "bad_words"]);
        assert!(taken.contains("`form`") && taken.contains("`logit_bias` and `bad_words`"));
        assert!(reason(&[]).ends_with("no token of the model can come next"));
    }
}

#[test]
fn a_thought_is_free_but_for_the_end_of_the_answer() {
    let tokenizer = tokenizer();
    let mut constrained = constrained(&tokenizer, "ab");
    let logits = logits(&tokenizer);
    let masked = constrained.mask(&logits, Stage::Thought).unwrap().unwrap();
    for (id, masked) in masked.iter().enumerate() {
        assert_eq!(
            *masked == f32::NEG_INFINITY,
            tokenizer.is_end(id as u32),
            "{id}"
        );
    }
    constrained.follow(0, Stage::Thought).unwrap();
    assert!(!constrained.is_complete("", &tokenizer).unwrap());
    // A token that ends the thought may hold the beginning of the answer.
    assert!(constrained.is_complete("ab", &tokenizer).unwrap());
}

#[test]
fn a_thought_may_not_lead_to_what_is_not_allowed() {
    let tokenizer = tokenizer();
    let mut constrained = constrained(&tokenizer, "ab");
    constrained.follow(0, Stage::Thought).unwrap();
    let error = constrained.is_complete("x", &tokenizer).unwrap_err();
    assert!(
        error.to_string().starts_with("`form` cannot be followed"),
        "{error}"
    );
}

#[test]
fn what_is_drawn_is_allowed_however_it_is_drawn() {
    let tokenizer = tokenizer();
    let logits = logits(&tokenizer);
    for kernel in kernel::supported() {
        for sampling in [
            Sampling::default(),
            Sampling {
                temperature: 1.0,
                ..Sampling::default()
            },
            Sampling {
                temperature: 2.0,
                top_k: 50,
                top_p: 0.9,
                min_p: 0.1,
                ..Sampling::default()
            },
            Sampling {
                temperature: 0.001,
                top_p: 0.5,
                ..Sampling::default()
            },
        ] {
            let mut sampler = Sampler::new(sampling, kernel, 7);
            let mut constrained = constrained(&tokenizer, "[ab]{1,3}");
            for _ in 0..3 {
                let masked = constrained.mask(&logits, Stage::Answer).unwrap().unwrap();
                let token = sampler.next(masked);
                if tokenizer.is_end(token) {
                    break;
                }
                let bytes = tokenizer.bytes(token);
                assert!(!bytes.is_empty() && bytes.iter().all(|byte| b"ab".contains(byte)));
                constrained.follow(token, Stage::Answer).unwrap();
                if constrained.is_complete("", &tokenizer).unwrap() {
                    break;
                }
            }
        }
    }
}
