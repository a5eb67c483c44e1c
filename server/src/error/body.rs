//! What an error says, in OpenAI's form, and how other forms rewrite it.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use serde::Serialize;

/// The error object of OpenAI's API.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ErrorBody {
    pub(super) message: String,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) param: Option<String>,
    pub(super) code: Option<&'static str>,
}

impl ErrorBody {
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The same where a form has its own names for fields that the engine names.
    pub(crate) fn renamed(mut self, names: &[(&str, &str)]) -> Self {
        for (name, own) in names {
            self.message = self
                .message
                .replace(&format!("`{name}`"), &format!("`{own}`"));
        }
        self
    }
}

/// The envelope in which [`ErrorBody`] travels, as a response or as an event in mid-stream.
#[derive(Serialize)]
pub(crate) struct Envelope<'a> {
    pub(super) error: &'a ErrorBody,
}

/// The responses of a form that writes errors in its own way.
pub(crate) fn rewritten<T: Serialize>(
    response: Response,
    write: impl FnOnce(StatusCode, ErrorBody) -> T,
) -> Response {
    let (mut parts, body) = response.into_parts();
    let Some(told) = parts.extensions.remove::<ErrorBody>() else {
        return Response::from_parts(parts, body);
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    let body = Json(write(parts.status, told)).into_response().into_body();
    Response::from_parts(parts, body)
}
