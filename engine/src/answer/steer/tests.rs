//! Changes of logits against their definitions, by sets and counts made anew for each step.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const VOCABULARY: usize = 12;
const ENDS: [u32; 2] = [0, 1];

/// What a step comes to by the definition.
fn plain(
    (steering, bad_words): (&Steering, &[Vec<u32>]),
    logits: &[f32],
    tokens: &[u32],
    prompt: usize,
) -> Vec<f32> {
    let allowed = &steering.allowed_token_ids;
    let kept = |(token, logit): (u32, &f32)| match allowed.is_empty() || allowed.contains(&token) {
        true => *logit,
        false => f32::NEG_INFINITY,
    };
    let mut logits: Vec<f32> = (0..).zip(logits).map(kept).collect();
    let answer = &tokens[prompt..];
    for word in bad_words {
        let (last, before) = word.split_last().unwrap();
        if answer.ends_with(before) {
            logits[*last as usize] = f32::NEG_INFINITY;
        }
    }
    if answer.len() < steering.min_tokens {
        let own = ENDS.iter().filter(|_| !steering.ignore_eos);
        for end in own.chain(&steering.stop_token_ids) {
            logits[*end as usize] = f32::NEG_INFINITY;
        }
    }
    for (token, bias) in &steering.logit_bias {
        logits[*token as usize] += bias;
    }
    let window = steering.repetition_window.unwrap_or(usize::MAX);
    let last: BTreeSet<u32> = tokens.iter().rev().take(window).copied().collect();
    let mut counts = BTreeMap::new();
    for token in answer {
        *counts.entry(*token).or_insert(0.0) += 1.0;
    }
    for (token, logit) in (0..).zip(&mut logits) {
        if last.contains(&token) && *logit > 0.0 {
            *logit /= steering.repetition_penalty;
        } else if last.contains(&token) {
            *logit *= steering.repetition_penalty;
        }
        if let Some(count) = counts.get(&token) {
            *logit -= steering.frequency_penalty * count;
            *logit -= steering.presence_penalty;
        }
    }
    logits
}

fn steering() -> impl Strategy<Value = Steering> {
    let token = 0..VOCABULARY as u32;
    let bias = prop_oneof![Just(f32::NEG_INFINITY), -100.0..100.0f32];
    let penalty = || prop_oneof![Just(0.0), -2.0..2.0f32];
    (
        proptest::collection::vec((token.clone(), bias), 0..4),
        (penalty(), penalty()),
        prop_oneof![Just(1.0), 0.1..10.0f32],
        proptest::option::of(0usize..9),
        0usize..4,
        any::<bool>(),
        proptest::collection::vec(token.clone(), 0..3),
        proptest::collection::vec(token, 0..5),
    )
        .prop_map(
            |(
                logit_bias,
                (presence, frequency),
                repetition,
                window,
                min,
                ignore_eos,
                stops,
                allowed,
            )| {
                Steering {
                    logit_bias,
                    presence_penalty: presence,
                    frequency_penalty: frequency,
                    repetition_penalty: repetition,
                    repetition_window: window,
                    min_tokens: min,
                    ignore_eos,
                    stop_token_ids: stops,
                    allowed_token_ids: allowed,
                    bad_words: Vec::new(),
                }
            },
        )
}

proptest! {
    #[test]
    fn each_step_is_as_the_definition_says(
        steering in steering(),
        logits in proptest::collection::vec(-20.0..20.0f32, VOCABULARY),
        tokens in proptest::collection::vec(0..VOCABULARY as u32, 1..20),
        prompt in 1usize..10,
        bad_words in proptest::collection::vec(
            proptest::collection::vec(0..VOCABULARY as u32, 1..3), 0..6),
    ) {
        let prompt = prompt.min(tokens.len());
        let Some(mut steer) = Steer::new(steering.clone(), bad_words.clone(), &ENDS) else {
            return Ok(());
        };
        for len in prompt..=tokens.len() {
            let tokens = &tokens[..len];
            let expected = plain((&steering, &bad_words), &logits, tokens, prompt);
            let Some(found) = steer.changed(&logits, tokens, prompt) else {
                prop_assert!(expected.iter().all(|logit| *logit == f32::NEG_INFINITY));
                continue;
            };
            prop_assert!(expected.iter().any(|logit| *logit > f32::NEG_INFINITY));
            let bits = |logits: &[f32]| logits.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(found), bits(&expected));
        }
    }
}

#[test]
fn who_asks_for_nothing_pays_nothing() {
    assert!(Steer::new(Steering::default(), Vec::new(), &ENDS).is_none());
}

#[test]
fn an_answer_ends_where_it_is_told_to() {
    let ends_at = |ignore_eos, token| {
        let stop_token_ids = vec![7];
        let steering = Steering {
            ignore_eos,
            stop_token_ids,
            ..Steering::default()
        };
        let steer = Steer::new(steering, Vec::new(), &ENDS).unwrap();
        steer.ends_at(token, ENDS.contains(&token))
    };
    assert!(ends_at(false, 0) && ends_at(false, 7) && !ends_at(false, 5));
    assert!(!ends_at(true, 0) && ends_at(true, 7));
}
