//! A browser for tests, as far as routes can tell: requests in process, and their answers as text.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HOST, LOCATION, ORIGIN};
use axum::http::request::Builder;
use axum::http::{HeaderMap, Request, StatusCode};
use futures::StreamExt;
use tower::ServiceExt;

use crate::generator::Generator;
use crate::router;
use crate::state::{AppState, Settings};
use crate::test_support::scripted::Scripted;
use crate::traces::Traces;

pub(crate) const ORIGIN_HERE: &str = "http://localhost:8080";

pub(crate) struct Browser {
    router: Router,
}

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Reply {
    /// The path that a redirect leads to, without fragment.
    pub(crate) fn location(&self) -> &str {
        let location = self.headers[LOCATION].to_str().unwrap();
        location.split('#').next().unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Browser {
    pub(crate) fn new(generator: Arc<dyn Generator>) -> Self {
        Self::traced(generator, None)
    }

    pub(crate) fn traced(generator: Arc<dyn Generator>, traces: Option<Traces>) -> Self {
        let settings = Settings {
            usd_per_hour: 0.94256,
            allowed_hosts: vec!["chat.example".into()],
            grace: Duration::from_secs(1),
            connections: 64,
        };
        Self {
            router: router(AppState::traced(generator, settings, traces)),
        }
    }

    pub(crate) fn scripted(pieces: &[&str], pause: Duration) -> Self {
        Self::new(Arc::new(Scripted::new(pieces, pause)))
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Reply {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(get(path).body(Body::empty()).unwrap()).await
    }

    /// The pieces in which a body arrives.
    pub(crate) async fn chunks(&self, path: &str) -> Vec<String> {
        let request = get(path).body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let chunks = response.into_body().into_data_stream();
        chunks
            .map(|chunk| String::from_utf8(chunk.unwrap().to_vec()).unwrap())
            .collect()
            .await
    }

    /// A form as a browser without JavaScript posts it.
    pub(crate) async fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.post(path, fields, "text/html,application/xhtml+xml")
            .await
    }

    /// A form as the page's script posts it.
    pub(crate) async fn post_json(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.post(path, fields, "application/json").await
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)], accept: &str) -> Reply {
        self.send(form(path, fields, accept)).await
    }
}

/// The post of a form.
pub(crate) fn form(path: &str, fields: &[(&str, &str)], accept: &str) -> Request<Body> {
    let body = encoded(fields);
    let request = Request::post(path)
        .header(HOST, "localhost:8080")
        .header(ORIGIN, ORIGIN_HERE)
        .header(ACCEPT, accept)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(CONTENT_LENGTH, body.len());
    request.body(Body::from(body)).unwrap()
}

pub(crate) fn get(path: &str) -> Builder {
    Request::get(path).header(HOST, "localhost:8080")
}

/// The fields of the page's form, with a message and usable settings.
pub(crate) fn message<'a>(conversation: &'a str, message: &'a str) -> [(&'a str, &'a str); 6] {
    [
        ("conversation", conversation),
        ("message", message),
        ("temperature", "0.5"),
        ("max_tokens", "100"),
        ("system_prompt", "be brief"),
        ("usd_per_hour", "3.6"),
    ]
}

fn encoded(fields: &[(&str, &str)]) -> String {
    let escape = |text: &str| {
        text.bytes()
            .map(|byte| format!("%{byte:02X}"))
            .collect::<String>()
    };
    let pairs: Vec<_> = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", escape(value)))
        .collect();
    pairs.join("&")
}
