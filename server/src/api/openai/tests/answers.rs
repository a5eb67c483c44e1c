//! An answer on the wire, whole and streamed, and what becomes of one whose client is gone.

use super::*;

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
async fn a_request_that_waits_begins_at_once_and_is_kept_alive() {
    let generator = Arc::new(Held::default());
    let response = send(generator.clone(), ask(question(json!({ "stream": true })))).await;
    let (_, sender) = generator.take().unwrap();
    // Not before: it was read on a thread of its own, for which a clock that is paused does not wait.
    tokio::time::pause();
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

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_for_its_turn_to_be_read_is_kept_alive_where_it_is_streamed() {
    let (go_on, blocked) = Blocked::new();
    let state = state(Models::only(blocked.clone()));
    let asked = |stream: bool| {
        let state = state.clone();
        tokio::spawn(
            async move { send_to(&state, ask(question(json!({ "stream": stream })))).await },
        )
    };
    let (_first, _second, whole) = (asked(false), asked(false), asked(false));
    let streamed = asked(true).await.unwrap();
    assert_eq!(streamed.status(), StatusCode::OK);
    let mut stream = streamed.into_body().into_data_stream();
    assert_eq!(stream.next().await.unwrap().unwrap(), ": ping\n\n");
    assert!(!whole.is_finished());
    drop(go_on);
    for _ in 0..4 {
        let (_, sender) = taken(&blocked.held).await;
        sender.send(Event::Text("here".into()));
        sender.send(Event::Failed(Error::Broken));
    }
    let mut rest = String::new();
    while let Some(piece) = stream.next().await {
        rest.push_str(std::str::from_utf8(&piece.unwrap()).unwrap());
    }
    assert!(rest.contains("here"), "{rest}");
    assert!(whole.await.unwrap().status().is_server_error());
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
