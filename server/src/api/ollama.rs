//! Ollama's API, for programs that know no other: chats, completions, and what there is to say of the models that can be asked.
//!
//! Streams are lines of JSON, and the default; the last one has `nibble`, the figures that OpenAI's answers have. Models are
//! neither fetched nor removed this way; `keep_alive` holds where models come and go.

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any};
use futures::{Stream, StreamExt};
use serde_json::{Value, json};

use crate::error::{ApiError, ErrorBody, rewritten, wrong_method};
use crate::state::AppState;

mod answer;
pub(super) mod chat;
pub(super) mod embed;
mod fields;
pub(super) mod generate;
mod messages;
pub(super) mod models;
#[cfg(test)]
mod tests;

/// What is named otherwise elsewhere.
const NAMES: [(&str, &str); 2] = [("max_tokens", "num_predict"), ("reasoning_effort", "think")];

/// Where Ollama removes a model, by `DELETE`.
pub(super) const REMOVAL: &str = "/api/delete";

/// Whether a path is this API's.
pub(super) fn owns(path: &str) -> bool {
    path.starts_with("/api/")
}

/// Refuses to remove a model, which Ollama's clients ask at a path that is the page's with other methods.
///
/// # Errors
/// The status and the reason.
pub(super) fn refuse_removal(method: &Method, path: &str) -> Result<(), (StatusCode, String)> {
    match *method == Method::DELETE && path.strip_suffix('/').unwrap_or(path) == REMOVAL {
        true => Err((StatusCode::NOT_IMPLEMENTED, not_done(path))),
        false => Ok(()),
    }
}

/// A handler whose errors are written as Ollama's are.
pub(super) fn form(handler: MethodRouter<AppState>) -> MethodRouter<AppState> {
    with_errors(handler.fallback(wrong_method))
}

/// What is not done here, told as Ollama tells errors.
pub(super) fn refusing() -> MethodRouter<AppState> {
    with_errors(any(refused))
}

fn with_errors(handler: MethodRouter<AppState>) -> MethodRouter<AppState> {
    handler.layer(map_response(async |response: Response| told(response)))
}

/// A response whose error is written as Ollama's are.
pub(super) fn told(response: Response) -> Response {
    rewritten(response, |_, error| written(error))
}

/// What Ollama does with models.
async fn refused(uri: axum::http::Uri) -> ApiError {
    ApiError::refused(StatusCode::NOT_IMPLEMENTED, not_done(uri.path()))
}

fn not_done(path: &str) -> String {
    format!("`{path}` is not supported: this server runs the models that it was started with")
}

fn written(error: ErrorBody) -> Value {
    let error = error.renamed(&NAMES);
    let mut line = json!({ "error": error.message() });
    if let Some(spent) = error.spent() {
        answer::tell_figures(&mut line, spent);
    }
    line
}

/// A reply of lines.
fn lines(lines: impl Stream<Item = Value> + Send + 'static) -> Response {
    let lines = lines.map(|line| Ok::<_, std::convert::Infallible>(format!("{line}\n")));
    let headers = [
        (CONTENT_TYPE.as_str(), "application/x-ndjson"),
        ("x-accel-buffering", "no"),
    ];
    (headers, Body::from_stream(lines)).into_response()
}

/// The requests of a body, read as one of each form.
#[cfg(any(test, fuzzing))]
pub(super) fn read(body: &[u8], asker: &super::asker::Asker) -> Vec<nibble_engine::Request> {
    let chat = chat::read(body, asker).map(|asked| asked.requests);
    let generate = generate::read(body, asker).map(|asked| asked.requests);
    let embed = embed::read(body, asker).map(|inputs| inputs.requests(asker));
    let _ = models::read(body, asker);
    let all = [chat, generate, embed].into_iter();
    all.flatten().flatten().collect()
}
