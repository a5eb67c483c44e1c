//! A program that asks the API in process, and the wire as it reads it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use axum::response::Response;
use nibble_engine::{Answer, AnswerSender, Error, ModelInfo};
use serde_json::Value;
use tower::ServiceExt;

use crate::api::routes;
use crate::generator::Generator;
use crate::models::Models;
use crate::permitted::Permitted;
use crate::state::{AppState, Settings};
use crate::test_support::browser::store;
use crate::test_support::held::Held;
use crate::test_support::scripted::Scripted;

/// Refuses every request.
pub(crate) struct Refusing(ModelInfo, Box<dyn Fn() -> Error + Send + Sync>);

impl Refusing {
    pub(crate) fn with(error: impl Fn() -> Error + Send + Sync + 'static) -> Arc<Self> {
        let info = Scripted::new(&[], Duration::ZERO).info().clone();
        Arc::new(Self(info, Box::new(error)))
    }
}

impl Generator for Refusing {
    fn info(&self) -> &ModelInfo {
        &self.0
    }

    fn submit(&self, _: nibble_engine::Request) -> Result<Answer, Error> {
        Err((self.1)())
    }
}

pub(crate) fn scripted() -> Arc<dyn Generator> {
    Arc::new(Scripted::new(&["Hel", "lo", "!"], Duration::ZERO))
}

pub(crate) async fn send(generator: Arc<dyn Generator>, request: Request<Body>) -> Response {
    send_to(&state(Models::only(generator)), request).await
}

/// A server of these models, one of which answers whoever chooses it.
pub(crate) fn state(models: Arc<Models>) -> AppState {
    let settings = Settings {
        usd_per_hour: 0.94256,
        allowed_hosts: Vec::new(),
        grace: Duration::from_secs(1),
        // Less than the scripted model's context.
        default_max_tokens: 1500,
        connections: 64,
        h2c: false,
    };
    AppState::of(models, settings, store(), None).switching(Permitted::Anyone)
}

/// The API of a server.
pub(crate) async fn send_to(state: &AppState, request: Request<Body>) -> Response {
    let routes = routes(state).with_state(state.clone());
    routes.oneshot(request).await.unwrap()
}

/// A request with a body of JSON, or what should be some.
pub(crate) fn post(path: &str, body: impl ToString) -> Request<Body> {
    Request::post(path)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()))
        .unwrap()
}

pub(crate) fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

pub(crate) async fn text(response: Response) -> String {
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub(crate) async fn pretty(response: Response) -> String {
    let value: Value = serde_json::from_str(&text(response).await).unwrap();
    serde_json::to_string_pretty(&value).unwrap()
}

/// The request that comes next, but for when it came.
pub(crate) async fn taken(generator: &Held) -> (nibble_engine::Request, AnswerSender) {
    loop {
        if let Some((mut request, sender)) = generator.take() {
            (request.accepted, request.came) = (None, None);
            return (request, sender);
        }
        tokio::task::yield_now().await;
    }
}
