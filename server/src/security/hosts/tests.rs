use axum::body::Body;

use super::*;
use crate::access::Access;
use crate::test_support::browser::Browser;

fn browser() -> Browser {
    Browser::with_access(Access::default())
}

async fn status(browser: &Browser, method: &str, path: &str, headers: &[(&str, &str)]) -> u16 {
    let request = Request::builder().method(method).uri(path);
    let request = headers.iter().fold(request, |request, (name, value)| {
        request.header(*name, *value)
    });
    let body = r#"{"messages":[{"role":"user","content":"Hi"}],"stream":false}"#;
    let reply = browser.send(request.body(Body::from(body)).unwrap()).await;
    reply.status.as_u16()
}

const PRIVATE_NAMES: [&str; 5] = [
    "host.docker.internal",
    "host.docker.internal:3000",
    "studio.local",
    "Studio.Local.:3000",
    "metadata.google.internal",
];

#[tokio::test]
async fn names_below_localhost_are_this_machine_for_pages_too() {
    for host in [
        "chat.localhost",
        "a.b.localhost:3000",
        "chat.LOCALHOST",
        "localhost.",
    ] {
        assert_eq!(
            status(&browser(), "GET", "/", &[("host", host)]).await,
            200,
            "{host}"
        );
    }
    for host in [
        ".localhost",
        "localhost.example",
        "notlocalhost",
        "local",
        "internal",
    ] {
        assert_eq!(
            status(&browser(), "GET", "/", &[("host", host)]).await,
            421,
            "{host}"
        );
    }
}

#[tokio::test]
async fn programs_ask_the_api_by_names_of_private_networks() {
    for host in PRIVATE_NAMES {
        for path in ["/v1/chat/completions", "/v1/messages", "/api/chat"] {
            let found = status(&browser(), "POST", path, &[("host", host)]).await;
            assert_eq!(found, 200, "{host} {path}");
        }
        assert_eq!(
            status(&browser(), "GET", "/health", &[("host", host)]).await,
            200
        );
    }
}

/// A site of a hostile network, whose name is pointed at this machine once its page is open.
#[tokio::test]
async fn a_page_that_was_rebound_reaches_nothing_by_them() {
    for host in PRIVATE_NAMES {
        let origin = format!("http://{host}");
        for path in ["/", "/c/1", "/chats", "/style.css"] {
            let found = status(&browser(), "GET", path, &[("host", host)]).await;
            assert_eq!(found, 421, "{host} {path}");
        }
        for sent in [
            &[("host", host), ("origin", origin.as_str())][..],
            &[("host", host), ("origin", "null")],
            &[("host", host), ("sec-fetch-site", "same-origin")],
        ] {
            for path in ["/v1/chat/completions", "/api/chat", "/api/stop"] {
                let found = status(&browser(), "POST", path, sent).await;
                assert_eq!(found, 421, "{sent:?} {path}");
            }
        }
    }
}

#[tokio::test]
async fn a_site_that_may_ask_may_do_so_by_them() {
    let origins = Origins::new(vec!["https://app.example".parse().unwrap()]);
    let browser = Browser::with_access(Access {
        origins,
        ..Access::default()
    });
    let host = ("host", "studio.local");
    let path = "/v1/chat/completions";
    let known = [host, ("origin", "https://app.example")];
    assert_eq!(status(&browser, "POST", path, &known).await, 200);
    let rebound = [host, ("origin", "http://studio.local")];
    assert_eq!(status(&browser, "POST", path, &rebound).await, 421);
}
