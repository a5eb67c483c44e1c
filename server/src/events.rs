//! `GET /runs/{id}/events`: an answer in the making as server-sent events.
//!
//! `status` says what it is at. `text` carries the HTML of the blocks that settled since the byte `at`, and of the
//! unsettled rest; the event's id is the byte up to which text is settled, so that `Last-Event-ID` resumes without
//! loss and without doubles. `done` carries the ended answer.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt, stream};
use nibble_app::chat::{Chat, End, Phase, Progress, ProgressStream};
use nibble_app::{LiveText, answer_html};
use serde_json::json;

use crate::state::AppState;

const HEARTBEAT: Duration = Duration::from_secs(10);

/// Steps closer together come as one event: each carries the whole unsettled block.
const PACE: Duration = Duration::from_millis(60);

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
    // Without buffering proxies: each event is to arrive when it happens.
    let unbuffered = [(HeaderName::from_static("x-accel-buffering"), "no")];
    let events = followed(state, run, settled).map(Ok::<_, Infallible>);
    let keep_alive = KeepAlive::new().interval(HEARTBEAT);
    (unbuffered, Sse::new(events).keep_alive(keep_alive)).into_response()
}

fn followed(state: AppState, run: String, settled: usize) -> impl Stream<Item = Event> {
    let progress = state.chat.follow(&run);
    let follower = Follower {
        progress: progress.unwrap_or_else(|| stream::empty().boxed()),
        live: None,
        settled,
        phase: None,
    };
    let steps = stream::unfold(follower, async |mut follower| {
        let events = follower.next().await?;
        Some((stream::iter(events), follower))
    });
    steps
        .flatten()
        .chain(stream::once(async move { done(&state, &run) }))
}

struct Follower {
    progress: ProgressStream,
    /// Text so far, once there is any step.
    live: Option<LiveText>,
    /// The byte at which the reader takes up again.
    settled: usize,
    phase: Option<Phase>,
}

impl Follower {
    async fn next(&mut self) -> Option<Vec<Event>> {
        if self.live.is_some() && self.phase == Some(Phase::Decode) {
            tokio::time::sleep(PACE).await;
        }
        let progress = self.progress.next().await?;
        let mut events = Vec::new();
        if self.phase.replace(progress.phase) != Some(progress.phase) {
            events.push(status(&progress));
        }
        let first = self.live.is_none();
        let settled = self.settled;
        let live = match &mut self.live {
            Some(live) => {
                live.push(&progress.text);
                live
            }
            None => self
                .live
                .insert(LiveText::resume(progress.text.clone(), settled)),
        };
        if first || !progress.text.is_empty() {
            let at = live.settled();
            let html = live.settle().unwrap_or_default();
            let tail = live.tail_html();
            let data = json!({ "at": at, "html": html, "tail": tail });
            events.push(event("text", &data).id(live.settled().to_string()));
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
