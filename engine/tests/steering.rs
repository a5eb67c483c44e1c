//! How a request steers the choice of tokens and the end, of the tiny checkpoint through the public interface.

#[path = "support/told.rs"]
mod told;

use nibble_engine::{Engine, FinishReason, Pooling, Reading, Request, Steering, Wanted};
use told::{Told, ask, engine, refusal, tokens, told};

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
    let [_, told_end] = beside(&engine, &[], |request| {
        request.steering.stop_token_ids = vec![last];
        request.steering.min_tokens = 0;
        request.wanted.end = true;
    });
    assert_eq!(told_end.tokens.len(), at + 1);
    assert_eq!(told_end.tokens[at], plain.tokens[at]);
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

/// What the answer without an end is like, and one steered as `change` says with these stop texts.
fn beside(engine: &Engine, stop: &[String], change: impl FnOnce(&mut Request)) -> [Told; 2] {
    let mut request = told(tokens(4, 20));
    request.steering.ignore_eos = true;
    let plain = ask(engine, request.clone());
    request.stop = stop.to_vec();
    change(&mut request);
    [plain, ask(engine, request)]
}

#[test]
fn only_tokens_that_are_allowed_come_and_bad_words_never_whole() {
    let engine = engine();
    let allowed = vec![65, 70, 75];
    let [_, held] = beside(&engine, &[], |request| {
        request.steering.allowed_token_ids = allowed.clone();
    });
    assert_eq!(held.end.token_ids.len(), 10);
    assert!(held.end.token_ids.iter().all(|id| allowed.contains(id)));
    // Nothing that ends an answer may come before `min_tokens`, so there is nothing.
    let [_, nothing] = beside(&engine, &[], |request| {
        request.steering.allowed_token_ids = vec![65];
        request.steering.stop_token_ids = vec![65];
    });
    assert_eq!(nothing.end.finish_reason, FinishReason::Stop);
    assert!(nothing.end.token_ids.is_empty());
    let reading = Reading {
        control_tokens: false,
        first_token: false,
    };
    let word = engine.text_tokens("the", reading).unwrap();
    let has_word = |bad_words: &[&str]| {
        let [_, written] = beside(&engine, &[], |request| {
            let steering = &mut request.steering;
            steering.allowed_token_ids = [&word[..], &[65]].concat();
            steering.logit_bias = word.iter().map(|token| (*token, 50.0)).collect();
            steering.presence_penalty = 2.0;
            steering.bad_words = bad_words.iter().map(ToString::to_string).collect();
        });
        let tokens = written.end.token_ids;
        tokens.windows(word.len()).any(|found| found == word)
    };
    assert!(has_word(&[]) && has_word(&["a"]) && !has_word(&["the"]));
}

#[test]
fn stop_texts_wait_for_min_tokens_and_are_shown_where_that_is_wanted() {
    let engine = engine();
    let [plain, _] = beside(&engine, &[], |_| {});
    let stop: String = plain.text.chars().skip(2).take(2).collect();
    let stops = [stop.clone()];
    let at = plain.text.find(&stop).unwrap();
    let min_tokens = |least| move |request: &mut Request| request.steering.min_tokens = least;
    let [_, stopped] = beside(&engine, &stops, min_tokens(0));
    assert_eq!(stopped.text, plain.text[..at]);
    let [_, held_off] = beside(&engine, &stops, min_tokens(10));
    assert_eq!(held_off.end.token_ids.len(), 10);
    assert!(held_off.text.starts_with(&plain.text[..at + stop.len()]));
    let [_, shown] = beside(&engine, &stops, |request| {
        request.steering.min_tokens = 0;
        request.revealed.stop = true;
    });
    assert_eq!(shown.text, plain.text[..at + stop.len()]);
}

#[test]
fn control_tokens_are_shown_to_who_wants_them() {
    let engine = engine();
    let text = |control_tokens| {
        let [_, read] = beside(&engine, &[], |request| {
            request.steering.allowed_token_ids = vec![1];
            request.revealed.control_tokens = control_tokens;
        });
        read.text
    };
    let spelt = engine.spelt(&[1; 10]).unwrap();
    assert_eq!((text(true), text(false)), (spelt, String::new()));
}

#[test]
fn words_and_tokens_that_cannot_be_held_to_are_refused_by_name() {
    let engine = engine();
    let past = engine.info().vocabulary as u32;
    let steering = Steering::default;
    for (steering, words) in [
        (
            Steering {
                allowed_token_ids: vec![past],
                ..steering()
            },
            "`allowed_token_ids` must hold tokens below",
        ),
        (
            Steering {
                bad_words: vec!["a".to_owned(); 257],
                ..steering()
            },
            "`bad_words` must have at most 256 words, found 257",
        ),
        (
            Steering {
                bad_words: vec![" ".to_owned()],
                ..steering()
            },
            "one of `bad_words` must not be empty",
        ),
    ] {
        let request = Request {
            steering,
            ..told(tokens(1, 5))
        };
        let found = refusal(&engine, request);
        assert!(found.contains(words), "{found}");
    }
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
