//! What cannot be read, and what fails, before an answer and in the midst of one.

use super::*;
use crate::test_support::held::late;

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
    let late = || Error::TooLate { limit, spent: None };
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

#[tokio::test]
async fn an_answer_whose_time_ran_out_tells_what_it_took_whole_and_streamed() {
    for stream in [false, true] {
        let generator = Arc::new(Held::default());
        let request = ask(question(json!({ "stream": stream })));
        let response = tokio::spawn(send(generator.clone(), request));
        let sender = taken(&generator).await.1;
        sender.send(Event::Text("Hel".into()));
        sender.send(late(7));
        let text = text(response.await.unwrap()).await;
        let told = text
            .lines()
            .find(|line| line.contains("\"error\""))
            .unwrap();
        let told: Value = serde_json::from_str(told.trim_start_matches("data: ")).unwrap();
        let error = &told["error"];
        assert_eq!(error["code"], "max_time_passed");
        assert_eq!(error["usage"]["prompt_tokens"], 10);
        assert_eq!(error["usage"]["completion_tokens"], 7);
        assert_eq!(error["nibble"]["total_s"], 1.0);
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
    const FIELD: &str = "messages";
    let many = || Error::Request {
        field: FIELD,
        reason: "too many".into(),
    };
    let long = || Error::TooLong {
        field: FIELD,
        tokens: 99,
        is_exact: true,
        context: 90,
    };
    let refusals: [(fn() -> Error, _, _); 2] = [
        (many, "too many", json!(null)),
        (
            long,
            "maximum context length is 90 tokens, and the prompt is too long: the prompt has 99 tokens",
            json!("context_length_exceeded"),
        ),
    ];
    for (refusal, words, code) in refusals {
        let response = send(Refusing::with(refusal), ask(question(json!({})))).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        let body: Value = serde_json::from_str(&text(response).await).unwrap();
        assert_eq!(body["error"]["param"], FIELD);
        assert_eq!(body["error"]["code"], code);
        let message = body["error"]["message"].as_str().unwrap();
        assert!(message.contains(words), "{message}");
    }
}

#[tokio::test]
async fn wrong_methods_wrong_paths_and_huge_bodies_get_openais_error_body() {
    let huge = format!("{{\"user\": \"{}\"}}", "x".repeat(3 << 20));
    for (method, path, body, status) in [
        (Method::GET, "/v1/chat/completions", String::new(), 405),
        (Method::DELETE, "/v1/models", String::new(), 405),
        (Method::POST, "/v1/images/generations", String::new(), 404),
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
