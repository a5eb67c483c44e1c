//! What every request must be and every response must say, so that other sites can do nothing through a person's
//! browser.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use nibble_engine::Error;

use crate::error::{ApiError, not_here};
use crate::openai;
use crate::state::AppState;

mod framing;
#[cfg(test)]
mod tests;

/// No inline script or style, nothing from elsewhere, no frames.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

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
    let in_api = openai::owns(request.uri().path()) || openai::is_client(request.headers());
    let refusal = framing::check(&request)
        .and_then(|()| check_host(&request, &state.settings.allowed_hosts))
        .and_then(|()| check_origin(&request))
        .err();
    let mut response = match refusal {
        Some((status, reason)) if in_api => ApiError::refused(status, reason).into_response(),
        Some((status, reason)) => (status, format!("{reason}\n")).into_response(),
        None => match AssertUnwindSafe(next.run(request)).catch_unwind().await {
            Ok(response) => response,
            Err(_) => failed(in_api),
        },
    };
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

/// A site whose name was pointed at this machine's address is of the same origin as we are, by all that a browser
/// knows; only the name in `Host` tells it apart, or that in the request's first line where there is one.
fn check_host(request: &Request, allowed: &[String]) -> Result<(), (StatusCode, String)> {
    let host = request.headers().get(header::HOST);
    let Some(host) = host.and_then(|host| host.to_str().ok()) else {
        return Err((
            StatusCode::BAD_REQUEST,
            "the `Host` header is missing or is not text".to_owned(),
        ));
    };
    let named = [Some(without_port(host)), request.uri().host()];
    let mut unknown = named
        .into_iter()
        .flatten()
        .filter(|name| !is_known(name, allowed));
    match unknown.next() {
        None => Ok(()),
        Some(name) => Err((
            StatusCode::MISDIRECTED_REQUEST,
            format!(
                "this server does not answer for the host `{name}`: allow it with `--allowed-host {name}` or in \
                 `NIBBLE_ALLOWED_HOSTS`"
            ),
        )),
    }
}

fn is_known(name: &str, allowed: &[String]) -> bool {
    let address = name.trim_start_matches('[').trim_end_matches(']');
    address.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || allowed
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(name))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Methods that change something must come from our own pages. Programs send neither header; to them only the API is
/// open, which needs no page.
fn check_origin(request: &Request) -> Result<(), (StatusCode, String)> {
    if request.method().is_safe() {
        return Ok(());
    }
    let (headers, path) = (request.headers(), request.uri().path());
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
        (None, None) if openai::is_client(headers) && !openai::owns(path) => {
            return Err((StatusCode::NOT_FOUND, not_here(path)));
        }
        (None, None) => openai::owns(path),
    };
    if own {
        return Ok(());
    }
    Err((
        StatusCode::FORBIDDEN,
        "requests that change something are accepted from this server's own pages only".to_owned(),
    ))
}
