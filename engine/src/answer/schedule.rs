//! The thread that owns the model, and the queue in front of it. Requests take turns: one answer at a time.
//!
//! A request has its [`Place`] before any work is done for it, so that the queue bounds that work too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use crate::answer::generate::{self, CachedSequence, PendingAnswer};
use crate::model::forward::Model;
use crate::text::tokenizer::Tokenizer;
use crate::{Error, Event};

/// The queue and the owner thread. Dropping it ends the thread after the current step.
#[derive(Debug)]
pub(crate) struct Scheduler {
    places: Arc<Places>,
    /// Bounded by `places`; none once it ends.
    queue: Option<Sender<Waiting>>,
    ending: Arc<AtomicBool>,
    owner: Option<JoinHandle<()>>,
}

/// The places of a queue.
#[derive(Debug)]
struct Places {
    limit: usize,
    taken: AtomicUsize,
}

/// A place in the queue, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Places>);

/// What stands in the queue.
struct Waiting {
    place: Place,
    pending: PendingAnswer,
}

impl Scheduler {
    /// Starts the thread, before which at most `limit` requests wait.
    ///
    /// # Errors
    /// [`Error::Option`] for a queue without a place, [`Error::NoThread`].
    pub(crate) fn start(
        model: Model,
        tokenizer: Arc<Tokenizer>,
        limit: usize,
    ) -> Result<Self, Error> {
        if limit == 0 {
            return Err(Error::Option("`queue` must be at least 1, found 0".into()));
        }
        let (queue, waiting) = mpsc::channel();
        let ending = Arc::<AtomicBool>::default();
        let owner = {
            let ending = Arc::clone(&ending);
            let own = move || own(model, &tokenizer, &waiting, &ending);
            thread::Builder::new()
                .name("nibble-model".into())
                .spawn(own)
                .map_err(Error::NoThread)?
        };
        let taken = AtomicUsize::new(0);
        Ok(Self {
            places: Arc::new(Places { limit, taken }),
            queue: Some(queue),
            ending,
            owner: Some(owner),
        })
    }

    /// Whether the owner thread runs.
    pub(crate) fn is_alive(&self) -> bool {
        self.owner
            .as_ref()
            .is_some_and(|owner| !owner.is_finished())
    }

    /// Takes a place in the queue.
    ///
    /// # Errors
    /// [`Error::Busy`] when there is none, [`Error::Stopped`] when the owner thread has died.
    pub(crate) fn place(&self) -> Result<Place, Error> {
        if !self.is_alive() {
            return Err(Error::Stopped);
        }
        let limit = self.places.limit;
        let next = |taken| (taken < limit).then_some(taken + 1);
        let order = Ordering::Relaxed;
        match self.places.taken.fetch_update(order, order, next) {
            Ok(_) => Ok(Place(Arc::clone(&self.places))),
            Err(waiting) => Err(Error::Busy { waiting, limit }),
        }
    }

    /// Puts a request into the place that it has.
    ///
    /// # Errors
    /// [`Error::Stopped`] when the owner thread has died.
    pub(crate) fn enqueue(&self, place: Place, pending: PendingAnswer) -> Result<(), Error> {
        let queue = self.queue.as_ref().ok_or(Error::Ending)?;
        queue
            .send(Waiting { place, pending })
            .map_err(|_| Error::Stopped)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        self.queue = None;
        if let Some(owner) = self.owner.take() {
            // A panic of the owner has already failed its answer; there is nobody left to tell.
            let _ = owner.join();
        }
    }
}

/// The owner thread: one answer after the other until the queue is closed.
fn own(mut model: Model, tokenizer: &Tokenizer, queue: &Receiver<Waiting>, ending: &AtomicBool) {
    model.pin_caller();
    let mut sequence = CachedSequence::new(model.new_cache());
    let is_ending = || ending.load(Ordering::Relaxed);
    for Waiting { place, pending } in queue {
        drop(place);
        if is_ending() {
            pending.answer.send(Event::Failed(Error::Ending));
        } else if !pending.answer.is_abandoned() {
            generate::answer(&mut model, tokenizer, &mut sequence, pending, &is_ending);
        }
    }
}
