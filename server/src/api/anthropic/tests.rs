//! Anthropic's messages in process: the wire against snapshots, and what is refused.

use std::sync::Arc;

use insta::{assert_snapshot, with_settings};
use nibble_engine::metrics::Metrics;
use nibble_engine::{Arguments, Completion, Error, Event, FinishReason, Prompt, ToolCall, Turn};
use serde_json::{Value, json};

use crate::generator::Generator;
use crate::test_support::client::{Refusing, get, post, pretty, scripted, send, taken, text};
use crate::test_support::held::{GUESSES, Held, late, say_around_a_call, say_guessed};
use crate::test_support::scripted::Scripted;

mod claude_code;

macro_rules! assert_wire {
    ($text:expr) => {{
        let text = $text;
        with_settings!({filters => [("msg_[0-9a-f]{32}", "msg_ID")]}, { assert_snapshot!(text) })
    }};
}

/// A question with `fields` beside it.
fn question(fields: Value) -> Value {
    let mut body = json!({ "max_tokens": 100, "messages": [{ "role": "user", "content": "Hi" }] });
    let fields = fields.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(fields);
    body
}

fn calling() -> Arc<dyn Generator> {
    let call = ToolCall {
        id: "abcdefghi".into(),
        name: "weather".into(),
        arguments: Arguments::parse(r#"{"city":"Oslo"}"#).unwrap(),
    };
    Arc::new(Scripted::calling(&["Let me look."], vec![call]))
}

async fn ask(generator: Arc<dyn Generator>, body: Value) -> axum::response::Response {
    send(generator, post("/v1/messages", body)).await
}

/// What the engine was asked for.
async fn asked(body: Value) -> nibble_engine::Request {
    let generator = Arc::new(Held::default());
    let response = tokio::spawn(ask(generator.clone(), body));
    let (request, _) = taken(&generator).await;
    assert_eq!(response.await.unwrap().status(), 503);
    request
}

async fn refusal(body: Value) -> (u16, Value) {
    let response = ask(scripted(), body).await;
    let status = response.status().as_u16();
    (status, serde_json::from_str(&text(response).await).unwrap())
}

#[tokio::test]
async fn a_message_in_one_piece_looks_like_anthropics() {
    let thinks = Arc::new(Scripted::thinking(&["Let me", " see."], &["Hel", "lo"]));
    assert_wire!(pretty(ask(thinks, question(json!({}))).await).await);
}

#[tokio::test]
async fn a_streamed_message_has_a_block_of_each_kind() {
    let stream = || question(json!({ "stream": true }));
    let thinks = Arc::new(Scripted::thinking(&["Let me", " see."], &["Hel", "lo"]));
    let response = ask(thinks, stream()).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let thought = text(response).await;
    let called = text(ask(calling(), stream()).await).await;
    assert_wire!(format!("{thought}=====\n\n{called}"));
}

#[tokio::test]
async fn calls_are_blocks() {
    assert_wire!(pretty(ask(calling(), question(json!({}))).await).await);
}

#[tokio::test]
async fn guesses_are_among_the_figures_of_a_message_whole_and_streamed() {
    for stream in [false, true] {
        let held = Arc::new(Held::default());
        let body = question(json!({ "stream": stream }));
        let response = tokio::spawn(ask(held.clone(), body));
        let (_, sender) = taken(&held).await;
        say_guessed(&sender);
        let wire = text(response.await.unwrap()).await;
        assert_eq!(wire.matches(GUESSES).count(), 1, "{wire}");
    }
}

/// The kinds and texts of a streamed message's blocks.
fn streamed_blocks(wire: &str) -> Vec<(Value, String)> {
    let mut blocks: Vec<(Value, String)> = Vec::new();
    for event in wire.lines().filter_map(|line| line.strip_prefix("data: ")) {
        let event: Value = serde_json::from_str(event).unwrap();
        if event["type"] == "content_block_start" {
            blocks.push((event["content_block"]["type"].clone(), String::new()));
        }
        if let Some(text) = event["delta"]["text"].as_str() {
            blocks.last_mut().unwrap().1 += text;
        }
    }
    blocks
}

#[tokio::test]
async fn what_is_said_behind_a_call_is_a_block_behind_it_whole_and_streamed() {
    let answered = async |stream: bool| {
        let held = Arc::new(Held::default());
        let body = question(json!({ "stream": stream }));
        let response = tokio::spawn(ask(held.clone(), body));
        let (_, sender) = taken(&held).await;
        say_around_a_call(&sender, FinishReason::Stop);
        text(response.await.unwrap()).await
    };
    let whole: Value = serde_json::from_str(&answered(false).await).unwrap();
    let blocks = whole["content"].as_array().unwrap().iter().map(|block| {
        let text = block["text"].as_str().unwrap_or_default();
        (block["type"].clone(), text.to_owned())
    });
    let blocks: Vec<_> = blocks.collect();
    let expected = [
        ("text", "Let me see."),
        ("tool_use", ""),
        ("text", "Then more."),
    ];
    let expected = expected.map(|(kind, text)| (json!(kind), text.to_owned()));
    assert_eq!(blocks, expected);
    assert_eq!(whole["stop_reason"], "tool_use");
    assert_eq!(streamed_blocks(&answered(true).await), expected);
}

#[tokio::test]
async fn every_field_reaches_the_engine() {
    let tool =
        json!({ "name": "weather", "description": "d", "input_schema": { "type": "object" } });
    let request = asked(json!({
        "model": "scripted-1b",
        "system": [{ "type": "text", "text": "Be brief.", "cache_control": { "type": "ephemeral" } }],
        "messages": [
            { "role": "user", "content": "Oslo?" },
            { "role": "assistant", "content": [
                { "type": "thinking", "thinking": "Hm.", "signature": "" },
                { "type": "text", "text": "I look." },
                { "type": "tool_use", "id": "abcdefghi", "name": "weather", "input": { "city": "Oslo" } },
            ] },
            { "role": "user", "content": [
                { "type": "tool_result", "tool_use_id": "abcdefghi", "content": [{ "type": "text", "text": "Rain" }] },
                { "type": "text", "text": "So?" },
            ] },
            { "role": "assistant", "content": "It" },
        ],
        "tools": [tool], "tool_choice": { "type": "auto", "disable_parallel_tool_use": true },
        "temperature": 0.5, "top_p": 0.25, "top_k": 40, "max_tokens": 9, "stop_sequences": ["a", "b"],
        "thinking": { "type": "enabled", "budget_tokens": 2048 }, "metadata": { "user_id": "someone" },
    }))
    .await;
    assert_snapshot!(format!("{request:#?}"));
}

#[tokio::test]
async fn thinking_may_be_turned_off_and_is_the_models_own_choice_otherwise() {
    let off = asked(question(json!({ "thinking": { "type": "disabled" } }))).await;
    assert_eq!(off.thinking.enabled, Some(false));
    assert_eq!(asked(question(json!({}))).await.thinking.enabled, None);
}

#[tokio::test]
async fn an_effort_bounds_thoughts_that_have_no_budget() {
    for (fields, enabled, budget) in [
        (
            json!({ "output_config": { "effort": "low" } }),
            None,
            Some(512),
        ),
        (
            json!({ "output_config": { "effort": "low" }, "thinking": { "type": "enabled", "budget_tokens": 2048, "display": "omitted" } }),
            Some(true),
            Some(2048),
        ),
    ] {
        let thinking = asked(question(fields)).await.thinking;
        assert_eq!((thinking.enabled, thinking.budget), (enabled, budget));
    }
    for fields in [
        json!({ "output_config": { "effort": "deep" } }),
        json!({ "thinking": { "type": "enabled", "unheard": 1 } }),
    ] {
        assert_eq!(ask(scripted(), question(fields)).await.status(), 400);
    }
}

#[tokio::test]
async fn a_stop_text_that_ends_an_answer_is_named() {
    for (spelt, reason, stopped_by) in [
        ("so END", "stop_sequence", json!("END")),
        ("so END.", "end_turn", Value::Null),
        ("so", "end_turn", Value::Null),
    ] {
        let body = question(json!({ "stop_sequences": ["STOP", "END"] }));
        let held = Arc::new(Held::default());
        let response = tokio::spawn(ask(held.clone(), body));
        let (_, sender) = taken(&held).await;
        sender.send(Event::Finished(Completion {
            finish_reason: FinishReason::Stop,
            prompt_tokens: 10,
            cached_tokens: 4,
            token_ids: spelt.bytes().map(u32::from).collect(),
            metrics: Metrics::default(),
        }));
        let body: Value = serde_json::from_str(&text(response.await.unwrap()).await).unwrap();
        assert_eq!(body["stop_reason"], reason, "{body}");
        assert_eq!(body["stop_sequence"], stopped_by);
        assert_eq!(body["usage"]["input_tokens"], 6);
        assert_eq!(body["usage"]["cache_read_input_tokens"], 4);
    }
}

#[tokio::test]
async fn the_model_is_told_that_a_tool_failed() {
    let result = |fields: Value| {
        let mut block = json!({ "type": "tool_result", "tool_use_id": "1", "content": "late" });
        block
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        json!({ "messages": [{ "role": "user", "content": [block] }], "max_tokens": 9 })
    };
    for (fields, told) in [
        (json!({}), "late"),
        (json!({ "is_error": false }), "late"),
        (json!({ "is_error": true }), "Error: late"),
    ] {
        let request = asked(result(fields)).await;
        let Prompt::Chat(conversation) = request.prompt else {
            panic!("{:?}", request.prompt);
        };
        let [Turn::Returned { content, .. }] = &conversation.turns[..] else {
            panic!("{:?}", conversation.turns);
        };
        assert_eq!(content, told);
    }
}

#[tokio::test]
async fn tokens_are_counted_as_they_would_be_read() {
    let count = async |path, body| {
        let response = send(scripted(), post(path, body)).await;
        assert_eq!(response.status(), 200);
        let body: Value = serde_json::from_str(&text(response).await).unwrap();
        body["input_tokens"].as_u64().unwrap()
    };
    let messages = |said: &str| json!({ "messages": [{ "role": "user", "content": said }] });
    let few = count("/v1/messages/count_tokens", messages("Hi")).await;
    let more = count("/messages/count_tokens/", messages("Hi there")).await;
    assert_eq!(more - few, 6);
}

#[tokio::test]
async fn errors_are_anthropics_and_name_the_field() {
    let message = |content: Value| json!({ "messages": [{ "role": "user", "content": content }] });
    for (body, status, kind, words) in [
        (
            question(json!({ "model": "claude" })),
            404,
            "not_found_error",
            "`claude`",
        ),
        (
            question(json!({ "temperature": 3 })),
            400,
            "invalid_request_error",
            "`temperature`",
        ),
        (
            question(json!({ "stop_sequences": vec!["a"; 17] })),
            400,
            "invalid_request_error",
            "`stop_sequences` must have",
        ),
        (
            question(json!({ "tool_choice": { "type": "any" } })),
            400,
            "invalid_request_error",
            "`tool_choice`",
        ),
        (
            question(json!({ "tools": [{ "type": "bash_20250124", "name": "bash" }] })),
            400,
            "invalid_request_error",
            "`tools[0]`",
        ),
        (
            question(json!({ "mcp_servers": [] })),
            400,
            "invalid_request_error",
            "`mcp_servers`",
        ),
        (
            question(json!({ "thinking": { "type": "much" } })),
            400,
            "invalid_request_error",
            "`thinking`",
        ),
        (
            message(json!([{ "type": "image", "source": {} }])),
            400,
            "invalid_request_error",
            "`messages[0].content[0]`",
        ),
        (
            json!({ "messages": [] }),
            400,
            "invalid_request_error",
            "`messages`",
        ),
        (
            json!({ "messages": [{ "role": "system", "content": "" }] }),
            400,
            "invalid_request_error",
            "`messages[0].role`",
        ),
        (json!({}), 400, "invalid_request_error", "`messages`"),
    ] {
        let (found, error) = refusal(body).await;
        assert_eq!(
            (found, &error["type"]),
            (status, &json!("error")),
            "{error}"
        );
        assert_eq!(error["error"]["type"], kind);
        let message = error["error"]["message"].as_str().unwrap();
        assert!(message.contains(words), "{message}");
    }
}

#[tokio::test]
async fn a_full_queue_and_a_failure_in_mid_stream_are_told_as_anthropic_tells_them() {
    let busy = Refusing::with(|| Error::Busy {
        waiting: 64,
        limit: 64,
        wait: None,
    });
    let response = ask(busy, question(json!({}))).await;
    assert_eq!(
        (
            response.status().as_u16(),
            &response.headers()["retry-after"]
        ),
        (429, &"5".parse().unwrap())
    );
    assert!(text(response).await.contains("rate_limit_error"));
    let held = Arc::new(Held::default());
    let response = ask(held.clone(), question(json!({ "stream": true }))).await;
    let (request, sender) = held.take().unwrap();
    assert!(matches!(request.prompt, Prompt::Chat(_)));
    sender.send(Event::Failed(Error::Broken));
    let wire = text(response).await;
    assert!(
        wire.contains("event: error\ndata: {\"type\":\"error\""),
        "{wire}"
    );
    assert!(!wire.contains("message_stop"), "{wire}");
    let response = tokio::spawn(ask(held.clone(), question(json!({}))));
    taken(&held).await.1.send(late(7));
    let response = response.await.unwrap();
    assert_eq!(response.status(), 504);
    let told: Value = serde_json::from_str(&text(response).await).unwrap();
    assert_eq!(told["error"]["type"], "overloaded_error");
    assert_eq!(told["error"]["usage"]["output_tokens"], 7);
}

#[tokio::test]
async fn a_wrong_method_is_told_as_anthropic_tells_errors() {
    for path in ["/v1/messages", "/v1/messages/count_tokens"] {
        let response = send(scripted(), get(path)).await;
        assert_eq!(response.status(), 405);
        let body: Value = serde_json::from_str(&text(response).await).unwrap();
        assert_eq!(
            (&body["type"], &body["error"]["type"]),
            (&json!("error"), &json!("invalid_request_error"))
        );
    }
}

#[tokio::test]
async fn a_stream_begins_with_the_tokens_of_its_prompt() {
    let generator = Arc::new(Held::default());
    let body = question(json!({ "stream": true }));
    let response = tokio::spawn(ask(generator.clone(), body));
    let (_, sender) = taken(&generator).await;
    sender.send(Event::Queued {
        before: 1,
        seconds: None,
    });
    for done in [5, 12] {
        sender.send(Event::Prefill { done, total: 12 });
    }
    sender.send(Event::Failed(Error::Broken));
    let wire = text(response.await.unwrap()).await;
    assert_eq!(wire.matches("event: message_start").count(), 1, "{wire}");
    assert!(
        wire.contains(r#""input_tokens":7"#) && wire.contains(r#""cache_read_input_tokens":5"#),
        "{wire}"
    );
}
