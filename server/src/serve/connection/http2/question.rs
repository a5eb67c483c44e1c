//! A request as the routes read it, whatever it came by.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{ConnectInfo, Request};
use axum::http::HeaderValue;
use axum::http::header::{EXPECT, HOST};
use h2::RecvStream;
use http_body::Frame;
use tokio::sync::Notify;

use crate::serve::line::Alarm;
use crate::serve::pulse::Pulse;

/// A body that comes in, within its limits of time.
struct Question {
    body: RecvStream,
    pulse: Arc<Pulse>,
    alarm: Alarm,
    /// Told when the body is first waited for, where the client sends it only then.
    awaited: Option<Arc<Notify>>,
}

/// The request, whose name of this server stands in `Host`.
pub(super) fn of(
    request: Request<RecvStream>,
    peer: SocketAddr,
    pulse: &Arc<Pulse>,
    awaited: &Arc<Notify>,
) -> Request<Body> {
    let expect = request.headers().get(EXPECT);
    let asks = expect.is_some_and(|expect| expect.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    let mut request = request.map(|body| {
        Body::new(Question {
            body,
            pulse: Arc::clone(pulse),
            alarm: Alarm::default(),
            awaited: asks.then(|| Arc::clone(awaited)),
        })
    });
    let authority = request.uri().authority().map(|name| name.as_str());
    let host = authority.and_then(|name| HeaderValue::from_str(name).ok());
    if let Some(host) = host {
        request.headers_mut().entry(HOST).or_insert(host);
    }
    request.extensions_mut().insert(ConnectInfo(peer));
    request
}

impl HttpBody for Question {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        let piece = match this.body.poll_data(context) {
            Poll::Ready(Some(Ok(piece))) => piece,
            Poll::Ready(Some(Err(error))) => {
                return Poll::Ready(Some(Err(io::Error::other(error))));
            }
            Poll::Ready(None) => {
                this.pulse.body_is_read();
                return Poll::Ready(None);
            }
            Poll::Pending => {
                if let Some(awaited) = this.awaited.take() {
                    awaited.notify_one();
                }
                return this.alarm.poll(context, this.pulse.deadline()).map(Some);
            }
        };
        this.pulse.heard();
        // Whoever reads has room for more; a stream that has ended meanwhile needs none.
        let _ = this.body.flow_control().release_capacity(piece.len());
        if this.body.is_end_stream() {
            this.pulse.body_is_read();
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}
