//! How much a key may do.

use super::*;

const NONE: Limits = Limits {
    requests_per_minute: None,
    tokens_per_minute: None,
    chats: None,
};

fn after(now: Instant, seconds: u64) -> Instant {
    now + Duration::from_secs(seconds)
}

fn by(key: &str) -> [(&str, &str); 1] {
    [("authorization", key)]
}

#[test]
fn requests_come_back_one_by_one() {
    let spent = Arc::new(Spent::new(0));
    let limits = Limits {
        requests_per_minute: Some(2),
        ..NONE
    };
    let now = Instant::now();
    assert!(spent.admit(limits, now).is_ok());
    let left = spent.left(limits, now).requests.unwrap();
    assert_eq!((left.limit, left.remaining), (2, 1));
    assert_eq!(left.reset, Duration::from_secs(30));
    assert!(spent.admit(limits, now).is_ok());
    let refused = spent.admit(limits, after(now, 10)).err();
    let wait = Duration::from_secs(20);
    assert_eq!(refused, Some(Exhausted::Requests { limit: 2, wait }));
    assert!(spent.admit(limits, after(now, 31)).is_ok());
    assert!(spent.admit(limits, after(now, 31)).is_err());
    // A long pause fills it, and no more than that.
    let later = after(now, 100_000);
    assert!(spent.admit(limits, later).is_ok() && spent.admit(limits, later).is_ok());
    assert!(spent.admit(limits, later).is_err());
}

#[test]
fn tokens_are_owed_until_they_have_come_back() {
    let spent = Arc::new(Spent::new(0));
    let limits = Limits {
        tokens_per_minute: Some(60),
        ..NONE
    };
    let now = Instant::now();
    spent.charge(u64::MAX, NONE, now);
    assert!(spent.admit(limits, now).is_ok());
    spent.charge(90, limits, now);
    let wait = Duration::from_secs(31);
    let refused = spent.admit(limits, now).err();
    let wait = Some(wait);
    assert_eq!(refused, Some(Exhausted::Tokens { limit: 60, wait }));
    assert!(spent.admit(limits, after(now, 40)).is_ok());
    let left = spent.left(limits, after(now, 40)).tokens.unwrap();
    assert_eq!((left.limit, left.remaining), (60, 10));
    // What no machine could use up is still waited for without a panic.
    spent.charge(u64::MAX, limits, after(now, 40));
    assert!(spent.admit(limits, after(now, 40)).is_err());
}

#[test]
fn tokens_that_are_kept_are_for_nobody_else_and_come_back_when_they_are_not_taken() {
    let spent = Arc::new(Spent::new(0));
    let limits = Limits {
        tokens_per_minute: Some(100),
        requests_per_minute: Some(9),
        ..NONE
    };
    let now = Instant::now();
    let requests = || spent.left(limits, now).requests.unwrap().remaining;
    assert!(spent.hold(60, limits, now).is_ok());
    assert_eq!(spent.left(limits, now).tokens.unwrap().remaining, 40);
    // Whoever finds one left may take more.
    assert!(spent.admit(limits, now).is_ok() && spent.hold(5000, limits, now).is_ok());
    let refused = Some(Exhausted::Tokens {
        limit: 100,
        wait: None,
    });
    assert_eq!(spent.admit(limits, now).err(), refused);
    assert_eq!(requests(), 8);
    assert_eq!(spent.hold(1, limits, now).err(), refused);
    // Whoever is refused so late was admitted for nothing.
    assert_eq!(requests(), 9);
    spent.charge(10, limits, now);
    spent.keep(0, 5000, limits);
    spent.keep(30, 60, limits);
    assert_eq!(spent.left(limits, now).tokens.unwrap().remaining, 60);
    spent.give_back(4, limits, now);
    assert_eq!(spent.left(limits, now).tokens.unwrap().remaining, 64);
}

/// What each takes, and what is kept of it, of a key with such a limit.
fn limited(tokens: u32) -> Arc<Key> {
    let keys = Keys::new(Some(&format!("anna {ANNA} tokens/min={tokens}")), None).unwrap();
    keys.holding(ANNA.as_bytes()).unwrap()
}

fn left(key: &Key) -> u32 {
    let left = key.spent.left(key.limits, Instant::now());
    left.tokens.unwrap().remaining
}

#[test]
fn what_an_answer_takes_goes_out_of_what_was_kept_for_it() {
    // So many that none flow back while this runs.
    let key = limited(1000);
    let mut request = key.hold(500).unwrap();
    let mut answer = request.part(300);
    assert_eq!((left(&key), request.kept(), answer.kept()), (500, 200, 300));
    answer.foresee(400);
    assert_eq!(left(&key), 400);
    answer.has_taken(150);
    answer.has_taken(390);
    assert_eq!((left(&key), answer.kept()), (400, 10));
    // More than was foreseen, and then less than was thought.
    answer.has_taken(450);
    assert_eq!(left(&key), 350);
    answer.has_taken(440);
    assert_eq!(left(&key), 360);
    drop(request);
    assert_eq!(left(&key), 560);
    answer.settle(400, 20);
    assert_eq!(left(&key), 580);
}

#[tokio::test]
async fn requests_at_once_do_not_take_the_same_tokens() {
    let keys = format!("anna {ANNA} tokens/min=1000\nbert {BERT} requests/min=100");
    let held = Arc::new(held::Held::default());
    let state = AppState::new(held.clone(), settings(), store(), None);
    let server = Browser::at_server(state.with(Access {
        keys: Some(Arc::new(Keys::new(Some(&keys), None).unwrap())),
        ..Access::default()
    }));
    let (anna, bert) = (bearer(ANNA), bearer(BERT));
    let ask = |key: &str, most: u32| {
        let mut body = question();
        (body["max_tokens"], body["stream"]) = (most.into(), true.into());
        server.response(request(
            Method::POST,
            "/v1/chat/completions",
            &by(key),
            &body,
        ))
    };
    // One may take more than there is, and the others wait for what it leaves.
    let asked = join_all((0..50).map(|_| ask(&anna, 4000))).await;
    let (let_in, refused): (Vec<_>, Vec<_>) = asked
        .into_iter()
        .partition(|reply| reply.status() == StatusCode::OK);
    assert_eq!((let_in.len(), refused.len()), (1, 49));
    for reply in let_in.iter().chain(&refused) {
        assert_eq!(reply.headers()["x-ratelimit-remaining-tokens"], "0");
    }
    for reply in refused {
        assert_eq!(reply.status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(reply.headers().contains_key(header::RETRY_AFTER));
        assert!(text(reply).await.contains("may use 1000 tokens a minute"));
    }
    assert!(held.take().is_some() && held.take().is_none());
    // Others are not concerned.
    assert_eq!(ask(&bert, 4000).await.status(), StatusCode::OK);
    assert!(held.take().is_some());
    // What it did not take is there again.
    drop(let_in);
    let asked = join_all((0..50).map(|_| ask(&anna, 200))).await;
    let let_in = asked
        .iter()
        .filter(|reply| reply.status() == StatusCode::OK);
    let let_in = let_in.count();
    assert_eq!(let_in, 5);
    for _ in 0..let_in {
        assert!(held.take().is_some());
    }
    assert!(held.take().is_none());
}

#[tokio::test]
async fn nothing_stays_kept_for_lists_that_have_ended() {
    // What was taken flows back at once, and what is kept does not.
    let keys = format!("anna {ANNA} tokens/min=1000000000");
    let keys = Arc::new(Keys::new(Some(&keys), None).unwrap());
    let server = Browser::with_access(Access {
        keys: Some(Arc::clone(&keys)),
        ..Access::default()
    });
    let anna = bearer(ANNA);
    let prompts = vec!["a"; 20];
    for (path, body) in [
        ("/v1/completions", json!({ "prompt": prompts, "n": 2 })),
        (
            "/v1/completions",
            json!({ "prompt": prompts, "n": 2, "stream": true }),
        ),
        ("/v1/embeddings", json!({ "input": vec!["a"; 40] })),
        ("/api/embed", json!({ "input": vec!["a"; 40] })),
    ] {
        let asked = request(Method::POST, path, &by(&anna), &body);
        let reply = server.send(asked).await;
        assert_eq!(reply.status, StatusCode::OK, "{path} {}", reply.body);
    }
    let key = keys.holding(ANNA.as_bytes()).unwrap();
    let left = key.spent.left(key.limits, after(Instant::now(), 60));
    assert_eq!(left.tokens.map(|left| left.remaining), Some(1_000_000_000));
    let metrics = server.get("/metrics").await.body;
    for counted in [
        r#"nibble_key_prompt_tokens_total{key="anna"} 1200"#,
        r#"nibble_key_output_tokens_total{key="anna"} 80"#,
    ] {
        assert!(metrics.contains(counted), "{metrics}");
    }
}

#[test]
fn answers_at_once_are_places() {
    let spent = Arc::new(Spent::new(0));
    let limits = Limits {
        chats: Some(2),
        requests_per_minute: Some(2),
        ..NONE
    };
    let now = Instant::now();
    let held: Vec<_> = (0..2).map(|_| spent.admit(limits, now).unwrap()).collect();
    let limits = Limits {
        requests_per_minute: Some(9),
        ..limits
    };
    let refused = spent.admit(limits, now).err();
    assert_eq!(refused, Some(Exhausted::Chats { limit: 2 }));
    drop(held);
    assert!(spent.admit(limits, now).is_ok());
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_back() {
    let server = server(&format!("anna {ANNA} requests/min=1\nbert {BERT}"));
    let (anna, bert) = (bearer(ANNA), bearer(BERT));
    // What asks nothing of the model costs nothing.
    let list = request(Method::GET, "/v1/models", &by(&anna), &Value::Null);
    assert_eq!(server.send(list).await.status, StatusCode::OK);
    let first = asked(&server, "/v1/chat/completions", &by(&anna)).await;
    assert_eq!(first.status, StatusCode::OK);
    assert_eq!(first.headers["x-ratelimit-limit-requests"], "1");
    assert_eq!(first.headers["x-ratelimit-remaining-requests"], "0");
    assert_eq!(first.headers["x-ratelimit-reset-requests"], "60s");
    assert!(!first.headers.contains_key("x-ratelimit-limit-tokens"));
    for (path, kind) in [
        ("/v1/chat/completions", json!("rate_limit_error")),
        ("/v1/messages", json!("rate_limit_error")),
        ("/api/chat", Value::Null),
    ] {
        let refused = asked(&server, path, &by(&anna)).await;
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
        let wait: u64 = refused.headers[header::RETRY_AFTER]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
        assert!(refused.body.contains("`anna` may make 1 requests a minute"));
        let error = &refused.json()["error"];
        assert_eq!(error.get("type").cloned().unwrap_or_default(), kind);
    }
    let refused = asked(&server, "/v1/chat/completions", &by(&anna)).await;
    assert_eq!(refused.json()["error"]["code"], "rate_limit_exceeded");
    assert_eq!(refused.headers["x-ratelimit-limit-requests"], "1");
    assert_eq!(refused.headers["x-ratelimit-remaining-requests"], "0");
    let other = asked(&server, "/v1/chat/completions", &by(&bert)).await;
    assert_eq!(other.status, StatusCode::OK);
    let metrics = server.get("/metrics").await.body;
    assert!(metrics.contains(r#"nibble_key_refusals_total{key="anna"} 4"#));
}

#[tokio::test]
async fn tokens_of_answers_count_and_so_do_those_of_answers_that_nobody_waits_for() {
    let server = server(&format!(
        "anna {ANNA} tokens/min=11\nbert {BERT} tokens/min=5"
    ));
    let (anna, bert) = (bearer(ANNA), bearer(BERT));
    // A prompt of 10 tokens, and an answer of 1.
    let first = asked(&server, "/v1/chat/completions", &by(&anna)).await;
    assert_eq!(first.headers["x-ratelimit-remaining-tokens"], "0");
    let refused = asked(&server, "/v1/chat/completions", &by(&anna)).await;
    assert_eq!(
        refused.status,
        StatusCode::TOO_MANY_REQUESTS,
        "{}",
        refused.body
    );
    assert!(
        refused.body.contains("may use 11 tokens a minute"),
        "{}",
        refused.body
    );
    let mut body = question();
    body["stream"] = true.into();
    let streamed = request(Method::POST, "/v1/chat/completions", &by(&bert), &body);
    let response = server.response(streamed).await;
    let mut pieces = response.into_body().into_data_stream();
    while let Some(piece) = pieces.next().await {
        // The first text comes behind the prefill.
        if String::from_utf8_lossy(&piece.unwrap()).contains("hi") {
            break;
        }
    }
    drop(pieces);
    let refused = asked(&server, "/v1/chat/completions", &by(&bert)).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    let metrics = server.get("/metrics").await.body;
    for line in [
        "nibble_key_prompt_tokens_total{key=\"bert\"} 10\n",
        "nibble_key_output_tokens_total{key=\"bert\"} 1\n",
    ] {
        assert!(metrics.contains(line), "{line}{metrics}");
    }
}

#[tokio::test]
async fn several_answers_to_a_prompt_pay_for_it_once() {
    let server = server(&format!("anna {ANNA}"));
    let mut body = question();
    body["n"] = 3.into();
    let anna = bearer(ANNA);
    let asked = request(Method::POST, "/v1/chat/completions", &by(&anna), &body);
    let usage = server.send(asked).await.json()["usage"].clone();
    assert_eq!(
        (&usage["prompt_tokens"], &usage["completion_tokens"]),
        (&json!(10), &json!(3))
    );
    let metrics = server.get("/metrics").await.body;
    for counted in [
        r#"nibble_key_prompt_tokens_total{key="anna"} 10"#,
        r#"nibble_key_output_tokens_total{key="anna"} 3"#,
    ] {
        assert!(metrics.contains(counted), "{metrics}");
    }
}

#[tokio::test]
async fn all_answers_to_a_request_are_one_chat() {
    let server = server(&format!("anna {ANNA} chats=1"));
    let anna = bearer(ANNA);
    let mut body = question();
    body["n"] = 3.into();
    let headers = [("authorization", anna.as_str())];
    let asked = request(Method::POST, "/v1/chat/completions", &headers, &body);
    let answered: Value = serde_json::from_str(&text(server.response(asked).await).await).unwrap();
    assert_eq!(answered["choices"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn what_asks_nothing_of_a_model_costs_nothing() {
    let server = server(&format!("anna {ANNA} requests/min=2 tokens/min=1 chats=1"));
    let anna = bearer(ANNA);
    let mut body = question();
    body["stream"] = true.into();
    let streamed = request(Method::POST, "/v1/chat/completions", &by(&anna), &body);
    let open = server.response(streamed).await;
    assert_eq!(open.status(), StatusCode::OK);
    let texts = json!({ "content": "Hi" });
    let aside = [
        ("/v1/messages/count_tokens", question()),
        ("/messages/count_tokens/", question()),
        ("/apply-template", question()),
        ("/tokenize", texts),
        ("/detokenize", json!({ "tokens": [72] })),
        ("/api/show", json!({ "model": "scripted-1b" })),
    ];
    for (path, mut body) in aside {
        if let Some(asked) = body.as_object_mut() {
            asked.remove("stream");
        }
        for _ in 0..2 {
            let reply = server
                .send(request(Method::POST, path, &by(&anna), &body))
                .await;
            assert_eq!(reply.status, StatusCode::OK, "{path} {}", reply.body);
            assert!(!reply.headers.contains_key("x-ratelimit-limit-requests"));
        }
    }
    for path in ["/v1/embeddings", "/api/embed", "/v1/responses"] {
        let refused = asked(&server, path, &by(&anna)).await;
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{path}");
    }
    drop(open);
    let metrics = server.get("/metrics").await.body;
    assert!(metrics.contains(r#"nibble_key_requests_total{key="anna"} 1"#));
}

#[tokio::test]
async fn a_stream_holds_its_place_until_it_is_read_or_left() {
    let server = server(&format!("anna {ANNA} chats=1"));
    let anna = bearer(ANNA);
    let headers = [("authorization", anna.as_str())];
    let mut body = question();
    body["stream"] = true.into();
    let streamed = || request(Method::POST, "/v1/chat/completions", &headers, &body);
    let open = server.response(streamed()).await;
    assert_eq!(open.status(), StatusCode::OK);
    let refused = asked(&server, "/v1/messages", &headers).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(
        refused.body.contains("may have 1 requests at once"),
        "{}",
        refused.body
    );
    assert!(text(open).await.contains("[DONE]"));
    let left = server.response(streamed()).await;
    assert_eq!(left.status(), StatusCode::OK);
    drop(left);
    let again = asked(&server, "/v1/messages", &headers).await;
    assert_eq!(again.status, StatusCode::OK);
}
