//! What every request must be and every response must say, so that other sites can do nothing through a person's
//! browser.

use std::panic::AssertUnwindSafe;

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use nibble_engine::Error;

use crate::api;
use crate::error::{ApiError, not_here};
use crate::origins::Origins;
use crate::state::AppState;

mod framing;
mod hosts;
#[cfg(test)]
mod tests;

/// No inline script or style, nothing from elsewhere, no frames.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const RESPONSE_HEADERS: [(HeaderName, HeaderValue); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(CONTENT_SECURITY_POLICY),
    ),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// Refuses what comes from elsewhere and marks what goes out, refusals included.
pub(crate) async fn guard(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let origin = request.headers().get(header::ORIGIN).cloned();
    let unserved = api::check(&request);
    let in_api = unserved.is_err() || api::owns(&path) || api::is_client(request.headers());
    let refusal = framing::check(&request)
        .and_then(|()| hosts::check(&request, &state))
        .and(unserved)
        .and_then(|()| check_origin(&request, &state.access.origins))
        .err();
    let mut response = match refusal {
        Some((status, reason)) if in_api => {
            api::in_its_form(&path, ApiError::refused(status, reason).into_response())
        }
        Some((status, reason)) => (status, format!("{reason}\n")).into_response(),
        None => match AssertUnwindSafe(next.run(request)).catch_unwind().await {
            Ok(response) => response,
            Err(_) if in_api => api::in_its_form(&path, failed(true)),
            Err(_) => failed(false),
        },
    };
    if api::owns(&path) {
        let origins = &state.access.origins;
        origins.tell(origin.as_ref(), response.headers_mut());
    }
    for (name, value) in RESPONSE_HEADERS {
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

/// What a request gets whose handler panicked: a bug of ours, which the panic's message in the log names.
fn failed(in_api: bool) -> Response {
    if in_api {
        return ApiError::internal(Error::Broken).into_response();
    }
    let reason = "the server failed; its log says why\n";
    (StatusCode::INTERNAL_SERVER_ERROR, reason).into_response()
}

/// Methods that change something must come from our own pages, or, where the API is asked, from sites that may ask it.
/// Programs send neither header; to them only the API is open, which needs no page.
fn check_origin(request: &Request, origins: &Origins) -> Result<(), (StatusCode, String)> {
    if request.method().is_safe() {
        return Ok(());
    }
    let (headers, path) = (request.headers(), request.uri().path());
    let origin = headers.get(header::ORIGIN);
    if origin.is_some_and(|origin| origins.allow(origin)) && api::owns(path) {
        return Ok(());
    }
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    let own = match (
        text(HeaderName::from_static("sec-fetch-site")),
        text(header::ORIGIN),
    ) {
        (Some(site), _) => site == "same-origin" || site == "none",
        (None, Some(origin)) => {
            let authority = origin.split_once("://").map(|(_, authority)| authority);
            authority.is_some() && authority == text(header::HOST)
        }
        (None, None) if api::is_client(headers) && !api::owns(path) => {
            return Err((StatusCode::NOT_FOUND, not_here(path)));
        }
        (None, None) => api::owns(path),
    };
    if own {
        return Ok(());
    }
    let mut reason =
        "requests that change something are accepted from this server's own pages only".to_owned();
    if let Some(origin) = text(header::ORIGIN).filter(|_| api::owns(path)) {
        reason += &format!(", and from sites that `--cors-origin` names, which `{origin}` is not");
    }
    Err((StatusCode::FORBIDDEN, reason))
}
