//! Whether a client of HTTP/2 is there and hears: it answers pings. One that is at a head, which no other frame may interrupt,
//! cannot, so this is also how long a head may take.

use std::future::{pending, poll_fn};
use std::time::Duration;

use h2::{Ping, PingPong};
use tokio::time::{Instant, sleep_until};

use crate::serve::pulse::STALL;

/// From an answer to the next ping.
const PAUSE: Duration = Duration::from_secs(15);
/// How long an answer may take, which may be behind all that the client was sent before.
const ANSWER: Duration = STALL;

pub(super) struct Pings {
    pings: PingPong,
    is_asked: bool,
    until: Instant,
}

impl Pings {
    pub(super) fn new(pings: PingPong) -> Self {
        Self {
            pings,
            is_asked: false,
            until: Instant::now() + PAUSE,
        }
    }

    async fn unanswered(&mut self) {
        loop {
            tokio::select! {
                pong = poll_fn(|context| self.pings.poll_pong(context)), if self.is_asked => {
                    if pong.is_err() {
                        // Which the connection says as well.
                        return pending().await;
                    }
                    (self.is_asked, self.until) = (false, Instant::now() + PAUSE);
                }
                () = sleep_until(self.until) => {
                    if self.is_asked || self.pings.send_ping(Ping::opaque()).is_err() {
                        return;
                    }
                    (self.is_asked, self.until) = (true, Instant::now() + ANSWER);
                }
            }
        }
    }
}

/// Ready when a ping was not answered.
pub(super) async fn unanswered(pings: &mut Option<Pings>) {
    match pings {
        Some(pings) => pings.unanswered().await,
        None => pending().await,
    }
}
