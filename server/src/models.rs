//! The models that this server answers with, and which of them are in memory.
//!
//! A model is loaded when somebody asks it, and leaves when it was not asked for a while, or when another needs its memory:
//! those longest unused go first, never one that answers. A `Lease` is the one way to a model, and keeps it in memory.
//! A server with one model has it from the start and for ever, and nothing of this is seen.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use nibble_engine::{Error, Load, ModelInfo};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};

use crate::generator::Generator;

mod keep_alive;
mod room;
#[cfg(test)]
mod tests;

pub use self::keep_alive::KeepAlive;
use self::room::{Outcome, Room, Seat, Shortage, Taken};

/// Loads a model, which takes its time.
pub type Loader = Box<dyn Fn() -> Result<Arc<dyn Generator>, Error> + Send + Sync>;

/// Says how many bytes of memory this process can still use, where the system tells.
pub type Memory = Box<dyn Fn() -> Option<u64> + Send + Sync>;

/// A model that can be loaded.
pub struct Offer {
    /// As it will be.
    pub info: ModelInfo,
    /// Bytes that it takes in memory, keys and values included.
    pub bytes: u64,
    /// Blocks of keys and values that it has room for.
    pub kv_blocks: usize,
    /// How long it stays when nobody asks it, unless a request says otherwise.
    pub keep: KeepAlive,
    /// Loads it.
    pub load: Loader,
}

/// All models of a server, the first of which answers those who name none.
pub struct Models {
    offers: Vec<Offer>,
    room: Mutex<Room>,
    changed: watch::Sender<()>,
    memory: Memory,
    /// Whether they come and go.
    managed: bool,
}

/// A model that is in memory as long as this is there.
pub(crate) struct Lease {
    models: Arc<Models>,
    index: usize,
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
        let models = Self::of(offers, memory, first);
        models.room().total = total;
        let models = Arc::new(Self {
            managed: true,
            ..models
        });
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
            offers,
            room: Mutex::new(room),
            changed: watch::Sender::default(),
            memory,
            managed: false,
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.offers.len()
    }

    /// Whether they come and go.
    pub(crate) fn is_managed(&self) -> bool {
        self.managed
    }

    pub(crate) fn offer(&self, index: usize) -> &Offer {
        &self.offers[index]
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
    /// [`Error::Occupied`] and [`Error::Memory`] where there is no room for it.
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
        loop {
            let mut outcome = match self.begin(index, keep)? {
                Ok(lease) => return Ok(lease),
                Err(outcome) => outcome,
            };
            let outcome = outcome.wait_for(Option::is_some).await;
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
                    generator: Some(generator),
                }));
            }
            Taken::Loading(outcome) => return Ok(Err(outcome)),
            Taken::Out => {}
        }
        let leaving = room.make_room(index, (self.memory)());
        let leaving = leaving.map_err(|shortage| self.refused(index, shortage))?;
        let (told, outcome) = watch::channel(None);
        room.load_begins(index, outcome.clone());
        drop(room);
        let (models, keep) = (Arc::clone(self), keep.unwrap_or(self.offers[index].keep));
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
        let offer = &self.offers[index];
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
        let Offer { info, bytes, .. } = &self.offers[index];
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
                available,
            },
        }
    }

    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
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

/// Unloads models whose time is over, as long as there are any.
async fn unload_unused(models: Weak<Models>, mut changed: watch::Receiver<()>) {
    loop {
        let next = {
            let Some(models) = models.upgrade() else {
                return;
            };
            let (leaving, next) = models.room().expire(Instant::now());
            for model in leaving {
                let models = Arc::downgrade(&models);
                tracing::info!(
                    "`{}` is unloaded: nobody asked it for a while",
                    model.info().id
                );
                // An engine ends its threads when it is dropped.
                spawn_blocking(move || {
                    drop(model);
                    if let Some(models) = models.upgrade() {
                        models.room().has_left();
                    }
                });
            }
            next
        };
        let time_is_over = async {
            match next {
                Some(next) => sleep_until(next).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            is_there = changed.changed() => {
                if is_there.is_err() {
                    return;
                }
            }
            () = time_is_over => {}
        }
    }
}

/// What each of those who waited is told.
fn told_again(error: &Error) -> Error {
    match error {
        Error::Memory {
            needed,
            context,
            available,
        } => Error::Memory {
            needed: *needed,
            context: *context,
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
