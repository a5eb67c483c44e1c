//! Requests one after another.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{ConnectInfo, Request};
use axum::http::header::{CONNECTION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Version};
use axum::response::Response;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::sync::watch;
use tower::ServiceExt;

use super::BUFFER_BYTES;
use crate::serve::line::Line;
use crate::serve::places::Place;
use crate::serve::pulse::Pulse;

/// As [`BUFFER_BYTES`], for the number of headers.
const MOST_HEADERS: usize = 256;

/// What is sent to find out whether the reader of a stream of events is there; readers skip it.
const COMMENT: &[u8] = b":\n\n";

/// Serves a connection to its end. Once the server closes, what is asked is answered and no more is read.
pub(super) async fn serve(
    line: Line,
    peer: SocketAddr,
    router: Router,
    place: Place,
    mut closing: watch::Receiver<bool>,
) {
    let pulse = place.pulse();
    let line = TokioIo::new(line);
    let service = service_fn(|request| answer(request, peer, router.clone(), Arc::clone(pulse)));
    let mut http = http1::Builder::new();
    http.half_close(true)
        .max_buf_size(BUFFER_BYTES)
        .max_headers(MOST_HEADERS);
    let mut connection = pin!(http.serve_connection(line, service));
    tokio::select! {
        ended = connection.as_mut() => return log(ended),
        () = pulse.evicted() => return,
        _ = closing.wait_for(|closing| *closing) => {}
    }
    if !pulse.has_no_request() {
        connection.as_mut().graceful_shutdown();
        log(connection.await);
    }
}

fn log(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn answer(
    request: Request<Incoming>,
    peer: SocketAddr,
    router: Router,
    pulse: Arc<Pulse>,
) -> Result<Response, Infallible> {
    let has_body = !request.body().is_end_stream();
    pulse.begin(has_body, request.version() >= Version::HTTP_11);
    let turn = Turn(Arc::clone(&pulse));
    let mut request = request.map(|body| Body::new(Question { body, pulse }));
    request.extensions_mut().insert(ConnectInfo(peer));
    let mut response = router.oneshot(request).await?;
    if turn.0.leaves_a_body() {
        // What is still coming of it would be read as the next request.
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    let streams_events = is_event_stream(response.headers());
    if streams_events {
        turn.0.streams_events();
    }
    Ok(response.map(|body| Body::new(Answer { body, turn })))
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// Ends a request's turn, whatever becomes of it.
struct Turn(Arc<Pulse>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.is_answered();
    }
}

/// A body that comes in.
struct Question {
    body: Incoming,
    pulse: Arc<Pulse>,
}

impl HttpBody for Question {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if frame.is_none() || self.body.is_end_stream() {
            self.pulse.body_is_read();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A body that goes out.
struct Answer {
    body: Body,
    turn: Turn,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        // Asked for of streams of events alone, each piece of which is a whole event.
        if self.turn.0.take_wanted_comment() {
            let comment = Frame::data(Bytes::from_static(COMMENT));
            return Poll::Ready(Some(Ok(comment)));
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
