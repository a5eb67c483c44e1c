//! What Claude Code sends with every turn.

use super::*;

/// A turn behind another, with all the fields that come along; `more` are those of the one endpoint or the other.
fn turn(more: Value) -> Value {
    let cached = json!({ "type": "ephemeral", "ttl": "1h", "scope": "global" });
    let mut body = json!({
        "model": "scripted-1b",
        "messages": [
            { "role": "user", "content": [
                { "type": "text", "text": "<system-reminder>Today is Tuesday.</system-reminder>" },
                { "type": "text", "text": "List the files.", "cache_control": { "type": "ephemeral" } },
            ] },
            { "role": "assistant", "content": [
                { "type": "thinking", "thinking": "I look.", "signature": "" },
                { "type": "tool_use", "id": "toolu_1", "name": "Bash", "input": { "command": "ls" },
                  "caller": { "type": "direct" } },
            ] },
            { "role": "user", "content": [{
                "type": "tool_result", "tool_use_id": "toolu_1", "content": "a.rs", "is_error": false,
                "cache_control": cached,
            }] },
            { "role": "system", "content": [{ "type": "text", "text": "The todo list is empty." }] },
        ],
        "system": [
            { "type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.280; cc_entrypoint=cli;" },
            { "type": "text", "text": "You are a tool for programmers.", "cache_control": cached },
        ],
        "tools": [
            { "name": "Bash", "description": "Runs a command.", "eager_input_streaming": true,
              "input_schema": { "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
                                "properties": { "command": { "type": "string" } }, "required": ["command"],
                                "additionalProperties": false } },
            { "name": "mcp__notes__add", "description": "Adds a note.", "defer_loading": true, "strict": false,
              "input_examples": [{ "text": "a" }], "cache_control": cached,
              "input_schema": { "type": "object", "properties": { "text": { "type": "string" } } } },
        ],
        "metadata": { "user_id": "{\"device_id\":\"1\",\"account_uuid\":\"\",\"session_id\":\"2\"}" },
        "thinking": { "type": "adaptive", "display": "updates" },
        "context_management": { "edits": [{ "type": "clear_thinking_20251015", "keep": "all" }] },
        "output_config": { "effort": "high" },
        "diagnostics": { "previous_message_id": "msg_1" },
        "speed": "standard", "container": null,
    });
    let more = more.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(more);
    body
}

#[tokio::test]
async fn a_turn_of_claude_code_is_answered() {
    let path = "/v1/messages?beta=true";
    let body = turn(json!({ "max_tokens": 32000, "temperature": 1, "stream": true }));
    let response = send(scripted(), post(path, body)).await;
    assert_eq!(response.status(), 200);
    let wire = text(response).await;
    assert!(wire.contains("event: message_stop"), "{wire}");
    let end = wire
        .lines()
        .find(|line| line.contains("message_delta\","))
        .unwrap_or(&wire);
    assert!(
        end.contains(r#""context_management":{"applied_edits":[]}"#),
        "{wire}"
    );
    let body = turn(json!({ "max_tokens": 32000 }));
    let whole = text(send(scripted(), post(path, body)).await).await;
    let whole: Value = serde_json::from_str(&whole).unwrap();
    assert_eq!(whole["context_management"], json!({ "applied_edits": [] }));
    assert_eq!(
        whole["content"],
        json!([{ "type": "text", "text": "Hello!", "citations": [] }])
    );
}

#[tokio::test]
async fn a_turn_of_claude_code_reaches_the_engine_as_it_is() {
    let request = asked(turn(json!({ "max_tokens": 32000 }))).await;
    assert_eq!(
        (request.thinking.enabled, request.thinking.budget),
        (Some(true), Some(8192))
    );
    let Prompt::Chat(conversation) = request.prompt else {
        panic!("{:?}", request.prompt);
    };
    let roles = conversation.turns.iter().map(|turn| match turn {
        Turn::Said(message) => format!("{:?}", message.role),
        Turn::Answered { .. } => "called".to_owned(),
        Turn::Returned { .. } => "returned".to_owned(),
    });
    let roles: Vec<_> = roles.collect();
    assert_eq!(roles, ["System", "User", "called", "returned", "System"]);
    assert_eq!(conversation.tools.len(), 2);
}

#[tokio::test]
async fn tokens_of_a_turn_of_claude_code_are_counted() {
    let path = "/v1/messages/count_tokens?beta=true";
    let response = send(scripted(), post(path, turn(json!({})))).await;
    assert_eq!(response.status(), 200);
    let count: Value = serde_json::from_str(&text(response).await).unwrap();
    let management = json!({ "original_input_tokens": count["input_tokens"] });
    assert_eq!(count["context_management"], management);
}

#[tokio::test]
async fn edits_of_the_context_that_would_have_to_be_made_are_refused_by_name() {
    let edits =
        |kind: &str| json!({ "edits": [{ "type": "clear_tool_uses_20250919" }, { "type": kind }] });
    for (management, words) in [
        (edits("compact_20260112"), "`compact_20260112`"),
        (edits("summarize"), "`context_management.edits[1]`"),
        (json!({ "enabled": true }), "`enabled`"),
    ] {
        let fields = json!({ "context_management": management });
        for path in ["/v1/messages", "/v1/messages/count_tokens"] {
            let mut body = question(fields.clone());
            if path.ends_with("count_tokens") {
                body.as_object_mut().unwrap().remove("max_tokens");
            }
            let response = send(scripted(), post(path, body)).await;
            assert_eq!(response.status(), 400, "{path} {fields}");
            let refused = text(response).await;
            assert!(refused.contains(words), "{refused}");
        }
    }
}
