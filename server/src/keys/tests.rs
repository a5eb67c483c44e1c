use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Extensions, Method, Request, StatusCode, header};
use futures::StreamExt;
use futures::future::join_all;
use serde_json::{Value, json};

use super::spent::{Exhausted, Spent};
use super::*;
use crate::access::Access;
use crate::state::AppState;
use crate::test_support::browser::{Browser, Reply, settings, store};
use crate::test_support::client::text;
use crate::test_support::held;

const ANNA: &str = "sk-0123456789abcdef-anna";
const BERT: &str = "sk-0123456789abcdef-bert";

mod limits;
mod reading;

fn server(file: &str) -> Browser {
    server_with(file, false)
}

fn server_with(file: &str, guards_metrics: bool) -> Browser {
    Browser::with_access(Access {
        keys: Some(Arc::new(Keys::new(Some(file), None).unwrap())),
        guards_metrics,
        ..Access::default()
    })
}

fn two() -> Browser {
    server(&format!("anna {ANNA}\nbert {BERT}\n"))
}

fn request(method: Method, path: &str, headers: &[(&str, &str)], body: &Value) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    let request = headers.iter().fold(
        request
            .header(header::HOST, "localhost:8080")
            .header(header::CONTENT_TYPE, "application/json"),
        |request, (name, value)| request.header(*name, *value),
    );
    request.body(Body::from(body.to_string())).unwrap()
}

fn question() -> Value {
    json!({ "messages": [{ "role": "user", "content": "Hi" }], "stream": false })
}

async fn asked(server: &Browser, path: &str, headers: &[(&str, &str)]) -> Reply {
    let request = request(Method::POST, path, headers, &question());
    server.send(request).await
}

fn bearer(key: &str) -> String {
    format!("Bearer {key}")
}

#[tokio::test]
async fn a_key_is_taken_as_openais_clients_send_it_and_as_anthropics_do() {
    let server = two();
    for (name, value) in [
        ("authorization", bearer(ANNA)),
        ("authorization", format!("bearer   {BERT} ")),
        ("x-api-key", ANNA.to_owned()),
    ] {
        for path in ["/v1/chat/completions", "/v1/messages", "/api/chat"] {
            let reply = asked(&server, path, &[(name, &value)]).await;
            assert_eq!(reply.status, StatusCode::OK, "{path} {}", reply.body);
        }
    }
    // Anthropic's client sends both where its environment has a token of somebody else's.
    let both = [("authorization", "Bearer other"), ("x-api-key", BERT)];
    let reply = asked(&server, "/v1/messages", &both).await;
    assert_eq!(reply.status, StatusCode::OK);
}

#[tokio::test]
async fn what_is_no_key_is_refused_in_the_form_of_the_api() {
    let server = two();
    let half = bearer(&ANNA[..12]);
    let longer = bearer(&format!("{ANNA}x"));
    let none: &[(&str, &str)] = &[];
    for headers in [
        none,
        &[("authorization", &half)],
        &[("authorization", &longer)],
        &[("authorization", "Bearer ")],
        &[("authorization", ANNA)],
        &[("authorization", "Basic c2stMDEyMzQ1Njc4OWFiY2RlZi1hbm5h")],
        &[("x-api-key", "anna")],
        &[("x-api-key", "")],
    ] {
        let reply = asked(&server, "/v1/chat/completions", headers).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{headers:?}");
        assert_eq!(reply.headers[header::WWW_AUTHENTICATE], "Bearer");
        assert_eq!(reply.json()["error"]["code"], "invalid_api_key");
        assert!(!reply.body.contains("0123"), "{}", reply.body);
        let reply = asked(&server, "/v1/messages", headers).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
        assert_eq!(reply.json()["error"]["type"], "authentication_error");
        let reply = asked(&server, "/api/generate", headers).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
        assert!(reply.json()["error"].is_string(), "{}", reply.body);
    }
}

#[tokio::test]
async fn all_of_the_api_is_behind_keys_except_health_and_metrics() {
    let server = two();
    let paths = server.paths();
    let mut asked_for = 0;
    for path in paths.iter().filter(|path| api_owns(path)) {
        let path = path.replace("{*id}", "x").replace("{*path}", "x");
        let is_open = path.starts_with("/health") || path.starts_with("/metrics");
        for method in [Method::GET, Method::POST, Method::DELETE, Method::OPTIONS] {
            let reply = server
                .send(request(method.clone(), &path, &[], &question()))
                .await;
            let is_refused = reply.status == StatusCode::UNAUTHORIZED;
            assert_eq!(is_refused, !is_open, "{method} {path}");
        }
        asked_for += usize::from(!is_open);
    }
    assert!(asked_for > 40, "{asked_for} paths");
    let guarded = server_with(&format!("anna {ANNA}"), true);
    for path in ["/metrics", "/metrics/"] {
        assert_eq!(guarded.get(path).await.status, StatusCode::UNAUTHORIZED);
        let key = bearer(ANNA);
        let headers = [("authorization", key.as_str())];
        let known = request(Method::GET, path, &headers, &Value::Null);
        assert_eq!(guarded.send(known).await.status, StatusCode::OK);
    }
    assert_eq!(guarded.get("/health").await.status, StatusCode::OK);
}

fn api_owns(path: &str) -> bool {
    crate::api::owns(path)
}

#[tokio::test]
async fn the_page_asks_for_no_key_and_shows_none() {
    let server = two();
    assert_eq!(server.get("/").await.status, StatusCode::OK);
    let metrics = server.get("/metrics").await.body;
    assert!(metrics.contains(r#"nibble_key_requests_total{key="bert"} 0"#));
    assert!(!metrics.contains("sk-"), "{metrics}");
}

#[test]
fn nothing_that_is_printed_holds_a_key() {
    let keys = Keys::new(Some(&format!("anna {ANNA}")), Some(BERT)).unwrap();
    let printed = format!("{keys:?}");
    assert!(!printed.contains("0123456789abcdef"), "{printed}");
}

#[tokio::test]
async fn what_a_key_is_used_for_is_counted_by_its_name() {
    let server = two();
    let key = bearer(ANNA);
    let headers = [("authorization", key.as_str())];
    for path in ["/v1/chat/completions", "/v1/messages"] {
        assert_eq!(asked(&server, path, &headers).await.status, StatusCode::OK);
    }
    let metrics = server.get("/metrics").await.body;
    for line in [
        r#"nibble_key_requests_total{key="anna"} 2"#,
        r#"nibble_key_prompt_tokens_total{key="anna"} 20"#,
        r#"nibble_key_output_tokens_total{key="anna"} 2"#,
        r#"nibble_key_requests_total{key="bert"} 0"#,
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}

#[test]
fn callers_are_keys_and_no_address_is_one() {
    let keys = Keys::new(Some(&format!("anna {ANNA}\nbert {BERT}")), None).unwrap();
    let anna = keys.holding(ANNA.as_bytes()).unwrap().caller();
    let bert = keys.holding(BERT.as_bytes()).unwrap().caller();
    assert_ne!(anna, bert);
    // A key that comes later is no caller that there was.
    let other = "sk-other-of-thirty-two-characters-and-more";
    keys.replace(&format!("anna {ANNA}")).unwrap();
    keys.replace(&format!("anna {ANNA}\nclara {other}"))
        .unwrap();
    let clara = keys.holding(other.as_bytes()).unwrap().caller();
    assert!(clara != anna && clara != bert);
    let address = crate::caller::number("fe80::1".parse().unwrap());
    assert!(address < FIRST_CALLER);
    assert!(u64::from(u32::MAX) < FIRST_CALLER);
    let (mut extensions, headers) = (Extensions::new(), HeaderMap::new());
    let peer: SocketAddr = "192.0.2.1:80".parse().unwrap();
    extensions.insert(ConnectInfo(peer));
    let without = crate::caller::caller(&extensions, &headers);
    assert_eq!(without.0, crate::caller::number(peer.ip()));
    extensions.insert(keys.holding(ANNA.as_bytes()).unwrap());
    assert_eq!(crate::caller::caller(&extensions, &headers), anna);
}
