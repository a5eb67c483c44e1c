use axum::body::Body;
use axum::http::Request;

use super::*;
use crate::test_support::browser::{Browser, get};

async fn named(path: &str, id: &str) -> String {
    let browser = Browser::scripted(&["hi"], std::time::Duration::ZERO);
    let value = HeaderValue::from_bytes(id.as_bytes()).unwrap();
    let request: Request<Body> = get(path).header(NAME, value).body(Body::empty()).unwrap();
    let reply = browser.send(request).await;
    reply.headers[NAME].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_name_is_kept_whatever_becomes_of_the_request() {
    for path in ["/v1/models", "/health", "/v1/nowhere", "/"] {
        assert_eq!(named(path, "1f0a-b~c").await, "1f0a-b~c", "{path}");
    }
    let longest = "x".repeat(MOST_BYTES);
    assert_eq!(named("/health", &longest).await, longest);
}

#[tokio::test]
async fn what_cannot_be_logged_gets_a_name_of_ours() {
    for id in [
        "",
        "two words",
        "tab\there",
        "naïve",
        &"x".repeat(MOST_BYTES + 1),
    ] {
        let made = named("/health", id).await;
        let number = made.strip_prefix("req_").unwrap();
        assert!(
            number.len() == 32 && number.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{made}"
        );
    }
    assert_ne!(named("/health", "").await, named("/health", "").await);
}

#[tokio::test]
async fn a_refusal_has_one_too() {
    let browser = Browser::scripted(&["hi"], std::time::Duration::ZERO);
    let request = Request::get("/")
        .header("host", "evil.example")
        .header(NAME, "mine");
    let reply = browser.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(reply.status, 421);
    assert_eq!(reply.headers[NAME], "mine");
}
