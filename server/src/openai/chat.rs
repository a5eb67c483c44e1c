//! `POST /v1/chat/completions`.
//!
//! The answer is dropped with the response, so a client that goes away cancels it.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Json, Response};
use futures::{StreamExt, stream};
use nibble_engine::{Completion, Error, Event};
use serde::Serialize;

use super::MAX_BODY_BYTES;
use super::request::ChatCompletion;
use super::response::{Chunk, Reply};
use crate::caller::CalledBy;
use crate::error::ApiError;
use crate::metered::MeteredAnswer;
use crate::state::AppState;

/// Nothing else is sent while a request waits or its prompt is computed, and proxies close connections that were silent for
/// 30 s, some for 10.
const HEARTBEAT: Duration = Duration::from_secs(5);

pub(super) async fn complete(
    State(state): State<AppState>,
    CalledBy(caller): CalledBy,
    request: Request,
) -> Result<Response, ApiError> {
    let body = state.bodies.read(request, MAX_BODY_BYTES).await?;
    let (info, usd_per_hour) = (state.model.info().clone(), state.settings.usd_per_hour);
    let reply = Reply::new(&info.id);
    let read = move || {
        let chat = ChatCompletion::parse(&body.bytes, &info, usd_per_hour, caller)?;
        Ok::<_, ApiError>((chat.request, (chat.stream, chat.include_usage)))
    };
    let (answer, (stream, include_usage)) = state.model.submit_read(read).await?;
    if stream {
        Ok(streamed(reply, answer, include_usage))
    } else {
        whole(&reply, answer).await
    }
}

async fn whole(reply: &Reply, mut answer: MeteredAnswer) -> Result<Response, ApiError> {
    let (mut text, mut calls) = (String::new(), Vec::new());
    while let Some(event) = answer.next().await {
        match event {
            Event::Queued { .. } | Event::Prefill { .. } => {}
            Event::Text(piece) => text.push_str(&piece),
            Event::Called(call) => calls.push(call),
            Event::Finished(completion) => {
                return Ok(Json(reply.whole(text, calls, completion)?).into_response());
            }
            Event::Failed(error) => return Err(error.into()),
        }
    }
    Err(Error::Stopped.into())
}

fn streamed(reply: Reply, answer: MeteredAnswer, include_usage: bool) -> Response {
    let mut wire = Wire {
        reply,
        include_usage,
        calls: 0,
        ended: false,
    };
    let role = wire.chunk(wire.reply.role());
    // An answer whose engine is gone just yields nothing more; the `None` makes that visible.
    let events = answer.map(Some).chain(stream::iter([None]));
    let rest = events.flat_map(move |event| stream::iter(wire.events(event)));
    let all = stream::iter([role]).chain(rest).map(Ok::<_, Infallible>);
    let stream = Sse::new(all).keep_alive(KeepAlive::new().interval(HEARTBEAT).text("ping"));
    // nginx would otherwise hold the tokens back to fill its buffers.
    ([("x-accel-buffering", "no")], stream).into_response()
}

/// Turns the events of an answer into those of a streamed reply.
struct Wire {
    reply: Reply,
    include_usage: bool,
    /// Calls of tools so far.
    calls: usize,
    ended: bool,
}

impl Wire {
    fn events(&mut self, event: Option<Event>) -> Vec<sse::Event> {
        if self.ended {
            return Vec::new();
        }
        match event {
            Some(Event::Queued { .. } | Event::Prefill { .. }) => Vec::new(),
            Some(Event::Text(text)) => vec![self.chunk(self.reply.text(text))],
            Some(Event::Called(call)) => {
                let index = self.calls;
                self.calls += 1;
                vec![self.chunk(self.reply.call(call, index))]
            }
            Some(Event::Finished(completion)) => self.end(&completion),
            Some(Event::Failed(error)) => self.failure(&error.into()),
            None => self.failure(&Error::Stopped.into()),
        }
    }

    fn end(&mut self, completion: &Completion) -> Vec<sse::Event> {
        let end = match self.reply.end(completion, self.calls > 0) {
            Ok(end) => self.chunk(end),
            Err(error) => return self.failure(&error),
        };
        self.ended = true;
        let usage = self
            .include_usage
            .then(|| data(&self.reply.usage(completion)));
        let done = sse::Event::default().data("[DONE]");
        [Some(end), usage, Some(done)]
            .into_iter()
            .flatten()
            .collect()
    }

    fn failure(&mut self, error: &ApiError) -> Vec<sse::Event> {
        self.ended = true;
        vec![data(&error.in_mid_stream())]
    }

    fn chunk(&self, chunk: Chunk<'_>) -> sse::Event {
        if self.include_usage {
            data(&chunk.with_usage_to_come())
        } else {
            data(&chunk)
        }
    }
}

fn data(content: &impl Serialize) -> sse::Event {
    sse::Event::default()
        .json_data(content)
        .expect("text, numbers and fixed names always make JSON")
}
