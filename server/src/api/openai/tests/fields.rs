//! What the fields of a request come to.

use super::*;

#[tokio::test]
async fn every_field_reaches_the_engine() {
    let request = asked(json!({
        "model": "scripted-1b",
        "messages": [
            { "role": "developer", "content": "Be brief." },
            { "role": "user", "content": [{ "type": "text", "text": "One " }, { "type": "text", "text": "two" }] },
            { "role": "assistant", "content": "three", "tool_calls": null },
            { "role": "user", "content": "and?", "name": "ann" },
        ],
        "temperature": 0.5, "top_p": 0.25, "top_k": 40, "min_p": 0.125, "seed": -2,
        "max_tokens": 9, "max_completion_tokens": 7, "stop": ["a", "b"], "n": 1, "user": "someone",
        "response_format": { "type": "text" }, "tools": [], "tool_choice": "auto", "logprobs": false,
        "presence_penalty": 0, "metadata": { "a": "b" }, "store": false,
    }))
    .await;
    assert_snapshot!(format!("{request:#?}"));
}

#[tokio::test]
async fn what_a_request_leaves_out_is_the_models_own() {
    let generator = Arc::new(Held::default());
    let request = asked(question(json!({ "model": null, "temperature": null }))).await;
    assert_eq!(request.sampling, generator.info().sampling);
    assert_eq!(request.max_tokens, 1500);
    assert!(request.stop.is_empty());
    assert!(matches!(request.prompt, Prompt::Chat(conversation) if conversation.turns.len() == 1));
}

#[tokio::test]
async fn integers_are_taken_as_llama_cpp_takes_them() {
    let taken = |fields: Value| asked(question(fields));
    let context = Held::default().info().context;
    for (limit, expected) in [
        (json!(16.0), 16),
        (json!(-1), context),
        (json!(-1.0), context),
    ] {
        for name in ["max_tokens", "max_completion_tokens"] {
            assert_eq!(
                taken(json!({ name: limit })).await.max_tokens,
                expected,
                "{limit}"
            );
        }
    }
    let outranked = taken(json!({ "max_completion_tokens": -1, "max_tokens": 3 })).await;
    assert_eq!(outranked.max_tokens, context);
    for (seed, expected) in [
        (json!(-1), None),
        (json!(-1.0), None),
        (json!(0), Some(0)),
        (json!(7.0), Some(7)),
        (json!(u64::MAX), Some(u64::MAX)),
        (json!(1_u64 << 63), Some(1 << 63)),
        (json!(i64::MIN), Some(1 << 63)),
        (json!(-2), Some(u64::MAX - 1)),
    ] {
        assert_eq!(
            taken(json!({ "seed": seed })).await.sampling.seed,
            expected,
            "{seed}"
        );
    }
    assert_eq!(taken(json!({ "top_k": 40.0 })).await.sampling.top_k, 40);
}

#[tokio::test]
async fn stop_texts_are_as_many_as_the_engine_takes_and_never_empty() {
    for (stop, expected) in [
        (
            json!(["a", "b", "c", "d", "e"]),
            vec!["a", "b", "c", "d", "e"],
        ),
        (json!(["", "a"]), vec!["a"]),
        (json!(""), vec![]),
        (json!([]), vec![]),
    ] {
        assert_eq!(
            asked(question(json!({ "stop": stop }))).await.stop,
            expected
        );
    }
}

#[tokio::test]
async fn the_template_is_told_what_the_caller_tells_it() {
    let variables = |fields: Value| async {
        match asked(question(fields)).await.prompt {
            Prompt::Chat(conversation) => Value::Object(conversation.variables),
            prompt => panic!("{prompt:?}"),
        }
    };
    let told = json!({ "enable_thinking": false, "date_string": "1 Jan", "deep": [{ "a": null }] });
    assert_eq!(
        variables(json!({ "chat_template_kwargs": told })).await,
        told
    );
    assert_eq!(
        variables(json!({ "chat_template_kwargs": null })).await,
        json!({})
    );
    let fields = json!({ "add_generation_prompt": false, "chat_template_kwargs": { "a": 1 } });
    assert_eq!(
        variables(fields).await,
        json!({ "a": 1, "add_generation_prompt": false })
    );
    for name in [
        "messages",
        "tools",
        "documents",
        "bos_token",
        "eos_token",
        "add_generation_prompt",
    ] {
        let fields = json!({ "chat_template_kwargs": { "a": 1, name: [] } });
        let (status, param, message) = refusal(question(fields)).await;
        let field = format!("chat_template_kwargs.{name}");
        assert_eq!((status, &param), (400, &json!(field)), "{message}");
        assert!(message.contains(&format!("`{field}`")), "{message}");
    }
}

#[tokio::test]
async fn fields_that_would_change_the_answer_are_refused_by_name() {
    for (name, value) in [
        ("response_format", json!({ "type": "yaml" })),
        ("temperature", json!(2.5)),
        ("top_p", json!(0)),
        ("min_p", json!(-1)),
        ("top_k", json!(-2)),
        ("max_tokens", json!(0)),
        ("max_completion_tokens", json!(-5)),
        ("stop", json!(vec!["a"; 17])),
        ("stop", json!({})),
        ("stream", json!("yes")),
        ("seed", json!(1.5)),
        ("seed", json!(1e20)),
        ("max_tokens", json!(16.5)),
        ("max_tokens", json!(-2)),
        ("chat_template_kwargs", json!([])),
        ("add_generation_prompt", json!(1)),
        ("messages", json!([])),
    ] {
        let (status, param, message) = refusal(question(json!({ name: value }))).await;
        assert_eq!((status, param), (400, json!(name)), "{message}");
        assert!(message.contains(&format!("`{name}`")), "{message}");
    }
}
