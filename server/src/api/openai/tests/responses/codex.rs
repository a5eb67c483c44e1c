//! What the Codex CLI sends with every turn.

use nibble_engine::{Prompt, Turn};

use super::*;

/// A turn behind another, with tools of every kind that it offers.
fn turn() -> Value {
    let schema = json!({
        "type": "object", "properties": { "cmd": { "type": "string" } }, "required": ["cmd"], "additionalProperties": false,
    });
    let said = |role: &str, kind: &str, text: &str| json!({ "type": "message", "role": role, "content": [{ "type": kind, "text": text }] });
    let notes = |name: &str| json!({ "type": "function", "name": name, "description": "Notes.", "strict": false, "parameters": schema });
    json!({
        "model": "scripted-1b",
        "instructions": "You are a coding agent.",
        "input": [
            said("developer", "input_text", "<permissions>read only</permissions>"),
            said("user", "input_text", "<environment_context>bash</environment_context>"),
            said("user", "input_text", "Look around."),
            { "type": "reasoning", "summary": [], "content": [{ "type": "reasoning_text", "text": "I look." }],
              "encrypted_content": null },
            { "type": "function_call", "name": "exec_command", "arguments": "{\"cmd\":\"ls\"}", "call_id": "call_1" },
            { "type": "function_call", "name": "add", "namespace": "mcp__notes", "arguments": "{\"cmd\":\"a\"}",
              "call_id": "call_2" },
            { "type": "function_call_output", "call_id": "call_1", "output": "a.rs" },
            { "type": "function_call_output", "call_id": "call_2",
              "output": [{ "type": "input_text", "text": "added" }] },
        ],
        "tools": [
            { "type": "function", "name": "exec_command", "description": "Runs a command.", "strict": false,
              "parameters": schema },
            { "type": "custom", "name": "apply_patch", "description": "Edits files.",
              "format": { "type": "grammar", "syntax": "lark", "definition": "start: /.+/" } },
            { "type": "web_search", "external_web_access": false },
            { "type": "image_generation", "output_format": "png" },
            { "type": "local_shell" },
            { "type": "tool_search", "execution": "sync", "description": "Searches.", "parameters": schema },
            { "type": "namespace", "name": "mcp__notes", "description": "Notes.", "tools": [notes("add"), notes("list")] },
            { "type": "namespace", "name": "functions", "description": "", "tools": [
                notes("update_plan"), { "type": "custom", "name": "exec", "format": { "type": "text" } },
            ] },
        ],
        "tool_choice": "auto", "parallel_tool_calls": false,
        "reasoning": { "effort": "medium", "summary": "auto" },
        "store": false, "stream": true, "include": ["reasoning.encrypted_content", "web_search_call.action.sources"],
        "prompt_cache_key": "019a-1", "service_tier": null, "text": null,
        "client_metadata": { "x-codex-installation-id": "1", "x-codex-turn-metadata": "{}" },
    })
}

/// A model that calls the function of a namespace.
fn calling_notes() -> Arc<dyn Generator> {
    let call = ToolCall {
        id: "abcdefghi".into(),
        name: "mcp__notes__list".into(),
        arguments: Arguments::parse(r#"{"cmd":"b"}"#).unwrap(),
    };
    Arc::new(Scripted::calling(&[], vec![call]))
}

#[tokio::test]
async fn a_turn_of_codex_reaches_the_engine() {
    let generator = Arc::new(Held::default());
    let response = send(generator.clone(), post("/v1/responses", turn())).await;
    assert_eq!(response.status(), 200);
    let (request, _) = generator.take().unwrap();
    let Prompt::Chat(conversation) = request.prompt else {
        panic!("{:?}", request.prompt);
    };
    let names = conversation.tools.iter();
    let names = names.map(|tool| tool["function"]["name"].as_str().unwrap());
    let names: Vec<_> = names.collect();
    let expected = [
        "exec_command",
        "mcp__notes__add",
        "mcp__notes__list",
        "update_plan",
    ];
    assert_eq!(names, expected);
    let calls = conversation.turns.iter().find_map(|turn| match turn {
        Turn::Answered { calls, .. } => Some(calls),
        _ => None,
    });
    let calls = calls.unwrap().iter().map(|call| call.name.as_str());
    let calls: Vec<_> = calls.collect();
    assert_eq!(calls, ["exec_command", "mcp__notes__add"]);
}

#[tokio::test]
async fn a_call_is_told_with_its_namespace() {
    let events = events(send(calling_notes(), post("/v1/responses", turn())).await).await;
    let mut items = events.iter().filter_map(|event| event.get("item"));
    assert!(
        items.clone().count() == 2
            && items.all(|item| {
                (&item["name"], &item["namespace"]) == (&json!("list"), &json!("mcp__notes"))
            }),
        "{events:?}"
    );
    let mut body = turn();
    body["stream"] = false.into();
    let whole = text(send(calling_notes(), post("/v1/responses", body)).await).await;
    let whole: Value = serde_json::from_str(&whole).unwrap();
    let item = &whole["output"][0];
    assert_eq!(
        (&item["name"], &item["namespace"]),
        (&json!("list"), &json!("mcp__notes"))
    );
    let kinds = whole["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| &tool["type"]);
    let kinds: Vec<_> = kinds.collect();
    assert_eq!(kinds, ["function", "namespace", "namespace"]);
    // A function that is in no namespace has none.
    let plain = text(send(calling(), post("/v1/responses", turn())).await).await;
    assert!(
        !plain.contains(r#""namespace":"mcp__notes","status""#),
        "{plain}"
    );
}

#[tokio::test]
async fn a_response_names_the_types_of_tools_that_the_model_was_not_told_of() {
    let left_out = json!([
        "custom",
        "image_generation",
        "local_shell",
        "tool_search",
        "web_search",
    ]);
    let streamed = events(send(calling(), post("/v1/responses", turn())).await).await;
    let end = &streamed.last().unwrap()["response"];
    assert_eq!(end["nibble"]["left_out_tools"], left_out);
    let whole = async |tools: Value| {
        let response = send(scripted(), respond(json!({ "tools": tools }))).await;
        serde_json::from_str::<Value>(&text(response).await).unwrap()
    };
    let all_left_out = whole(json!([{ "type": "file_search" }, { "type": "file_search" }])).await;
    let told = &all_left_out["nibble"]["left_out_tools"];
    assert_eq!(told, &json!(["file_search"]));
    let none_left_out = whole(json!([{ "type": "function", "name": "now" }])).await;
    assert_eq!(none_left_out["nibble"]["left_out_tools"], Value::Null);
    assert_eq!(none_left_out["nibble"]["finish_reason"], "stop");
}

#[tokio::test]
async fn tools_that_the_model_is_not_told_of_cannot_be_chosen() {
    for (field, value) in [
        ("tool_choice", json!({ "type": "web_search" })),
        (
            "tool_choice",
            json!({ "type": "custom", "name": "apply_patch" }),
        ),
        (
            "tool_choice",
            json!({ "type": "function", "name": "apply_patch" }),
        ),
    ] {
        let mut body = turn();
        body[field] = value;
        let (status, param, message) = refused(post("/v1/responses", body)).await;
        assert_eq!((status, param), (400, json!(field)), "{message}");
    }
    let tools = json!([{ "type": "web_search" }, { "type": "custom", "name": "apply_patch" }]);
    for choice in [json!("required"), json!({ "type": "web_search" })] {
        let fields = json!({ "tools": tools, "tool_choice": choice });
        let (status, param, message) = refused(respond(fields)).await;
        assert_eq!((status, param), (400, json!("tool_choice")));
        assert!(message.contains("`custom`, `web_search`"), "{message}");
    }
    for choice in ["auto", "none"] {
        let fields = json!({ "tools": tools, "tool_choice": choice });
        assert_eq!(send(scripted(), respond(fields)).await.status(), 200);
    }
    let chosen = json!({ "type": "function", "name": "mcp__notes__add" });
    let mut body = turn();
    body["tool_choice"] = chosen;
    assert_eq!(
        send(scripted(), post("/v1/responses", body)).await.status(),
        200
    );
}

#[tokio::test]
async fn functions_that_the_model_could_not_tell_apart_are_refused() {
    let function = |name: &str| json!({ "type": "function", "name": name });
    let namespace =
        |name: &str| json!({ "type": "namespace", "name": name, "tools": [function("add")] });
    for (tools, param) in [
        (json!([function("notes__add"), namespace("notes")]), "tools"),
        (
            json!([namespace("notes"), namespace("notes__")]),
            "tools[1].tools[0]",
        ),
        (json!([namespace("no tes")]), "tools[0].tools[0].name"),
        (
            json!([{ "type": "namespace", "name": "a", "tools": [{ "type": "namespace" }] }]),
            "tools[0].tools[0]",
        ),
    ] {
        let body = json!({ "input": "Hi", "tools": tools });
        let (status, found, message) = refused(post("/v1/responses", body)).await;
        assert_eq!((status, found), (400, json!(param)), "{message}");
    }
}
