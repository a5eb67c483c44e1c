//! How a request steers the choice of tokens and the end, of the tiny checkpoint through the public interface.

#[path = "support/told.rs"]
mod told;

use nibble_engine::{FinishReason, Pooling, Request, Steering, Wanted};
use told::{ask, engine, refusal, tokens, told};

#[test]
fn the_choice_is_steered() {
    let engine = engine();
    let steered = |steering| {
        let request = Request {
            steering,
            ..told(tokens(4, 20))
        };
        ask(&engine, request)
    };
    let plain = steered(Steering {
        ignore_eos: true,
        ..Steering::default()
    });
    assert_eq!(plain.end.token_ids.len(), 10);
    let forced = steered(Steering {
        logit_bias: vec![(65, 100.0)],
        ..Steering::default()
    });
    assert_eq!(forced.end.token_ids, [65; 10]);
    // Logprobs are the model's own.
    assert_eq!(forced.tokens[0].likeliest, plain.tokens[0].likeliest);
    let last = plain.end.token_ids[4];
    let at = plain
        .end
        .token_ids
        .iter()
        .position(|token| *token == last)
        .unwrap();
    let stopped = steered(Steering {
        ignore_eos: true,
        stop_token_ids: vec![last],
        ..Steering::default()
    });
    assert_eq!(stopped.end.finish_reason, FinishReason::Stop);
    assert_eq!(stopped.end.token_ids, plain.end.token_ids[..=at]);
    assert_eq!(stopped.tokens.len(), at);
    let held_off = steered(Steering {
        ignore_eos: true,
        stop_token_ids: vec![last],
        min_tokens: at + 1,
        ..Steering::default()
    });
    assert_ne!(held_off.end.token_ids[at], last);
    let once = steered(Steering {
        ignore_eos: true,
        presence_penalty: 2.0,
        frequency_penalty: 2.0,
        repetition_penalty: 10.0,
        ..Steering::default()
    });
    let mut seen = once.end.token_ids.clone();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 10);
}

#[test]
fn a_choice_out_of_bounds_is_refused_by_name() {
    let engine = engine();
    let past = engine.info().vocabulary as u32;
    let steering = Steering::default;
    for (steering, words) in [
        (
            Steering {
                logit_bias: vec![(1, 101.0)],
                ..steering()
            },
            "`logit_bias` must be from -100 to 100, found 101",
        ),
        (
            Steering {
                logit_bias: vec![(1, f32::NAN)],
                ..steering()
            },
            "`logit_bias`",
        ),
        (
            Steering {
                logit_bias: vec![(past, 1.0)],
                ..steering()
            },
            "`logit_bias` must hold tokens below",
        ),
        (
            Steering {
                logit_bias: vec![(1, 1.0); 1025],
                ..steering()
            },
            "at most 1024 tokens, found 1025",
        ),
        (
            Steering {
                stop_token_ids: vec![past],
                ..steering()
            },
            "`stop_token_ids` must hold tokens below",
        ),
        (
            Steering {
                stop_token_ids: vec![1; 129],
                ..steering()
            },
            "at most 128 tokens, found 129",
        ),
        (
            Steering {
                presence_penalty: -2.5,
                ..steering()
            },
            "`presence_penalty` must be from -2 to 2, found -2.5",
        ),
        (
            Steering {
                frequency_penalty: f32::NAN,
                ..steering()
            },
            "`frequency_penalty`",
        ),
        (
            Steering {
                repetition_penalty: 0.0,
                ..steering()
            },
            "`repetition_penalty` must be above 0 and at most 10, found 0",
        ),
        (
            Steering {
                min_tokens: 11,
                ..steering()
            },
            "`min_tokens` must be at most `max_tokens`, 10, found 11",
        ),
    ] {
        let found = refusal(
            &engine,
            Request {
                steering,
                ..told(tokens(1, 5))
            },
        );
        assert!(found.contains(words), "{found}");
    }
}

#[test]
fn what_cannot_be_told_is_refused_by_name() {
    let engine = engine();
    let wanted = Wanted::default();
    for (wanted, words) in [
        (
            Wanted {
                logprobs: Some(21),
                ..wanted
            },
            "`logprobs` must be at most 20, found 21",
        ),
        (
            Wanted {
                prompt_logprobs: Some(21),
                ..wanted
            },
            "`prompt_logprobs` must be at most 20",
        ),
        (
            Wanted {
                embedding: Some(Pooling::Mean),
                ..wanted
            },
            "`max_tokens` must be 0 for an embedding, found 10",
        ),
    ] {
        let found = refusal(
            &engine,
            Request {
                wanted,
                ..told(tokens(1, 5))
            },
        );
        assert!(found.contains(words), "{found}");
    }
    let none = Request {
        max_tokens: 0,
        steering: Steering::default(),
        ..told(tokens(1, 5))
    };
    assert!(refusal(&engine, none).contains("`max_tokens` must be at least 1, found 0"));
}
