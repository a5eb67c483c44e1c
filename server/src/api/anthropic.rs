//! Anthropic's API of messages, for its clients. Versions and betas in headers are ignored.
//!
//! An answer's `stop_reason` is `max_tokens` also where the context is full, or where it only repeated itself. What the model
//! thinks comes as blocks without a signature; without `thinking` it does as its template would have it. At its end an answer has
//! `nibble`, the figures of [`nibble_engine::metrics::Metrics`], as OpenAI's have.

use axum::http::StatusCode;
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::MethodRouter;
use serde_json::{Value, json};

use crate::error::{ErrorBody, rewritten, wrong_method};
use crate::state::AppState;

mod content;
mod conversation;
pub(super) mod messages;
mod response;
#[cfg(test)]
mod tests;

/// What the engine names otherwise.
const NAMES: [(&str, &str); 1] = [("stop", "stop_sequences")];

/// A handler whose errors are written as Anthropic's are.
pub(super) fn form(handler: MethodRouter<AppState>) -> MethodRouter<AppState> {
    let handler = handler.fallback(wrong_method);
    handler.layer(map_response(async |response: Response| told(response)))
}

/// A response whose error is written as Anthropic's are.
pub(super) fn told(response: Response) -> Response {
    rewritten(response, written)
}

fn written(status: StatusCode, error: ErrorBody) -> Value {
    let kind = match status.as_u16() {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 504 => "overloaded_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    };
    let error = error.renamed(&NAMES);
    let mut told =
        json!({ "type": "error", "error": { "type": kind, "message": error.message() } });
    if let Some(spent) = error.spent() {
        told["error"]["usage"] = response::usage_of(spent);
    }
    told
}

/// The requests of a body, as an answer or a count of it would have them.
#[cfg(any(test, fuzzing))]
pub(super) fn read(body: &[u8], asker: &super::asker::Asker) -> Vec<nibble_engine::Request> {
    let _ = messages::count(body, asker);
    let message = messages::read(body, asker).map(|asked| asked.requests);
    message.unwrap_or_default()
}
