//! What changes the choice of tokens and the end, in everybody's words, and what is refused of it.

use nibble_engine::Speculation;

use super::*;

#[tokio::test]
async fn an_answer_without_a_limit_ends_at_the_servers() {
    let generator = Arc::new(Held::default());
    let context = generator.info().context;
    for (fields, expected) in [
        (json!({}), 1500),
        (json!({ "max_tokens": 100_000 }), context),
        (json!({ "max_tokens": -1 }), context),
        (json!({ "max_tokens": 5 }), 5),
    ] {
        assert_eq!(asked(question(fields)).await.max_tokens, expected);
    }
}

#[tokio::test]
async fn the_choice_is_steered_in_everybodys_words() {
    let steering = |fields: Value| async { asked(question(fields)).await.steering };
    let found = steering(json!({
        "logit_bias": { "5": -100, "7": 1.5 }, "presence_penalty": 0.5, "frequency_penalty": -1,
        "repetition_penalty": 1.25, "min_tokens": 3, "ignore_eos": true, "stop_token_ids": [2],
    }))
    .await;
    assert_snapshot!(format!("{found:#?}"));
    let found = steering(json!({ "logit_bias": [[5, false], [7, 1]], "min_new_tokens": 1 })).await;
    assert_eq!(found.logit_bias, [(5, f32::NEG_INFINITY), (7, 1.0)]);
    assert_eq!(found.min_tokens, 1);
    let found = asked(question(json!({
        "allowed_token_ids": [5, 7], "bad_words": ["no"], "include_stop_str_in_output": true,
        "skip_special_tokens": false, "thinking_token_budget": 9, "n_predict": 4,
    })))
    .await;
    assert_eq!(found.steering.allowed_token_ids, [5, 7]);
    assert_eq!(found.steering.bad_words, ["no"]);
    assert!(found.revealed.stop && found.revealed.control_tokens);
    assert_eq!((found.thinking.budget, found.max_tokens), (Some(9), 4));
    for (fields, penalty, window) in [
        (json!({ "repeat_penalty": 1.1 }), 1.1, Some(64)),
        (
            json!({ "repeat_penalty": 1.1, "repeat_last_n": 9 }),
            1.1,
            Some(9),
        ),
        (
            json!({ "repeat_penalty": 1.1, "repeat_last_n": -1 }),
            1.1,
            None,
        ),
        (
            json!({ "repeat_penalty": 1.1, "repeat_last_n": 0 }),
            1.0,
            Some(0),
        ),
        (json!({ "repetition_penalty": 1.1 }), 1.1, None),
        (
            json!({ "repeat_last_n": 64, "repeat_penalty": 1 }),
            1.0,
            None,
        ),
    ] {
        let found = steering(fields.clone()).await;
        let found = (found.repetition_penalty, found.repetition_window);
        assert_eq!(found, (penalty, window), "{fields}");
    }
}

#[tokio::test]
async fn how_far_to_guess_is_said_in_a_word_or_a_number() {
    for (fields, expected) in [
        (json!({}), None),
        (json!({ "speculate": "auto" }), Some(Speculation::Auto)),
        (json!({ "speculate": "off" }), Some(Speculation::Off)),
        (json!({ "speculate": 4 }), Some(Speculation::Fixed(4))),
        (
            json!({ "speculative.n_max": 0 }),
            Some(Speculation::Fixed(0)),
        ),
    ] {
        assert_eq!(asked(question(fields)).await.speculation, expected);
    }
}

#[tokio::test]
async fn what_cannot_be_told_is_refused_by_name() {
    for (name, value) in [
        ("top_logprobs", json!(3)),
        ("prompt_logprobs", json!(21)),
        ("prompt_logprobs", json!(-1)),
        ("n", json!(0)),
        ("n", json!(9)),
        ("best_of", json!(2)),
        ("logit_bias", json!({ "a": 1 })),
        ("logit_bias", json!({ "5": "a" })),
        ("logit_bias", json!({ "5": 101 })),
        ("logit_bias", json!([5])),
        ("logit_bias", json!("a")),
        ("presence_penalty", json!(2.5)),
        ("frequency_penalty", json!(-3)),
        ("repetition_penalty", json!(0)),
        ("repeat_last_n", json!(-2)),
        ("min_tokens", json!(-1)),
        ("min_tokens", json!(100_000)),
        ("speculate", json!(17)),
        ("speculate", json!("on")),
        ("stop_token_ids", json!(vec![1; 129])),
        ("stop_token_ids", json!(["a"])),
        ("logprobs", json!(5)),
    ] {
        let (status, param, message) = refused(ask(question(json!({ name: value })))).await;
        let param = param.as_str().unwrap_or_default();
        assert_eq!(status, 400, "{message}");
        assert!(
            param.starts_with(name) && message.contains(&format!("`{name}")),
            "{message}"
        );
    }
    for (fields, param) in [
        (
            json!({ "logprobs": true, "top_logprobs": 21 }),
            "top_logprobs",
        ),
        (
            json!({ "prompt_logprobs": 1, "stream": true }),
            "prompt_logprobs",
        ),
        (
            json!({ "repeat_penalty": 1.1, "repetition_penalty": 1.1 }),
            "repeat_penalty",
        ),
    ] {
        assert_eq!(refused(ask(question(fields))).await.1, param);
    }
    for (fields, param) in [
        (json!({ "logprobs": 21 }), "logprobs"),
        (json!({ "logprobs": -1 }), "logprobs"),
        (
            json!({ "logprobs": 4, "echo": true, "prompt": vec![vec![7; 250]; 1000] }),
            "logprobs",
        ),
        (json!({ "prompt": vec!["a"; 513], "n": 2 }), "n"),
    ] {
        assert_eq!(refused(complete(fields)).await.1, param);
    }
}
