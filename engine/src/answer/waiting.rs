//! Who waits for the model: in the order of arrival, bounded, and without those who have left.
//!
//! A place is taken before a prompt is rendered and tokenised, so that what is refused costs nothing. The prompts of a list
//! of places take no more memory than so many contexts of tokens. When all are taken there are a few more for callers who have
//! none, as [`policy::places`] says.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::Error;
use crate::answer::pending::PendingAnswer;
use crate::answer::policy::{self, Caller, Served};

/// Who is not ready may leave or have waited too long meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The list, between those who submit and the thread that owns the model.
#[derive(Debug)]
pub(crate) struct WaitingList {
    limit: usize,
    state: Mutex<State>,
    arrived: Condvar,
    /// How many wait, to be read without the lock.
    waiting: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    pending: VecDeque<PendingAnswer>,
    /// Whose places are taken for what is not tokenised yet.
    reserved: Vec<Caller>,
    /// After how long the next one is taken, where that is known.
    seconds_each: Option<f64>,
    /// Whether something has come for those who are not ready.
    woken: bool,
    closed: bool,
}

/// A place on the list, for a request that is being prepared.
#[derive(Debug)]
pub(crate) struct Place {
    list: Arc<WaitingList>,
    caller: Caller,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.list.lock();
        let taken = state.reserved.iter().position(|of| *of == self.caller);
        state
            .reserved
            .swap_remove(taken.expect("a place is on its list"));
        self.list.count(&state);
    }
}

impl Place {
    /// Puts the request in.
    ///
    /// # Errors
    /// [`Error::Ending`] when the list was closed meanwhile.
    pub(crate) fn fill(self, pending: PendingAnswer) -> Result<(), Error> {
        let mut state = self.list.lock();
        if state.closed {
            return Err(Error::Ending);
        }
        state.pending.push_back(pending);
        // Before the place itself goes, which counts again.
        drop(state);
        self.list.arrived.notify_one();
        Ok(())
    }
}

impl WaitingList {
    /// A list of so many places.
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            state: Mutex::default(),
            arrived: Condvar::new(),
            waiting: AtomicUsize::new(0),
        })
    }

    /// How many places there are.
    pub(crate) fn places(&self) -> usize {
        self.limit
    }

    /// Takes a place for a caller. Those who left make room for it.
    ///
    /// # Errors
    /// [`Error::Busy`] when there is none, [`Error::Ending`] when the list is closed.
    pub(crate) fn reserve(self: &Arc<Self>, caller: Caller) -> Result<Place, Error> {
        let mut state = self.lock();
        if state.closed {
            return Err(Error::Ending);
        }
        if state.check_room(caller, self.limit).is_err() {
            state
                .pending
                .retain(|pending| !pending.answer.is_abandoned());
            state.check_room(caller, self.limit)?;
        }
        state.reserved.push(caller);
        self.count(&state);
        let list = Arc::clone(self);
        Ok(Place { list, caller })
    }

    /// Waits until somebody is ready, or something has come for those who are not, and no longer than [`LOOK_EVERY`] where
    /// there are such; false when the list is closed.
    pub(crate) fn wait(&self) -> bool {
        let state = self.lock();
        let empty = |state: &mut State| state.pending.is_empty() && !state.closed;
        let state = self.arrived.wait_while(state, empty);
        let idle = |state: &mut State| {
            let is_ready = state.pending.iter().any(PendingAnswer::is_ready);
            !is_ready && !state.woken && !state.closed
        };
        let state = state.unwrap_or_else(PoisonError::into_inner);
        let waited = self.arrived.wait_timeout_while(state, LOOK_EVERY, idle);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.woken = false;
        !state.closed
    }

    /// Says that something has come for those who are not ready.
    pub(crate) fn wake(&self) {
        self.lock().woken = true;
        self.arrived.notify_all();
    }

    /// Takes the one whose turn it is, if `fits` says that there is room for it.
    pub(crate) fn take(
        &self,
        served: &Served,
        fits: impl FnOnce(&mut PendingAnswer) -> bool,
    ) -> Option<PendingAnswer> {
        let mut state = self.lock();
        let pending = state.pending.iter().enumerate();
        let ready = pending.filter(|(_, pending)| pending.is_ready());
        let (places, callers): (Vec<_>, Vec<_>) = ready
            .map(|(place, pending)| (place, pending.caller))
            .unzip();
        let index = places[*policy::order(callers.into_iter(), served).first()?];
        if !fits(&mut state.pending[index]) {
            return None;
        }
        let taken = state.pending.remove(index);
        self.count(&state);
        taken
    }

    /// Gives up the places of those who left, or were stopped, or waited longer than `longest`; these are given back.
    pub(crate) fn take_ended(
        &self,
        now: Instant,
        longest: Option<Duration>,
    ) -> VecDeque<PendingAnswer> {
        let mut state = self.lock();
        let is_late = |waited| longest.is_some_and(|longest| waited > longest);
        let (ended, waiting) = std::mem::take(&mut state.pending)
            .into_iter()
            .partition(|pending| pending.is_cancelled() || is_late(pending.waited(now)));
        state.pending = waiting;
        self.count(&state);
        ended
    }

    /// Tells those who wait how many are before them, and how long that may take where an answer takes `seconds_each`.
    pub(crate) fn tell(&self, served: &Served, seconds_each: Option<f64>) {
        let mut state = self.lock();
        state.seconds_each = seconds_each;
        let callers = state.pending.iter().map(|pending| pending.caller);
        for (before, index) in policy::order(callers, served).into_iter().enumerate() {
            let seconds = seconds_each.map(|each| each * (before + 1) as f64);
            state.pending[index].tell(before, seconds);
        }
    }

    /// Lets nobody in any more; gives back who waits.
    pub(crate) fn close(&self) -> VecDeque<PendingAnswer> {
        let mut state = self.lock();
        state.closed = true;
        self.arrived.notify_all();
        let pending = std::mem::take(&mut state.pending);
        self.count(&state);
        pending
    }

    /// Whose places are taken.
    pub(crate) fn callers(&self) -> HashSet<Caller> {
        self.lock().callers().collect()
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    fn count(&self, state: &State) {
        self.waiting.store(state.waiting(), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No panic leaves the list half-written.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn waiting(&self) -> usize {
        self.pending.len() + self.reserved.len()
    }

    /// Whose places they are.
    fn callers(&self) -> impl Iterator<Item = Caller> {
        let pending = self.pending.iter().map(|pending| pending.caller);
        pending.chain(self.reserved.iter().copied())
    }

    fn check_room(&self, caller: Caller, limit: usize) -> Result<(), Error> {
        let own = self.callers().filter(|of| *of == caller).count();
        let (waiting, limit) = (self.waiting(), policy::places(own, limit));
        if waiting < limit {
            return Ok(());
        }
        let before = waiting + 1 - limit;
        let wait = self.seconds_each.map(|each| each * before as f64);
        Err(Error::Busy {
            waiting: limit,
            limit,
            wait: wait.and_then(|wait| Duration::try_from_secs_f64(wait).ok()),
        })
    }
}
