//! `GET /runs/{id}/events`: an answer in the making as server-sent events.
//!
//! `status` says what it is at. `text` carries the HTML of the blocks that settled since the byte `at`, and of the
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
use nibble_app::answer_html;
use nibble_app::chat::{Chat, End, Phase, Progress, ProgressStream};
use serde_json::json;

use crate::runs::{READERS, Run};
use crate::state::AppState;

const HEARTBEAT: Duration = Duration::from_secs(10);

/// When there may be room for a reader.
const COME_BACK_S: u64 = 5;

pub(crate) async fn events(
    State(state): State<AppState>,
    Path(run): Path<String>,
    headers: HeaderMap,
) -> Response {
    if state.chat.answer(&run).is_none() {
        return (StatusCode::NOT_FOUND, "there is no such run\n").into_response();
    }
    let settled = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok()?.parse().ok())
        .unwrap_or(0);
    let follower = match state.chat.run(&run) {
        None => None,
        Some(run) => match run.follow() {
            Some(progress) => Some(Follower::new(run, progress, settled)),
            None => return full(),
        },
    };
    // Without buffering proxies: each event is to arrive when it happens.
    let unbuffered = [(HeaderName::from_static("x-accel-buffering"), "no")];
    let events = followed(state, run, follower).map(Ok::<_, Infallible>);
    let keep_alive = KeepAlive::new().interval(HEARTBEAT);
    (unbuffered, Sse::new(events).keep_alive(keep_alive)).into_response()
}

fn full() -> Response {
    let reason = format!("{READERS} readers follow this answer, as many as may\n");
    (
        StatusCode::SERVICE_UNAVAILABLE,
        [(RETRY_AFTER, COME_BACK_S)],
        reason,
    )
        .into_response()
}

fn followed(state: AppState, run: String, follower: Option<Follower>) -> impl Stream<Item = Event> {
    let steps = stream::iter(follower).flat_map(|follower| {
        stream::unfold(follower, async |mut follower| {
            let events = follower.next().await?;
            Some((stream::iter(events), follower))
        })
        .flatten()
    });
    steps.chain(stream::once(async move { done(&state, &run) }))
}

struct Follower {
    run: Arc<Run>,
    progress: ProgressStream,
    /// The byte up to which the reader has the settled text.
    settled: usize,
    phase: Option<Phase>,
}

impl Follower {
    fn new(run: Arc<Run>, progress: ProgressStream, settled: usize) -> Self {
        Self {
            run,
            progress,
            settled,
            phase: None,
        }
    }

    async fn next(&mut self) -> Option<Vec<Event>> {
        let progress = self.progress.next().await?;
        let mut events = Vec::new();
        let before = self.phase.replace(progress.phase);
        if before != Some(progress.phase) {
            events.push(status(&progress));
        }
        if before.is_none() || !progress.text.is_empty() {
            let frame = self.run.frame(self.settled);
            self.settled = frame.settled;
            let text = Event::default().event("text").data(&*frame.data);
            events.push(text.id(frame.settled.to_string()));
        }
        Some(events)
    }
}

fn status(progress: &Progress) -> Event {
    let (phase, done, total) = match progress.phase {
        Phase::Queued { .. } => ("queued", 0, 0),
        Phase::Prefill { done, total } => ("prefill", done, total),
        Phase::Decode => ("decode", 0, 0),
    };
    let elapsed = progress.elapsed.as_secs_f64();
    let mut data = json!({ "phase": phase, "done": done, "total": total, "elapsed_s": elapsed });
    let place = progress.phase.place();
    if !place.is_empty() {
        data["place"] = place.into();
    }
    event("status", &data)
}

fn done(state: &AppState, run: &str) -> Event {
    let Some(answer) = state.chat.answer(run) else {
        return event(
            "done",
            &json!({ "html": "", "status": "The answer is gone." }),
        );
    };
    let status = match answer.end {
        Some(End::Complete(_)) => "The answer is complete.",
        Some(End::Length(_) | End::CutOff(_)) => "The answer was cut off.",
        Some(End::Stopped(_)) => "The answer was stopped.",
        Some(End::Failed(_)) | None => "The answer failed.",
    };
    let data = json!({ "html": answer_html(&answer), "status": status });
    event("done", &data)
}

fn event(name: &str, data: &serde_json::Value) -> Event {
    Event::default().event(name).data(data.to_string())
}

#[cfg(test)]
mod tests;
