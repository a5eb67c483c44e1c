//! The API in-process: the wire against snapshots, refusals, and what becomes of an answer whose client is gone.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode, header};
use axum::response::Response;
use futures::StreamExt;
use insta::{assert_snapshot, with_settings};
use nibble_engine::{Answer, AnswerSender, Error, Event, ModelInfo, Prompt};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::routes;
use crate::generator::Generator;
use crate::state::{AppState, Settings};
use crate::test_support::held::Held;
use crate::test_support::scripted::Scripted;

/// Refuses every request.
struct Refusing(ModelInfo, Box<dyn Fn() -> Error + Send + Sync>);

impl Refusing {
    fn with(error: impl Fn() -> Error + Send + Sync + 'static) -> Arc<Self> {
        let info = Scripted::new(&[], Duration::ZERO).info().clone();
        Arc::new(Self(info, Box::new(error)))
    }
}

impl Generator for Refusing {
    fn info(&self) -> &ModelInfo {
        &self.0
    }

    fn submit(&self, _: nibble_engine::Request) -> Result<Answer, Error> {
        Err((self.1)())
    }
}

fn scripted() -> Arc<dyn Generator> {
    Arc::new(Scripted::new(&["Hel", "lo", "!"], Duration::ZERO))
}

async fn send(generator: Arc<dyn Generator>, request: Request<Body>) -> Response {
    let settings = Settings {
        usd_per_hour: 0.94256,
        allowed_hosts: Vec::new(),
        grace: Duration::from_secs(1),
        connections: 64,
    };
    let state = AppState::new(generator, settings);
    routes().with_state(state).oneshot(request).await.unwrap()
}

fn ask(body: impl ToString) -> Request<Body> {
    Request::post("/v1/chat/completions")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()))
        .unwrap()
}

async fn text(response: Response) -> String {
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

async fn pretty(response: Response) -> String {
    let value: Value = serde_json::from_str(&text(response).await).unwrap();
    serde_json::to_string_pretty(&value).unwrap()
}

/// A question with `fields` beside it.
fn question(fields: Value) -> Value {
    let mut body = json!({ "messages": [{ "role": "user", "content": "Hi" }] });
    let fields = fields.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(fields);
    body
}

/// The request that comes next.
async fn taken(generator: &Held) -> (nibble_engine::Request, AnswerSender) {
    loop {
        if let Some(taken) = generator.take() {
            return taken;
        }
        tokio::task::yield_now().await;
    }
}

/// What the engine was asked for `body`.
async fn asked(body: Value) -> nibble_engine::Request {
    let generator = Arc::new(Held::default());
    let response = tokio::spawn(send(generator.clone(), ask(body)));
    let (request, _) = taken(&generator).await;
    // The sender went with the request, so the answer ends at once.
    assert_eq!(
        response.await.unwrap().status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    request
}

/// The status, `param` and message that `body` is refused with.
async fn refusal(body: impl ToString) -> (u16, Value, String) {
    let response = send(scripted(), ask(body)).await;
    let status = response.status().as_u16();
    let mut body: Value = serde_json::from_str(&text(response).await).unwrap();
    let message = body["error"]["message"].as_str().unwrap().to_owned();
    (status, body["error"]["param"].take(), message)
}

macro_rules! assert_wire {
    ($text:expr) => {{
        let text = $text;
        with_settings!({filters => [
            ("chatcmpl-[0-9a-f]{32}", "chatcmpl-ID"),
            (r#"("created": ?)\d+"#, "${1}TIME"),
        ]}, { assert_snapshot!(text) })
    }};
}

mod limits;
mod tools;

#[tokio::test]
async fn an_answer_in_one_piece_looks_like_openais() {
    let response = send(scripted(), ask(question(json!({})))).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_wire!(pretty(response).await);
}

#[tokio::test]
async fn a_streamed_answer_ends_with_its_reason_and_done() {
    let response = send(scripted(), ask(question(json!({ "stream": true })))).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    assert_wire!(text(response).await);
}

#[tokio::test]
async fn usage_comes_in_a_last_chunk_without_choices_when_asked_for() {
    let fields = json!({ "stream": true, "stream_options": { "include_usage": true } });
    let response = send(scripted(), ask(question(fields))).await;
    assert_wire!(text(response).await);
}

#[tokio::test]
async fn an_answer_that_reaches_max_tokens_says_length() {
    for name in ["max_tokens", "max_completion_tokens"] {
        let response = send(scripted(), ask(question(json!({ name: 2 })))).await;
        let body: Value = serde_json::from_str(&text(response).await).unwrap();
        assert_eq!(body["choices"][0]["message"]["content"], "Hello");
        assert_eq!(body["choices"][0]["finish_reason"], "length");
        assert_eq!(body["usage"]["completion_tokens"], 2);
    }
}

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
    assert_eq!(request.max_tokens, generator.info().context);
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
async fn an_assistant_that_said_nothing_said_an_empty_text() {
    for said in [
        json!({ "role": "assistant", "content": null }),
        json!({ "role": "assistant" }),
        json!({ "role": "assistant", "content": null, "tool_calls": [] }),
    ] {
        let messages = json!([{ "role": "user", "content": "Hi" }, said, { "role": "user", "content": "Well?" }]);
        let Prompt::Chat(conversation) = asked(json!({ "messages": messages })).await.prompt else {
            panic!("a chat");
        };
        let silent = nibble_engine::Message {
            role: nibble_engine::Role::Assistant,
            content: String::new(),
        };
        assert_eq!(conversation.turns[1], nibble_engine::Turn::Said(silent));
    }
    for role in ["user", "system"] {
        let body = json!({ "messages": [{ "role": role, "content": null }] });
        assert_eq!(refusal(body).await.0, 400, "{role}");
    }
}

#[tokio::test]
async fn the_template_is_told_what_the_caller_tells_it() {
    let variables = |fields: Value| async {
        match asked(question(fields)).await.prompt {
            Prompt::Chat(conversation) => Value::Object(conversation.variables),
            Prompt::Raw(text) => panic!("{text}"),
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
        ("response_format", json!({ "type": "json_object" })),
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

#[tokio::test]
async fn messages_that_the_model_cannot_read_are_refused_by_place() {
    let mut refusals = String::new();
    for message in [
        json!({ "role": "robot", "content": "beep" }),
        json!({ "role": "user" }),
        json!({ "role": "user", "content": 7 }),
        json!({ "content": "who?" }),
        json!({ "role": "user", "content": [{ "type": "text", "text": "see" }, { "type": "image_url", "image_url": {} }] }),
    ] {
        let (status, param, message) = refusal(json!({ "messages": [message] })).await;
        assert_eq!(status, 400);
        refusals += &format!("{param}: {message}\n");
    }
    assert_snapshot!(refusals);
}

#[tokio::test]
async fn the_number_and_the_bytes_of_messages_are_bounded() {
    let messages = |number| vec![json!({ "role": "user", "content": "" }); number];
    let (status, param, message) = refusal(json!({ "messages": messages(2049) })).await;
    assert_eq!((status, param), (400, json!("messages")));
    assert_eq!(
        message,
        "`messages` must have at most 2048 messages, found 2049"
    );
    let most = send(scripted(), ask(json!({ "messages": messages(2048) }))).await;
    assert_eq!(most.status(), 200);
    let long = json!({ "role": "user", "content": "x".repeat(2 << 20) });
    let (status, _, message) = refusal(json!({ "messages": [long] })).await;
    assert_eq!(
        (status, message.as_str()),
        (413, "the body may have at most 2 MiB")
    );
}

#[tokio::test]
async fn broken_json_is_refused_with_its_position() {
    let mut refusals = String::new();
    for body in [
        "",
        "{\n  \"messages\": [,]}",
        "[]",
        "{}",
        "{\"messages\": []} x",
    ] {
        let (status, _, message) = refusal(body).await;
        assert_eq!(status, 400);
        refusals += &format!("{message}\n");
    }
    assert_snapshot!(refusals);
}

#[tokio::test]
async fn another_model_is_not_found() {
    let response = send(scripted(), ask(question(json!({ "model": "gpt-4o" })))).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_snapshot!(pretty(response).await);
}

#[tokio::test]
async fn a_full_queue_asks_to_come_back_later() {
    let full = |wait| Error::Busy {
        waiting: 64,
        limit: 64,
        wait,
    };
    let response = send(Refusing::with(move || full(None)), ask(question(json!({})))).await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(response.headers()[header::RETRY_AFTER], "5");
    assert_snapshot!(pretty(response).await);
    for (wait_ms, expected) in [(0, "1"), (900, "1"), (12_001, "13")] {
        let wait = Duration::from_millis(wait_ms);
        let full = Refusing::with(move || full(Some(wait)));
        let response = send(full, ask(question(json!({})))).await;
        assert_eq!(response.headers()[header::RETRY_AFTER], expected);
    }
}

#[tokio::test]
async fn a_limit_in_time_is_named_whole_and_streamed() {
    let limit = Duration::from_millis(2500);
    let waited = || Error::WaitedTooLong { limit };
    let late = || Error::TooLate { limit };
    let cases: [(&dyn Fn() -> Error, _, _, _); 2] = [
        (&waited, 503, "max_wait_passed", "2.5 s of `--max-wait`"),
        (&late, 504, "max_time_passed", "2.5 s of `--max-time`"),
    ];
    for (error, status, code, words) in cases {
        for stream in [false, true] {
            let generator = Arc::new(Held::default());
            let request = ask(question(json!({ "stream": stream })));
            let response = tokio::spawn(send(generator.clone(), request));
            let sender = taken(&generator).await.1;
            sender.send(Event::Failed(error()));
            drop(sender);
            let response = response.await.unwrap();
            let expected = if stream { 200 } else { status };
            assert_eq!(response.status().as_u16(), expected);
            let text = text(response).await;
            assert!(text.contains(code) && text.contains(words), "{text}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_begins_at_once_and_is_kept_alive() {
    let generator = Arc::new(Held::default());
    let response = send(generator.clone(), ask(question(json!({ "stream": true })))).await;
    let (_, sender) = generator.take().unwrap();
    let start = tokio::time::Instant::now();
    let mut stream = response.into_body().into_data_stream();
    stream.next().await.unwrap().unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
    for before in (0..5).rev() {
        let seconds = None;
        sender.send(Event::Queued { before, seconds });
        let last = tokio::time::Instant::now();
        let ping = stream.next().await.unwrap().unwrap();
        assert_eq!(ping, ": ping\n\n");
        assert!(last.elapsed() < Duration::from_secs(10));
    }
}

#[tokio::test]
async fn an_engine_that_is_ending_is_not_one_that_has_failed() {
    let response = send(Refusing::with(|| Error::Ending), ask(question(json!({})))).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()[header::RETRY_AFTER], "5");
    let body = text(response).await;
    assert!(body.contains("the server is ending"), "{body}");
}

#[tokio::test]
async fn what_the_engine_refuses_is_said_of_its_field() {
    let refusing = Refusing::with(|| Error::Request {
        field: "messages",
        reason: "too many".into(),
    });
    let response = send(refusing, ask(question(json!({})))).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let body: Value = serde_json::from_str(&text(response).await).unwrap();
    assert_eq!(body["error"]["param"], "messages");
}

#[tokio::test]
async fn wrong_methods_wrong_paths_and_huge_bodies_get_openais_error_body() {
    let huge = format!("{{\"user\": \"{}\"}}", "x".repeat(3 << 20));
    for (method, path, body, status) in [
        (Method::GET, "/v1/chat/completions", String::new(), 405),
        (Method::DELETE, "/v1/models", String::new(), 405),
        (Method::POST, "/v1/embeddings", String::new(), 404),
        (Method::GET, "/v1/models/gpt/4o", String::new(), 404),
        (Method::GET, "/v1", String::new(), 404),
        (Method::GET, "/v1/", String::new(), 404),
        (Method::POST, "/v1/chat/completions", huge, 413),
    ] {
        let request = Request::builder().method(&method).uri(path);
        let response = send(scripted(), request.body(Body::from(body)).unwrap()).await;
        assert_eq!(response.status().as_u16(), status, "{method} {path}");
        assert_eq!(
            response.headers().contains_key(header::ALLOW),
            status == 405,
            "{method} {path}"
        );
        let body: Value = serde_json::from_str(&text(response).await).unwrap();
        assert_eq!(body["error"]["type"], "invalid_request_error");
    }
}

#[tokio::test]
async fn the_list_of_models_names_the_one_that_is_loaded() {
    let get = |path| Request::get(path).body(Body::empty()).unwrap();
    assert_wire!(pretty(send(scripted(), get("/v1/models")).await).await);
    let one = send(scripted(), get("/v1/models/scripted-1b")).await;
    assert!(pretty(one).await.contains("\"id\": \"scripted-1b\""));
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_its_answer() {
    let generator = Arc::new(Held::default());
    let fields = json!({ "stream": true });
    let response = send(generator.clone(), ask(question(fields))).await;
    let (_, sender) = generator.take().unwrap();
    let mut stream = response.into_body().into_data_stream();
    stream.next().await.unwrap().unwrap();
    assert!(!sender.is_abandoned());
    drop(stream);
    assert!(sender.is_abandoned());
}

#[tokio::test]
async fn a_failure_in_mid_stream_is_an_error_event_without_its_cause() {
    let generator = Arc::new(Held::default());
    let response = send(generator.clone(), ask(question(json!({ "stream": true })))).await;
    let (_, sender) = generator.take().unwrap();
    sender.send(Event::Text("Hel".into()));
    sender.send(Event::Failed(Error::Model {
        path: "secret.gguf".into(),
        reason: "it is gone".into(),
    }));
    drop(sender);
    let wire = text(response).await;
    assert!(!wire.contains("secret"));
    assert_wire!(wire);
}

#[tokio::test]
async fn an_engine_that_is_gone_ends_the_stream_with_an_error_event() {
    let generator = Arc::new(Held::default());
    let response = send(generator.clone(), ask(question(json!({ "stream": true })))).await;
    drop(generator.take());
    let wire = text(response).await;
    assert!(wire.contains("the model has stopped"), "{wire}");
    assert!(!wire.contains("[DONE]"), "{wire}");
}
