use axum::body::Body;
use axum::http::Request;

use super::*;
use crate::test_support::browser::{Browser, get};
use crate::test_support::scripted::Scripted;

fn browser() -> Browser {
    Browser::scripted(&["hi"], std::time::Duration::ZERO)
}

async fn status_for_host(host: &str) -> StatusCode {
    let request = Request::get("/").header(header::HOST, host);
    let reply = browser().send(request.body(Body::empty()).unwrap()).await;
    reply.status
}

async fn status_of_post(path: &str, headers: &[(&str, &str)]) -> StatusCode {
    let request = headers.iter().fold(
        Request::post(path).header(header::HOST, "localhost:8080"),
        |request, (name, value)| request.header(*name, *value),
    );
    let reply = browser()
        .send(request.body(Body::from("run=x-0")).unwrap())
        .await;
    reply.status
}

#[tokio::test]
async fn every_response_carries_the_policy() {
    for path in [
        "/",
        "/c/none",
        "/nowhere",
        "/favicon.ico",
        "/runs/none/events",
    ] {
        let reply = browser().get(path).await;
        assert_eq!(
            reply.headers[header::CONTENT_SECURITY_POLICY],
            CONTENT_SECURITY_POLICY,
            "{path}"
        );
        assert_eq!(reply.headers["x-content-type-options"], "nosniff", "{path}");
    }
}

#[tokio::test]
async fn a_refusal_carries_the_policy_too() {
    let request = Request::get("/").header(header::HOST, "evil.example");
    let reply = browser().send(request.body(Body::empty()).unwrap()).await;
    assert!(reply.headers.contains_key(header::CONTENT_SECURITY_POLICY));
}

#[tokio::test]
async fn addresses_and_known_names_are_hosts() {
    for host in [
        "localhost",
        "LOCALHOST:80",
        "127.0.0.1:8080",
        "192.168.1.20",
        "[::1]",
        "[fe80::1]:8080",
        "chat.example",
        "Chat.Example:443",
    ] {
        assert_eq!(status_for_host(host).await, StatusCode::OK, "{host}");
    }
}

#[tokio::test]
async fn other_names_are_misdirected_and_told_which_option_helps() {
    for host in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "chat.example.evil",
    ] {
        assert_eq!(
            status_for_host(host).await,
            StatusCode::MISDIRECTED_REQUEST,
            "{host}"
        );
    }
    let request = Request::get("/").header(header::HOST, "evil.example");
    let reply = browser().send(request.body(Body::empty()).unwrap()).await;
    assert!(
        reply.body.contains("`--allowed-host evil.example`"),
        "{}",
        reply.body
    );
    assert!(
        reply.body.contains("`NIBBLE_ALLOWED_HOSTS`"),
        "{}",
        reply.body
    );
}

#[tokio::test]
async fn a_request_without_a_host_is_refused() {
    let request = Request::get("/").body(Body::empty()).unwrap();
    assert_eq!(
        browser().send(request).await.status,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn a_form_of_another_site_is_refused() {
    for headers in [
        &[][..],
        &[("origin", "http://evil.example")],
        &[("origin", "null")],
        &[("origin", "http://localhost:9999")],
        &[
            ("sec-fetch-site", "cross-site"),
            ("origin", "http://localhost:8080"),
        ],
        &[("sec-fetch-site", "same-site")],
    ] {
        let status = status_of_post("/api/stop", headers).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{headers:?}");
    }
}

#[tokio::test]
async fn a_form_of_our_own_pages_is_taken() {
    for headers in [
        &[("origin", "http://localhost:8080")][..],
        &[("origin", "https://localhost:8080")],
        &[("sec-fetch-site", "same-origin")],
        &[("sec-fetch-site", "none")],
    ] {
        let status = status_of_post("/api/stop", headers).await;
        assert_ne!(status, StatusCode::FORBIDDEN, "{headers:?}");
    }
}

#[tokio::test]
async fn the_api_is_open_to_programs_but_not_to_other_sites() {
    let path = "/v1/chat/completions";
    assert_ne!(status_of_post(path, &[]).await, StatusCode::FORBIDDEN);
    for headers in [
        &[("origin", "http://evil.example")][..],
        &[("sec-fetch-site", "cross-site")],
    ] {
        assert_eq!(status_of_post(path, headers).await, StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn api_clients_read_every_refusal_and_wrong_address_as_json() {
    let here = "localhost:8080";
    let foreign = Some("http://evil.example");
    for (method, path, host, origin, status) in [
        ("GET", "/v1/models", "evil.example", None, 421),
        ("POST", "/v1/chat/completions", here, foreign, 403),
        ("POST", "/v1", here, foreign, 403),
        ("POST", "/v1/images/generations", here, None, 404),
        ("GET", "/v1", here, None, 404),
        ("GET", "/v1/", here, None, 404),
        ("DELETE", "/v1/models", here, None, 405),
        ("GET", "/v1/chat/completions", here, None, 405),
    ] {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, host);
        let request = match origin {
            Some(origin) => request.header(header::ORIGIN, origin),
            None => request,
        };
        let reply = browser().send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(reply.status.as_u16(), status, "{method} {path}");
        let error = &reply.json()["error"];
        assert!(error["message"].is_string(), "{}", reply.body);
        assert_eq!(error["type"], "invalid_request_error", "{method} {path}");
        for absent in ["param", "code"] {
            assert_eq!(error.get(absent), Some(&serde_json::Value::Null));
        }
        assert!(reply.headers.contains_key(header::CONTENT_SECURITY_POLICY));
    }
}

#[tokio::test]
async fn nothing_changes_by_reading() {
    let browser = Browser::new(std::sync::Arc::new(Scripted::new(
        &["hi"],
        std::time::Duration::ZERO,
    )));
    for path in ["/api/send?message=x", "/api/stop?run=x-0", "/api/reset"] {
        let reply = browser.send(get(path).body(Body::empty()).unwrap()).await;
        assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
    }
}

#[tokio::test]
async fn a_client_without_v1_in_its_base_url_is_told_in_json() {
    let json = "application/json";
    for (method, path, name, value) in [
        ("POST", "/chat/complete", "content-type", json),
        ("POST", "/api/nowhere", "authorization", "Bearer none"),
        ("GET", "/model/x", "accept", json),
        ("GET", "/nowhere", "authorization", "Bearer none"),
        ("POST", "/v1/v1/chat/completions", "content-type", json),
    ] {
        let request = Request::builder().method(method).uri(path);
        let request = request
            .header(header::HOST, "localhost:8080")
            .header(name, value);
        let reply = browser()
            .send(request.body(Body::from("{}")).unwrap())
            .await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{path}");
        let error = &reply.json()["error"];
        assert_eq!(error["type"], "invalid_request_error");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(path), "{message}");
        assert!(message.contains("base URL"), "{message}");
    }
    assert!(
        browser()
            .get("/nowhere")
            .await
            .body
            .starts_with("<!DOCTYPE html>")
    );
}

/// The page posts to the same path, where it deletes a conversation.
#[tokio::test]
async fn removing_a_model_is_refused_by_name_in_ollamas_form() {
    for (path, host, status) in [
        ("/api/delete", "localhost:8080", 501),
        ("/api/delete/", "localhost:8080", 501),
        ("/api/delete", "evil.example", 421),
    ] {
        let request = Request::delete(path).header(header::HOST, host);
        let reply = browser().send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(reply.status.as_u16(), status, "{path}");
        let reason = reply.json()["error"].as_str().map(str::to_owned);
        assert!(
            reason.is_some_and(|reason| reason.contains("not")),
            "{path}"
        );
    }
}

#[tokio::test]
async fn every_api_reads_a_refusal_in_its_own_form() {
    let refused = async |path: &str| {
        let request = Request::post(path).header(header::HOST, "evil.example");
        let reply = browser().send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(reply.status, StatusCode::MISDIRECTED_REQUEST);
        reply.json()
    };
    assert_eq!(refused("/v1/messages").await["type"], "error");
    assert!(refused("/api/chat").await["error"].is_string());
    let openai = refused("/v1/responses").await;
    assert_eq!(openai["error"]["type"], "invalid_request_error");
}
