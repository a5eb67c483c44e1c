//! `GET /runs/{id}/events`: an answer in the making as server-sent events.
//!
//! `status` says what it is at and, while text comes, how fast. `thought` carries what was
//! thought since the last one, or, `anew`, all of it. `text` carries the HTML of the blocks that settled since the byte `at`, and of the
//! unsettled rest; the event's id is the byte up to which text is settled, so that `Last-Event-ID` resumes without
//! loss and without doubles. `done` carries the ended answer.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt, stream};
use nibble_app::chat::{Chat, Phase, Progress, ProgressStream};
use nibble_app::domain::{Answer, EndReason, Id};
use nibble_app::language::Language;
use nibble_app::{answer_html, figures_so_far};
use serde_json::json;
use tokio::task::spawn_blocking;

use crate::runs::{READERS, Run};
use crate::state::AppState;
use crate::visitor::Visiting;

const HEARTBEAT: Duration = Duration::from_secs(10);

/// How often the figures of a growing answer are told: about as fast as they can be read.
const FIGURES: Duration = Duration::from_millis(250);

/// When there may be room for a reader.
const COME_BACK_S: u64 = 5;

pub(crate) async fn events(
    State(state): State<AppState>,
    Path(run): Path<String>,
    visiting: Visiting,
    headers: HeaderMap,
) -> Response {
    let t = visiting.visitor.language;
    let id = run.parse().ok();
    let own = match id {
        Some(run) => state.chat.owns(visiting.visitor, run).await,
        None => None,
    };
    let Some((run, own)) = id.zip(own) else {
        let reason = format!("{}\n", t.no_such_run());
        return (StatusCode::NOT_FOUND, reason).into_response();
    };
    let settled = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok()?.parse().ok())
        .unwrap_or(0);
    let follower = match state.chat.followed(run) {
        None => None,
        Some(run) => match run.follow() {
            Some(progress) => Some(Follower::new(t, run, progress, settled)),
            None => return full(t),
        },
    };
    streamed(followed(state, t, run, own, follower))
}

/// Events that arrive when they happen: no proxy is to hold them back, and no silence to look like a dead connection.
pub(crate) fn streamed(events: impl Stream<Item = Event> + Send + 'static) -> Response {
    let unbuffered = [(HeaderName::from_static("x-accel-buffering"), "no")];
    let events = events.map(Ok::<_, Infallible>);
    let keep_alive = KeepAlive::new().interval(HEARTBEAT);
    (unbuffered, Sse::new(events).keep_alive(keep_alive)).into_response()
}

fn full(t: Language) -> Response {
    let reason = format!("{}\n", t.readers_most(READERS));
    (
        StatusCode::SERVICE_UNAVAILABLE,
        [(RETRY_AFTER, COME_BACK_S)],
        reason,
    )
        .into_response()
}

fn followed(
    state: AppState,
    t: Language,
    run: Id,
    own: bool,
    follower: Option<Follower>,
) -> impl Stream<Item = Event> {
    let steps = stream::iter(follower).flat_map(|follower| {
        stream::unfold(follower, async |mut follower| {
            let events = follower.next().await?;
            Some((stream::iter(events), follower))
        })
        .flatten()
    });
    steps.chain(stream::once(async move {
        let Some(answer) = state.chat.answer(run).await else {
            return gone(t);
        };
        let done = spawn_blocking(move || done(t, &answer, own)).await;
        done.unwrap_or_else(|_| gone(t))
    }))
}

struct Follower {
    t: Language,
    run: Arc<Run>,
    progress: ProgressStream,
    /// The byte up to which the reader has the settled text.
    settled: usize,
    phase: Option<Phase>,
    /// When a status was sent, since the question.
    told: Duration,
}

impl Follower {
    fn new(t: Language, run: Arc<Run>, progress: ProgressStream, settled: usize) -> Self {
        Self {
            t,
            run,
            progress,
            settled,
            phase: None,
            told: Duration::ZERO,
        }
    }

    async fn next(&mut self) -> Option<Vec<Event>> {
        let progress = self.progress.next().await?;
        let mut events = Vec::new();
        let before = self.phase.replace(progress.phase);
        let due = progress.elapsed.saturating_sub(self.told) >= FIGURES;
        if before != Some(progress.phase) || due {
            self.told = progress.elapsed;
            events.push(status(self.t, &progress));
        }
        if !progress.thought.is_empty() {
            let anew = before.is_none();
            events.push(event(
                "thought",
                &json!({ "anew": anew, "text": progress.thought }),
            ));
        }
        if before.is_none() || !progress.text.is_empty() {
            let (run, t, settled) = (Arc::clone(&self.run), self.t, self.settled);
            // Code takes a while to colour. The next frame has what a failed one lacks.
            if let Ok(frame) = spawn_blocking(move || run.frame(t, settled)).await {
                self.settled = frame.settled;
                let text = Event::default().event("text").data(&*frame.data);
                events.push(text.id(frame.settled.to_string()));
            }
        }
        Some(events)
    }
}

fn status(t: Language, progress: &Progress) -> Event {
    let (phase, done, total) = match progress.phase {
        Phase::Behind => ("behind", 0, 0),
        Phase::Queued { .. } => ("queued", 0, 0),
        Phase::Prefill { done, total } => ("prefill", done, total),
        Phase::Thinking => ("thinking", 0, 0),
        Phase::Decode => ("decode", 0, 0),
    };
    let elapsed = progress.elapsed.as_secs_f64();
    let mut data = json!({ "phase": phase, "done": done, "total": total, "elapsed_s": elapsed });
    let place = progress.phase.place(t);
    if !place.is_empty() {
        data["place"] = place.into();
    }
    let figures = figures_so_far(t, progress);
    if !figures.is_empty() {
        data["figures"] = figures.into();
    }
    event("status", &data)
}

fn done(t: Language, answer: &Answer, own: bool) -> Event {
    let status = match answer.end.as_ref().map(|end| &end.reason) {
        Some(EndReason::Complete) => t.is_complete(),
        Some(EndReason::MaxTokens | EndReason::Context | EndReason::CutOff) => t.was_cut_off(),
        Some(EndReason::Repetition) => t.repeated_itself(),
        Some(EndReason::Stopped) => t.was_stopped(),
        Some(EndReason::Interrupted) => t.was_interrupted(),
        Some(EndReason::Failed(_)) | None => t.has_failed(),
    };
    let data = json!({ "html": answer_html(t, answer, own), "status": status });
    event("done", &data)
}

fn gone(t: Language) -> Event {
    event("done", &json!({ "html": "", "status": t.is_gone() }))
}

fn event(name: &str, data: &serde_json::Value) -> Event {
    Event::default().event(name).data(data.to_string())
}

#[cfg(test)]
mod tests;
