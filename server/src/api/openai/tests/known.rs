//! Each field of openai-python 3.54.0's requests is honoured, changes nothing, or is refused by its name.

use super::*;

/// Those of `chat.completions.create`.
const CHAT: &str = "messages model audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens \
    max_tokens metadata modalities moderation n parallel_tool_calls prediction presence_penalty prompt_cache_key \
    prompt_cache_options prompt_cache_retention reasoning_effort response_format safety_identifier seed service_tier stop store \
    stream stream_options temperature tool_choice tools top_logprobs top_p user verbosity web_search_options";
/// Those of `completions.create`.
const COMPLETION: &str = "model prompt best_of echo frequency_penalty logit_bias logprobs max_tokens n presence_penalty seed stop \
    stream stream_options suffix temperature top_p user";

/// A value for each that is no default, and whether it is taken.
fn values() -> Vec<(&'static str, Value, bool)> {
    let schema = json!({ "type": "json_schema", "json_schema": { "name": "a", "schema": { "type": "object" } } });
    let tool = json!({ "type": "function", "function": { "name": "f" } });
    vec![
        (
            "messages",
            json!([{ "role": "user", "content": "Hi" }]),
            true,
        ),
        ("prompt", json!("Once"), true),
        ("model", json!("scripted-1b"), true),
        ("audio", json!({ "voice": "a", "format": "wav" }), false),
        ("best_of", json!(1), true),
        ("echo", json!(true), true),
        ("frequency_penalty", json!(0.5), true),
        ("function_call", json!({ "name": "f" }), false),
        ("functions", json!([{ "name": "f" }]), false),
        ("logit_bias", json!({ "5": 1 }), true),
        ("logprobs", json!(true), true),
        ("max_completion_tokens", json!(9), true),
        ("max_tokens", json!(9), true),
        // These change no answer here.
        ("metadata", json!({ "a": "b" }), true),
        ("prompt_cache_key", json!("a"), true),
        ("prompt_cache_options", json!({ "ttl": 1 }), true),
        ("prompt_cache_retention", json!("24h"), true),
        ("safety_identifier", json!("a"), true),
        ("service_tier", json!("flex"), true),
        ("store", json!(true), true),
        ("user", json!("a"), true),
        // What an answer is likely to be makes none of it different.
        (
            "prediction",
            json!({ "type": "content", "content": "a" }),
            true,
        ),
        ("modalities", json!(["text", "audio"]), false),
        ("moderation", json!({ "model": "a" }), false),
        ("n", json!(2), true),
        ("parallel_tool_calls", json!(false), true),
        ("presence_penalty", json!(0.5), true),
        ("reasoning_effort", json!("low"), true),
        ("response_format", schema, true),
        ("seed", json!(1), true),
        ("stop", json!(["a"]), true),
        ("stream", json!(true), true),
        ("stream_options", json!({ "include_usage": true }), true),
        ("suffix", json!("a"), false),
        ("temperature", json!(1.5), true),
        ("tool_choice", json!("none"), true),
        ("tools", json!([tool]), true),
        ("top_logprobs", json!(2), true),
        ("top_p", json!(0.5), true),
        ("verbosity", json!("low"), false),
        ("web_search_options", json!({}), false),
    ]
}

#[tokio::test]
async fn no_field_of_openais_client_is_dropped_in_silence() {
    for (path, base, names) in [
        (
            "/v1/chat/completions",
            question(json!({ "logprobs": true })),
            CHAT,
        ),
        ("/v1/completions", json!({ "prompt": "Once" }), COMPLETION),
    ] {
        for name in names.split_whitespace() {
            let known = values().into_iter().find(|(known, ..)| *known == name);
            let (_, value, is_taken) = known.unwrap_or_else(|| panic!("nobody knows {name}"));
            let mut body = base.clone();
            body[name] = value;
            let response = send(scripted(), post(path, &body)).await;
            let status = response.status().as_u16();
            let told = text(response).await;
            assert_eq!(
                status,
                if is_taken { 200 } else { 400 },
                "{path} {name}: {told}"
            );
            let told: Value = serde_json::from_str(&told).unwrap_or_default();
            if !is_taken {
                let param = told["error"]["param"].as_str().unwrap();
                assert!(param.starts_with(name), "{path} {name}: {told}");
            }
        }
    }
}
