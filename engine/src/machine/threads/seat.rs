//! Where the caller of stages and one worker meet.
//!
//! The caller opens a seat for a stage, and closes it when its own share is done. The worker joins by the same word, by a
//! compare-exchange, so that it is in time or too late, never both. No two workers have a cache line of their seats in
//! common: what the caller writes and looks at goes to one worker each, at the same time for all, while a word that all
//! workers change goes from one to the next.

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering, fence};
use std::thread;

use super::Line;

/// A stage: a closure that the threads which join call with their index.
pub(super) type Stage<'a> = &'a (dyn Fn(usize) + Sync);

/// Points to a stage while the seat is open, or is one of the next.
type State = *mut Stage<'static>;

/// There is no stage that the worker may join.
const CLOSED: State = ptr::null_mut();
/// The worker is in the stage. No stage has an address that is not aligned.
const JOINED: State = ptr::without_provenance_mut(1);
/// There will be no stage any more.
const ENDED: State = ptr::without_provenance_mut(2);

/// One worker's seat.
#[derive(Debug, Default)]
pub(super) struct Seat {
    state: Line<AtomicPtr<Stage<'static>>>,
    /// Whether the worker sleeps or is about to. The caller looks at it for every stage, and it seldom changes.
    asleep: Line<AtomicBool>,
}

/// What a worker that waited has.
pub(super) enum Joined {
    /// A stage, which lives until the worker calls [`Seat::leave`].
    Stage(*const Stage<'static>),
    /// The end.
    End,
}

/// Opens the seats for a stage. It must outlive the next [`close`] of the same seats; `wake` is called with the number of each
/// seat whose worker sleeps.
pub(super) fn open(seats: &[Seat], stage: &Stage<'_>, wake: impl Fn(usize)) {
    let stage = ptr::from_ref(stage).cast::<Stage<'static>>().cast_mut();
    tell(seats, stage, wake);
}

/// Ends the workers of all seats, which must be closed.
pub(super) fn end(seats: &[Seat], wake: impl Fn(usize)) {
    tell(seats, ENDED, wake);
}

fn tell(seats: &[Seat], state: State, wake: impl Fn(usize)) {
    // One fence for all seats, and not a release of each, which would wait for the one before it.
    fence(Ordering::Release);
    for seat in seats {
        seat.state.0.store(state, Ordering::Relaxed);
    }
    // As in `sleep`: either this thread sees a worker that is about to sleep, or that worker sees the state.
    fence(Ordering::SeqCst);
    for (index, seat) in seats.iter().enumerate() {
        if seat.asleep.0.load(Ordering::Relaxed) {
            wake(index);
        }
    }
}

/// Closes the seats, then waits for those workers that have joined.
pub(super) fn close(seats: &[Seat], spins: usize) {
    for seat in seats {
        let state = seat.state.0.load(Ordering::Relaxed);
        if state != CLOSED && state != JOINED {
            let order = Ordering::Relaxed;
            // Where this fails, the worker has joined at the last moment.
            let _ = seat.state.0.compare_exchange(state, CLOSED, order, order);
        }
    }
    let mut looks = 0;
    for seat in seats {
        while seat.state.0.load(Ordering::Relaxed) != CLOSED {
            looks += 1;
            if looks < spins {
                std::hint::spin_loop();
            } else {
                thread::yield_now();
            }
        }
    }
    // What the workers wrote before they left.
    fence(Ordering::Acquire);
}

impl Seat {
    /// Spins, then sleeps, until the worker has joined a stage.
    pub(super) fn join(&self, spins: usize) -> Joined {
        loop {
            for _ in 0..spins {
                if let Some(joined) = self.try_join() {
                    return joined;
                }
                std::hint::spin_loop();
            }
            self.sleep();
            if let Some(joined) = self.try_join() {
                return joined;
            }
        }
    }

    fn try_join(&self) -> Option<Joined> {
        let state = self.state.0.load(Ordering::Relaxed);
        if state == CLOSED {
            return None;
        }
        if state == ENDED {
            return Some(Joined::End);
        }
        let (acquire, relaxed) = (Ordering::Acquire, Ordering::Relaxed);
        let joined = self
            .state
            .0
            .compare_exchange(state, JOINED, acquire, relaxed);
        // The pointer that is there now: the one seen before may be of an earlier stage at the same address.
        joined.ok().map(|stage| Joined::Stage(stage.cast_const()))
    }

    /// Leaves the stage that was joined.
    pub(super) fn leave(&self) {
        self.state.0.store(CLOSED, Ordering::Release);
    }

    /// Sleeps until the seat is not closed, or was so a moment ago.
    fn sleep(&self) {
        self.asleep.0.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        while self.state.0.load(Ordering::Relaxed) == CLOSED {
            thread::park();
        }
        self.asleep.0.store(false, Ordering::Relaxed);
    }
}
