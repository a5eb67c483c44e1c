//! The OpenAI-compatible API: chat completions, the list of models, and a health check.
//!
//! What a client may send is read in [`request`], what it gets back is laid out in [`response`]. Fields that
//! change nothing here are ignored, as OpenAI's clients send many; fields that would change the answer and are
//! not supported are refused by name. Beyond OpenAI's own fields every answer carries `nibble`, the figures of
//! [`nibble_engine::metrics::Metrics`].

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{Method, Uri};
use axum::middleware::from_fn;
use axum::response::Json;
use axum::routing::{any, get, post};
use nibble_engine::Error;
use serde_json::{Value, json};

use crate::error::{ApiError, log_cause};
use crate::state::AppState;
use crate::telemetry::metrics;

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

/// `/v1/*`, `/health` and `/metrics`.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/v1/chat/completions", post(chat::complete))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{*id}", get(models::one))
        .route("/v1", any(unknown_path))
        .route("/v1/", any(unknown_path))
        .route("/v1/{*path}", any(unknown_path))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn(log_cause))
}

/// Whether a path is the API's, served or not: its clients read errors as JSON.
pub(crate) fn owns(path: &str) -> bool {
    path == "/v1" || path.starts_with("/v1/")
}

/// # Errors
/// When the program ends: a balancer is to send its requests elsewhere. When the engine is gone: a supervisor is to
/// start the program anew.
async fn health(State(state): State<AppState>) -> Result<Json<Value>, ApiError> {
    if state.model.is_ending() {
        return Err(Error::Ending.into());
    }
    if !state.model.is_alive() {
        return Err(Error::Stopped.into());
    }
    Ok(Json(
        json!({ "model": state.model.info().id, "status": "ok" }),
    ))
}

async fn unknown_path(uri: Uri) -> ApiError {
    ApiError::unknown_path(uri.path())
}

async fn wrong_method(method: Method, uri: Uri) -> ApiError {
    ApiError::wrong_method(method.as_str(), uri.path())
}
