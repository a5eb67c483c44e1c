//! One connection: requests one after another, until either side has enough.
//!
//! HTTP/2 is not spoken, with prior knowledge neither, and is no option either. What it saves is connections, of which a proxy in
//! front of this server needs no more than the engine has places for requests. Caddy, nginx, HAProxy, Envoy and Traefik all speak
//! HTTP/1.1 to what is behind them, and clients of the API do so without TLS. What it takes is more than settings of hyper (1.12):
//! each limit of this folder is a connection's, and would have to hold once more for streams, which h2 opens by itself.
//!
//! - **A reader that takes nothing** is found by a socket that cannot be written to ([`Line`]). In HTTP/2 it gives its stream no
//!   window: hyper holds a piece of the answer back, asks for no other, writes nothing, and ends no such stream. A ping is answered
//!   all the same. It would take an executor of our own that ends a stream whose piece has waited for too long.
//! - **Limits in time** are of what a connection is at ([`Pulse`]), of which there would be one more for each stream, or a body
//!   could pause behind another's answer. hyper shows a stream when its head is whole: a head in drops would be seen by nobody
//!   while another stream is answered.
//! - **A place** is a connection's, and whoever owes a request longest makes room by its end. That would cut off all answers of a
//!   proxy for one of its readers, so places would have to be of streams, which are refused where there is none.
//! - **A stream that is reset at once** has been through the router, and its body may have taken a turn of the preparation. h2
//!   bounds how many resets wait to be seen, and how many it makes itself, not how many come one behind another, which would have
//!   to be counted. Over HTTP/1.1 each costs its sender a connection.
//! - **A head** would be read in two ways: `:authority` stands in for `Host`, or beside it (`security/framing.rs`).
//!
//! `max_concurrent_streams`, small windows, short lists of headers and pings are the easy part.

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
use tokio::net::TcpStream;
use tokio::sync::watch;
use tower::ServiceExt;

use super::line::Line;
use super::places::Place;
use super::pulse::Pulse;

/// Of a head, and of what is read ahead of a body. Heads over [`crate::security`]'s limits are refused in words; one that
/// is longer than this has a status alone.
const BUFFER_BYTES: usize = 32 * 1024;
/// As [`BUFFER_BYTES`], for the number of headers.
const MOST_HEADERS: usize = 256;

/// What is sent to find out whether the reader of a stream of events is there; readers skip it.
const COMMENT: &[u8] = b":\n\n";

/// Serves a connection to its end. Once the server closes, what is asked is answered and no more is read.
pub(super) async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    place: Place,
    mut closing: watch::Receiver<bool>,
) {
    let pulse = place.pulse();
    let line = TokioIo::new(Line::new(stream, Arc::clone(pulse)));
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
