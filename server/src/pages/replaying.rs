//! `POST /speed/replay`: computes one of the visitor's answers again; what comes of it stands on the answer's page.

use axum::extract::{Request, State};
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use leptos::prelude::provide_context;
use nibble_app::chat::{Id, ReplayRefused, Replays};

use super::{FORM_BYTES, Pages, refusal};
use crate::sign_in::lead;
use crate::state::AppState;
use crate::visitor::Visiting;

impl Pages {
    pub(super) async fn replay(self, State(state): State<AppState>, request: Request) -> Response {
        let visiting = Visiting::new(request.extensions(), request.headers());
        let visitor = visiting.visitor;
        let held = match self.bodies.read(request, FORM_BYTES).await {
            Ok(held) => held,
            Err(unread) => return refusal(visitor.language, unread),
        };
        let mut fields = form_urlencoded::parse(&held.bytes);
        let answer = fields.find(|(name, _)| name == "answer");
        let Some(answer) = answer.and_then(|(_, id)| id.parse::<Id>().ok()) else {
            let reason = format!("{}\n", visitor.language.no_such_answer());
            return (axum::http::StatusCode::NOT_FOUND, reason).into_response();
        };
        match state.chat.replay(visitor, answer).await {
            Ok(()) => lead(&format!("/speed/{answer}#replay")),
            Err(complaint) => {
                let kind = complaint.kind;
                let path = format!("/speed/{answer}").parse::<Uri>();
                let path = path.expect("names of answers are plain");
                let tell = move || provide_context(ReplayRefused(complaint.clone()));
                self.told(visitor, path, kind, tell).await
            }
        }
    }
}
