//! Whether a person reads what a request asks for.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

/// A browser asks for pages, a program or a script for something else.
pub(crate) fn wants_html(headers: &HeaderMap) -> bool {
    let accepted = headers.get(ACCEPT).and_then(|types| types.to_str().ok());
    accepted.is_some_and(|types| types.contains("text/html"))
}
