//! `POST /compare` and what is done to comparisons, by forms that need no script, and comparisons as files.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use leptos::prelude::provide_context;
use nibble_app::COMPARE;
use nibble_app::chat::{Comparisons, Id};
use nibble_app::compare::{CompareForm, CompareRefused, comparison_csv, comparison_svg};
use nibble_app::complaint::{Complaint, ComplaintKind};
use nibble_app::domain::Comparison;
use nibble_app::language::Language;
use nibble_app::visitor::Visitor;
use nibble_engine::Caller;

use super::exports::{file, told};
use super::{FORM_BYTES, Pages, refusal, unrendered};
use crate::sign_in::lead;
use crate::state::AppState;
use crate::visitor::Visiting;

pub(super) fn files() -> Router<AppState> {
    Router::new()
        .route("/compare/{id}/export.json", get(json))
        .route("/compare/{id}/export.csv", get(csv))
        .route("/compare/{id}/export.svg", get(svg))
}

impl Pages {
    /// Begins a comparison and leads to it; a form that is refused comes back as it was typed.
    pub(super) async fn compare(self, State(state): State<AppState>, request: Request) -> Response {
        let visiting = Visiting::new(request.extensions(), request.headers());
        let visitor = visiting.visitor;
        let held = match self.bodies.read(request, FORM_BYTES).await {
            Ok(held) => held,
            Err(unread) => return refusal(visitor.language, unread),
        };
        let mut form = CompareForm::of(&held.bytes);
        let begun = async {
            let here = state.chat.comparing(visitor).await?;
            form = CompareForm::sent(&held.bytes, visitor.language, &here);
            state.chat.compare(visitor, form.plan(&here)?).await
        };
        let mut response = match begun.await {
            Ok(id) => lead(&format!("{COMPARE}/{id}")),
            Err(complaint) => {
                let kind = complaint.kind;
                let refused = CompareRefused { form, complaint };
                let tell = move || provide_context(refused.clone());
                self.told(visitor, Uri::from_static(COMPARE), kind, tell)
                    .await
            }
        };
        visiting.remember(&mut response);
        response
    }

    /// A page with what was refused on it, and the status of that.
    pub(super) async fn told(
        self,
        visitor: Visitor,
        path: Uri,
        kind: ComplaintKind,
        tell: impl Fn() + Clone + Send + Sync + 'static,
    ) -> Response {
        let mut page = Request::new(Body::empty());
        *page.uri_mut() = path;
        let mut response = self.render(page, visitor, tell).await;
        if response.status() == StatusCode::OK {
            *response.status_mut() =
                StatusCode::from_u16(kind.status()).expect("a complaint's status is one");
        }
        if let Some(seconds) = kind.retry_after_s() {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

pub(super) async fn stop(
    State(state): State<AppState>,
    visiting: Visiting,
    body: Bytes,
) -> Response {
    let Some(id) = named(&body) else {
        return absent(visiting.visitor.language);
    };
    // It may have ended by itself a moment ago.
    state.chat.stop_comparison(visiting.visitor, id);
    lead(&format!("{COMPARE}/{id}"))
}

pub(super) async fn delete(
    State(state): State<AppState>,
    visiting: Visiting,
    body: Bytes,
) -> Response {
    let t = visiting.visitor.language;
    let Some(id) = named(&body) else {
        return absent(t);
    };
    match state.chat.delete_comparison(visiting.visitor, id).await {
        Ok(()) => lead(COMPARE),
        Err(complaint) if complaint.kind == ComplaintKind::Gone => absent(t),
        Err(complaint) => told(t, &complaint),
    }
}

/// The comparison that a form names.
fn named(body: &[u8]) -> Option<Id> {
    let mut fields = form_urlencoded::parse(body);
    let (_, id) = fields.find(|(name, _)| name == "comparison")?;
    id.parse().ok()
}

fn absent(t: Language) -> Response {
    let reason = format!("{}\n", t.no_such_comparison());
    (StatusCode::NOT_FOUND, reason).into_response()
}

async fn json(state: State<AppState>, id: Path<String>, visiting: Visiting) -> Response {
    let write = |_: Language, comparison: &Comparison| {
        let json = serde_json::to_string_pretty(comparison);
        json.unwrap_or_default() + "\n"
    };
    written(state, id, visiting, ("json", "application/json"), write).await
}

async fn csv(state: State<AppState>, id: Path<String>, visiting: Visiting) -> Response {
    let write = |_: Language, comparison: &Comparison| comparison_csv(comparison);
    written(
        state,
        id,
        visiting,
        ("csv", "text/csv; charset=utf-8"),
        write,
    )
    .await
}

async fn svg(state: State<AppState>, id: Path<String>, visiting: Visiting) -> Response {
    written(
        state,
        id,
        visiting,
        ("svg", "image/svg+xml"),
        comparison_svg,
    )
    .await
}

async fn written(
    State(state): State<AppState>,
    Path(id): Path<String>,
    visiting: Visiting,
    (ending, content_type): (&str, &'static str),
    write: fn(Language, &Comparison) -> String,
) -> Response {
    let t = visiting.visitor.language;
    let Ok(id) = id.parse::<Id>() else {
        return absent(t);
    };
    let found: Result<_, Complaint> = state.chat.comparison(visiting.visitor, id).await;
    let comparison = match found {
        Ok(Some(of)) => of.comparison,
        Ok(None) => return absent(t),
        Err(trouble) => return told(t, &trouble),
    };
    let caller = Caller(visiting.visitor.caller);
    let write = move || write(t, &comparison);
    let text = state.filing.run(caller, write).await;
    match text {
        Ok(text) => file(t.comparison_file(), ending, content_type, text.into()),
        Err(error) => unrendered(t, &error),
    }
}

#[cfg(test)]
mod tests;
