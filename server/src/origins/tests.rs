use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use nibble_engine::{Answer, Error, ModelInfo};

use super::*;
use crate::access::Access;
use crate::generator::Generator;
use crate::keys::Keys;
use crate::state::AppState;
use crate::test_support::browser::{Browser, Reply, settings, store};
use crate::test_support::scripted::Scripted;

const HERE: &str = "localhost:8080";

fn origins(named: &[&str]) -> Origins {
    Origins::new(named.iter().map(|name| name.parse().unwrap()).collect())
}

fn server(named: &[&str]) -> Browser {
    Browser::with_access(Access {
        origins: origins(named),
        ..Access::default()
    })
}

async fn preflight(server: &Browser, path: &str, origin: &str) -> Reply {
    let request = Request::options(path)
        .header(header::HOST, HERE)
        .header(header::ORIGIN, origin)
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
        .header(
            header::ACCESS_CONTROL_REQUEST_HEADERS,
            "authorization,content-type,x-stainless-lang",
        );
    server.send(request.body(Body::empty()).unwrap()).await
}

async fn posted(server: &Browser, path: &str, origin: &str) -> Reply {
    let request = Request::post(path)
        .header(header::HOST, HERE)
        .header(header::ORIGIN, origin)
        .header("sec-fetch-site", "cross-site")
        .header(header::CONTENT_TYPE, "application/json");
    let body = r#"{"messages":[{"role":"user","content":"Hi"}]}"#;
    server.send(request.body(Body::from(body)).unwrap()).await
}

fn allowed(reply: &Reply) -> Option<&str> {
    let origin = reply.headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN);
    origin.map(|origin| origin.to_str().unwrap())
}

#[test]
fn what_is_no_origin_is_refused() {
    for wrong in [
        "",
        "app.example",
        "https://",
        "https://app.example/",
        "https://app.example/path",
        "https://*",
        "https://*.example",
        "http://*",
        "://a",
        "1a://b",
        "vscode-webview",
        "https:",
        "https://a b",
    ] {
        assert!(wrong.parse::<Origin>().is_err(), "{wrong}");
    }
}

#[test]
fn an_origin_is_allowed_by_its_whole_name() {
    let all = origins(&[
        "https://App.example:8443",
        "chrome-extension://abcdef",
        "vscode-webview://*",
    ]);
    let is = |origin: &str| all.allow(&HeaderValue::from_str(origin).unwrap());
    for origin in [
        "https://app.example:8443",
        "chrome-extension://abcdef",
        "vscode-webview://0b1c",
    ] {
        assert!(is(origin), "{origin}");
    }
    for origin in [
        "https://app.example",
        "https://app.example:8443.evil.example",
        "http://app.example:8443",
        "chrome-extension://abcdefg",
        "vscode-webview-other://0b1c",
        "null",
        "",
    ] {
        assert!(!is(origin), "{origin}");
    }
    let of_scheme = origins(&["vscode-webview:"]);
    assert!(of_scheme.allow(&HeaderValue::from_static("vscode-webview://0b1c")));
    assert!(!of_scheme.allow(&HeaderValue::from_static("chrome-extension://0b1c")));
    assert!(origins(&["null"]).allow(&HeaderValue::from_static("null")));
    assert!(origins(&["*"]).allow(&HeaderValue::from_static("https://app.example")));
    assert!(!origins(&["*"]).allow(&HeaderValue::from_static("null")));
    assert!(origins(&["*", "null"]).allow(&HeaderValue::from_static("null")));
    assert!(!Origins::default().allow(&HeaderValue::from_static("null")));
}

#[tokio::test]
async fn a_browser_is_told_before_and_after_that_a_site_may_ask() {
    let server = server(&["https://app.example"]);
    let before = preflight(&server, "/v1/chat/completions", "https://app.example").await;
    assert_eq!(before.status, StatusCode::OK);
    assert_eq!(allowed(&before), Some("https://app.example"));
    let headers = &before.headers[header::ACCESS_CONTROL_ALLOW_HEADERS];
    assert_eq!(headers, "authorization,content-type,x-stainless-lang");
    assert!(
        !before
            .headers
            .contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS)
    );
    let vary = before.headers.get_all(header::VARY).iter();
    assert!(
        vary.into_iter()
            .any(|vary| vary.to_str().unwrap().contains("origin"))
    );
    let after = posted(&server, "/v1/chat/completions", "https://app.example").await;
    assert_eq!(after.status, StatusCode::OK, "{}", after.body);
    assert_eq!(allowed(&after), Some("https://app.example"));
    let exposed = &after.headers[header::ACCESS_CONTROL_EXPOSE_HEADERS];
    assert!(exposed.to_str().unwrap().contains("x-request-id"));
    // What it did wrong is readable too.
    let wrong = preflight(&server, "/v1/nowhere", "https://app.example").await;
    assert_eq!(allowed(&wrong), Some("https://app.example"));
}

#[tokio::test]
async fn another_site_may_not_ask_whoever_else_may() {
    for server in [server(&["https://app.example"]), server(&[])] {
        let before = preflight(&server, "/v1/chat/completions", "https://evil.example").await;
        assert_eq!(allowed(&before), None);
        let after = posted(&server, "/v1/chat/completions", "https://evil.example").await;
        assert_eq!(after.status, StatusCode::FORBIDDEN);
        assert!(after.body.contains("`--cors-origin`"), "{}", after.body);
        assert_eq!(allowed(&after), None);
    }
}

#[tokio::test]
async fn the_page_is_for_no_other_site_even_where_the_api_is_for_all() {
    let server = server(&["*"]);
    for path in ["/", "/c/none", "/sign-in", "/ask"] {
        let before = preflight(&server, path, "https://app.example").await;
        assert_eq!(allowed(&before), None, "{path}");
        let after = posted(&server, path, "https://app.example").await;
        assert_eq!(after.status, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(allowed(&after), None, "{path}");
    }
    let site = "https://app.example";
    let after = posted(&server, "/v1/chat/completions", site).await;
    assert_eq!(after.status, StatusCode::OK);
    assert_eq!(allowed(&after), Some(site));
    assert!(
        !after
            .headers
            .contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS)
    );
}

#[tokio::test]
async fn nobody_in_particular_may_ask_only_by_name() {
    let path = "/v1/chat/completions";
    for (named, status, told) in [
        (&["*"][..], StatusCode::FORBIDDEN, None),
        (&["*", "null"][..], StatusCode::OK, Some("null")),
    ] {
        let server = server(named);
        assert_eq!(allowed(&preflight(&server, path, "null").await), told);
        let after = posted(&server, path, "null").await;
        assert_eq!((after.status, allowed(&after)), (status, told));
        let read = Request::get("/v1/models")
            .header(header::HOST, HERE)
            .header(header::ORIGIN, "null");
        let read = server.send(read.body(Body::empty()).unwrap()).await;
        assert_eq!(allowed(&read), told);
    }
}

/// Fails as soon as it is asked.
struct Panicking(ModelInfo);

impl Generator for Panicking {
    fn info(&self) -> &ModelInfo {
        &self.0
    }

    fn queue(&self) -> usize {
        panic!("a bug")
    }

    fn submit(&self, _: nibble_engine::Request) -> Result<Answer, Error> {
        Err(Error::Stopped)
    }
}

fn panicking(named: &[&str]) -> Browser {
    let info = Scripted::new(&[], Duration::ZERO).info().clone();
    let state = AppState::new(Arc::new(Panicking(info)), settings(), store(), None);
    Browser::at_server(state.with(Access {
        origins: origins(named),
        ..Access::default()
    }))
}

#[tokio::test]
async fn a_site_that_may_ask_can_read_what_is_refused_before_the_api_and_what_fails() {
    let site = "https://app.example";
    let large = "3000000";
    let long = "x".repeat(17 << 10);
    for named in [site, "*"] {
        let server = panicking(&[named]);
        for (path, name, value, status) in [
            ("/v1/embeddings", "content-length", large, 413),
            ("/v1/embeddings", "x-long", &*long, 431),
            ("/api/embed", "host", "evil.example", 421),
            ("/v1/embeddings", "accept", "*/*", 500),
        ] {
            let mut request = Request::post(path)
                .header(header::HOST, HERE)
                .header(header::ORIGIN, site)
                .header(header::CONTENT_TYPE, "application/json")
                .body(Body::from(r#"{"input":"Hi"}"#))
                .unwrap();
            let name = header::HeaderName::try_from(name).unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
            let reply = server.send(request).await;
            assert_eq!(reply.status, status, "{path} {}", reply.body);
            assert_eq!(allowed(&reply), Some(site), "{status}");
            let exposed = &reply.headers[header::ACCESS_CONTROL_EXPOSE_HEADERS];
            assert!(exposed.to_str().unwrap().contains("x-request-id"));
            assert!(reply.headers.contains_key(header::VARY));
        }
    }
    // Neither the page nor a site that may not ask.
    for (path, origin) in [("/ask", site), ("/v1/embeddings", "https://evil.example")] {
        let request = Request::post(path)
            .header(header::HOST, "evil.example")
            .header(header::ORIGIN, origin);
        let request = request.body(Body::empty()).unwrap();
        let reply = panicking(&[site]).send(request).await;
        assert_eq!(reply.status, StatusCode::MISDIRECTED_REQUEST);
        assert_eq!(allowed(&reply), None);
    }
}

#[tokio::test]
async fn a_site_is_told_that_its_key_is_wrong() {
    let keys = Keys::new(Some("anna sk-0123456789abcdef"), None).unwrap();
    let server = Browser::with_access(Access {
        origins: origins(&["https://app.example"]),
        keys: Some(Arc::new(keys)),
        ..Access::default()
    });
    // Browsers send no key before they know that they may.
    let before = preflight(&server, "/v1/chat/completions", "https://app.example").await;
    assert_eq!(before.status, StatusCode::OK);
    let after = posted(&server, "/v1/chat/completions", "https://app.example").await;
    assert_eq!(after.status, StatusCode::UNAUTHORIZED);
    assert_eq!(allowed(&after), Some("https://app.example"));
}
