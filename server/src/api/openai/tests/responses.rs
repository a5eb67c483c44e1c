//! Responses, of which no more than the items is kept.

use nibble_engine::{Arguments, ConversationKey, FinishReason, ToolCall};

use super::*;
use crate::test_support::held::{GUESSES, late, say_around_a_call, say_guessed};

mod codex;
mod referred;

fn respond(fields: Value) -> Request<Body> {
    let mut body = json!({ "input": "Hi" });
    let fields = fields.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(fields);
    post("/v1/responses", body)
}

macro_rules! assert_response {
    ($text:expr) => {{
        let text = $text;
        with_settings!({filters => [
            ("(resp|msg|rs|fc)_[0-9a-f]{32}", "${1}_ID"),
            (r#"("(?:created|completed)_at": ?)\d+"#, "${1}TIME"),
        ]}, { assert_snapshot!(text) })
    }};
}

fn thinking() -> Arc<dyn Generator> {
    Arc::new(Scripted::thinking(&["Let me", " see."], &["Hel", "lo"]))
}

fn calling() -> Arc<dyn Generator> {
    let call = ToolCall {
        id: "abcdefghi".into(),
        name: "weather".into(),
        arguments: Arguments::parse(r#"{"city":"Oslo"}"#).unwrap(),
    };
    Arc::new(Scripted::calling(&["Let me look."], vec![call]))
}

#[tokio::test]
async fn a_response_in_one_piece_looks_like_openais() {
    let thought = pretty(send(thinking(), respond(json!({}))).await).await;
    let called = pretty(send(calling(), respond(json!({ "max_output_tokens": 9 }))).await).await;
    assert_response!(format!("{thought}\n{called}"));
}

#[tokio::test]
async fn a_streamed_response_has_an_event_for_each_step_of_an_item() {
    let fields = json!({ "stream": true });
    let thought = text(send(thinking(), respond(fields.clone())).await).await;
    let called = text(send(calling(), respond(fields)).await).await;
    assert_response!(format!("{thought}=====\n\n{called}"));
}

#[tokio::test]
async fn what_is_said_behind_a_call_is_an_item_behind_it_whole_and_streamed() {
    let items = |response: &Value| {
        let items = response["output"].as_array().unwrap().iter();
        let items = items.map(|item| {
            let said = item["content"][0]["text"].as_str().unwrap_or_default();
            let of_item = |name: &str| item[name].as_str().unwrap().to_owned();
            [of_item("type"), of_item("status"), said.to_owned()]
        });
        items.collect::<Vec<_>>()
    };
    for (reason, last) in [
        (FinishReason::Stop, "completed"),
        (FinishReason::Length, "incomplete"),
    ] {
        let answered = async |stream: bool| {
            let held = Arc::new(Held::default());
            let asked = send(held.clone(), respond(json!({ "stream": stream })));
            let response = tokio::spawn(asked);
            let (_, sender) = taken(&held).await;
            say_around_a_call(&sender, reason);
            response.await.unwrap()
        };
        let whole: Value = serde_json::from_str(&text(answered(false).await).await).unwrap();
        let expected = [
            ["message", "completed", "Let me see."],
            ["function_call", "completed", ""],
            ["message", last, "Then more."],
        ];
        assert_eq!(items(&whole), expected);
        let events = events(answered(true).await).await;
        assert_eq!(items(&events.last().unwrap()["response"]), expected);
    }
}

#[tokio::test]
async fn a_response_repeats_how_it_was_asked_for() {
    let fields = json!({
        "instructions": "Be brief.", "metadata": { "a": "b" }, "temperature": 0.7, "max_output_tokens": 9,
        "reasoning": { "effort": "low" }, "text": { "format": { "type": "json_object" } }, "prompt_cache_key": "k",
        "tools": [{ "type": "function", "name": "now" }], "tool_choice": "none",
    });
    let body = text(send(scripted(), respond(fields.clone())).await).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    for (name, given) in fields.as_object().unwrap() {
        let expected = match name.as_str() {
            "reasoning" => json!({ "effort": "low", "summary": null }),
            "tools" => json!([{
                "type": "function", "name": "now", "description": null, "parameters": null, "strict": false,
            }]),
            _ => given.clone(),
        };
        assert_eq!(body[name], expected, "{name}");
    }
    assert_eq!(body["top_p"], 0.9);
}

#[tokio::test]
async fn guesses_are_among_the_figures_of_a_response_whole_and_streamed() {
    for stream in [false, true] {
        let held = Arc::new(Held::default());
        let asked = respond(json!({ "stream": stream }));
        let response = tokio::spawn(send(held.clone(), asked));
        let (_, sender) = taken(&held).await;
        say_guessed(&sender);
        let wire = text(response.await.unwrap()).await;
        assert_eq!(wire.matches(GUESSES).count(), 1, "{wire}");
    }
}

#[tokio::test]
async fn a_response_that_is_not_to_be_stored_belongs_to_no_conversation() {
    let named = ConversationKey::Beginning(vec!["user \"ann\"".into()]);
    for (store, expected) in [
        (json!(null), &named),
        (json!(true), &named),
        (json!(false), &ConversationKey::Unkept),
    ] {
        let generator = Arc::new(Held::default());
        let asked = respond(json!({ "store": store, "user": "ann" }));
        let response = tokio::spawn(send(generator.clone(), asked));
        let (request, _) = taken(&generator).await;
        response.await.unwrap();
        assert_eq!(request.conversation, *expected);
    }
}

#[tokio::test]
async fn a_response_that_reaches_its_limit_is_incomplete() {
    let fields = json!({ "max_output_tokens": 3 });
    let body = text(send(thinking(), respond(fields)).await).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["status"], "incomplete");
    assert_eq!(body["incomplete_details"]["reason"], "max_output_tokens");
    let statuses = |body: &Value| {
        let items = body["output"].as_array().unwrap().iter();
        let statuses = items.map(|item| item["status"].as_str().unwrap().to_owned());
        statuses.collect::<Vec<_>>()
    };
    // The thought was complete, what was said behind it is not.
    assert_eq!(statuses(&body), ["completed", "incomplete"]);
    let fields = json!({ "max_output_tokens": 3, "stream": true });
    let events = events(send(thinking(), respond(fields)).await).await;
    let (last, end) = (&events[events.len() - 2], &events[events.len() - 1]);
    assert_eq!(last["type"], "response.output_item.done");
    assert_eq!(last["item"]["status"], "incomplete");
    assert_eq!(end["type"], "response.incomplete");
    assert_eq!(statuses(&end["response"]), ["completed", "incomplete"]);
    let thought = text(send(thinking(), respond(json!({ "max_output_tokens": 1 }))).await).await;
    let thought: Value = serde_json::from_str(&thought).unwrap();
    assert_eq!(statuses(&thought), ["incomplete"]);
}

/// The events of a streamed response.
async fn events(response: axum::response::Response) -> Vec<Value> {
    let wire = text(response).await;
    let events = wire.lines().filter_map(|line| line.strip_prefix("data: "));
    let events = events.map(|event| serde_json::from_str(event).unwrap());
    events.collect()
}

#[tokio::test]
async fn every_item_reaches_the_engine() {
    let generator = Arc::new(Held::default());
    let fields = json!({
        "model": "scripted-1b",
        "instructions": "Be brief.",
        "input": [
            { "role": "user", "content": [{ "type": "input_text", "text": "Oslo?" }] },
            { "type": "reasoning", "id": "rs_1", "summary": [], "content": [{ "type": "reasoning_text", "text": "Hm." }] },
            { "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": "I look." }] },
            { "type": "function_call", "call_id": "abcdefghi", "name": "weather", "arguments": "{\"city\":\"Oslo\"}" },
            { "type": "function_call_output", "call_id": "abcdefghi", "output": "Rain" },
            { "role": "user", "content": "So?" },
        ],
        "tools": [{ "type": "function", "name": "weather", "parameters": { "type": "object" }, "strict": true }],
        "tool_choice": "auto", "parallel_tool_calls": false, "reasoning": { "effort": "low" },
        "temperature": 0.5, "top_p": 0.25, "max_output_tokens": 9, "text": { "format": { "type": "text" } },
        "store": false, "truncation": "disabled", "metadata": {}, "include": ["reasoning.encrypted_content"],
    });
    let response = tokio::spawn(send(generator.clone(), respond(fields)));
    let (request, _) = taken(&generator).await;
    response.await.unwrap();
    assert_snapshot!(format!("{request:#?}"));
}

#[tokio::test]
async fn a_response_repeats_what_was_said_of_tools() {
    let tool = json!({ "type": "function", "name": "f", "strict": true });
    let fields = json!({ "tools": [tool], "tool_choice": "none", "parallel_tool_calls": false });
    let body = text(send(scripted(), respond(fields)).await).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    let mut repeated = tool;
    repeated["description"] = Value::Null;
    repeated["parameters"] = Value::Null;
    assert_eq!(body["tools"], json!([repeated]));
    assert_eq!(body["tool_choice"], "none");
    assert_eq!(body["parallel_tool_calls"], false);
}

#[tokio::test]
async fn what_wants_a_memory_or_cannot_be_done_is_refused_by_name() {
    for (name, value, param) in [
        (
            "previous_response_id",
            json!("resp_1"),
            "previous_response_id",
        ),
        ("conversation", json!("conv_1"), "conversation"),
        ("background", json!(true), "background"),
        ("truncation", json!("auto"), "truncation"),
        (
            "include",
            json!(["message.output_text.logprobs"]),
            "include",
        ),
        (
            "text",
            json!({ "format": { "type": "json_schema" } }),
            "text.format",
        ),
        ("text", json!({ "verbosity": "low" }), "verbosity"),
        ("reasoning", json!({ "summary": "detailed" }), "summary"),
        (
            "input",
            json!([{ "type": "function_call", "call_id": "1", "name": "f", "arguments": "[0,".repeat(40_000) }]),
            "input[0].arguments",
        ),
        ("tools", json!([{ "type": "functoin" }]), "tools[0]"),
        ("store", json!("yes"), "store"),
        ("tool_choice", json!("required"), "tool_choice"),
        ("top_logprobs", json!(2), "top_logprobs"),
        ("max_tool_calls", json!(2), "max_tool_calls"),
        ("unheard", json!(2), "unheard"),
        ("input", json!([]), "input"),
        (
            "input",
            json!([{ "type": "item_reference", "id": "a" }]),
            "input[0]",
        ),
        (
            "input",
            json!([{ "role": "robot", "content": "" }]),
            "input[0].role",
        ),
        ("max_output_tokens", json!(0), "max_output_tokens"),
    ] {
        let response = send(scripted(), respond(json!({ name: value }))).await;
        let status = response.status().as_u16();
        let body: Value = serde_json::from_str(&text(response).await).unwrap();
        assert_eq!(
            (status, &body["error"]["param"]),
            (400, &json!(param)),
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_failure_in_mid_stream_is_an_error_and_then_a_response_that_failed() {
    let generator = Arc::new(Held::default());
    let response = send(generator.clone(), respond(json!({ "stream": true }))).await;
    let (_, sender) = generator.take().unwrap();
    sender.send(Event::Text("Hel".into()));
    sender.send(Event::Failed(Error::Broken));
    let events = events(response).await;
    let numbers: Vec<_> = events
        .iter()
        .map(|event| &event["sequence_number"])
        .collect();
    assert_eq!(numbers, (0..events.len()).collect::<Vec<_>>());
    let [.., error, failed] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(error["type"], "error");
    assert_eq!(failed["type"], "response.failed");
    let response = &failed["response"];
    assert_eq!(response["status"], "failed");
    assert_eq!(response["id"], events[0]["response"]["id"]);
    let told = json!({ "code": "server_error", "message": error["message"] });
    assert_eq!(response["error"], told);
    assert_eq!(response["output"][0]["status"], "incomplete");
    assert_eq!(response["output"][0]["content"][0]["text"], "Hel");
    assert_eq!(response["usage"], Value::Null);
}

#[tokio::test]
async fn a_response_whose_time_ran_out_has_its_usage() {
    let generator = Arc::new(Held::default());
    let response = send(generator.clone(), respond(json!({ "stream": true }))).await;
    generator.take().unwrap().1.send(late(7));
    let events = events(response).await;
    let response = &events.last().unwrap()["response"];
    assert_eq!(response["status"], "failed");
    assert_eq!(response["usage"]["output_tokens"], 7);
    assert_eq!(response["nibble"]["total_s"], 1.0);
}
