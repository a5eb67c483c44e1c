//! Tokens and templates in process, whose scripted tokenizer makes a token of each byte.

use serde_json::{Value, json};

use crate::test_support::client::{get, post, scripted, send, text};

async fn asked(path: &str, body: Value) -> (u16, Value) {
    let response = send(scripted(), post(path, body)).await;
    let status = response.status().as_u16();
    (status, serde_json::from_str(&text(response).await).unwrap())
}

#[tokio::test]
async fn a_client_without_a_tokenizer_learns_what_begins_a_text_and_ends_it() {
    let told = text(send(scripted(), get("/tokenizer_info")).await).await;
    let told: Value = serde_json::from_str(&told).unwrap();
    let expected = json!({ "bos_token": "<s>", "eos_token": "</s>", "model_max_length": 2048 });
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_text_is_counted_in_the_fields_of_vllm_and_of_llama_cpp() {
    for (body, tokens) in [
        (json!({ "prompt": "ab" }), json!([1, 97, 98])),
        (
            json!({ "content": "ab", "model": "scripted-1b" }),
            json!([97, 98]),
        ),
        (
            json!({ "prompt": "ab", "add_special_tokens": false }),
            json!([97, 98]),
        ),
        (
            json!({ "content": "ab", "add_special": true, "parse_special": false }),
            json!([1, 97, 98]),
        ),
    ] {
        let (status, body) = asked("/tokenize", body).await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(body["tokens"], tokens);
        assert_eq!(body["count"], tokens.as_array().unwrap().len());
        assert_eq!(body["max_model_len"], 2048);
    }
    let (_, spelt) = asked(
        "/v1/tokenize",
        json!({ "prompt": "a", "return_token_strs": true }),
    )
    .await;
    assert_eq!(spelt["error"]["type"], "invalid_request_error");
    let (_, spelt) = asked(
        "/tokenize/",
        json!({ "prompt": "a", "return_token_strs": true }),
    )
    .await;
    assert_eq!(spelt["token_strs"], json!(["\u{1}", "a"]));
}

#[tokio::test]
async fn messages_are_counted_and_laid_out_as_they_are_answered() {
    let messages = json!([{ "role": "user", "content": "Hi" }]);
    let (status, laid_out) = asked("/apply-template", json!({ "messages": messages })).await;
    let prompt = laid_out["prompt"].as_str().unwrap();
    assert!(status == 200 && prompt.contains("Hi"), "{laid_out}");
    let (_, counted) = asked("/tokenize", json!({ "messages": messages })).await;
    assert_eq!(counted["count"], prompt.len() + 1);
    for (adds, count) in [(true, prompt.len() + 1), (false, prompt.len())] {
        let body = json!({ "messages": messages, "add_special_tokens": adds });
        assert_eq!(asked("/tokenize", body).await.1["count"], count);
    }
}

#[tokio::test]
async fn tokens_become_text() {
    let (status, body) = asked("/detokenize", json!({ "tokens": [97, 98] })).await;
    assert_eq!(
        (status, body),
        (200, json!({ "prompt": "ab", "content": "ab" }))
    );
}

#[tokio::test]
async fn fields_that_nothing_here_knows_are_refused_by_name() {
    for (path, body, param) in [
        (
            "/tokenize",
            json!({ "messages": [{ "role": "user", "content": "" }], "parse_special": false }),
            "parse_special",
        ),
        (
            "/tokenize",
            json!({ "prompt": "a", "content": "a" }),
            "content",
        ),
        (
            "/tokenize",
            json!({ "prompt": "a", "with_pieces": true }),
            "with_pieces",
        ),
        (
            "/tokenize",
            json!({ "messages": [{ "role": "user", "content": "" }], "stream": true }),
            "stream",
        ),
        (
            "/detokenize",
            json!({ "tokens": [1], "stream": true }),
            "stream",
        ),
        ("/detokenize", json!({ "tokens": ["a"] }), "tokens[0]"),
        ("/apply-template", json!({ "messages": [] }), "messages"),
        (
            "/apply-template",
            json!({ "messages": [], "temperature": 1 }),
            "temperature",
        ),
    ] {
        let (status, body) = asked(path, body).await;
        assert_eq!(
            (status, &body["error"]["param"]),
            (400, &json!(param)),
            "{body}"
        );
    }
    let (status, _) = asked("/tokenize", json!({ "prompt": "a", "model": "gpt-4o" })).await;
    assert_eq!(status, 404);
}
