//! Who waits for the model: bounded, and without those who have left.
//!
//! Callers take turns: of each the one who came first is taken before the second of any, and among those whoever came, or had a
//! turn, the longest ago. So somebody new comes behind those who wait, and nobody waits for more than one turn of each other.
//!
//! A place is taken before a prompt is rendered and tokenised, so that what is refused costs nothing. The prompts of a list
//! of places take no more memory than so many contexts of tokens. When all are taken there are a few more for callers who have
//! none, as [`Caller::places`] says.

use std::collections::{HashMap, HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::answer::pending::PendingAnswer;
use crate::answer::policy::{self, Caller};
use crate::{Error, Event};

/// Who is not ready may leave or have waited too long meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// An estimate is told again when it has moved by so many seconds, and by such a part of what was told.
const MOVED_S: f64 = 5.0;
const MOVED_PART: f64 = 0.2;

/// The list, between those who submit and the thread that owns the model.
#[derive(Debug)]
pub(crate) struct WaitingList {
    limit: usize,
    state: Mutex<State>,
    arrived: Condvar,
    /// How many wait, to be read without the lock.
    waiting: AtomicUsize,
}

/// How long those who wait will.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    /// Seconds until the next one is taken.
    pub(crate) first_s: f64,
    /// Seconds from one to the next.
    pub(crate) each_s: f64,
}

#[derive(Debug, Default)]
struct State {
    waiters: VecDeque<Waiter>,
    /// Whose places are taken for what is not tokenised yet.
    reserved: Vec<Caller>,
    /// Counts those who came and those who were taken; stands in for time.
    turn: u64,
    /// The turn in which one of a caller was taken last, of those who wait for another.
    last_taken: HashMap<Caller, u64>,
    /// How long it takes, where that is known.
    estimate: Option<Estimate>,
    /// Whether something has come for those who are not ready.
    woken: bool,
    closed: bool,
}

/// Somebody who waits.
#[derive(Debug)]
struct Waiter {
    answer: PendingAnswer,
    /// The turn in which it came.
    came: u64,
    /// How many were before it, and how many seconds it was to take, when its reader was last told.
    told: Option<(usize, Option<f64>)>,
}

impl Waiter {
    /// Tells the reader of its place and how long it may take, unless it knows.
    fn tell(&mut self, before: usize, seconds: Option<f64>) {
        let is_known = self.told.is_some_and(|(told_before, told)| {
            let has_moved = match (told, seconds) {
                (Some(told), Some(now)) => (now - told).abs() >= MOVED_S.max(MOVED_PART * told),
                (None, now) => now.is_some(),
                (Some(_), None) => false,
            };
            told_before == before && !has_moved
        });
        if !is_known {
            self.told = Some((before, seconds));
            self.answer.answer.send(Event::Queued { before, seconds });
        }
    }
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
        let came = state.next_turn();
        state.waiters.push_back(Waiter {
            answer: pending,
            came,
            told: None,
        });
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

    /// Takes a place for a caller. Those who left, and those who were stopped, make room for it.
    ///
    /// # Errors
    /// [`Error::Busy`] when there is none, [`Error::Ending`] when the list is closed.
    pub(crate) fn reserve(self: &Arc<Self>, caller: Caller) -> Result<Place, Error> {
        let mut state = self.lock();
        if state.closed {
            return Err(Error::Ending);
        }
        if state.waiting() >= self.limit {
            // Who was stopped is told what became of it, by the thread that owns the model.
            state
                .waiters
                .retain(|waiter| !waiter.answer.answer.is_abandoned());
        }
        state.check_room(caller, self.limit)?;
        state.reserved.push(caller);
        self.count(&state);
        let list = Arc::clone(self);
        Ok(Place { list, caller })
    }

    /// Waits until somebody is ready, or something has come for those who are not, and no longer than [`LOOK_EVERY`] where
    /// there are such; false when the list is closed.
    pub(crate) fn wait(&self) -> bool {
        let state = self.lock();
        let empty = |state: &mut State| state.waiters.is_empty() && !state.closed;
        let state = self.arrived.wait_while(state, empty);
        let idle = |state: &mut State| {
            let is_ready = state.waiters.iter().any(|waiter| waiter.answer.is_ready());
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

    /// Takes the one whose turn it is of those whose caller `may_begin`, if `fits` says that there is room for it. One for which
    /// `fits` panics is told so and has left.
    pub(crate) fn take(
        &self,
        may_begin: impl Fn(Caller) -> bool,
        fits: impl FnOnce(&mut PendingAnswer) -> bool,
    ) -> Option<PendingAnswer> {
        let mut state = self.lock();
        let waiters = state.waiters.iter().enumerate();
        let ready = waiters
            .filter(|(_, waiter)| waiter.answer.is_ready() && may_begin(waiter.answer.caller));
        let (places, turns): (Vec<_>, Vec<_>) = ready
            .map(|(place, waiter)| (place, state.turn_of(waiter)))
            .unzip();
        let index = places[*policy::order(turns.into_iter()).first()?];
        let answer = &mut state.waiters[index].answer;
        let fits = catch_unwind(AssertUnwindSafe(|| fits(answer)));
        if let Ok(false) = fits {
            return None;
        }
        let taken = state.waiters.remove(index)?.answer;
        let turn = state.next_turn();
        state.last_taken.insert(taken.caller, turn);
        let waiting: HashSet<Caller> = state.callers().collect();
        state
            .last_taken
            .retain(|caller, _| waiting.contains(caller));
        self.count(&state);
        if let Err(panic) = fits {
            drop(state);
            taken.answer.send(Event::Failed(Error::Broken));
            resume_unwind(panic);
        }
        Some(taken)
    }

    /// Gives up the places of those who left, or were stopped, or waited longer than `longest`; these are given back.
    pub(crate) fn take_ended(&self, now: Instant, longest: Option<Duration>) -> Vec<PendingAnswer> {
        let mut state = self.lock();
        let is_late = |waited| longest.is_some_and(|longest| waited > longest);
        let (ended, waiting): (VecDeque<_>, _) =
            std::mem::take(&mut state.waiters).into_iter().partition(
                |Waiter { answer, .. }| answer.is_cancelled() || is_late(answer.waited(now)),
            );
        state.waiters = waiting;
        self.count(&state);
        ended.into_iter().map(|waiter| waiter.answer).collect()
    }

    /// Tells those who wait how many are before them, and how long that may take.
    pub(crate) fn tell(&self, estimate: Option<Estimate>) {
        let mut state = self.lock();
        state.estimate = estimate;
        let turns = state.waiters.iter().map(|waiter| state.turn_of(waiter));
        for (before, index) in policy::order(turns).into_iter().enumerate() {
            let seconds = estimate.map(|of| of.first_s + of.each_s * before as f64);
            state.waiters[index].tell(before, seconds);
        }
    }

    /// Lets nobody in any more; gives back who waits.
    pub(crate) fn close(&self) -> Vec<PendingAnswer> {
        let mut state = self.lock();
        state.closed = true;
        self.arrived.notify_all();
        let waiters = std::mem::take(&mut state.waiters);
        self.count(&state);
        waiters.into_iter().map(|waiter| waiter.answer).collect()
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
        self.waiters.len() + self.reserved.len()
    }

    fn next_turn(&mut self) -> u64 {
        self.turn += 1;
        self.turn
    }

    /// Whose turn it is, and since when: since it came, or since its caller had one.
    fn turn_of(&self, waiter: &Waiter) -> (Caller, u64) {
        let caller = waiter.answer.caller;
        let last = self.last_taken.get(&caller).copied();
        (caller, waiter.came.max(last.unwrap_or_default()))
    }

    /// Whose places are taken by what somebody still wants.
    fn callers(&self) -> impl Iterator<Item = Caller> {
        let answers = self.waiters.iter().map(|waiter| &waiter.answer);
        let wanted = answers.filter(|answer| !answer.is_cancelled());
        let callers = wanted.map(|answer| answer.caller);
        callers.chain(self.reserved.iter().copied())
    }

    fn check_room(&self, caller: Caller, limit: usize) -> Result<(), Error> {
        let (own, others): (Vec<_>, Vec<_>) = self.callers().partition(|of| *of == caller);
        let waiting = own.len() + others.len();
        let limit = Caller::places(own.len(), limit);
        if waiting < limit {
            return Ok(());
        }
        let before = waiting + 1 - limit;
        let wait = self
            .estimate
            .map(|estimate| estimate.each_s * before as f64);
        Err(Error::Busy {
            waiting: limit,
            limit,
            wait: wait.and_then(|wait| Duration::try_from_secs_f64(wait).ok()),
        })
    }
}

#[cfg(test)]
mod tests;
