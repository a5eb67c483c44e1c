//! The models that this server answers with, and which of them are in memory.
//!
//! A model is loaded when somebody asks it, and leaves when it was not asked for a while, or when another needs its memory:
//! those longest unused go first, never one that answers. A `Lease` is the one way to a model, and keeps it in memory.
//! A server with one model has it from the start and for ever, and nothing of this is seen.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use nibble_engine::{Error, Load, ModelInfo};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use crate::generator::Generator;

mod keep_alive;
mod reserved;
mod room;
#[cfg(test)]
mod tests;
mod unloading;

pub use self::keep_alive::KeepAlive;
pub(crate) use self::reserved::Reserved;
use self::room::{Outcome, Room, Seat, Shortage, Taken};
use self::unloading::unload_unused;

/// Loads a model, which takes its time.
pub type Loader = Box<dyn Fn() -> Result<Arc<dyn Generator>, Error> + Send + Sync>;

/// Says how many bytes of memory this process can still use, where the system tells.
pub type Memory = Box<dyn Fn() -> Option<u64> + Send + Sync>;

/// A model that can be loaded.
pub struct Offer {
    /// As it will be.
    pub info: ModelInfo,
    /// The file or folder that it comes from, where it comes from one.
    pub file: Option<PathBuf>,
    /// Bytes that it takes in memory, keys and values included.
    pub bytes: u64,
    /// Blocks of keys and values that it has room for.
    pub kv_blocks: usize,
    /// How long it stays when nobody asks it, unless a request says otherwise.
    pub keep: KeepAlive,
    /// Loads it.
    pub load: Loader,
}

/// All models of a server, the first of which answers those who name none. They are told apart by their place; one that is
/// withdrawn leaves its place empty.
pub struct Models {
    offers: RwLock<Vec<Arc<Offer>>>,
    room: Mutex<Room>,
    changed: watch::Sender<()>,
    memory: Memory,
    /// Whether they come and go: one that was loaded for ever does not, until another comes.
    managed: AtomicBool,
}

/// A model that is in memory as long as this is there.
pub(crate) struct Lease {
    models: Arc<Models>,
    index: usize,
    /// How long it was waited for.
    waited: Duration,
    /// Until it is dropped.
    generator: Option<Arc<dyn Generator>>,
}

/// What there is for whoever asks for a model.
pub(crate) enum Ready {
    Now(Lease),
    /// It is being loaded: [`Models::lease`] waits for it.
    Soon,
}

impl Models {
    /// One model that is loaded and stays.
    #[must_use]
    pub fn only(generator: Arc<dyn Generator>) -> Arc<Self> {
        let offer = Offer {
            info: generator.info().clone(),
            file: None,
            bytes: 0,
            kv_blocks: generator.load().kv_blocks,
            keep: KeepAlive::Always,
            load: Box::new(|| Err(Error::Stopped)),
        };
        Arc::new(Self::of(vec![offer], Box::new(|| None), Some(generator)))
    }

    /// Models that come and go within the memory that `memory` finds now, the first of which may be loaded already; there is
    /// at least one. Must be called where tasks can be spawned.
    #[must_use]
    pub fn new(
        offers: Vec<Offer>,
        memory: Memory,
        total: Option<u64>,
        first: Option<Arc<dyn Generator>>,
    ) -> Arc<Self> {
        let stays = first.is_some() && offers[0].keep == KeepAlive::Always;
        let is_managed = offers.len() > 1 || !stays;
        let models = Self::of(offers, memory, first);
        models.room().total = total;
        models.managed.store(is_managed, Ordering::Relaxed);
        let models = Arc::new(models);
        let changed = models.changed.subscribe();
        tokio::spawn(unload_unused(Arc::downgrade(&models), changed));
        models
    }

    fn of(offers: Vec<Offer>, memory: Memory, first: Option<Arc<dyn Generator>>) -> Self {
        let seats = offers.iter().map(Seat::new);
        let mut room = Room::new(seats.collect());
        if let Some(generator) = first {
            room.enter(0, generator, offers[0].keep);
        }
        Self {
            offers: RwLock::new(offers.into_iter().map(Arc::new).collect()),
            room: Mutex::new(room),
            changed: watch::Sender::default(),
            memory,
            managed: AtomicBool::new(false),
        }
    }

    /// One model more, which can be loaded from now on; its place.
    pub(crate) fn add(&self, offer: Offer) -> usize {
        // In this order, as whoever begins to load one takes them.
        let mut room = self.room();
        let mut offers = self.offers.write().unwrap_or_else(PoisonError::into_inner);
        room.add(Seat::new(&offer));
        offers.push(Arc::new(offer));
        self.managed.store(true, Ordering::Relaxed);
        offers.len() - 1
    }

    /// Has a model loaded no more. Says whether that is so: one that is in memory, or on its way there, stays.
    pub(crate) fn withdraw(&self, index: usize) -> bool {
        self.room().withdraw(index)
    }

    /// Has one that was withdrawn loaded again when it is asked.
    pub(crate) fn reinstate(&self, index: usize) {
        self.room().leave(index);
    }

    /// How many places there are.
    pub(crate) fn count(&self) -> usize {
        self.offers().len()
    }

    /// Bytes for one more model while those that are in memory stay there, where that is known.
    pub(crate) fn free(&self) -> Option<u64> {
        self.room().free((self.memory)())
    }

    /// Whether they come and go.
    pub(crate) fn is_managed(&self) -> bool {
        self.managed.load(Ordering::Relaxed)
    }

    pub(crate) fn offer(&self, index: usize) -> Arc<Offer> {
        Arc::clone(&self.offers()[index])
    }

    fn offers(&self) -> RwLockReadGuard<'_, Vec<Arc<Offer>>> {
        self.offers.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// A model where it is in memory, without keeping it there.
    pub(crate) fn loaded(&self, index: usize) -> Option<Arc<dyn Generator>> {
        self.room()
            .held(index)
            .map(|held| Arc::clone(&held.generator))
    }

    /// Whether a model is neither in memory nor on its way there.
    pub(crate) fn is_out(&self, index: usize) -> bool {
        self.room().is_out(index)
    }

    /// How long a model that is in memory stays there if nobody asks it; nothing inside for one that stays.
    pub(crate) fn stays(&self, index: usize) -> Option<Option<Duration>> {
        let room = self.room();
        let ends = room.held(index)?.ends();
        Some(ends.map(|ends| ends.saturating_duration_since(Instant::now())))
    }

    /// What all models do together, those that were withdrawn included.
    pub(crate) fn load_of_all(&self) -> Load {
        let room = self.room();
        let loads = (0..room.count()).map(|index| room.load(index));
        loads.fold(Load::default(), Load::and)
    }

    /// What a model is doing, and has done since the server started.
    pub(crate) fn load(&self, index: usize) -> Load {
        self.room().load(index)
    }

    /// Whether the models that are in memory answer.
    pub(crate) fn are_alive(&self) -> bool {
        self.room().generators().all(|model| model.is_alive())
    }

    /// A model where it is in memory, else its loading begins; it then stays for `keep`, or as long as was
    /// said before.
    ///
    /// # Errors
    /// [`Error::Occupied`] and [`Error::Memory`] where there is no room for it, [`Error::Withdrawn`] for one that was removed.
    pub(crate) fn ask(
        self: &Arc<Self>,
        index: usize,
        keep: Option<KeepAlive>,
    ) -> Result<Ready, Error> {
        Ok(match self.begin(index, keep)? {
            Ok(lease) => Ready::Now(lease),
            Err(_) => Ready::Soon,
        })
    }

    /// A model, as soon as it is in memory.
    ///
    /// # Errors
    /// As [`Self::ask`], and those of its loading.
    pub(crate) async fn lease(
        self: &Arc<Self>,
        index: usize,
        keep: Option<KeepAlive>,
    ) -> Result<Lease, Error> {
        let (asked, mut waited) = (Instant::now(), Duration::ZERO);
        loop {
            let mut outcome = match self.begin(index, keep)? {
                Ok(mut lease) => {
                    lease.waited = waited;
                    return Ok(lease);
                }
                Err(outcome) => outcome,
            };
            let outcome = outcome.wait_for(Option::is_some).await;
            waited = asked.elapsed();
            let failed = outcome.map_err(|_| Error::Broken)?.clone();
            if let Some(Err(error)) = failed {
                return Err(told_again(&error));
            }
        }
    }

    fn begin(
        self: &Arc<Self>,
        index: usize,
        keep: Option<KeepAlive>,
    ) -> Result<Result<Lease, watch::Receiver<Outcome>>, Error> {
        let mut room = self.room();
        match room.take(index, keep) {
            Taken::Held(generator) => {
                return Ok(Ok(Lease {
                    models: Arc::clone(self),
                    index,
                    waited: Duration::ZERO,
                    generator: Some(generator),
                }));
            }
            Taken::Loading(outcome) => return Ok(Err(outcome)),
            Taken::Out => {}
            Taken::Withdrawn => {
                let model = self.offer(index).info.id.clone();
                return Err(Error::Withdrawn { model });
            }
        }
        let leaving = room.make_room(index, (self.memory)());
        let leaving = leaving.map_err(|shortage| self.refused(index, shortage))?;
        let (told, outcome) = watch::channel(None);
        room.load_begins(index, outcome.clone());
        drop(room);
        let (models, keep) = (Arc::clone(self), keep.unwrap_or(self.offer(index).keep));
        spawn_blocking(move || models.enter(index, keep, leaving, &told));
        Ok(Err(outcome))
    }

    /// Loads a model when those have left that make room for it.
    fn enter(
        &self,
        index: usize,
        keep: KeepAlive,
        leaving: Vec<Arc<dyn Generator>>,
        told: &watch::Sender<Outcome>,
    ) {
        drop(leaving);
        let offer = self.offer(index);
        let id = &offer.info.id;
        let began = Instant::now();
        let loaded = catch_unwind(AssertUnwindSafe(|| (offer.load)()));
        let outcome = match loaded.unwrap_or(Err(Error::Broken)) {
            Ok(generator) => {
                let seconds = began.elapsed().as_secs_f64();
                tracing::info!("`{id}` was loaded in {seconds:.1} s");
                self.room().enter(index, generator, keep);
                Ok(())
            }
            Err(error) => {
                tracing::error!("`{id}` cannot be loaded: {error}");
                self.room().leave(index);
                Err(Arc::new(error))
            }
        };
        told.send_replace(Some(outcome));
        self.changed.send_replace(());
    }

    fn refused(&self, index: usize, shortage: Shortage) -> Error {
        let offer = self.offer(index);
        let Offer { info, bytes, .. } = &*offer;
        let Shortage {
            available,
            is_for_now,
        } = shortage;
        match is_for_now {
            true => Error::Occupied {
                model: info.id.clone(),
                needed: *bytes,
                available,
            },
            false => Error::Memory {
                needed: *bytes,
                context: info.context,
                with_draft: false,
                available,
            },
        }
    }

    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    /// How long the model was brought into memory while it was waited for; no time where it was there.
    pub(crate) fn waited(&self) -> Duration {
        self.waited
    }

    pub(crate) fn generator(&self) -> &Arc<dyn Generator> {
        let generator = self.generator.as_ref();
        generator.expect("it is there until the lease is dropped")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Before anybody may unload it, which then ends its threads where that holds nobody up.
        self.generator = None;
        self.models.room().give_back(self.index);
        self.models.changed.send_replace(());
    }
}

/// What each of those who waited is told.
fn told_again(error: &Error) -> Error {
    match error {
        Error::Memory {
            needed,
            context,
            with_draft,
            available,
        } => Error::Memory {
            needed: *needed,
            context: *context,
            with_draft: *with_draft,
            available: *available,
        },
        Error::NoMemory { bytes, reason } => Error::NoMemory {
            bytes: *bytes,
            reason: io::Error::new(reason.kind(), reason.to_string()),
        },
        Error::NoThread(reason) => {
            Error::NoThread(io::Error::new(reason.kind(), reason.to_string()))
        }
        Error::Stopped => Error::Stopped,
        Error::Broken => Error::Broken,
        other => Error::Option(other.to_string()),
    }
}
