//! Answers in the making. A run belongs to the server, not to a connection: it goes on when nobody reads, and readers
//! follow it from its start, so many at a time and the slower the more there are, so that they do not slow it down.

mod all;
mod reader;
mod rendered;

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use futures::stream;
use nibble_app::chat::{Phase, ProgressStream};
use nibble_app::domain::End;
use nibble_app::language::Language;
use nibble_app::visitor::Owner;
use nibble_engine::Stopper;
use tokio::sync::{Semaphore, watch};

pub(crate) use self::all::Runs;
use self::reader::Reader;
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

/// One answer in the making.
pub(crate) struct Run {
    /// Whose conversation it is in.
    pub(crate) owner: Owner,
    stopping: Mutex<Stopping>,
    /// Bytes of text that are in the store.
    written: AtomicUsize,
    state: watch::Sender<State>,
    /// In each language that somebody reads it in.
    rendered: Mutex<Vec<Rendered>>,
    places: Arc<Semaphore>,
}

/// Whoever asked for an answer, as seen by those who write it; nobody by default.
#[derive(Clone, Default)]
pub(crate) struct Asker(Weak<()>);

impl Asker {
    /// One who is there as long as what is returned beside.
    pub(crate) fn new() -> (Arc<()>, Self) {
        let here = Arc::new(());
        let asker = Self(Arc::downgrade(&here));
        (here, asker)
    }

    fn is_here(&self) -> bool {
        self.0.strong_count() > 0
    }
}

/// Who ends an answer early, and whether somebody wants that.
#[derive(Default)]
struct Stopping {
    wanted: bool,
    stopper: Option<Stopper>,
}

struct State {
    /// When it was asked for, or when the answer that it waited for had ended.
    started: Instant,
    /// How long its model was brought into memory for it.
    loading: Duration,
    phase: Phase,
    thought: String,
    text: String,
    /// Pieces that the text came in.
    tokens: usize,
    first_token: Option<Duration>,
    end: Option<End>,
}

impl State {
    fn count(&mut self) {
        self.tokens += 1;
        self.first_token.get_or_insert(self.started.elapsed());
    }
}

impl Run {
    fn new(owner: Owner) -> Self {
        let state = State {
            started: Instant::now(),
            loading: Duration::ZERO,
            phase: Phase::WAITING,
            thought: String::new(),
            text: String::new(),
            tokens: 0,
            first_token: None,
            end: None,
        };
        Self {
            owner,
            stopping: Mutex::default(),
            written: AtomicUsize::new(0),
            state: watch::Sender::new(state),
            rendered: Mutex::default(),
            places: Arc::new(Semaphore::new(READERS)),
        }
    }

    /// Has the engine end the answer early, now or as soon as it is asked; says whether it had been asked.
    pub(crate) fn stop(&self) -> bool {
        let mut stopping = self.stopping();
        stopping.wanted = true;
        if let Some(stopper) = &stopping.stopper {
            stopper.stop();
        }
        stopping.stopper.is_some()
    }

    /// From now on the engine writes it.
    pub(crate) fn attach(&self, stopper: Stopper) {
        let mut stopping = self.stopping();
        if stopping.wanted {
            stopper.stop();
        }
        stopping.stopper = Some(stopper);
    }

    /// Whether somebody has ended it before the engine was asked.
    pub(crate) fn is_unwanted(&self) -> bool {
        self.stopping().wanted
    }

    fn stopping(&self) -> MutexGuard<'_, Stopping> {
        self.stopping.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It waits for the answer before it.
    pub(crate) fn behind(&self) {
        self.state.send_modify(|state| state.phase = Phase::Behind);
    }

    /// The answer before it has ended: its time counts from now on.
    pub(crate) fn has_its_turn(&self) {
        self.state.send_modify(|state| {
            state.phase = Phase::WAITING;
            state.started = Instant::now();
        });
    }

    /// From when on its time counts.
    pub(crate) fn started(&self) -> Instant {
        self.state.borrow().started
    }

    /// Its model was brought into memory for so long, once more; says how long in all.
    pub(crate) fn was_loaded_for(&self, time: Duration) -> Duration {
        self.state.send_if_modified(|state| {
            state.loading += time;
            false
        });
        self.state.borrow().loading
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

    /// Begins with what was written before, which stays where somebody stops it before the engine is asked: it is no question
    /// to be withdrawn.
    pub(crate) fn go_on_with(&self, thought: &str, text: &str) {
        self.attach(Stopper::default());
        self.state.send_modify(|state| {
            thought.clone_into(&mut state.thought);
            text.clone_into(&mut state.text);
        });
    }

    pub(crate) fn think(&self, thought: &str) {
        self.state.send_modify(|state| {
            state.phase = Phase::Thinking;
            state.thought.push_str(thought);
            state.count();
        });
    }

    pub(crate) fn append(&self, text: &str) {
        self.state.send_modify(|state| {
            state.phase = Phase::Decode;
            state.text.push_str(text);
            state.count();
        });
    }

    /// As far as another process has written it, which alone knows how fast.
    pub(crate) fn mirror(&self, thought: &str, text: &str) {
        self.state.send_if_modified(|state| {
            let is_more = state.thought.len() + state.text.len() < thought.len() + text.len();
            if is_more {
                thought.clone_into(&mut state.thought);
                text.clone_into(&mut state.text);
                state.phase = match text {
                    "" => Phase::Thinking,
                    _ => Phase::Decode,
                };
            }
            is_more
        });
    }

    /// The thought and the text so far.
    pub(crate) fn written(&self) -> (String, String) {
        let state = self.state.borrow();
        (state.thought.clone(), state.text.clone())
    }

    /// Ready when the answer still waits for its turn, and for a while nobody has read it, nor has whoever asked for it been
    /// there: a page that is loaded anew must find its answer.
    pub(crate) async fn left_waiting(&self, asker: &Asker) {
        let mut alone = 0;
        while alone < LOOKS {
            tokio::time::sleep(LOOK).await;
            if !matches!(self.state.borrow().phase, Phase::Queued { .. }) {
                pending::<()>().await;
            }
            let is_read = self.places.available_permits() < READERS;
            alone = match is_read || asker.is_here() {
                true => 0,
                false => alone + 1,
            };
        }
    }

    /// Releases the readers.
    pub(crate) fn end(&self, end: End) {
        self.state.send_modify(|state| state.end = Some(end));
    }

    /// How it ended; nothing while it goes on.
    pub(crate) fn ended(&self) -> Option<End> {
        self.state.borrow().end.clone()
    }

    /// Ready when it has ended.
    pub(crate) async fn until_ended(&self) {
        let _ = self
            .state
            .subscribe()
            .wait_for(|state| state.end.is_some())
            .await;
    }

    /// Whether there is more than when this was asked before. What has ended is written down by whoever ended it.
    fn has_more(&self) -> bool {
        let state = self.state.borrow();
        let bytes = state.thought.len() + state.text.len();
        let written = self.written.swap(bytes, Ordering::Relaxed);
        state.end.is_none() && bytes > written
    }

    /// First what there is, then what comes. Steps that a reader was too slow for come as one. Nothing when it has all the
    /// readers that it may have.
    pub(crate) fn follow(&self) -> Option<ProgressStream> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let reader = Reader {
            state: self.state.subscribe(),
            read: 0,
            thought: 0,
            begun: None,
            places: Arc::clone(&self.places),
            _place: place,
        };
        Some(Box::pin(stream::unfold(reader, async |mut reader| {
            let progress = reader.next().await?;
            Some((progress, reader))
        })))
    }

    /// The text as HTML, for a reader of this language that has its blocks before the byte `settled`.
    pub(crate) fn frame(&self, language: Language, settled: usize) -> Frame {
        let rendered = self.rendered.lock();
        let mut rendered = rendered.unwrap_or_else(PoisonError::into_inner);
        let state = self.state.borrow();
        let at = rendered
            .iter()
            .position(|rendered| rendered.language == language);
        let at = at.unwrap_or_else(|| {
            rendered.push(Rendered::new(language));
            rendered.len() - 1
        });
        rendered[at].frame(&state.text, settled)
    }
}

#[cfg(test)]
mod tests;
