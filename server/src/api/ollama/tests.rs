//! Ollama's API in process: the wire against snapshots, and what is refused.

use std::sync::Arc;

use insta::{assert_snapshot, with_settings};
use nibble_engine::{Arguments, Error, Event, Prompt, ToolCall, Turn};
use serde_json::{Value, json};

use crate::generator::Generator;
use crate::test_support::client::{get, post, pretty, scripted, send, taken, text};
use crate::test_support::held::{GUESSES, Held, late, say_guessed};
use crate::test_support::scripted::Scripted;

macro_rules! assert_wire {
    ($text:expr) => {{
        let text = $text;
        with_settings!({filters => [
            (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
            (r"[0-9a-f]{64}", "DIGEST"),
        ]}, { assert_snapshot!(text) })
    }};
}

fn thinking() -> Arc<dyn Generator> {
    Arc::new(Scripted::thinking(&["Let me", " see."], &["Hel", "lo"]))
}

fn chat(fields: Value) -> Value {
    let mut body =
        json!({ "model": "scripted-1b", "messages": [{ "role": "user", "content": "Hi" }] });
    let fields = fields.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(fields);
    body
}

/// What the engine was asked for.
async fn asked(path: &str, body: Value) -> nibble_engine::Request {
    let generator = Arc::new(Held::default());
    let response = tokio::spawn(send(generator.clone(), post(path, body)));
    let (request, _) = taken(&generator).await;
    response.await.unwrap();
    request
}

#[tokio::test]
async fn a_chat_streams_lines_of_which_the_last_has_the_figures() {
    let response = send(thinking(), post("/api/chat", chat(json!({})))).await;
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    assert_wire!(text(response).await);
}

#[tokio::test]
async fn guesses_are_among_the_figures_of_the_last_line() {
    let (chatted, generated) = (chat(json!({})), json!({ "prompt": "Hi" }));
    for (path, mut body) in [("/api/chat", chatted), ("/api/generate", generated)] {
        for stream in [false, true] {
            body["stream"] = stream.into();
            let held = Arc::new(Held::default());
            let response = tokio::spawn(send(held.clone(), post(path, body.clone())));
            let (_, sender) = taken(&held).await;
            say_guessed(&sender);
            let wire = text(response.await.unwrap()).await;
            let last = wire.lines().last().unwrap();
            assert!(last.contains(GUESSES), "{wire}");
        }
    }
}

#[tokio::test]
async fn an_answer_in_one_piece_is_one_line() {
    let call = ToolCall {
        id: "abcdefghi".into(),
        name: "weather".into(),
        arguments: Arguments::parse(r#"{"city":"Oslo"}"#).unwrap(),
    };
    let calls = Arc::new(Scripted::calling(&["Let me look."], vec![call]));
    let called =
        pretty(send(calls, post("/api/chat", chat(json!({ "stream": false })))).await).await;
    let body = json!({ "model": "scripted-1b:latest", "prompt": "Hi", "stream": false });
    let generated = pretty(send(thinking(), post("/api/generate", body)).await).await;
    assert_wire!(format!("{called}\n{generated}"));
}

#[tokio::test]
async fn every_field_reaches_the_engine() {
    let tool = json!({ "type": "function", "function": { "name": "weather" } });
    let request = asked("/api/chat", json!({
        "model": "scripted-1b",
        "messages": [
            { "role": "system", "content": "Be brief." },
            { "role": "user", "content": "Oslo?" },
            { "role": "assistant", "content": "", "thinking": "Hm.", "tool_calls": [
                { "function": { "name": "time", "arguments": {} } },
                { "function": { "name": "weather", "arguments": { "city": "Oslo" } } },
            ] },
            { "role": "tool", "tool_name": "weather", "content": "Rain" },
            { "role": "tool", "content": "Noon" },
        ],
        "tools": [tool], "think": false, "keep_alive": "5m", "format": "",
        "options": {
            "temperature": 0.5, "top_p": 0.25, "top_k": 40, "min_p": 0.125, "seed": 7, "num_predict": 9,
            "stop": ["a"], "num_ctx": 131072, "num_gpu": 1, "repeat_penalty": 1.0,
        },
    }))
    .await;
    assert_snapshot!(format!("{request:#?}"));
}

#[tokio::test]
async fn calls_keep_to_the_schema_of_a_tool_that_is_strict() {
    let tool = |name: &str, strict: bool| json!({ "type": "function", "function": { "name": name, "strict": strict } });
    let tools = json!({ "tools": [tool("weather", true), tool("now", false)] });
    let Prompt::Chat(conversation) = asked("/api/chat", chat(tools)).await.prompt else {
        panic!("a chat");
    };
    assert_eq!(conversation.tools.len(), 2);
    assert_eq!(conversation.strict, ["weather"]);
}

#[tokio::test]
async fn a_question_is_laid_out_unless_it_is_raw() {
    let body = |raw: bool| json!({ "prompt": "Hi", "system": if raw { "" } else { "Be brief." }, "raw": raw, "think": "low", "options": { "num_predict": -2 } });
    let raw = asked("/api/generate", body(true)).await;
    assert_eq!(raw.prompt, Prompt::Raw("Hi".into()));
    assert_eq!((raw.max_tokens, raw.thinking.budget), (2048, Some(512)));
    let Prompt::Chat(conversation) = asked("/api/generate", body(false)).await.prompt else {
        panic!("a chat");
    };
    assert!(matches!(
        &conversation.turns[..],
        [Turn::Said(_), Turn::Said(_)]
    ));
    let begun = chat(
        json!({ "messages": [{ "role": "user", "content": "Hi" }, { "role": "assistant", "content": "Hel" }] }),
    );
    let Prompt::Chat(conversation) = asked("/api/chat", begun).await.prompt else {
        panic!("a chat");
    };
    assert!(conversation.continues_last);
}

#[tokio::test]
async fn the_model_is_listed_shown_and_running() {
    let mut wire = String::new();
    for request in [
        get("/api/tags"),
        get("/api/ps/"),
        post(
            "/api/show",
            json!({ "model": "scripted-1b:latest", "verbose": false }),
        ),
    ] {
        wire += &pretty(send(scripted(), request).await).await;
        wire += "\n";
    }
    assert_wire!(wire);
    let version = text(send(scripted(), get("/api/version")).await).await;
    let version: Value = serde_json::from_str(&version).unwrap();
    // Clients compare it with the first Ollama that does what they need.
    let numbers = version["version"].as_str().unwrap().split('.');
    let numbers: Vec<u32> = numbers.map(|number| number.parse().unwrap()).collect();
    assert!(numbers >= vec![0, 6, 4], "{version}");
    assert_eq!(version["nibble_version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn what_ollamas_own_client_sends_is_shown() {
    for (model, name) in [("scripted-1b", ""), ("", "scripted-1b:latest")] {
        let body = json!({
            "model": model, "system": "", "template": "", "verbose": false, "options": null, "name": name,
        });
        let response = send(scripted(), post("/api/show", body)).await;
        assert_eq!(response.status(), 200, "{model} {name}");
    }
    assert_refused("/api/show", json!({ "model": "", "name": "a" }), 404, "`a`").await;
}

#[test]
fn a_name_has_one_tag() {
    for (name, listed) in [
        ("smol", "smol:latest"),
        ("llama3.1:8b", "llama3.1:8b"),
        ("hub:80/llama", "hub:80/llama:latest"),
    ] {
        assert_eq!(crate::api::model::tagged(name), listed);
    }
}

/// Asserts that a request is refused with a status and words.
async fn assert_refused(path: &str, body: Value, status: u16, words: &str) {
    let response = send(scripted(), post(path, body)).await;
    let found = response.status().as_u16();
    let body: Value = serde_json::from_str(&text(response).await).unwrap();
    let message = body["error"].as_str().unwrap();
    assert_eq!(found, status, "{message}");
    assert!(message.contains(words), "{message}");
}

#[tokio::test]
async fn what_is_not_there_is_refused_by_name() {
    for (path, body, status, words) in [
        (
            "/api/pull",
            json!({ "model": "llama3" }),
            501,
            "`/api/pull`",
        ),
        ("/api/push", json!({}), 501, "`/api/push`"),
        (
            "/api/blobs/sha256:00",
            json!({}),
            501,
            "`/api/blobs/sha256:00`",
        ),
        ("/api/embed", json!({}), 400, "`input`"),
        (
            "/api/chat",
            chat(json!({ "model": "llama3" })),
            404,
            "`llama3`",
        ),
        (
            "/api/chat",
            chat(json!({ "format": "yaml" })),
            400,
            "`format` must be `json` or a JSON schema",
        ),
        (
            "/api/chat",
            chat(json!({ "think": "much" })),
            400,
            "`think`",
        ),
        (
            "/api/chat",
            chat(json!({ "logprobs": true })),
            400,
            "`logprobs`",
        ),
        ("/api/chat", chat(json!({ "unheard": 1 })), 400, "`unheard`"),
        (
            "/api/chat",
            chat(json!({ "options": { "num_ctx": 0 } })),
            400,
            "`num_ctx`",
        ),
        (
            "/api/chat",
            chat(json!({ "options": { "mirostat": 2 } })),
            400,
            "`mirostat`",
        ),
        (
            "/api/chat",
            chat(json!({ "options": { "unheard": 2 } })),
            400,
            "`unheard`",
        ),
        (
            "/api/chat",
            chat(json!({ "options": { "num_predict": 0 } })),
            400,
            "`num_predict`",
        ),
        (
            "/api/chat",
            chat(json!({ "messages": [{ "role": "user", "images": ["AA=="] }] })),
            400,
            "`messages[0].images`",
        ),
        (
            "/api/chat",
            json!({ "messages": [], "unheard": 1 }),
            400,
            "`unheard`",
        ),
    ] {
        assert_refused(path, body, status, words).await;
    }
}

#[tokio::test]
async fn what_a_question_cannot_have_is_refused_by_name() {
    for (path, body, status, words) in [
        (
            "/api/generate",
            json!({ "prompt": "", "suffix": "b" }),
            400,
            "`suffix`",
        ),
        (
            "/api/generate",
            json!({ "prompt": "", "template": "b" }),
            400,
            "`template`",
        ),
        (
            "/api/generate",
            json!({ "prompt": "", "context": [1] }),
            400,
            "`context`",
        ),
    ] {
        assert_refused(path, body, status, words).await;
    }
}

#[tokio::test]
async fn a_failure_in_mid_stream_is_a_line() {
    let held = Arc::new(Held::default());
    let response = send(held.clone(), post("/api/chat", chat(json!({})))).await;
    let (_, sender) = held.take().unwrap();
    sender.send(Event::Text("Hel".into()));
    sender.send(Event::Failed(Error::Broken));
    let wire = text(response).await;
    let last: Value = serde_json::from_str(wire.lines().last().unwrap()).unwrap();
    assert!(last["error"].is_string(), "{wire}");
    let response = tokio::spawn(send(held.clone(), post("/api/chat", chat(json!({})))));
    taken(&held).await.1.send(late(7));
    let wire = text(response.await.unwrap()).await;
    let last: Value = serde_json::from_str(wire.lines().last().unwrap()).unwrap();
    assert!(last["error"].as_str().unwrap().contains("--max-time"));
    assert_eq!(last["prompt_eval_count"], 10);
    assert_eq!(last["eval_count"], 7);
}

#[tokio::test]
async fn what_the_page_posts_under_the_same_folder_is_not_the_apis() {
    for path in ["/api/delete", "/api/choose", "/api/send", "/api/", "/api"] {
        assert!(!crate::api::owns(path), "{path}");
    }
}

#[tokio::test]
async fn who_asks_nothing_has_the_model_loaded_or_unloaded() {
    for (path, body, reason) in [
        ("/api/chat", json!({ "messages": [] }), "load"),
        (
            "/api/chat",
            json!({ "stream": false, "keep_alive": 0 }),
            "unload",
        ),
        ("/api/generate", json!({ "model": "scripted-1b" }), "load"),
        (
            "/api/generate",
            json!({ "prompt": "", "keep_alive": "0s", "stream": false }),
            "unload",
        ),
        ("/api/generate", json!({ "keep_alive": "5m" }), "load"),
    ] {
        let response = send(scripted(), post(path, &body)).await;
        assert_eq!(response.status(), 200);
        let line: Value = serde_json::from_str(&text(response).await).unwrap();
        assert_eq!(
            (&line["done"], &line["done_reason"]),
            (&json!(true), &json!(reason)),
            "{body}"
        );
        let said = if path == "/api/chat" {
            &line["message"]["content"]
        } else {
            &line["response"]
        };
        assert_eq!(said, "");
    }
    let response = send(scripted(), post("/api/chat", json!({ "model": "other" }))).await;
    assert_eq!(response.status(), 404);
}

#[tokio::test]
async fn a_wrong_method_is_told_as_ollama_tells_errors() {
    for path in ["/api/chat", "/api/embed", "/api/show"] {
        let response = send(scripted(), get(path)).await;
        assert_eq!(response.status(), 405);
        let body: Value = serde_json::from_str(&text(response).await).unwrap();
        assert!(body["error"].is_string(), "{body}");
    }
}

#[tokio::test]
async fn embeddings_look_like_ollamas() {
    let response = send(
        scripted(),
        post("/api/embed", json!({ "input": ["a", "b"] })),
    )
    .await;
    let mut body: Value = serde_json::from_str(&text(response).await).unwrap();
    assert!(body["total_duration"].take().is_u64());
    let embedding = json!([0.23076923, 0.30769232, 0.9230769]);
    let expected = json!({
        "model": "scripted-1b", "embeddings": [embedding, embedding], "total_duration": null,
        "load_duration": 0, "prompt_eval_count": 20,
    });
    assert_eq!(body, expected);
    let response = send(
        scripted(),
        post("/api/embeddings", json!({ "prompt": "a" })),
    )
    .await;
    let body: Value = serde_json::from_str(&text(response).await).unwrap();
    assert_eq!(body, json!({ "embedding": embedding }));
}

#[tokio::test]
async fn what_is_too_long_to_embed_is_cut_off_unless_that_is_refused() {
    let long = "a".repeat(3000);
    let cut = asked("/api/embed", json!({ "input": long })).await;
    assert!(matches!(cut.prompt, Prompt::Tokens(tokens) if tokens.len() == 2048));
    let whole = asked("/api/embed", json!({ "input": long, "truncate": false })).await;
    assert_eq!(whole.prompt, Prompt::Raw(long));
    for (name, value) in [
        ("temperature", json!(1)),
        ("options", json!({ "unheard": 1 })),
    ] {
        let response = send(
            scripted(),
            post("/api/embed", json!({ "input": "a", name: value })),
        )
        .await;
        assert_eq!(response.status(), 400, "{name}");
    }
}
