//! A comparison that runs: what there is of it, who ends it, and who follows it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::stream;
use nibble_app::chat::{LaneStep, LaneSteps, Stage};
use nibble_app::domain::{Comparison, ComparisonEnd, Id, Lane, Measurement};
use nibble_app::visitor::Owner;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep};

/// The most readers.
const READERS: usize = 64;
/// Steps closer together come as one.
const PACE: Duration = Duration::from_millis(100);

/// How often it is looked at the least whether it takes too long.
const LOOK: Duration = Duration::from_secs(1);

/// One comparison in the making.
pub(crate) struct Run {
    pub(crate) id: Id,
    pub(crate) owner: Owner,
    started: Instant,
    waits: Mutex<Waits>,
    stop: watch::Sender<bool>,
    state: watch::Sender<State>,
    places: Arc<Semaphore>,
}

/// How long others went first.
#[derive(Default)]
struct Waits {
    before: Duration,
    since: Option<Instant>,
}

/// As long as this is there, others go first.
pub(super) struct Waiting<'a>(&'a Run);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut waits = self.0.waits();
        if let Some(since) = waits.since.take() {
            waits.before += since.elapsed();
        }
    }
}

struct State {
    comparison: Comparison,
    stage: Stage,
    is_over: bool,
}

impl Run {
    pub(super) fn new(owner: Owner, comparison: Comparison) -> Self {
        let state = State {
            comparison,
            stage: Stage::Waiting,
            is_over: false,
        };
        Self {
            id: state.comparison.id,
            owner,
            started: Instant::now(),
            waits: Mutex::default(),
            stop: watch::Sender::new(false),
            state: watch::Sender::new(state),
            places: Arc::new(Semaphore::new(READERS)),
        }
    }

    /// What there is of it so far.
    pub(crate) fn comparison(&self) -> Comparison {
        self.state.borrow().comparison.clone()
    }

    /// Ends it early.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Ready when it is to end early.
    pub(super) async fn stopped(&self) {
        // The sender lives as long as `self`.
        let _ = self.stop.subscribe().wait_for(|stop| *stop).await;
    }

    /// It waits for others from now on.
    pub(super) fn wait(&self) -> Waiting<'_> {
        self.waits().since = Some(Instant::now());
        Waiting(self)
    }

    /// What was measured for so long counts for nothing, because of others.
    pub(super) fn lose(&self, time: Duration) {
        self.waits().before += time;
    }

    fn waited(&self) -> Duration {
        let waits = self.waits();
        waits.before + waits.since.map(|since| since.elapsed()).unwrap_or_default()
    }

    fn waits(&self) -> MutexGuard<'_, Waits> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ready when it takes longer than it may, or waits longer for others; says which.
    pub(super) async fn is_over(&self, longest: Duration, patience: Duration) -> ComparisonEnd {
        loop {
            let waited = self.waited();
            let measured = self.started.elapsed().saturating_sub(waited);
            if measured >= longest {
                return ComparisonEnd::TooLong;
            }
            if waited >= patience {
                return ComparisonEnd::NoTime;
            }
            let left = (longest - measured).min(patience - waited);
            sleep(left.max(LOOK)).await;
        }
    }

    /// The next lane begins.
    pub(super) fn begin(&self, lane: Lane) {
        self.state.send_modify(|state| {
            state.comparison.lanes.push(Measurement {
                lane,
                ..Measurement::default()
            });
        });
    }

    pub(super) fn stage(&self, stage: Stage) {
        self.state.send_modify(|state| state.stage = stage);
    }

    /// Changes what there is of the lane that is measured.
    pub(super) fn change(&self, change: impl FnOnce(&mut Measurement)) {
        self.state.send_modify(|state| {
            if let Some(lane) = state.comparison.lanes.last_mut() {
                change(lane);
            }
        });
    }

    /// How it ended.
    pub(super) fn end(&self, end: ComparisonEnd) -> Comparison {
        self.state
            .send_modify(|state| state.comparison.end = Some(end));
        self.comparison()
    }

    /// Lets the readers go, who then find it in the store.
    pub(super) fn release(&self) {
        self.state.send_modify(|state| state.is_over = true);
    }

    /// First what there is, then what comes; nothing when it has all the readers that it may have.
    pub(crate) fn follow(&self) -> Option<LaneSteps> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let reader = Reader {
            started: self.started,
            state: self.state.subscribe(),
            lane: 0,
            read: 0,
            told: None,
            _place: place,
        };
        Some(Box::pin(stream::unfold(reader, async |mut reader| {
            let step = reader.next().await?;
            Some((step, reader))
        })))
    }
}

/// Who follows it.
struct Reader {
    started: Instant,
    state: watch::Receiver<State>,
    /// The lane that is read, and bytes of its text that were.
    lane: usize,
    read: usize,
    told: Option<Stage>,
    _place: OwnedSemaphorePermit,
}

impl Reader {
    async fn next(&mut self) -> Option<LaneStep> {
        loop {
            if let Some(step) = self.step() {
                return Some(step);
            }
            if self.is_at_end() {
                return None;
            }
            self.state.changed().await.ok()?;
            sleep(PACE).await;
        }
    }

    fn is_at_end(&self) -> bool {
        let state = self.state.borrow();
        state.is_over && self.lane >= state.comparison.lanes.len()
    }

    /// What there is that was not told; of one lane at a time.
    fn step(&mut self) -> Option<LaneStep> {
        let state = self.state.borrow_and_update();
        let lanes = &state.comparison.lanes;
        let lane = lanes.get(self.lane)?;
        let text = lane.text.get(self.read..).unwrap_or_default().to_owned();
        let has_ended = state.is_over || self.lane + 1 < lanes.len();
        let is_new = has_ended || !text.is_empty() || self.told != Some(state.stage);
        if !is_new {
            return None;
        }
        let step = LaneStep {
            lane: self.lane,
            stage: state.stage,
            elapsed: self.started.elapsed(),
            text,
            ended: has_ended.then(|| lane.clone()).into_iter().collect(),
        };
        (self.lane, self.read, self.told) = match has_ended {
            true => (self.lane + 1, 0, None),
            false => (self.lane, lane.text.len(), Some(state.stage)),
        };
        Some(step)
    }
}
