//! One request and its answer.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header::DATE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use tokio::sync::Notify;
use tokio::time::{sleep_until, timeout};
use tower::ServiceExt;

use super::question;
use crate::serve::door;
use crate::serve::places::Places;
use crate::serve::pulse::Pulse;

/// More of an answer is not asked for at a time, nor sent.
const PIECE: usize = 16 * 1024;

/// Who asks, whom, and who lets them.
pub(super) struct Asked {
    pub(super) peer: SocketAddr,
    pub(super) router: Router,
    pub(super) places: Arc<Places>,
}

/// What became of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Answered,
    /// By its client, before it was answered.
    TakenBack,
    /// By us.
    CutOff,
}

/// Answers a request where there is a place for it.
pub(super) async fn answer(
    request: Request<RecvStream>,
    mut reply: SendResponse<Bytes>,
    asked: Asked,
) -> Ended {
    let place = tokio::select! {
        biased;
        _ = poll_fn(|context| reply.poll_reset(context)) => return Ended::TakenBack,
        place = asked.places.enter(asked.peer.ip()) => place,
    };
    let Some(place) = place else {
        tracing::debug!(peer = %asked.peer, "there is no place for a stream");
        let (full, pulse) = (door::full().into_response(), Pulse::default());
        let told = timeout(door::REFUSAL, send(full, reply, &pulse)).await;
        return told.unwrap_or(Ended::CutOff);
    };
    let pulse = place.pulse();
    pulse.begin(!request.body().is_end_stream(), false);
    let awaited = Arc::new(Notify::new());
    let request = question::of(request, asked.peer, pulse, &awaited);
    let mut response = pin!(asked.router.oneshot(request));
    let response = loop {
        tokio::select! {
            biased;
            _ = poll_fn(|context| reply.poll_reset(context)) => return Ended::TakenBack,
            () = pulse.evicted() => {
                reply.send_reset(Reason::CANCEL);
                return Ended::CutOff;
            }
            () = awaited.notified() => ask_for_body(&mut reply),
            response = response.as_mut() => break response.into_response(),
        }
    };
    // Of what nobody has read by now there may be a window's worth, which no connection waits for.
    pulse.body_is_read();
    send(response, reply, pulse).await
}

fn ask_for_body(reply: &mut SendResponse<Bytes>) {
    let mut go_on = Response::new(());
    *go_on.status_mut() = StatusCode::CONTINUE;
    if let Err(error) = reply.send_informational(go_on) {
        tracing::debug!(%error, "a body is not asked for");
    }
}

async fn send(response: Response, mut reply: SendResponse<Bytes>, pulse: &Pulse) -> Ended {
    let (mut head, body) = response.into_parts();
    if let Ok(now) = HeaderValue::try_from(now()) {
        head.headers.entry(DATE).or_insert(now);
    }
    let is_whole = body.is_end_stream();
    match reply.send_response(Response::from_parts(head, ()), is_whole) {
        Ok(_) if is_whole => Ended::Answered,
        Ok(stream) => Outgoing { stream, pulse }.send(body).await,
        // That of a client which has left meanwhile, as nothing in our heads is wrong.
        Err(_) => Ended::TakenBack,
    }
}

fn now() -> String {
    let now = DateTimePrinter::new().timestamp_to_rfc9110_string(&Timestamp::now());
    now.unwrap_or_default()
}

/// A body that goes out.
struct Outgoing<'a> {
    stream: SendStream<Bytes>,
    pulse: &'a Pulse,
}

impl Outgoing<'_> {
    /// Sends all of it, or says why not. What makes it ends with it.
    async fn send(mut self, mut body: Body) -> Ended {
        loop {
            let next = poll_fn(|context| Pin::new(&mut body).poll_frame(context));
            let frame = tokio::select! {
                biased;
                _ = poll_fn(|context| self.stream.poll_reset(context)) => return Ended::TakenBack,
                () = self.pulse.evicted() => return self.cut_off(Reason::CANCEL),
                frame = next => frame,
            };
            let sent = match frame.map(|frame| frame.map(|frame| frame.into_data())) {
                Some(Ok(Ok(piece))) => self.send_piece(piece).await,
                // Trailers, of which our answers have none.
                Some(Ok(Err(_))) => Ok(()),
                Some(Err(error)) => {
                    tracing::debug!(%error, "an answer broke off");
                    return self.cut_off(Reason::INTERNAL_ERROR);
                }
                None => {
                    return match self.stream.send_data(Bytes::new(), true) {
                        Ok(()) => Ended::Answered,
                        Err(_) => Ended::TakenBack,
                    };
                }
            };
            if let Err(ended) = sent {
                return ended;
            }
        }
    }

    /// Hands over no more than the client takes now, so that nothing waits where it is not seen to wait.
    async fn send_piece(&mut self, mut piece: Bytes) -> Result<(), Ended> {
        while !piece.is_empty() {
            self.stream.reserve_capacity(piece.len().min(PIECE));
            let room = self.room().await?.min(piece.len());
            let sent = self.stream.send_data(piece.split_to(room), false);
            sent.map_err(|_| Ended::TakenBack)?;
        }
        Ok(())
    }

    /// How much the client takes, which may not be nothing for ever.
    async fn room(&mut self) -> Result<usize, Ended> {
        let until = self.pulse.stalls();
        let room = tokio::select! {
            biased;
            room = poll_fn(|context| poll_room(&mut self.stream, context)) => room,
            () = self.pulse.evicted() => None,
            () = sleep_until(until) => None,
        };
        match room {
            Some(Ok(room)) => {
                self.pulse.wrote();
                Ok(room)
            }
            Some(Err(_)) => Err(Ended::TakenBack),
            None => Err(self.cut_off(Reason::CANCEL)),
        }
    }

    fn cut_off(&mut self, reason: Reason) -> Ended {
        self.stream.send_reset(reason);
        Ended::CutOff
    }
}

/// An error when the stream is no more.
fn poll_room(
    stream: &mut SendStream<Bytes>,
    context: &mut Context<'_>,
) -> Poll<Option<Result<usize, ()>>> {
    match stream.capacity() {
        0 => stream.poll_capacity(context).map(|room| match room {
            Some(Ok(room)) => Some(Ok(room)),
            Some(Err(_)) | None => Some(Err(())),
        }),
        room => Poll::Ready(Some(Ok(room))),
    }
}
