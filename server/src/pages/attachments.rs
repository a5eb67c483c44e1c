//! Forms with files, and `POST /attachments`, which says of files that a person has chosen how many tokens they are, or why
//! they cannot be taken. Nothing of them is kept.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use leptos::server_fn::ServerFn;
use nibble_app::complaint::Complaint;
use nibble_app::domain::Attachment;
use nibble_app::language::Told;
use nibble_app::{Attached, CheckMessage, SendMessage};
use nibble_engine::Reading;
use serde::Serialize;

use super::{FORM_BYTES, Pages, refusal};
use crate::attachments::BODY_BYTES;
use crate::bodies::form::boundary;
use crate::bodies::{Held, Unread};
use crate::caller::caller;
use crate::generator::Generator;
use crate::language as languages;
use crate::state::AppState;

/// Where files are counted.
pub(super) const COUNT: &str = "/attachments";

const URL_ENCODED: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// What was posted.
pub(super) struct Posted {
    /// The fields, as a form without files has them.
    pub(super) fields: Bytes,
    /// The files, where they were asked for.
    pub(super) attached: Option<Attached>,
    /// The place of what was posted.
    _held: Option<Held>,
}

/// What is told of a file.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Counted {
    /// How many tokens the model reads of it.
    Tokens(usize),
    /// Why it cannot be taken.
    Refused(String),
}

impl Pages {
    /// Reads a form, with files or without; its headers are then those of one without.
    ///
    /// # Errors
    /// What its sender is answered.
    pub(super) async fn posted(&self, parts: &mut Parts, body: Body) -> Result<Posted, Response> {
        let t = languages::of(&parts.headers);
        let request = Request::from_parts(parts.clone(), body);
        let Some(boundary) = boundary(&parts.headers) else {
            let held = self.bodies.read(request, FORM_BYTES).await;
            let held = held.map_err(|unread| refusal(t, unread))?;
            return Ok(Posted {
                fields: held.bytes.clone(),
                attached: None,
                _held: Some(held),
            });
        };
        let form = self.bodies.form(request, boundary, BODY_BYTES).await;
        let form = form.map_err(|unread| refusal(t, unread))?;
        if form.fields.len() > FORM_BYTES {
            return Err(refusal(t, Unread::TooLarge(FORM_BYTES)));
        }
        parts.headers.remove(CONTENT_LENGTH);
        parts.headers.insert(CONTENT_TYPE, URL_ENCODED);
        let fields = form.fields.clone();
        let attached = match parts.uri.path() {
            SendMessage::PATH | CheckMessage::PATH => {
                let caller = caller(&parts.extensions, &parts.headers);
                Some(Attached(self.attachments.of(caller, form).await))
            }
            _ => None,
        };
        Ok(Posted {
            fields,
            attached,
            _held: None,
        })
    }
}

/// The files of a form, in its order.
pub(super) async fn count(State(state): State<AppState>, request: Request) -> Response {
    let t = languages::of(request.headers());
    let caller = caller(request.extensions(), request.headers());
    let Some(boundary) = boundary(request.headers()) else {
        return refusal(t, Unread::Broken);
    };
    let form = match state.bodies.form(request, boundary, BODY_BYTES).await {
        Ok(form) => form,
        Err(unread) => return refusal(t, unread),
    };
    let model = state.model.at_hand();
    let count = move |file: Attachment| added(&*model, &file);
    match state.attachments.each(caller, form, count).await {
        Ok(counts) => {
            let told = |count: Result<usize, Told>| match count {
                Ok(tokens) => Counted::Tokens(tokens),
                Err(reason) => Counted::Refused(reason.told(t).to_owned()),
            };
            let counts: Vec<_> = counts.into_iter().map(told).collect();
            ([(CACHE_CONTROL, "private, no-store")], Json(counts)).into_response()
        }
        Err(Complaint { reason, kind }) => {
            let status = StatusCode::from_u16(kind.status()).expect("a complaint's status is one");
            (status, format!("{}\n", reason.told(t))).into_response()
        }
    }
}

/// How many tokens longer a prompt is with a file. Which the last ones are depends on what follows: words, or another file.
fn added(model: &dyn Generator, file: &Attachment) -> usize {
    let next = "File";
    let with = tokens(model, &(file.told() + next));
    with.saturating_sub(tokens(model, next))
}

/// How many tokens a text has within a prompt, or at most may have where nobody knows.
fn tokens(model: &dyn Generator, text: &str) -> usize {
    let reading = Reading {
        control_tokens: false,
        first_token: false,
    };
    let tokens = model.text_tokens(text, reading);
    tokens.map_or(text.len(), |tokens| tokens.len())
}

#[cfg(test)]
mod tests;
