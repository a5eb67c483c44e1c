//! What a request learns beside its answer, of the tiny checkpoint through the public interface.

#[path = "support/told.rs"]
mod told;

use nibble_engine::{
    Engine, FinishReason, LoadOptions, Pooling, Prompt, Quantize, Request, Rounding, Sampling,
    Siblings, Steering, Wanted,
};
use told::{ask, engine, options, read, refusal, tokens, told};

#[test]
fn an_answer_and_the_same_tokens_as_a_prompt_are_as_likely_to_the_bit() {
    let engine = engine();
    let answered = ask(&engine, told(tokens(1, 70)));
    let put_out = &answered.end.token_ids;
    let chosen = answered.tokens.iter().map(|token| token.chosen.token);
    assert_eq!(chosen.collect::<Vec<_>>(), *put_out);
    let Prompt::Tokens(mut whole) = tokens(1, 70) else {
        panic!("tokens are tokens");
    };
    whole.extend(put_out);
    let scored = ask(
        &engine,
        Request {
            prompt: Prompt::Tokens(whole),
            max_tokens: 0,
            wanted: Wanted {
                prompt_logprobs: Some(3),
                ..Wanted::default()
            },
            ..Request::default()
        },
    );
    assert_eq!((scored.text.as_str(), scored.end.token_ids.len()), ("", 0));
    assert_eq!(scored.end.finish_reason, FinishReason::Length);
    assert_eq!(scored.end.cached_tokens, 0);
    let rest = scored.prompt.unwrap().rest;
    assert_eq!(rest.len(), 79);
    assert_eq!(rest[69..], answered.tokens);
    for token in answered.tokens {
        // Greedy, but for the ends, which were held off.
        assert!(token.chosen.rank <= 4, "{token:?}");
        assert_eq!(token.likeliest.len(), 3);
        let least = token.likeliest.last().unwrap().logprob;
        assert!(token.likeliest[0].logprob >= least && least < 0.0);
    }
}

#[test]
fn what_is_told_is_the_same_alone_and_in_company() {
    let engine = engine();
    let request = || Request {
        wanted: Wanted {
            logprobs: Some(5),
            prompt_logprobs: Some(2),
            counts: true,
            ..Wanted::default()
        },
        sampling: Sampling {
            temperature: 1.0,
            seed: Some(7),
            ..Sampling::default()
        },
        ..told(tokens(2, 100))
    };
    let alone = ask(&engine, request());
    assert_eq!(alone.counts, (1..=10).collect::<Vec<_>>());
    let others: Vec<_> = (0..5)
        .map(|seed| {
            engine
                .submit(told(tokens(seed, 40 + 9 * seed as usize)))
                .unwrap()
        })
        .collect();
    let together = ask(&engine, request());
    assert_eq!(together.end.token_ids, alone.end.token_ids);
    assert_eq!(together.tokens, alone.tokens);
    assert_eq!(together.prompt, alone.prompt);
    drop(others);
}

/// By the committed logits of a reference implementation: logprobs differ as its logits do.
#[test]
fn logprobs_are_those_of_the_reference() {
    #[derive(serde::Deserialize)]
    struct Case {
        tokens: Vec<u32>,
        top: Vec<Logit>,
    }
    #[derive(serde::Deserialize)]
    struct Logit {
        id: u32,
        logit: f32,
    }
    let engine = Engine::load(&LoadOptions {
        rounding: Rounding {
            quantize: Quantize::None,
            ..Rounding::default()
        },
        ..options()
    });
    let engine = engine.unwrap();
    let golden = include_str!("fixtures/tiny_logits.json");
    for case in serde_json::from_str::<Vec<Case>>(golden).unwrap() {
        let request = Request {
            max_tokens: 1,
            steering: Steering::default(),
            wanted: Wanted {
                logprobs: Some(10),
                ..Wanted::default()
            },
            ..told(Prompt::Tokens(case.tokens))
        };
        let found = ask(&engine, request);
        let Some(token) = found.tokens.first() else {
            // What ends the answer is not told.
            continue;
        };
        let (top, highest) = (&token.likeliest, &case.top[0]);
        for (found, expected) in top.iter().zip(&case.top) {
            assert_eq!(found.token, expected.id);
            let found = found.logprob - top[0].logprob;
            let expected = expected.logit - highest.logit;
            assert!((found - expected).abs() < 1e-3, "{found} {expected}");
        }
    }
}

#[test]
fn a_prompt_that_is_only_read_may_fill_the_context() {
    let engine = engine();
    let context = engine.info().context;
    let scored = |len, max_tokens| Request {
        max_tokens,
        steering: Steering::default(),
        wanted: Wanted {
            prompt_logprobs: Some(0),
            ..Wanted::default()
        },
        ..told(tokens(1, len))
    };
    let read = ask(&engine, scored(context, 0)).prompt.unwrap();
    assert_eq!(read.rest.len(), context - 1);
    assert!(refusal(&engine, scored(context, 1)).contains("context"));
    assert!(refusal(&engine, scored(context + 1, 0)).contains("context"));
}

#[test]
fn siblings_answer_as_each_would_alone_and_read_the_prompt_once() {
    let engine = engine();
    let request = |seed, siblings| Request {
        sampling: Sampling {
            temperature: 1.0,
            seed: Some(seed),
            ..Sampling::default()
        },
        siblings,
        ..told(tokens(3, 90))
    };
    let siblings = Siblings::default();
    let answers: Vec<_> = (0..3)
        .map(|seed| {
            engine
                .submit(request(seed, Some(siblings.clone())))
                .unwrap()
        })
        .collect();
    let together: Vec<_> = answers.into_iter().map(read).collect();
    let cached = together.iter().map(|told| told.end.cached_tokens);
    assert_eq!(cached.collect::<Vec<_>>(), [0, 89, 89]);
    for (seed, told) in (0..).zip(together) {
        let alone = ask(&engine, request(seed, None));
        assert_eq!(told.end.token_ids, alone.end.token_ids);
        assert_eq!(told.tokens, alone.tokens);
    }
}

#[test]
fn an_embedding_does_not_depend_on_what_is_kept_or_on_company() {
    let engine = engine();
    let embedding = |pooling| Request {
        max_tokens: 0,
        steering: Steering::default(),
        wanted: Wanted {
            embedding: Some(pooling),
            ..Wanted::default()
        },
        ..told(tokens(5, 130))
    };
    for pooling in [Pooling::Mean, Pooling::Last] {
        let first = ask(&engine, embedding(pooling)).embedding.unwrap();
        let _beside = engine.submit(told(tokens(6, 60))).unwrap();
        let again = ask(&engine, embedding(pooling)).embedding.unwrap();
        assert_eq!(first, again);
        assert!(first.iter().any(|value| *value != 0.0));
    }
}
