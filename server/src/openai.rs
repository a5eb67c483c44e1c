//! The OpenAI-compatible API: chat completions and the list of models.
//!
//! What a client may send is read in [`request`], what it gets back is laid out in [`response`]. Fields that
//! change nothing here are ignored, as OpenAI's clients send many; fields that would change the answer and are
//! not supported are refused by name. Beyond OpenAI's own fields every answer carries `nibble`, the figures of
//! [`nibble_engine::metrics::Metrics`].

use axum::Router;
use axum::extract::Request;
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, ORIGIN};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};

use crate::error::{ApiError, log_cause, wrong_method};
use crate::state::AppState;

mod chat;
mod fields;
mod message;
mod models;
mod request;
mod response;
mod shape;
#[cfg(test)]
mod tests;
mod tools;

/// Four times the text of a full 128k-token context.
pub(crate) const MAX_BODY_BYTES: usize = 2 << 20;

/// `/v1/*`.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/v1/chat/completions", post(chat::complete))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{*id}", get(models::one))
        .route("/v1", any(unknown_path))
        .route("/v1/", any(unknown_path))
        .route("/v1/{*path}", any(unknown_path))
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn(log_cause))
}

/// Whether a path is the API's, served or not: its clients read errors as JSON.
pub(crate) fn owns(path: &str) -> bool {
    path == "/v1" || path.starts_with("/v1/")
}

/// Whether a program asks that reads errors as JSON, wherever it asks: pages say where they come from.
pub(crate) fn is_client(headers: &HeaderMap) -> bool {
    let is_json = |name| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.is_some_and(|value| value.contains("application/json"))
    };
    let is_page = headers.contains_key(ORIGIN) || headers.contains_key("sec-fetch-site");
    !is_page && (is_json(ACCEPT) || is_json(CONTENT_TYPE) || headers.contains_key(AUTHORIZATION))
}

/// Tells a client in JSON that there is nothing where it asks, as when its base URL lacks the `/v1`.
pub(crate) async fn hint(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let is_astray = !owns(&path) && is_client(request.headers());
    let response = next.run(request).await;
    match response.status() {
        StatusCode::NOT_FOUND if is_astray => ApiError::unknown_path(&path).into_response(),
        _ => response,
    }
}

/// Reads a body as the engine would get it, for whoever sends any bytes.
#[cfg(any(test, fuzzing))]
pub(crate) fn read(body: &[u8], info: &nibble_engine::ModelInfo) {
    let caller = nibble_engine::Caller::default();
    if let Ok(chat) = request::ChatCompletion::parse(body, info, 1.0, caller) {
        let _ = chat.request.check();
    }
}

async fn unknown_path(uri: Uri) -> ApiError {
    ApiError::unknown_path(uri.path())
}
