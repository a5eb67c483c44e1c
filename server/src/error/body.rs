//! What an error says, in OpenAI's form, and how other forms rewrite it.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use nibble_engine::Completion;
use serde::Serialize;

use crate::figures::{Figures, Usage};

/// The error object of OpenAI's API.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ErrorBody {
    pub(super) message: String,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) param: Option<Box<str>>,
    pub(super) code: Option<&'static str>,
    /// Where an answer was begun.
    #[serde(flatten)]
    pub(super) spent: Option<Box<Spent>>,
}

/// What an answer came to and took that is not complete.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Spent {
    usage: Usage,
    nibble: Figures,
    /// What other forms tell of it.
    #[serde(skip)]
    completion: Completion,
}

impl Spent {
    pub(super) fn of(completion: Completion) -> Self {
        Self {
            usage: Usage::of(&completion),
            nibble: Figures::of(completion.clone()),
            completion,
        }
    }
}

impl ErrorBody {
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// What was computed of the answer that failed, where that is known.
    pub(crate) fn spent(&self) -> Option<&Completion> {
        self.spent.as_ref().map(|spent| &spent.completion)
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
