//! The OpenAI-compatible API: chat completions and the list of models.
//!
//! What a client may send is read in [`request`], what it gets back is laid out in [`response`]. Fields that
//! change nothing here are ignored, as OpenAI's clients send many; fields that would change the answer and are
//! not supported are refused by name. Beyond OpenAI's own fields every answer carries `nibble`, the figures of
//! [`nibble_engine::metrics::Metrics`].

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Uri;
use axum::middleware::from_fn;
use axum::routing::{any, get, post};

use crate::error::{ApiError, log_cause, wrong_method};
use crate::state::AppState;

mod chat;
mod message;
mod models;
mod request;
mod response;
#[cfg(test)]
mod tests;
mod tools;

/// Four times the text of a full 128k-token context.
const MAX_BODY_BYTES: usize = 2 << 20;

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
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn(log_cause))
}

/// Whether a path is the API's, served or not: its clients read errors as JSON.
pub(crate) fn owns(path: &str) -> bool {
    path == "/v1" || path.starts_with("/v1/")
}

async fn unknown_path(uri: Uri) -> ApiError {
    ApiError::unknown_path(uri.path())
}
