//! `POST /sign-in` and `POST /sign-out`: forms that need no script.

use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use leptos::prelude::provide_context;
use nibble_app::chat::SignInRefused;
use nibble_app::language::{Language, Told};
use nibble_app::visitor::Visitor;
use serde::Deserialize;

use super::{FORM_BYTES, Pages, form, refusal};
use crate::error::retry_after_s;
use crate::sign_in::{Refusal, SIGN_IN, Session, lead, within_site};
use crate::state::AppState;
use crate::visitor::Visiting;

#[derive(Deserialize)]
struct Typed {
    password: String,
    #[serde(default)]
    next: String,
}

impl Pages {
    pub(super) async fn sign_in(self, State(state): State<AppState>, request: Request) -> Response {
        let Some(sign_in) = &state.sign_in else {
            return StatusCode::NOT_FOUND.into_response();
        };
        let visitor = Visiting::new(request.extensions(), request.headers()).visitor;
        let headers = request.headers().clone();
        let held = match self.bodies.read(request, FORM_BYTES).await {
            Ok(held) => held,
            Err(unread) => return refusal(visitor.language, unread),
        };
        let Typed { password, next } = match form::fields(SIGN_IN, &headers, &held.bytes).await {
            Ok(typed) => typed,
            Err(malformed) => return malformed,
        };
        match sign_in.admit(visitor.caller, &password, Instant::now()) {
            Ok(session) => {
                let mut response = lead(within_site(&next));
                response
                    .headers_mut()
                    .insert(SET_COOKIE, session.cookie(&headers));
                response
            }
            Err(refused) => self.refused(visitor, refused, within_site(&next)).await,
        }
    }

    /// The form once more, with what was wrong.
    async fn refused(self, visitor: Visitor, refused: Refusal, next: &str) -> Response {
        let reason = match refused {
            Refusal::Wrong => Told::new(Language::wrong_password),
            Refusal::TooMany { wait } => {
                let seconds = retry_after_s(Some(wait));
                Told::new(|t| t.too_many_wrong(seconds))
            }
        };
        let mut page = Request::new(Body::empty());
        *page.uri_mut() = Uri::from_static(SIGN_IN);
        let next = next.to_owned();
        let tell = move || {
            provide_context(SignInRefused {
                reason: reason.clone(),
                next: next.clone(),
            });
        };
        let mut response = self.render(page, visitor, tell).await;
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        if let Refusal::TooMany { wait } = refused {
            *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            let seconds = retry_after_s(Some(wait));
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

pub(super) async fn sign_out(headers: HeaderMap) -> Response {
    let mut response = lead(SIGN_IN);
    response
        .headers_mut()
        .insert(SET_COOKIE, Session::no_cookie(&headers));
    response
}
