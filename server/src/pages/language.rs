//! `POST /language`: the switch of the page's language, by a form that needs no script.

use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Response};
use nibble_app::LANGUAGE;
use nibble_app::chat::{Draft, Wanted};
use nibble_app::language::Language;
use nibble_app::settings::MessageForm;
use nibble_app::visitor::Visitor;
use serde::Deserialize;

use super::{FORM_BYTES, Pages, form, refusal};
use crate::language::cookie;
use crate::sign_in::{lead, within_site};
use crate::state::AppState;
use crate::visitor::Visiting;

/// Where it was chosen.
#[derive(Deserialize)]
pub(super) struct At {
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
struct Chosen {
    language: String,
    /// What was typed there, where that is a chat.
    #[serde(flatten)]
    form: MessageForm,
}

impl Pages {
    /// Leads back to where it was chosen. A chat comes at once, with all that was typed.
    pub(super) async fn choose_language(
        self,
        State(state): State<AppState>,
        Query(At { next }): Query<At>,
        request: Request<Body>,
    ) -> Response {
        let visiting = Visiting::new(request.extensions(), request.headers());
        let headers = request.headers().clone();
        let held = match self.bodies.read(request, FORM_BYTES).await {
            Ok(held) => held,
            Err(unread) => return refusal(visiting.visitor.language, unread),
        };
        let Chosen { language, form } = match form::fields(LANGUAGE, &headers, &held.bytes).await {
            Ok(chosen) => chosen,
            Err(malformed) => return malformed,
        };
        let Some(language) = Language::tagged(&language) else {
            return StatusCode::UNPROCESSABLE_ENTITY.into_response();
        };
        let visitor = Visitor {
            language,
            ..visiting.visitor
        };
        let next = within_site(&next);
        let may_read = visitor.signed_in || state.sign_in.is_none();
        let is_typed = form != MessageForm::default();
        let mut response = match next.parse() {
            Ok(chat) if may_read && is_typed => {
                let mut draft = Draft {
                    form,
                    complaint: None,
                    wanted: Wanted::Answer,
                    outlook: None,
                };
                form::miss_files(&mut draft, &held.bytes);
                self.drafted(visitor, chat, draft).await
            }
            _ => lead(next),
        };
        let chosen = cookie(&headers, language);
        response.headers_mut().append(SET_COOKIE, chosen);
        visiting.remember(&mut response);
        response
    }
}
