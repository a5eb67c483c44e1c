//! One connection. It speaks HTTP/1.1, or HTTP/2 where the server was told to take that (`--h2c`) and the client begins with
//! its preface: with prior knowledge, as a proxy does that was told so. Without the option the preface is no request.
//!
//! A stream of HTTP/2 is held to what a connection of HTTP/1.1 is held to, and h2 opens streams by itself, so each limit of
//! this folder is in two places:
//!
//! - **A place** is taken by the connection, and one by each stream. Whoever is to make room goes alone: a stream is reset whose
//!   reader takes nothing or whose body pauses, and a connection goes that has no stream, or whose socket takes nothing. Where
//!   there is no place, a stream is told what a connection would be told.
//! - **Limits in time** are of what a stream is at, by a pulse of its own (`http2/stream.rs`). A body that pauses is refused
//!   beside others that go on.
//! - **A reader that takes nothing** gives its stream no window. No more of an answer is handed to h2 than there is window for,
//!   so it is seen how long a piece waits. That is why h2 is used without hyper, which hands a piece over whole as soon as one
//!   byte of it may be sent, and the last one with all that is left of the answer.
//! - **A head that comes in drops** lets nothing past it: no other frame may come between its parts, so that the answer to a
//!   ping is late (`http2/pings.rs`).
//! - **A stream that is taken back at once** does not reach the router. How many are taken back is counted (`http2/taken_back.rs`):
//!   it costs the sender its connection, as it does over HTTP/1.1.
//! - **A head** is read in one way: `:authority` becomes `Host`, and where both are there they must agree
//!   (`security/framing.rs`).

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::line::Line;
use super::places::Place;

mod http1;
mod http2;

/// Of a head, and of what is read ahead of a body. Heads over [`crate::security`]'s limits are refused in words; one that
/// is longer than this has a status alone.
const BUFFER_BYTES: usize = 32 * 1024;

/// What HTTP/2 begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Serves a connection to its end. Once the server closes, what is asked is answered and no more is read.
pub(super) async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    place: Place,
    mut closing: watch::Receiver<bool>,
    takes_http2: bool,
) {
    let mut line = Line::new(stream, Arc::clone(place.pulse()));
    if takes_http2 {
        let is_http2 = tokio::select! {
            begins = line.begins_with(PREFACE) => begins,
            () = place.pulse().evicted() => return,
            _ = closing.wait_for(|closing| *closing) => return,
        };
        match is_http2 {
            Ok(true) => return http2::serve(line, peer, router, place, closing).await,
            Ok(false) => {}
            Err(error) => {
                return tracing::debug!(%error, "a connection ended before its first request");
            }
        }
    }
    http1::serve(line, peer, router, place, closing).await;
}
