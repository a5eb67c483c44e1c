//! What a connection is at: its socket, its requests and whoever looks for room tell each other through this. A stream of HTTP/2
//! has one as well, beside its connection's.
//!
//! Only a connection whose request is complete may take as long as it likes. All others have a deadline, and make room when
//! there is none.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::bodies::{BODY_IN_ALL, BODY_PAUSE};

/// Between requests, and before the first. Longer than the 60 s after which proxies give up connections that idle: were
/// ours the first to go, a question could be sent into it.
pub(super) const IDLE: Duration = Duration::from_secs(75);
/// From the first byte of a head to its last.
pub(super) const HEAD: Duration = Duration::from_secs(15);

/// How long a client may take nothing of what it is sent,
pub(super) const STALL: Duration = Duration::from_secs(60);
/// and after how long it makes room where there is none.
const STALL_IN_A_CROWD: Duration = Duration::from_secs(5);

/// How it can be told whether a client that has said all it has to say is still there: one that has left answers what it
/// is sent with a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    /// By `100 Continue`, as long as nothing of the response was sent.
    Interim,
    /// By a comment in a stream of events.
    Comment,
    /// It cannot, so it counts as gone.
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Head,
    Body,
    Answering(Probe),
    /// All of the response is made, and not all of it is sent.
    Sending,
    /// A connection of HTTP/2 without a stream,
    Unused,
    /// and with some, each of which says what it is at.
    Shared,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    since: Instant,
    /// When the last byte came.
    heard: Instant,
    /// The client speaks a version that knows interim responses.
    knows_interim: bool,
    /// When the client last took something, while there is more.
    stalled: Option<Instant>,
    unread_body: bool,
    comment_wanted: bool,
}

/// The state of one connection, or one stream.
#[derive(Debug)]
pub(super) struct Pulse {
    state: Mutex<State>,
    evicted: Notify,
}

impl Default for Pulse {
    fn default() -> Self {
        let now = Instant::now();
        Self {
            state: Mutex::new(State {
                phase: Phase::Idle,
                since: now,
                heard: now,
                knows_interim: false,
                stalled: None,
                unread_body: false,
                comment_wanted: false,
            }),
            evicted: Notify::new(),
        }
    }
}

impl Pulse {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes have come.
    pub(super) fn heard(&self) {
        let mut state = self.lock();
        state.heard = Instant::now();
        if state.phase == Phase::Idle {
            state.enter(Phase::Head);
        }
    }

    /// A head is complete.
    pub(super) fn begin(&self, has_body: bool, knows_interim: bool) {
        let mut state = self.lock();
        state.knows_interim = knows_interim;
        state.unread_body = has_body;
        state.comment_wanted = false;
        state.heard = Instant::now();
        state.enter(Phase::Body);
        if !has_body {
            state.answer();
        }
    }

    /// A body is complete.
    pub(super) fn body_is_read(&self) {
        let mut state = self.lock();
        state.unread_body = false;
        if state.phase == Phase::Body {
            state.answer();
        }
    }

    /// Whether a body is still to come, though the response is made.
    pub(super) fn leaves_a_body(&self) -> bool {
        self.lock().unread_body
    }

    /// Something of the response was sent.
    pub(super) fn wrote(&self) {
        let mut state = self.lock();
        state.stalled = None;
        if state.phase == Phase::Answering(Probe::Interim) {
            state.phase = Phase::Answering(Probe::None);
        }
    }

    /// The client takes nothing now; by when it has to.
    pub(super) fn stalls(&self) -> Instant {
        let mut state = self.lock();
        *state.stalled.get_or_insert_with(Instant::now) + STALL
    }

    /// The response is a stream of events.
    pub(super) fn streams_events(&self) {
        let mut state = self.lock();
        if let Phase::Answering(probe) = &mut state.phase {
            *probe = Probe::Comment;
        }
    }

    /// The response is made, or nobody wants it.
    pub(super) fn is_answered(&self) {
        self.lock().enter(Phase::Sending);
    }

    /// All is sent that there was.
    pub(super) fn flushed(&self) {
        let mut state = self.lock();
        if state.phase == Phase::Sending {
            state.enter(Phase::Idle);
        }
    }

    /// The connection speaks HTTP/2, and no stream is open.
    pub(super) fn has_no_stream(&self) {
        self.lock().enter(Phase::Unused);
    }

    /// There is a stream.
    pub(super) fn has_streams(&self) {
        self.lock().enter(Phase::Shared);
    }

    /// When it is to say something, unless an answer is made or sent.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let state = self.lock();
        match state.phase {
            Phase::Idle => Some(state.since + IDLE),
            Phase::Head => Some(state.since + HEAD),
            Phase::Body => Some((state.heard + BODY_PAUSE).min(state.since + BODY_IN_ALL)),
            Phase::Answering(_) | Phase::Sending | Phase::Unused | Phase::Shared => None,
        }
    }

    /// Since when its client owes something, be it to take what it asked for: such a connection may be closed for the sake
    /// of another.
    pub(super) fn owes_since(&self) -> Option<Instant> {
        let state = self.lock();
        match state.phase {
            Phase::Idle | Phase::Head | Phase::Body => Some(state.since),
            Phase::Unused if state.stalled.is_none() => Some(state.since),
            Phase::Answering(_) | Phase::Sending | Phase::Unused | Phase::Shared => state
                .stalled
                .filter(|stalled| stalled.elapsed() >= STALL_IN_A_CROWD),
        }
    }

    /// Whether there is nobody who would be told that the server ends.
    pub(super) fn has_no_request(&self) -> bool {
        matches!(self.lock().phase, Phase::Idle | Phase::Head)
    }

    /// While an answer is made, how to find out whether its client is there.
    pub(super) fn probe(&self) -> Option<Probe> {
        match self.lock().phase {
            Phase::Answering(probe) => Some(probe),
            _ => None,
        }
    }

    /// Whether the client may be still sending what nobody reads: of a body, or of a head that is refused.
    pub(super) fn is_unread(&self) -> bool {
        let state = self.lock();
        state.unread_body || state.phase == Phase::Head
    }

    /// Asks the stream of events for a comment.
    pub(super) fn want_comment(&self) {
        self.lock().comment_wanted = true;
    }

    /// Whether a comment was asked for since the last one.
    pub(super) fn take_wanted_comment(&self) -> bool {
        std::mem::take(&mut self.lock().comment_wanted)
    }

    /// Asks the connection to make room.
    pub(super) fn evict(&self) {
        self.evicted.notify_one();
    }

    /// Ready when it is to make room.
    pub(super) async fn evicted(&self) {
        self.evicted.notified().await;
    }
}

impl State {
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.since = Instant::now();
    }

    fn answer(&mut self) {
        let probe = match self.knows_interim {
            true => Probe::Interim,
            false => Probe::None,
        };
        self.enter(Phase::Answering(probe));
    }
}
