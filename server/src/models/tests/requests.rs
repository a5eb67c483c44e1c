//! Requests to a server of several models.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::*;
use crate::access::Access;
use crate::keys::Keys;
use crate::state::AppState;
use crate::test_support::client::{get, post, send_to, state, text};

/// A server of three models, of which so many bytes hold as many as fit in hundreds.
fn server(total: u64) -> AppState {
    let (models, _) = models(3, total, KeepAlive::For(Duration::from_secs(300)));
    state(models)
}

async fn json_of(state: &AppState, path: &str) -> Value {
    let response = send_to(state, get(path)).await;
    serde_json::from_str(&text(response).await).unwrap()
}

/// The status and the body of what a chat with a model comes to.
async fn chat(state: &AppState, path: &str, model: &str, more: Value) -> (StatusCode, Value) {
    let mut body = json!({ "model": model, "messages": [{ "role": "user", "content": "Hi" }] });
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    let response = send_to(state, post(path, body)).await;
    let status = response.status();
    (status, serde_json::from_str(&text(response).await).unwrap())
}

fn names(list: &Value) -> Vec<String> {
    let list = list.as_array().unwrap().iter();
    let names = list.map(|model| model["id"].as_str().or(model["name"].as_str()));
    names.map(|name| name.unwrap().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_request_is_answered_by_the_model_that_it_names_in_every_form() {
    let state = server(1000);
    for (path, model, more) in [
        ("/v1/chat/completions", "m1", json!({})),
        ("/v1/messages", "m2", json!({ "max_tokens": 9 })),
        ("/api/chat", "m2:latest", json!({ "stream": false })),
        ("/v1/chat/completions", "", json!({})),
    ] {
        let (status, answer) = chat(&state, path, model, more).await;
        assert_eq!(status, StatusCode::OK, "{path} {answer}");
        let asked = match model {
            "" => "m0",
            model => model,
        };
        let answered = answer["model"].as_str().unwrap();
        let answered = answered.trim_end_matches(":latest");
        assert_eq!(answered, asked.trim_end_matches(":latest"), "{path}");
    }
    let embedded = post("/v1/embeddings", json!({ "model": "m1", "input": "Hi" }));
    let embedded: Value =
        serde_json::from_str(&text(send_to(&state, embedded).await).await).unwrap();
    assert_eq!(embedded["model"], "m1");
    let (status, refused) = chat(&state, "/v1/chat/completions", "m7", json!({})).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(refused["error"]["code"], "model_not_found");
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.contains("`m0`, `m1`, `m2`"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn all_models_are_listed_and_those_in_memory_with_their_end() {
    let state = server(1000);
    let listed = json_of(&state, "/v1/models").await;
    assert_eq!(names(&listed["data"]), ["m0", "m1", "m2"]);
    let one = json_of(&state, "/v1/models/m1").await;
    assert_eq!(one["id"], "m1");
    let tags = json_of(&state, "/api/tags").await;
    assert_eq!(
        names(&tags["models"]),
        ["m0:latest", "m1:latest", "m2:latest"]
    );
    let shown = post("/api/show", json!({ "model": "m2" }));
    let shown: Value = serde_json::from_str(&text(send_to(&state, shown).await).await).unwrap();
    assert_eq!(shown["model_info"]["general.basename"], "m2");
    assert_eq!(
        json_of(&state, "/api/ps").await["models"],
        json!([]),
        "looking loads none"
    );
    let keep = json!({ "stream": false, "keep_alive": -1 });
    chat(&state, "/api/chat", "m1", keep).await;
    let loaded = json_of(&state, "/api/ps").await;
    assert_eq!(names(&loaded["models"]), ["m1:latest"]);
    assert_eq!(loaded["models"][0]["expires_at"], "9999-12-31T23:59:59Z");
    let unload = json!({ "model": "m1", "messages": [], "keep_alive": 0, "stream": false });
    let unloaded = text(send_to(&state, post("/api/chat", unload)).await).await;
    assert!(unloaded.contains("unload"), "{unloaded}");
    settle().await;
    assert_eq!(json_of(&state, "/api/ps").await["models"], json!([]));
    let bad = json!({ "stream": false, "keep_alive": "soon" });
    let (status, refused) = chat(&state, "/api/chat", "m1", bad).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(refused.to_string().contains("keep_alive"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_begins_while_its_model_is_loaded_and_tells_the_answer() {
    let state = server(1000);
    let stream = json!({
        "model": "m1", "stream": true, "messages": [{ "role": "user", "content": "Hi" }],
    });
    let response = send_to(&state, post("/v1/chat/completions", stream)).await;
    assert_eq!(response.status(), StatusCode::OK);
    let told = text(response).await;
    assert!(
        told.contains(r#""content":"hi""#) && told.contains("[DONE]"),
        "{told}"
    );
}

#[tokio::test(start_paused = true)]
async fn too_little_memory_is_told_with_the_numbers_and_when_to_come_back() {
    let never = server(99);
    let (status, refused) = chat(&never, "/v1/chat/completions", "m1", json!({})).await;
    assert_eq!(status, StatusCode::INSUFFICIENT_STORAGE);
    assert_eq!(refused["error"]["code"], "model_needs_memory");
    let later = server(150);
    let busy = later.served.first().lease(None).await.unwrap();
    let body = json!({ "model": "m1", "messages": [{ "role": "user", "content": "Hi" }] });
    let response = send_to(&later, post("/v1/chat/completions", body.clone())).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key("retry-after"));
    let refused = text(response).await;
    assert!(
        refused.contains("needs 100 bytes, and 50 bytes are"),
        "{refused}"
    );
    drop(busy);
    let response = send_to(&later, post("/v1/chat/completions", body)).await;
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn figures_under_the_names_of_others_are_each_models_own() {
    let state = server(1000);
    chat(&state, "/v1/chat/completions", "m1", json!({})).await;
    let figures = text(send_to(&state, get("/metrics")).await).await;
    for line in [
        r#"vllm:request_success_total{finished_reason="stop",model_name="m0"} 0"#,
        r#"vllm:request_success_total{finished_reason="stop",model_name="m1"} 1"#,
        r#"nibble_requests_total{outcome="complete"} 1"#,
        "nibble_time_to_first_token_seconds_count 1",
    ] {
        assert!(figures.contains(line), "{line}: {figures}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_and_what_only_looks_loads_no_model() {
    let (models, loads) = models(3, 1000, KeepAlive::Always);
    let state = state(models);
    for path in ["/v1/completions", "/v1/messages", "/api/chat", "/tokenize"] {
        for (body, status) in [
            (r#"{ "model": "m7" }"#, StatusCode::NOT_FOUND),
            (r#"{ "model": 1 }"#, StatusCode::BAD_REQUEST),
            (r#"{ "model": "m1", "#, StatusCode::BAD_REQUEST),
        ] {
            let response = send_to(&state, post(path, body)).await;
            assert_eq!(response.status(), status, "{path} {body}");
        }
    }
    let shown = text(send_to(&state, post("/api/show", json!({ "name": "m2" }))).await).await;
    assert!(shown.contains(r#""general.basename":"m2""#), "{shown}");
    let told = send_to(&state, get("/tokenizer_info")).await;
    assert_eq!(told.status(), StatusCode::SERVICE_UNAVAILABLE);
    let unload = json!({ "model": "m2", "messages": [], "keep_alive": 0, "stream": false });
    let unloaded = text(send_to(&state, post("/api/chat", unload)).await).await;
    assert!(unloaded.contains("unload"), "{unloaded}");
    settle().await;
    let loads: usize = loads.iter().map(|loads| loads.load(Ordering::SeqCst)).sum();
    assert_eq!(loads, 0);
}

#[tokio::test(start_paused = true)]
async fn fields_that_are_wrong_are_refused_before_their_model_is_loaded() {
    let (models, loads) = models(3, 1000, KeepAlive::Always);
    let state = state(models);
    let hi = json!([{ "role": "user", "content": "Hi" }]);
    for (path, fields, words) in [
        (
            "/v1/chat/completions",
            json!({ "messages": hi, "temperature": 9 }),
            "temperature",
        ),
        (
            "/v1/chat/completions",
            json!({ "messages": [] }),
            "messages",
        ),
        (
            "/v1/completions",
            json!({ "prompt": "Hi", "add_special_tokens": false, "n": 99 }),
            "`n`",
        ),
        (
            "/v1/responses",
            json!({ "input": "Hi", "max_output_tokens": 0 }),
            "max_output_tokens",
        ),
        (
            "/v1/messages",
            json!({ "messages": hi, "max_tokens": 9, "top_p": 2 }),
            "top_p",
        ),
        (
            "/v1/messages/count_tokens",
            json!({ "messages": hi, "unheard": 1 }),
            "unheard",
        ),
        (
            "/v1/embeddings",
            json!({ "input": "Hi", "unheard": 1 }),
            "unheard",
        ),
        (
            "/api/chat",
            json!({ "messages": hi, "options": { "temperature": 9 } }),
            "temperature",
        ),
        (
            "/api/generate",
            json!({ "prompt": "Hi", "format": "xml" }),
            "format",
        ),
        ("/tokenize", json!({ "content": 1 }), "content"),
    ] {
        for stream in [true, false] {
            let mut body = fields.clone();
            body["model"] = "m1".into();
            if !path.contains("token") && !path.contains("embed") {
                body["stream"] = stream.into();
            }
            let response = send_to(&state, post(path, &body)).await;
            assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{path} {body}");
            let told = text(response).await;
            assert!(told.contains(words), "{path} {told}");
        }
    }
    settle().await;
    let loads: usize = loads.iter().map(|loads| loads.load(Ordering::SeqCst)).sum();
    assert_eq!(loads, 0);
    let figures = text(send_to(&state, get("/metrics")).await).await;
    let counted = r#"nibble_requests_total{outcome="invalid"} 14"#;
    assert!(figures.contains(counted), "{figures}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_waits_for_its_model_is_charged_to_its_key() {
    const KEY: &str = "sk-0123456789abcdef-anna";
    let keys = Keys::new(Some(&format!("anna {KEY}")), None).unwrap();
    let state = server(1000).with(Access {
        keys: Some(Arc::new(keys)),
        ..Access::default()
    });
    let body = json!({
        "model": "m1", "stream": true, "messages": [{ "role": "user", "content": "Hi" }],
    });
    let mut request = post("/v1/chat/completions", body);
    request
        .headers_mut()
        .insert("x-api-key", KEY.parse().unwrap());
    let told = text(send_to(&state, request).await).await;
    assert!(told.contains("[DONE]"), "{told}");
    let figures = text(send_to(&state, get("/metrics")).await).await;
    let charged = r#"nibble_key_output_tokens_total{key="anna"} 1"#;
    assert!(figures.contains(charged), "{figures}");
}

#[tokio::test]
async fn who_waits_for_a_model_is_waited_for_and_then_cut_off() {
    let (end, held) = std::sync::mpsc::channel::<()>();
    let held = Mutex::new(held);
    let offer = Offer {
        info: Scripted::new(&[], Duration::ZERO).info().clone(),
        file: None,
        bytes: NEED,
        kv_blocks: 0,
        keep: KeepAlive::Always,
        load: Box::new(move || {
            let _ = held.lock().unwrap().recv();
            Err(Error::Stopped)
        }),
    };
    let state = state(Models::new(vec![offer], Box::new(|| None), None, None));
    let model = state.model.clone();
    let waits = tokio::spawn(async move { model.lease(None).await.err() });
    settle().await;
    assert!(!state.model.is_idle());
    state.model.refuse_from_now_on();
    state.model.cut_off();
    assert!(matches!(waits.await.unwrap(), Some(Error::Ending)));
    assert!(state.model.is_idle());
    assert!(matches!(state.model.ask(None), Err(Error::Ending)));
    drop(end);
}

#[tokio::test(start_paused = true)]
async fn a_model_that_goes_while_a_request_comes_is_one_that_is_not_known() {
    let (models, _) = models(3, 1000, KeepAlive::Always);
    let state = state(Arc::clone(&models));
    // As between finding it by its name and asking it.
    assert!(models.withdraw(1));
    let (status, body) = chat(&state, "/v1/chat/completions", "m1", json!({})).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{body}");
    assert_eq!(body["error"]["code"], "model_not_found");
    assert_eq!(body["error"]["param"], "model");
    for (path, more) in [
        ("/v1/messages", json!({ "max_tokens": 9 })),
        ("/api/chat", json!({})),
    ] {
        let (status, body) = chat(&state, path, "m1", more).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path} {body}");
    }
}
