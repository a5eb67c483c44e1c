//! `GET /c/{id}/export.{json,md,html}` and `GET /chats/export.json`: conversations as files.

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use nibble_app::complaint::Complaint;
use nibble_app::domain::{Conversation, Id, Turn};
use nibble_app::export::{markdown, page};
use nibble_app::language::Language;
use nibble_engine::Caller;

use super::unrendered;
use crate::assets::FILE_STYLE;
use crate::state::AppState;
use crate::visitor::Visiting;

mod file_name;

use self::file_name::attachment;

const JSON: &str = "application/json";
const MARKDOWN: &str = "text/markdown; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/c/{id}/export.json", get(json))
        .route("/c/{id}/export.md", get(as_markdown))
        .route("/c/{id}/export.html", get(as_html))
        .route("/chats/export.json", get(all))
}

async fn json(
    State(state): State<AppState>,
    Path(id): Path<String>,
    visiting: Visiting,
) -> Response {
    let t = visiting.visitor.language;
    let Ok(id) = id.parse::<Id>() else {
        return absent(t);
    };
    match state.chat.json(visiting.visitor, id).await {
        Ok(Some((title, pieces))) => file(&title, "json", JSON, Body::from_stream(pieces)),
        Ok(None) => absent(t),
        Err(trouble) => told(t, &trouble),
    }
}

async fn all(State(state): State<AppState>, visiting: Visiting) -> Response {
    let t = visiting.visitor.language;
    match state.chat.all_json(visiting.visitor).await {
        Ok(pieces) => file(t.all_chats_file(), "json", JSON, Body::from_stream(pieces)),
        Err(trouble) => told(t, &trouble),
    }
}

async fn as_markdown(
    State(state): State<AppState>,
    Path(id): Path<String>,
    visiting: Visiting,
) -> Response {
    let write =
        |t, conversation: &Conversation, turns: Vec<Turn>| markdown(t, conversation, &turns);
    written(&state, &id, visiting, ("md", MARKDOWN), write).await
}

async fn as_html(
    State(state): State<AppState>,
    Path(id): Path<String>,
    visiting: Visiting,
) -> Response {
    let write = |t, conversation: &Conversation, turns| page(t, conversation, turns, FILE_STYLE);
    written(&state, &id, visiting, ("html", HTML), write).await
}

/// A file that is written whole, off the threads that serve others.
async fn written(
    state: &AppState,
    id: &str,
    visiting: Visiting,
    (ending, content_type): (&str, &'static str),
    write: fn(Language, &Conversation, Vec<Turn>) -> String,
) -> Response {
    let t = visiting.visitor.language;
    let Ok(id) = id.parse::<Id>() else {
        return absent(t);
    };
    let (conversation, turns) = match state.chat.shown(visiting.visitor, id).await {
        Ok(Some(shown)) => shown,
        Ok(None) => return absent(t),
        Err(trouble) => return told(t, &trouble),
    };
    let title = conversation.title.clone();
    let text = state
        .filing
        .run(Caller(visiting.visitor.caller), move || {
            write(t, &conversation, turns)
        })
        .await;
    match text {
        Ok(text) => file(&title, ending, content_type, text.into()),
        Err(error) => unrendered(t, &error),
    }
}

pub(super) fn file(title: &str, ending: &str, content_type: &'static str, body: Body) -> Response {
    let headers = [
        (CONTENT_TYPE, content_type.to_owned()),
        (CONTENT_DISPOSITION, attachment(title, ending)),
        (CACHE_CONTROL, "private, no-store".to_owned()),
    ];
    (headers, body).into_response()
}

fn absent(t: Language) -> Response {
    (StatusCode::NOT_FOUND, format!("{}\n", t.no_conversation())).into_response()
}

pub(super) fn told(t: Language, trouble: &Complaint) -> Response {
    let reason = format!("{}\n", trouble.reason.told(t));
    (StatusCode::SERVICE_UNAVAILABLE, reason).into_response()
}

#[cfg(test)]
mod tests;
