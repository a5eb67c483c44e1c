//! The forms of `/about/models`, which need no script: models are fetched, removed and had back. And how a fetch goes, as events.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{Method, Uri};
use axum::middleware::Next;
use axum::response::Response;
use axum::response::sse::Event;
use futures::{Stream, StreamExt, stream};
use leptos::prelude::provide_context;
use nibble_app::chat::{Fetching, ManageRefused};
use nibble_app::complaint::Complaint;
use nibble_app::language::Language;
use nibble_app::visitor::Visitor;
use nibble_app::{
    CANCEL_FETCH, DISCARD_MODEL, FETCH_MODEL, MODELS, REMOVE_MODEL, RESTORE_MODEL, fetching_html,
};
use tokio::sync::watch;
use tokio::time::sleep;

use super::{Pages, refusal};
use crate::events::streamed;
use crate::management::Fetch;
use crate::reader::wants_html;
use crate::sign_in::lead;
use crate::state::AppState;
use crate::visitor::Visiting;

/// Names are short.
const FORM_BYTES: usize = 16 * 1024;

/// How often progress is told: about as fast as it can be read.
const FIGURES: Duration = Duration::from_millis(250);

/// What a form wants, which its address says.
const ACTS: [(&str, Act); 5] = [
    (FETCH_MODEL, Act::Fetch),
    (CANCEL_FETCH, Act::Cancel),
    (REMOVE_MODEL, Act::Remove),
    (RESTORE_MODEL, Act::Restore),
    (DISCARD_MODEL, Act::Discard),
];

#[derive(Clone, Copy)]
pub(super) enum Act {
    Fetch,
    Cancel,
    Remove,
    Restore,
    Discard,
}

/// Each address with what its form wants.
pub(super) fn acts() -> impl Iterator<Item = (&'static str, Act)> {
    ACTS.into_iter()
}

/// Who types an address once more that is for forms is led to the page.
pub(super) async fn page() -> Response {
    lead(MODELS)
}

/// `GET /models` is the API's, as is every path of it without its version; a person who types it is led to the page.
pub(crate) async fn lead_readers(request: Request, next: Next) -> Response {
    let by_reader = wants_html(request.headers());
    let is_there = ["/models", "/models/"].contains(&request.uri().path());
    match is_there && by_reader && request.method() == Method::GET {
        true => lead(MODELS),
        false => next.run(request).await,
    }
}

impl Pages {
    /// Does what a form wants and leads back to the page; one that is refused is answered by the page with the reason.
    pub(super) async fn manage(self, state: AppState, act: Act, request: Request) -> Response {
        let visiting = Visiting::new(request.extensions(), request.headers());
        let visitor = visiting.visitor;
        let held = match self.bodies.read(request, FORM_BYTES).await {
            Ok(held) => held,
            Err(unread) => return refusal(visitor.language, unread),
        };
        let mut response = match done(&state, visitor, act, &held.bytes).await {
            Ok(()) => lead(MODELS),
            Err(complaint) => {
                let kind = complaint.kind;
                let is_fetch = matches!(act, Act::Fetch);
                let refused = ManageRefused {
                    name: is_fetch.then(|| field(&held.bytes, "name")),
                    complaint,
                };
                let tell = move || provide_context(refused.clone());
                self.told(visitor, Uri::from_static(MODELS), kind, tell)
                    .await
            }
        };
        visiting.remember(&mut response);
        response
    }
}

async fn done(state: &AppState, visitor: Visitor, act: Act, form: &Bytes) -> Result<(), Complaint> {
    let chat = &state.chat;
    match act {
        Act::Fetch => chat.fetch_model(visitor, &field(form, "name")),
        Act::Cancel => {
            let management = chat.managed(visitor)?;
            // It may have ended by itself a moment ago.
            if let Ok(id) = field(form, "fetch").parse() {
                management.cancel(id);
            }
            Ok(())
        }
        Act::Remove => chat.remove_model(visitor, &field(form, "name")).await,
        Act::Restore => chat.restore_model(visitor, field(form, "model")).await,
        Act::Discard => chat.discard_model(visitor, field(form, "model")).await,
    }
}

/// Empty where there is none.
fn field(form: &[u8], name: &str) -> String {
    let mut fields = form_urlencoded::parse(form);
    let found = fields.find(|(found, _)| found == name);
    found
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

/// `GET /about/models/events`: `progress` has the HTML of how a fetch goes, `ended` says that none goes on.
pub(super) async fn events(State(state): State<AppState>, visiting: Visiting) -> Response {
    let t = visiting.visitor.language;
    let watched = state.chat.watch_fetch();
    let model = state.model.clone();
    let ends = Box::pin(async move { model.ends().await });
    streamed(told(t, watched).take_until(ends))
}

fn told(
    t: Language,
    watched: Option<watch::Receiver<Option<Fetch>>>,
) -> impl Stream<Item = Event> + Send + 'static {
    let follower = Follower {
        t,
        watched,
        id: None,
        is_over: false,
    };
    stream::unfold(follower, async |mut follower| {
        let event = match follower.next().await? {
            Some(fetching) => Event::default()
                .event("progress")
                .data(fetching_html(follower.t, &fetching)),
            None => Event::default().event("ended").data("ended"),
        };
        Some((event, follower))
    })
}

/// What one reader has of one fetch.
struct Follower {
    t: Language,
    watched: Option<watch::Receiver<Option<Fetch>>>,
    /// The fetch, once it is known.
    id: Option<u64>,
    is_over: bool,
}

impl Follower {
    /// How it goes now; nothing inside when it has ended, and nothing after that.
    async fn next(&mut self) -> Option<Option<Fetching>> {
        if self.is_over {
            return None;
        }
        let current = match &mut self.watched {
            Some(watched) if self.id.is_none() => current(watched),
            Some(watched) => {
                sleep(FIGURES).await;
                match watched.changed().await {
                    Ok(()) => current(watched),
                    Err(_) => None,
                }
            }
            None => None,
        };
        let current = current.filter(|current| {
            let is_it = *self.id.get_or_insert(current.id) == current.id;
            is_it && current.end.is_none()
        });
        self.is_over = current.is_none();
        Some(current)
    }
}

fn current(watched: &mut watch::Receiver<Option<Fetch>>) -> Option<Fetching> {
    let fetch = watched.borrow_and_update();
    fetch.as_ref().map(|fetch| fetch.shown.clone())
}

#[cfg(test)]
mod tests;
