//! The forms of pages, checked before Leptos reads them: it would answer a malformed one with status 500, or lead whoever
//! sent it to any `Referer`.

use std::borrow::Cow;

use axum::body::{Body, Bytes};
use axum::extract::{Form, FromRequest, Request};
use axum::http::header::{CONTENT_TYPE, LOCATION, REFERER};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use leptos::server_fn::ServerFn;
use nibble_app::chat::Draft;
use nibble_app::complaint::Complaint;
use nibble_app::language::Language;
use nibble_app::{
    AnswerAgain, BranchOff, CheckMessage, ContinueAnswer, DeleteAllChats, DeleteChat, DeletePreset,
    EditQuestion, HideQuestion, PinChat, RenameChat, ResetChat, RestoreAllChats, RestoreChat,
    SavePreset, SendMessage, ShareChat, ShowBranch, StopAnswer, UnhideQuestion, UsePreset,
};
use serde::de::DeserializeOwned;

use crate::language;

/// Where Leptos leads who sent what it cannot read.
const ASTRAY: HeaderValue = HeaderValue::from_static("http://malformed.invalid/");

/// # Errors
/// Why a form is not one that its address takes.
pub(super) async fn check(path: &str, headers: &HeaderMap, body: &Bytes) -> Result<(), Response> {
    macro_rules! one_of {
        ($($form:ident),*) => {
            match path {
                $($form::PATH => fields::<$form>(path, headers, body).await.map(drop),)*
                _ => Ok(()),
            }
        };
    }
    one_of!(
        SendMessage,
        CheckMessage,
        AnswerAgain,
        EditQuestion,
        StopAnswer,
        ResetChat,
        BranchOff,
        ContinueAnswer,
        ShowBranch,
        HideQuestion,
        UnhideQuestion,
        RenameChat,
        PinChat,
        ShareChat,
        DeleteChat,
        RestoreChat,
        DeleteAllChats,
        RestoreAllChats,
        SavePreset,
        UsePreset,
        DeletePreset
    )
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
    let fields = fields.map_err(|why| malformed(language::of(headers), path, &why.body_text()))?;
    Ok(fields.0)
}

/// Has a draft say that files which its form named by their names alone are to be chosen again: a page cannot put them into
/// its form.
pub(super) fn miss_files(draft: &mut Draft, body: &[u8]) {
    let is_file =
        |(name, value): (Cow<'_, str>, Cow<'_, str>)| name == "files" && !value.is_empty();
    if form_urlencoded::parse(body).any(is_file) {
        draft.complaint = Some(match draft.complaint.take() {
            Some(complaint) => complaint.without_files(),
            None => Complaint::files_are_missed(),
        });
    }
}

/// Takes the `Referer` away, to which nobody is to be led.
pub(super) fn tie(headers: &mut HeaderMap) {
    headers.insert(REFERER, ASTRAY);
}

/// What Leptos answers, unless it could not read the form.
pub(super) fn answered(t: Language, path: &str, response: Response) -> Response {
    let location = response.headers().get(LOCATION);
    let is_astray = location.is_some_and(|to| {
        let (to, astray) = (to.as_bytes(), ASTRAY);
        to.starts_with(astray.as_bytes())
    });
    if is_astray || response.status() == StatusCode::INTERNAL_SERVER_ERROR {
        return malformed(t, path, t.form_fields());
    }
    response
}

fn malformed(t: Language, path: &str, why: &str) -> Response {
    let why = why.rsplit_once("form body: ").map_or(why, |(_, why)| why);
    (
        StatusCode::BAD_REQUEST,
        format!("{}\n", t.form_unreadable(path, why)),
    )
        .into_response()
}
