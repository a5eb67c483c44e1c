//! Answers in the making. A run belongs to the server, not to a connection: it goes on when nobody reads, and readers
//! follow it from its start, so many at a time and the slower the more there are, so that they do not slow it down.

mod rendered;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::{self, Display};
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::stream;
use nibble_app::chat::{Phase, Progress, ProgressStream};
use nibble_engine::Stopper;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

pub(crate) use self::rendered::Frame;
use self::rendered::Rendered;

/// The most readers of a run.
pub(crate) const READERS: usize = 64;
/// Steps closer together come as one: each reader's costs a wake-up and a packet.
const PACE: Duration = Duration::from_millis(60);
/// So many readers more make the pace slower by as much.
const PACED: usize = 16;

/// How often it is looked whether somebody reads an answer that waits for its turn.
const LOOK: Duration = Duration::from_secs(1);
/// A page that is loaded anew, or has lost its connection, is back after so many looks.
const LOOKS: usize = 10;

/// The name of a run: the conversation's and the number of the turn.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RunId {
    pub(crate) conversation: String,
    pub(crate) turn: usize,
}

impl Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.conversation, self.turn)
    }
}

impl RunId {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (conversation, turn) = text.rsplit_once('-')?;
        Some(Self {
            conversation: conversation.to_owned(),
            turn: turn.parse().ok()?,
        })
    }
}

/// The runs that are not ended.
#[derive(Default)]
pub(crate) struct Runs {
    by_id: Mutex<HashMap<RunId, Arc<Run>>>,
}

impl Runs {
    /// Begins a run, unless one of that name is there.
    pub(crate) fn claim(&self, id: &RunId, stopper: Stopper) -> Option<Arc<Run>> {
        match self.lock().entry(id.clone()) {
            Entry::Occupied(_) => None,
            Entry::Vacant(vacant) => Some(Arc::clone(vacant.insert(Arc::new(Run::new(stopper))))),
        }
    }

    pub(crate) fn get(&self, id: &RunId) -> Option<Arc<Run>> {
        self.lock().get(id).cloned()
    }

    pub(crate) fn remove(&self, id: &RunId) {
        self.lock().remove(id);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RunId, Arc<Run>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One answer in the making.
pub(crate) struct Run {
    started: Instant,
    stopper: Stopper,
    state: watch::Sender<State>,
    rendered: Mutex<Rendered>,
    places: Arc<Semaphore>,
}

struct State {
    phase: Phase,
    text: String,
    ended: bool,
}

impl Run {
    fn new(stopper: Stopper) -> Self {
        let state = State {
            phase: Phase::WAITING,
            text: String::new(),
            ended: false,
        };
        Self {
            started: Instant::now(),
            stopper,
            state: watch::Sender::new(state),
            rendered: Mutex::default(),
            places: Arc::new(Semaphore::new(READERS)),
        }
    }

    pub(crate) fn stop(&self) {
        self.stopper.stop();
    }

    pub(crate) fn queued(&self, before: usize, seconds: Option<f64>) {
        let seconds = seconds.map(|seconds| seconds.ceil() as u32);
        self.state
            .send_modify(|state| state.phase = Phase::Queued { before, seconds });
    }

    pub(crate) fn prefill(&self, done: usize, total: usize) {
        self.state
            .send_modify(|state| state.phase = Phase::Prefill { done, total });
    }

    pub(crate) fn append(&self, text: &str) {
        self.state.send_modify(|state| {
            state.phase = Phase::Decode;
            state.text.push_str(text);
        });
    }

    /// All text so far.
    pub(crate) fn text(&self) -> String {
        self.state.borrow().text.clone()
    }

    /// Ready when the answer still waits for its turn and nobody has read it for a while.
    pub(crate) async fn left_waiting(&self) {
        let mut alone = 0;
        while alone < LOOKS {
            tokio::time::sleep(LOOK).await;
            if !matches!(self.state.borrow().phase, Phase::Queued { .. }) {
                pending::<()>().await;
            }
            alone = match self.state.receiver_count() {
                0 => alone + 1,
                _ => 0,
            };
        }
    }

    /// Releases the readers. What the answer became must be in the store by now, where they look next.
    pub(crate) fn end(&self) {
        self.state.send_modify(|state| state.ended = true);
    }

    /// First what there is, then what comes. Steps that a reader was too slow for come as one. Nothing when it has all the
    /// readers that it may have.
    pub(crate) fn follow(&self) -> Option<ProgressStream> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let reader = Reader {
            started: self.started,
            state: self.state.subscribe(),
            read: 0,
            begun: None,
            places: Arc::clone(&self.places),
            _place: place,
        };
        Some(Box::pin(stream::unfold(reader, async |mut reader| {
            let progress = reader.next().await?;
            Some((progress, reader))
        })))
    }

    /// The text as HTML, for a reader that has its blocks before the byte `settled`.
    pub(crate) fn frame(&self, settled: usize) -> Frame {
        let rendered = self.rendered.lock();
        let mut rendered = rendered.unwrap_or_else(PoisonError::into_inner);
        let state = self.state.borrow();
        rendered.frame(&state.text, settled)
    }
}

struct Reader {
    started: Instant,
    state: watch::Receiver<State>,
    /// Bytes of text.
    read: usize,
    /// The phase of the step before.
    begun: Option<Phase>,
    places: Arc<Semaphore>,
    _place: OwnedSemaphorePermit,
}

impl Reader {
    async fn next(&mut self) -> Option<Progress> {
        if self.begun == Some(Phase::Decode) {
            tokio::time::sleep(self.pace()).await;
        }
        if self.begun.is_some() && !self.state.borrow().ended {
            // A sender that is gone leaves a state that says nothing new.
            self.state.changed().await.ok()?;
        }
        let state = self.state.borrow_and_update();
        let text = state.text.get(self.read..).unwrap_or_default();
        if self.begun.is_some() && state.ended && text.is_empty() {
            return None;
        }
        self.begun = Some(state.phase);
        self.read += text.len();
        Some(Progress {
            phase: state.phase,
            elapsed: self.started.elapsed(),
            text: text.to_owned(),
        })
    }

    fn pace(&self) -> Duration {
        let readers = READERS.saturating_sub(self.places.available_permits());
        PACE * (1 + readers / PACED) as u32
    }
}

#[cfg(test)]
mod tests;
