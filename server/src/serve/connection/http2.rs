//! Requests side by side, each on a stream and in a task of its own.
//!
//! What a connection may hold is what as many connections of HTTP/1.1 as it has streams could: places, and of what comes in and
//! goes out a buffer each; and of up to as many answers more the last 4 KiB, which wait for the socket.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use h2::Reason;
use h2::server::Builder;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::BUFFER_BYTES;
use crate::serve::line::Line;
use crate::serve::places::Place;
use crate::serve::pulse::IDLE;

mod pings;
mod question;
mod stream;
mod taken_back;

use pings::Pings;
use stream::{Asked, Ended};
use taken_back::TakenBack;

/// Fewer would limit a proxy without need (RFC 9113, 6.5.2), which opens another connection when it has so many.
const MOST_STREAMS: usize = 100;
/// Of what a stream sends and is sent, unread.
const WINDOW: u32 = BUFFER_BYTES as u32;
/// Of an answer, what may wait for the socket: so much of it may be there when its stream has given its place back.
const UNSENT: usize = 4 * 1024;
/// What h2 remembers of streams that were reset, of which frames may still come.
const AFTERTHOUGHT: Duration = Duration::from_secs(1);
/// Somebody waits for the place of who is told to leave, and with them all who want to come in.
const FAREWELL: Duration = Duration::from_millis(50);

/// Serves a connection to its end. Once the server closes, streams that are open are answered and no more are taken.
pub(super) async fn serve(
    line: Line,
    peer: SocketAddr,
    router: Router,
    place: Place,
    mut closing: watch::Receiver<bool>,
) {
    let pulse = place.pulse();
    let handshake = rules(place.most_of_one()).handshake::<_, Bytes>(line);
    let mut connection = match handshake.await {
        Ok(connection) => connection,
        Err(error) => return log(&error),
    };
    let mut pings = connection.ping_pong().map(Pings::new);
    let mut streams = JoinSet::new();
    let mut taken_back = TakenBack::default();
    let mut idles_until = Instant::now() + IDLE;
    let (mut takes_more, mut ends) = (true, false);
    pulse.has_no_stream();
    loop {
        tokio::select! {
            accepted = connection.accept() => match accepted {
                Some(Ok((_, mut reply))) if taken_back.are_too_many() => {
                    reply.send_reset(Reason::REFUSED_STREAM);
                }
                Some(Ok((request, reply))) => {
                    pulse.has_streams();
                    let asked = Asked { peer, router: router.clone(), places: place.places() };
                    streams.spawn(stream::answer(request, reply, asked));
                }
                Some(Err(error)) => return log(&error),
                None => return,
            },
            Some(ended) = streams.join_next() => {
                if streams.is_empty() {
                    pulse.has_no_stream();
                    idles_until = Instant::now() + IDLE;
                }
                if matches!(ended, Ok(Ended::TakenBack)) && taken_back.another() {
                    connection.graceful_shutdown();
                }
            }
            () = sleep_until(idles_until), if streams.is_empty() && !ends => {
                ends = true;
                connection.abrupt_shutdown(Reason::NO_ERROR);
            }
            () = pings::unanswered(&mut pings) => return,
            () = pulse.evicted() => break,
            _ = closing.wait_for(|closing| *closing), if takes_more => {
                takes_more = false;
                connection.graceful_shutdown();
            }
        }
    }
    // Whoever sent a question just now is told that nobody has read it.
    connection.abrupt_shutdown(Reason::NO_ERROR);
    let told = poll_fn(|context| connection.poll_closed(context));
    let _ = timeout(FAREWELL, told).await;
}

/// What h2 sees to by itself.
fn rules(most_places: usize) -> Builder {
    let streams = most_places.min(MOST_STREAMS);
    let mut rules = Builder::new();
    rules
        .max_concurrent_streams(streams as u32)
        .max_pending_accept_reset_streams(streams)
        // A head that breaks the rules costs its sender a frame, and would cost whoever shares the connection their answers.
        .max_local_error_reset_streams(None)
        .reset_stream_duration(AFTERTHOUGHT)
        .max_header_list_size(BUFFER_BYTES as u32)
        .max_send_buffer_size(UNSENT)
        .initial_window_size(WINDOW)
        // No stream that is not read holds up another.
        .initial_connection_window_size(WINDOW * streams as u32);
    rules
}

fn log(error: &h2::Error) {
    tracing::debug!(%error, "a connection ended early");
}
