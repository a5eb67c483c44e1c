//! The thread that owns the model, and the queue in front of it. Requests take turns: one answer at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::thread::{self, JoinHandle};

use crate::answer::generate::{self, Job, Resident};
use crate::model::forward::Model;
use crate::text::tokenizer::Tokenizer;
use crate::{Error, Event};

/// The queue and the owner thread. Dropping it ends the thread after the current step.
#[derive(Debug)]
pub(crate) struct Scheduler {
    queue: Option<SyncSender<Job>>,
    queue_limit: usize,
    shared: Arc<Shared>,
    owner: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: AtomicUsize,
    shutdown: AtomicBool,
}

impl Scheduler {
    /// Starts the thread, before which at most so many requests wait.
    pub(crate) fn start(
        model: Model,
        tokenizer: Arc<Tokenizer>,
        queue_limit: usize,
    ) -> Result<Self, Error> {
        let (queue, jobs) = mpsc::sync_channel(queue_limit);
        let shared = Arc::<Shared>::default();
        let owner = {
            let shared = Arc::clone(&shared);
            let own = move || own(model, &tokenizer, &jobs, &shared);
            thread::Builder::new()
                .name("nibble-model".into())
                .spawn(own)
                .map_err(Error::NoThread)?
        };
        Ok(Self {
            queue: Some(queue),
            queue_limit,
            shared,
            owner: Some(owner),
        })
    }

    /// Whether the owner thread runs.
    pub(crate) fn is_alive(&self) -> bool {
        self.owner
            .as_ref()
            .is_some_and(|owner| !owner.is_finished())
    }

    /// Puts a job into the queue.
    pub(crate) fn enqueue(&self, job: Job) -> Result<(), Error> {
        let queue = self.queue.as_ref().ok_or(Error::Stopped)?;
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        queue.try_send(job).map_err(|refused| {
            let waiting = self.shared.waiting.fetch_sub(1, Ordering::Relaxed) - 1;
            match refused {
                TrySendError::Full(_) => Error::Busy {
                    waiting,
                    limit: self.queue_limit,
                },
                TrySendError::Disconnected(_) => Error::Stopped,
            }
        })
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.shared.shutdown.store(true, Ordering::Relaxed);
        self.queue = None;
        if let Some(owner) = self.owner.take() {
            // A panic of the owner has already failed its answer; there is nobody left to tell.
            let _ = owner.join();
        }
    }
}

/// The owner thread: one job after the other until the queue is closed.
fn own(mut model: Model, tokenizer: &Tokenizer, jobs: &Receiver<Job>, shared: &Shared) {
    model.settle();
    let mut resident = Resident::new(model.new_cache());
    let shutdown = || shared.shutdown.load(Ordering::Relaxed);
    for job in jobs {
        shared.waiting.fetch_sub(1, Ordering::Relaxed);
        if shutdown() {
            job.answer.send(Event::Failed(Error::Stopped));
        } else if !job.answer.is_abandoned() {
            generate::answer(&mut model, tokenizer, &mut resident, job, &shutdown);
        }
    }
}
