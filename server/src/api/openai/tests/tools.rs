//! Function calling on the wire, and through the whole of server and engine with a model that always calls.

use std::path::Path;

use nibble_engine::{Engine, LoadOptions, ToolCall, Turn};

use super::*;

fn weather() -> Value {
    json!({
        "type": "function",
        "function": {
            "name": "weather",
            "description": "The weather now",
            "parameters": {
                "type": "object",
                "properties": { "where": { "type": "string" } },
                "required": ["where"],
            },
        },
    })
}

fn now() -> Value {
    json!({ "type": "function", "function": { "name": "now", "strict": true } })
}

fn calling(pieces: &[&str]) -> Arc<dyn Generator> {
    let call = |id: &str, name: &str, arguments: Value| ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.as_object().unwrap().clone().into(),
    };
    let calls = vec![
        call("aaaaaaaa1", "weather", json!({ "where": "Zürich \"HB\"" })),
        call("aaaaaaaa2", "now", json!({})),
    ];
    Arc::new(Scripted::calling(pieces, calls))
}

/// A model that answers "Let me see.", then `weather` and `now`, in the way of Qwen's models.
fn caller() -> Arc<dyn Generator> {
    let model =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/tests/fixtures/caller_qwen.gguf");
    let engine = Engine::load(&LoadOptions {
        model,
        threads: Some(1),
        ..LoadOptions::default()
    });
    Arc::new(engine.unwrap())
}

async fn answered(generator: Arc<dyn Generator>, fields: Value) -> Value {
    let response = send(generator, ask(question(fields))).await;
    serde_json::from_str(&text(response).await).unwrap()
}

/// The deltas of a streamed answer, and why it ended.
async fn streamed(generator: Arc<dyn Generator>, mut fields: Value) -> (Vec<Value>, Value) {
    fields["stream"] = true.into();
    let wire = text(send(generator, ask(question(fields))).await).await;
    let lines = wire.lines().filter_map(|line| line.strip_prefix("data: "));
    let chunks: Vec<Value> = lines
        .filter(|line| *line != "[DONE]")
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let choice = |chunk: &Value| chunk["choices"][0].clone();
    let reason = choice(chunks.last().unwrap())["finish_reason"].clone();
    let deltas = chunks.iter().map(|chunk| choice(chunk)["delta"].clone());
    (deltas.collect(), reason)
}

#[tokio::test]
async fn calls_look_like_openais_with_and_without_text() {
    let response = send(calling(&["Let me ", "see."]), ask(question(json!({})))).await;
    assert_wire!(pretty(response).await);
    let answer = answered(calling(&[]), json!({})).await;
    assert_eq!(answer["choices"][0]["message"]["content"], Value::Null);
}

#[tokio::test]
async fn streamed_calls_come_one_a_chunk_with_their_place() {
    let fields = json!({ "stream": true });
    let response = send(calling(&["Let me see."]), ask(question(fields))).await;
    assert_wire!(text(response).await);
}

#[tokio::test]
async fn an_answer_that_is_cut_off_behind_a_call_says_length() {
    let answer = answered(calling(&["a", "b"]), json!({ "max_tokens": 1 })).await;
    let choice = &answer["choices"][0];
    assert_eq!(choice["finish_reason"], "length");
    assert_eq!(choice["message"]["tool_calls"][1]["id"], "aaaaaaaa2");
}

#[tokio::test]
async fn tools_calls_and_results_reach_the_engine() {
    let request = asked(json!({
        "messages": [
            { "role": "user", "content": "Weather?" },
            { "role": "assistant", "content": null, "tool_calls": [
                { "id": "call_1", "type": "function", "function": { "name": "weather", "arguments": "{\"where\": \"Rome\"}" } },
                { "id": "call_2", "type": "function", "function": { "name": "now", "arguments": "{}" } },
            ] },
            { "role": "tool", "tool_call_id": "call_1", "content": [{ "type": "text", "text": "warm" }] },
            { "role": "tool", "tool_call_id": "call_2", "content": "noon", "name": "now" },
            { "role": "assistant", "content": "Well.", "tool_calls": [
                { "id": "call_3", "function": { "name": "now", "arguments": " {} " } },
            ] },
        ],
        "tools": [weather(), now()], "tool_choice": "auto", "parallel_tool_calls": false,
    }))
    .await;
    assert_snapshot!(format!("{:#?}", request.prompt));
}

#[tokio::test]
async fn a_call_in_the_history_may_have_empty_arguments() {
    for arguments in [
        json!(""),
        json!(" \n"),
        json!("{}"),
        json!("null"),
        json!({}),
        json!(null),
    ] {
        let call = json!({ "id": "1", "function": { "name": "now", "arguments": arguments } });
        let messages = json!([{ "role": "assistant", "tool_calls": [call] }]);
        let Prompt::Chat(conversation) = asked(json!({ "messages": messages })).await.prompt else {
            panic!("a chat");
        };
        let Turn::Answered { calls, .. } = &conversation.turns[0] else {
            panic!("{conversation:?}");
        };
        assert_eq!(calls[0].arguments.as_json(), "{}", "{arguments}");
    }
    let long = r#"{"n":123456789012345678901234}"#;
    let call = json!({ "id": "1", "function": { "name": "now", "arguments": long } });
    let body = json!({ "messages": [{ "role": "assistant", "tool_calls": [call] }] });
    let Prompt::Chat(conversation) = asked(body).await.prompt else {
        panic!("a chat");
    };
    assert!(format!("{conversation:?}").contains("123456789012345678901234"));
}

#[tokio::test]
async fn tools_that_are_not_to_be_called_are_not_told_of() {
    let fields =
        json!({ "tools": [weather()], "tool_choice": "none", "parallel_tool_calls": true });
    let Prompt::Chat(conversation) = asked(question(fields)).await.prompt else {
        panic!("a chat");
    };
    assert!(conversation.tools.is_empty() && !conversation.single_call);
}

#[tokio::test]
async fn tools_that_cannot_be_taken_are_refused_by_place() {
    let named = |name: &str| json!([{ "type": "function", "function": { "name": name } }]);
    let long = "x".repeat(200_000);
    let mut refusals = String::new();
    for fields in [
        json!({ "tools": {} }),
        json!({ "tools": [weather(), 1] }),
        json!({ "tools": [weather(), { "type": "function" }] }),
        json!({ "tools": [{ "type": "web_search" }] }),
        json!({ "tools": [{ "type": "function", "function": { "description": "no name" } }] }),
        json!({ "tools": named("") }),
        json!({ "tools": named("a b") }),
        json!({ "tools": named(&"n".repeat(129)) }),
        json!({ "tools": [{ "type": "function", "function": { "name": "f", "parameters": [] } }] }),
        json!({ "tools": [{ "type": "function", "function": { "name": "f", "description": long } }] }),
        json!({ "tools": vec![weather(); 129] }),
        json!({ "tools": [weather()], "tool_choice": "always" }),
        json!({ "tools": [weather()], "tool_choice": { "type": "function", "function": { "name": "other" } } }),
        json!({ "tools": [], "tool_choice": "required" }),
        json!({ "tools": [weather()], "parallel_tool_calls": "no" }),
        json!({ "functions": [{ "name": "weather" }] }),
    ] {
        let (status, param, message) = refusal(question(fields)).await;
        assert_eq!(status, 400);
        refusals += &format!("{param}: {message}\n");
    }
    assert_snapshot!(refusals);
}

#[tokio::test]
async fn calls_and_results_that_cannot_be_taken_are_refused_by_place() {
    let call = |name: &str, arguments: &str| json!({ "id": "1", "function": { "name": name, "arguments": arguments } });
    let called = |calls: Value| json!({ "role": "assistant", "tool_calls": calls });
    let mut refusals = String::new();
    for message in [
        json!({ "role": "tool", "content": "4" }),
        json!({ "role": "tool", "tool_call_id": "1" }),
        json!({ "role": "function", "name": "now", "content": "4" }),
        json!({ "role": "user", "content": "Hi", "tool_calls": [call("now", "{}")] }),
        called(json!([{ "id": "1" }])),
        called(json!([call("now", "{}"), call("no w", "{}")])),
        called(json!([call("now", "[]")])),
        called(json!([call("now", "now")])),
        called(json!([call("now", &"{\"a\":".repeat(200))])),
        called(json!(vec![call("now", "{}"); 129])),
        called(json!({})),
    ] {
        let (status, param, message) = refusal(json!({ "messages": [message] })).await;
        assert_eq!(status, 400);
        refusals += &format!("{param}: {message}\n");
    }
    assert_snapshot!(refusals);
}

#[tokio::test]
async fn a_model_that_writes_calls_is_heard_whole_and_streamed() {
    let generator = caller();
    let fields = json!({ "tools": [weather(), now()], "temperature": 0 });
    let answer = answered(generator.clone(), fields.clone()).await;
    let (choice, usage) = (&answer["choices"][0], &answer["usage"]);
    assert_eq!(choice["finish_reason"], "tool_calls", "{answer}");
    assert_eq!(choice["message"]["content"], "Let me see.");
    let calls = choice["message"]["tool_calls"].as_array().unwrap();
    assert_eq!(
        calls[0]["function"],
        json!({ "name": "weather", "arguments": "{\"where\":\"Zürich\"}" })
    );
    assert_eq!(
        calls[1]["function"],
        json!({ "name": "now", "arguments": "{}" })
    );
    assert_eq!(usage["completion_tokens"], 19);

    let (deltas, reason) = streamed(generator.clone(), fields).await;
    assert_eq!(reason, "tool_calls");
    let texts = deltas.iter().filter_map(|delta| delta["content"].as_str());
    assert_eq!(texts.collect::<Vec<_>>(), ["", "Let", " me", " see", "."]);
    let streamed = deltas.iter().filter_map(|delta| delta["tool_calls"].get(0));
    let streamed: Vec<&Value> = streamed.collect();
    assert_eq!(streamed.len(), 2);
    for (index, (call, whole)) in streamed.into_iter().zip(calls).enumerate() {
        assert_eq!(call["index"], index);
        assert_eq!(call["function"], whole["function"]);
        assert_eq!(call["id"].as_str().map(str::len), Some(9));
    }

    let only_one =
        json!({ "tools": [weather(), now()], "temperature": 0, "parallel_tool_calls": false });
    let answer = answered(generator, only_one).await;
    let message = &answer["choices"][0]["message"];
    assert_eq!(
        message["tool_calls"].as_array().map(Vec::len),
        Some(1),
        "{answer}"
    );
    assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(answer["usage"]["completion_tokens"], 11);
}

#[tokio::test]
async fn a_model_that_calls_what_was_not_offered_says_so_in_text() {
    let generator = caller();
    let written = "Let me see.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"where\": \"Zürich\"}}\n</tool_call>";
    let calls = |answer: &Value| {
        answer["choices"][0]["message"]["tool_calls"]
            .as_array()
            .map(Vec::len)
    };
    let other = json!({ "type": "function", "function": { "name": "now" } });
    for (fields, expected) in [
        (json!({ "temperature": 0 }), None),
        (
            json!({ "temperature": 0, "tools": [weather()], "tool_choice": "none" }),
            None,
        ),
        (json!({ "temperature": 0, "tools": [other] }), Some(1)),
    ] {
        let answer = answered(generator.clone(), fields).await;
        let content = answer["choices"][0]["message"]["content"].as_str().unwrap();
        assert!(content.starts_with(written), "{answer}");
        assert_eq!(calls(&answer), expected, "{answer}");
    }
}

#[tokio::test]
async fn a_round_of_calls_and_results_goes_back_to_the_model() {
    let generator = caller();
    let fields = json!({ "tools": [weather(), now()], "temperature": 0 });
    let answer = answered(generator.clone(), fields.clone()).await;
    let message = answer["choices"][0]["message"].clone();
    let result = |at: usize, content: &str| json!({ "role": "tool", "tool_call_id": message["tool_calls"][at]["id"], "content": content });
    let mut round = question(fields);
    let messages = round["messages"].as_array_mut().unwrap();
    messages.extend([message.clone(), result(0, "warm"), result(1, "noon")]);
    let again: Value =
        serde_json::from_str(&text(send(generator, ask(round)).await).await).unwrap();
    let prompt = |answer: &Value| answer["usage"]["prompt_tokens"].as_u64().unwrap();
    assert!(prompt(&again) > prompt(&answer) + 100, "{again}");
    assert_eq!(again["choices"][0]["finish_reason"], "tool_calls");
}
