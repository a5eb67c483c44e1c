//! The forms of pages, checked before Leptos reads them: it would answer a malformed one with status 500, or lead whoever
//! sent it to any `Referer`.

use axum::body::{Body, Bytes};
use axum::extract::{Form, FromRequest, Request};
use axum::http::header::{CONTENT_TYPE, LOCATION, REFERER};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use leptos::server_fn::ServerFn;
use nibble_app::{ResetChat, SendMessage, StopAnswer};
use serde::de::DeserializeOwned;

/// Where Leptos leads who sent what it cannot read.
const ASTRAY: HeaderValue = HeaderValue::from_static("http://malformed.invalid/");

/// # Errors
/// Why a form is not one that its address takes.
pub(super) async fn check(path: &str, headers: &HeaderMap, body: &Bytes) -> Result<(), Response> {
    match path {
        SendMessage::PATH => fields::<SendMessage>(path, headers, body).await.map(drop),
        StopAnswer::PATH => fields::<StopAnswer>(path, headers, body).await.map(drop),
        ResetChat::PATH => fields::<ResetChat>(path, headers, body).await.map(drop),
        _ => Ok(()),
    }
}

/// The fields of a form.
///
/// # Errors
/// Why they are not all there.
pub(super) async fn fields<T: DeserializeOwned>(
    path: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<T, Response> {
    let mut form = Request::new(Body::from(body.clone()));
    *form.method_mut() = Method::POST;
    if let Some(content_type) = headers.get(CONTENT_TYPE) {
        form.headers_mut()
            .insert(CONTENT_TYPE, content_type.clone());
    }
    let fields = Form::<T>::from_request(form, &()).await;
    let fields = fields.map_err(|why| malformed(path, &why.body_text()))?;
    Ok(fields.0)
}

/// Takes the `Referer` away, to which nobody is to be led.
pub(super) fn tie(headers: &mut HeaderMap) {
    headers.insert(REFERER, ASTRAY);
}

/// What Leptos answers, unless it could not read the form.
pub(super) fn answered(path: &str, response: Response) -> Response {
    let location = response.headers().get(LOCATION);
    let is_astray = location.is_some_and(|to| {
        let (to, astray) = (to.as_bytes(), ASTRAY);
        to.starts_with(astray.as_bytes())
    });
    if is_astray || response.status() == StatusCode::INTERNAL_SERVER_ERROR {
        return malformed(path, "its fields are no texts with plain names");
    }
    response
}

fn malformed(path: &str, why: &str) -> Response {
    let why = why.rsplit_once("form body: ").map_or(why, |(_, why)| why);
    (
        StatusCode::BAD_REQUEST,
        format!("the form for `{path}` cannot be read: {why}\n"),
    )
        .into_response()
}
