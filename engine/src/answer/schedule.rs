//! The thread that owns the model, and who has a place with it.

mod lengths;
mod owner;
mod step_model;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use self::owner::Owner;
use self::owner::draft_model::DraftModel;
use crate::answer::load::{Load, LoadCounters};
use crate::answer::pace::Pace;
use crate::answer::pending::PendingAnswer;
use crate::answer::policy::{Caller, Rates};
use crate::answer::prefix::PrefixCache;
use crate::answer::prefix::disk::{Disk, PrefixFolder};
use crate::answer::waiting::{Place, WaitingList};
use crate::compute::kv::KvMemory;
use crate::model::forward::Model;
use crate::model::rope::Rope;
use crate::sampling::MAX_DRAFT;
use crate::text::tokenizer::Tokenizer;
use crate::{Error, Event};

/// How much at a time, and how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Requests that may wait.
    pub(crate) queue: usize,
    /// Bytes of keys and values.
    pub(crate) kv_bytes: u64,
    /// How long a request may wait.
    pub(crate) wait: Option<Duration>,
    /// How long an answer may take from its request on.
    pub(crate) total: Option<Duration>,
}

impl Limits {
    /// The limit that a request has passed which has waited so long.
    fn passed_waiting(self, waited: Duration) -> Option<Error> {
        let passed = |limit: Option<Duration>| limit.filter(|limit| waited > *limit);
        let waiting = passed(self.wait).map(|limit| Error::WaitedTooLong { limit });
        waiting.or_else(|| passed(self.total).map(|limit| Error::TooLate { limit, spent: None }))
    }
}

/// A smaller model of the same tokens, which guesses what the model will say.
pub(crate) struct Draft {
    pub(crate) model: Model,
    /// For its keys and values.
    pub(crate) kv_bytes: u64,
    /// The longest sequence that it computes.
    pub(crate) context: usize,
}

impl Draft {
    fn begin(self) -> DraftModel<Model> {
        // A wrong guess takes back what was computed behind it.
        let memory = self.model.kv_memory_taking_back(MAX_DRAFT, self.kv_bytes);
        DraftModel::new(self.model, memory, self.context)
    }
}

/// The waiting list and the owner thread. Dropping it ends the thread within a step.
#[derive(Debug)]
pub(crate) struct Scheduler {
    shared: Shared,
    rope: Arc<Rope>,
    owner: Option<JoinHandle<()>>,
}

/// What the owner thread shares with those who ask.
#[derive(Clone, Debug)]
struct Shared {
    waiting: Arc<WaitingList>,
    shutdown: Arc<AtomicBool>,
    load: Arc<LoadCounters>,
    prefixes: Arc<Mutex<PrefixCache>>,
    disk: Option<Arc<Disk>>,
    rates: Arc<Mutex<Rates>>,
}

impl Shared {
    fn new(limits: Limits) -> Self {
        Self {
            waiting: WaitingList::new(limits.queue),
            shutdown: Arc::default(),
            load: Arc::default(),
            prefixes: Arc::default(),
            disk: None,
            rates: Arc::default(),
        }
    }

    /// Keeps what is computed in a folder too.
    ///
    /// # Errors
    /// Those of [`Disk::start`].
    fn keep_in(
        &mut self,
        folder: &PrefixFolder,
        identity: &str,
        rope: &Arc<Rope>,
        memory: &KvMemory,
    ) -> Result<(), Error> {
        let (prefixes, waiting) = (Arc::clone(&self.prefixes), Arc::clone(&self.waiting));
        let (rope, memory) = (Arc::clone(rope), memory.clone());
        let disk = Disk::start(folder, identity, rope, memory, prefixes, waiting)?;
        self.disk = Some(Arc::new(disk));
        Ok(())
    }
}

/// What several threads share for moments; a panic of one leaves it whole, since steps are caught outside of it,
/// or its owner does away with what it holds.
fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Scheduler {
    /// Starts the thread. Where a folder is named, keys and values are kept there, by all that they depend on beside tokens.
    ///
    /// # Errors
    /// [`Error::Option`] for a queue without a place or a folder without room, [`Error::File`] for a folder that cannot be
    /// made, [`Error::NoThread`].
    pub(crate) fn start(
        model: Model,
        draft: Option<Draft>,
        tokenizer: Arc<Tokenizer>,
        limits: Limits,
        kept: Option<(&PrefixFolder, &str)>,
    ) -> Result<Self, Error> {
        if limits.queue == 0 {
            return Err(Error::Option("`queue` must be at least 1, found 0".into()));
        }
        let mut shared = Shared::new(limits);
        let memory = model.kv_memory(limits.kv_bytes);
        let blocks = memory.usage().blocks;
        shared.load.kv_blocks.store(blocks, Ordering::Relaxed);
        let rope = Arc::clone(model.rope());
        if let Some((folder, identity)) = kept {
            shared.keep_in(folder, identity, &rope, &memory)?;
        }
        let of_owner = shared.clone();
        let of_model = Arc::clone(&rope);
        let run = move || {
            model.pin_caller();
            let owner = Owner::new(model, of_model, memory, tokenizer, limits, of_owner);
            owner.with_draft(draft.map(Draft::begin)).run();
        };
        let owner = thread::Builder::new()
            .name("nibble-model".into())
            .spawn(run);
        let owner = Some(owner.map_err(Error::NoThread)?);
        Ok(Self {
            shared,
            rope,
            owner,
        })
    }

    /// Whether the owner thread runs.
    pub(crate) fn is_alive(&self) -> bool {
        let owner = self.owner.as_ref();
        owner.is_some_and(|owner| !owner.is_finished())
    }

    /// How many places there are on the waiting list.
    pub(crate) fn queue(&self) -> usize {
        self.shared.waiting.places()
    }

    /// Takes a place on the waiting list for a caller.
    ///
    /// # Errors
    /// [`Error::Busy`] when there is none for it, [`Error::Stopped`] when the owner thread has died.
    pub(crate) fn reserve(&self, caller: Caller) -> Result<Place, Error> {
        if !self.is_alive() {
            return Err(Error::Stopped);
        }
        self.shared.waiting.reserve(caller)
    }

    /// How many tokens of a prompt need no computing, as it is now.
    pub(crate) fn cached(&self, prompt: &[u32]) -> usize {
        let rotation = |at| self.rope.length(prompt.len(), at);
        let known = locked(&self.shared.prefixes).known(prompt, rotation);
        let disk = self.shared.disk.as_ref();
        known.max(disk.map_or(0, |disk| disk.known(prompt)))
    }

    /// How fast steps are.
    pub(crate) fn pace(&self) -> Pace {
        locked(&self.shared.rates).pace()
    }

    /// What is going on.
    pub(crate) fn load(&self) -> Load {
        self.shared.load.read(self.shared.waiting.waiting())
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.shared.shutdown.store(true, Ordering::Relaxed);
        fail_all(self.shared.waiting.close());
        if let Some(owner) = self.owner.take() {
            // A panic of the owner has already failed its answers; there is nobody left to tell.
            let _ = owner.join();
        }
    }
}

fn fail_all(pending: impl IntoIterator<Item = PendingAnswer>) {
    for pending in pending {
        pending.answer.send(Event::Failed(Error::Ending));
    }
}
