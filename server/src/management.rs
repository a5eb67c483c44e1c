//! Models that are fetched, served and removed by the page while the server runs.
//!
//! One is fetched at a time, on a thread of its own and whoever reads of it. What it is at is plain data that readers watch. A
//! model is named as on the hub, never by a path, so that nothing outside of the cache folder is read or removed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use nibble_app::chat::{FetchEnd, Fetching, Leave, ModelRemoved};
use nibble_app::complaint::{Complaint, ComplaintKind};
use nibble_app::language::{Language, Told};
use nibble_app::visitor::Visitor;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

mod fetch;
mod looked_at;
pub(crate) use self::fetch::Fetch;
use self::fetch::Reporter;
use self::looked_at::LookedAt;
pub(crate) use self::looked_at::Planned;
use crate::hub::{Cancel, Error, HubName, Shelf};
use crate::offers::Offers;
use crate::permitted::Permitted;
use crate::served::{InUse, Served};

/// How often what was removed long ago is looked for.
const SWEEP: Duration = Duration::from_secs(10 * 60);

/// When whoever is told that a model is being fetched may ask again.
const COME_BACK_S: u64 = 10;

/// What fetches, serves and removes models.
pub struct Management {
    managers: Permitted,
    shelf: Shelf,
    offers: Box<dyn Offers>,
    looked_at: LookedAt,
    /// The fetch that goes on, or was last.
    fetch: watch::Sender<Option<Fetch>>,
    /// Fetches whose threads have not ended, cancelled ones among them.
    running: watch::Sender<usize>,
    /// Whether the program ends, and no fetch begins any more.
    ending: AtomicBool,
    /// Held by whoever changes which models are served.
    serving: Mutex<()>,
}

impl Management {
    /// For these visitors, with models of a cache folder that become ones that can be asked.
    pub fn new(managers: Permitted, shelf: Shelf, offers: impl Offers + 'static) -> Self {
        Self {
            managers,
            shelf,
            offers: Box::new(offers),
            looked_at: LookedAt::default(),
            fetch: watch::Sender::default(),
            running: watch::Sender::default(),
            ending: AtomicBool::default(),
            serving: Mutex::default(),
        }
    }

    /// Whether a visitor may change anything.
    pub(crate) fn leave(&self, visitor: Visitor) -> Leave {
        self.managers.leave(visitor)
    }

    pub(crate) fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// What a model of the cache folder would be if it were loaded; nothing of one that cannot be.
    pub(crate) fn planned(&self, file: &Path) -> Option<Planned> {
        self.looked_at.plan(file, &*self.offers)
    }

    /// The model that is being fetched, or was last.
    pub(crate) fn fetching(&self) -> Option<Fetching> {
        self.fetch
            .borrow()
            .as_ref()
            .map(|fetch| fetch.shown.clone())
    }

    /// Changes whenever that does.
    pub(crate) fn watch(&self) -> watch::Receiver<Option<Fetch>> {
        self.fetch.subscribe()
    }

    /// Begins to fetch a model, which is served when it is here; one that is here is served at once.
    ///
    /// # Errors
    /// When another is being fetched, which is named.
    pub(crate) fn fetch(self: &Arc<Self>, served: Served, name: HubName) -> Result<(), Complaint> {
        let fetch = Fetch::new(&name);
        let (id, cancel) = (fetch.shown.id, fetch.cancel.clone());
        let mut busy = None;
        self.fetch.send_if_modified(|current| {
            let running = current.as_ref().filter(|current| current.runs());
            busy = running.map(|running| running.shown.name.clone());
            if busy.is_none() {
                *current = Some(fetch);
            }
            busy.is_none()
        });
        if let Some(name) = busy {
            return Err(Complaint {
                reason: Told::new(|t| t.fetches_another(&name)),
                kind: ComplaintKind::Busy {
                    retry_after_s: COME_BACK_S,
                },
            });
        }
        // Behind what `stop` looks at, so that one of the two sees the other.
        if self.ending.load(Ordering::SeqCst) {
            cancel.cancel();
        }
        let running = Running::begin(self);
        let thread = thread::Builder::new().name("fetch".to_owned());
        let begun = thread.spawn(move || {
            let management = &running.0;
            tracing::info!("`{name}` is fetched for the page");
            let fetched = || management.fetched(&served, &name, id, &cancel);
            let end = catch_unwind(AssertUnwindSafe(fetched));
            let broken = |_| FetchEnd::Failed(nibble_engine::Error::Broken.to_string());
            let end = end.unwrap_or_else(broken);
            if let FetchEnd::Failed(reason) | FetchEnd::Unserved(reason) = &end {
                tracing::warn!("`{name}` is not served: {reason}");
            }
            management.end(id, end);
        });
        if let Err(error) = begun {
            self.end(id, FetchEnd::Failed(error.to_string()));
        }
        Ok(())
    }

    fn fetched(&self, served: &Served, name: &HubName, id: u64, cancel: &Cancel) -> FetchEnd {
        let reporter = Reporter {
            fetch: &self.fetch,
            id,
        };
        match self.shelf.fetch(name, &reporter, cancel) {
            _ if cancel.is_cancelled() => FetchEnd::Cancelled,
            Ok(path) => self.serve(served, &path),
            Err(error) => FetchEnd::Failed(error.to_string()),
        }
    }

    /// Ends whatever fetch goes on and lets none begin, as the program ends.
    pub(crate) fn stop(&self) {
        self.ending.store(true, Ordering::SeqCst);
        if let Some(fetching) = self.fetching().filter(|fetching| fetching.end.is_none()) {
            self.cancel(fetching.id);
        }
    }

    /// Ready when nothing is left of any fetch, neither its thread nor a program that it started.
    pub(crate) async fn all_ended(&self) {
        // The sender lives as long as `self`.
        let _ = self.running.subscribe().wait_for(|count| *count == 0).await;
    }

    /// Ends the fetch of this id; what has arrived stays for the next one.
    pub(crate) fn cancel(&self, id: u64) {
        if let Some(fetch) = &*self.fetch.borrow()
            && fetch.shown.id == id
        {
            fetch.cancel.cancel();
        }
        self.end(id, FetchEnd::Cancelled);
    }

    /// The first end counts.
    fn end(&self, id: u64, end: FetchEnd) {
        fetch::update(&self.fetch, id, |shown| shown.end = Some(end));
    }

    /// Has a model of the cache folder asked from now on, as it may be already.
    fn serve(&self, served: &Served, file: &Path) -> FetchEnd {
        let _turn = self.turn();
        let is_it =
            |other: &Path| other == file || other.canonicalize().ok() == file.canonicalize().ok();
        let mut models = served.iter();
        if let Some(model) = models.find(|model| model.file().is_some_and(is_it)) {
            return FetchEnd::Served(model.info().id.clone());
        }
        let offered = self.offers.offer(file, served.first().free());
        match offered.and_then(|offer| served.add(offer)) {
            Ok(model) => FetchEnd::Served(model.info().id.clone()),
            Err(error) => FetchEnd::Unserved(error.to_string()),
        }
    }

    /// Removes a model, so that it can be had back.
    ///
    /// # Errors
    /// When it is in use, is being fetched, is not here or cannot be moved.
    pub(crate) fn remove(&self, served: &Served, name: &HubName) -> Result<(), Complaint> {
        let _turn = self.turn();
        // Those who ask for other models do not wait for the disk.
        let is_of_it = |file: &Path| self.shelf.has(name, file);
        let meant = served.iter();
        let meant = meant.filter(|model| model.file().is_some_and(is_of_it));
        let meant: Vec<_> = meant.map(|model| model.info().id.clone()).collect();
        let withdrawn = served.withdraw(&meant).map_err(in_use)?;
        match self.shelf.remove(name, !withdrawn.is_empty()) {
            Ok(_) => {
                tracing::info!("`{name}` was removed by the page");
                self.forget(name);
                Ok(())
            }
            Err(error) => {
                withdrawn.undo();
                Err(complaint(&error))
            }
        }
    }

    /// Says no more what came of fetching a model.
    fn forget(&self, name: &HubName) {
        let name = name.to_string();
        self.fetch.send_if_modified(|fetch| {
            let shown = fetch.as_ref().map(|fetch| &fetch.shown);
            let is_past = shown.is_some_and(|shown| shown.end.is_some() && shown.name == name);
            fetch.take_if(|_| is_past).is_some()
        });
    }

    /// Has a removed model back, which is served where it was.
    ///
    /// # Errors
    /// When it is not kept any more, is here again or cannot be moved.
    pub(crate) fn restore(&self, served: &Served, id: &str) -> Result<(), Complaint> {
        let restored = self.shelf.restore(id).map_err(|error| complaint(&error))?;
        if !restored.was_served {
            return Ok(());
        }
        let name = HubName::parse(&restored.name).ok();
        let file = name.and_then(|name| self.shelf.find(&name));
        if let Some(file) = file
            && let FetchEnd::Unserved(reason) = self.serve(served, &file)
        {
            tracing::warn!("`{}` is here again and not served: {reason}", restored.name);
        }
        Ok(())
    }

    /// Deletes a removed model for good.
    ///
    /// # Errors
    /// When it is not kept any more or cannot be deleted.
    pub(crate) fn discard(&self, id: &str) -> Result<(), Complaint> {
        self.shelf.discard(id).map_err(|error| complaint(&error))
    }

    /// Models that can be had back.
    pub(crate) fn removed(&self) -> Vec<ModelRemoved> {
        let removed = self.shelf.removed().into_iter();
        let removed = removed.map(|removed| ModelRemoved {
            id: removed.id,
            name: removed.name,
            bytes: removed.bytes,
        });
        removed.collect()
    }

    /// Deletes what was removed long ago, now and from time to time. Must be called where tasks can be spawned.
    pub(crate) fn sweep(self: &Arc<Self>) {
        let management = Arc::downgrade(self);
        tokio::spawn(async move {
            while let Some(management) = management.upgrade() {
                let swept = spawn_blocking(move || management.shelf.discard_old());
                if let Err(error) = swept.await {
                    tracing::error!("removed models are not deleted: {error}");
                }
                sleep(SWEEP).await;
            }
        });
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.serving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A fetch whose thread has not ended.
struct Running(Arc<Management>);

impl Running {
    fn begin(management: &Arc<Management>) -> Self {
        management.running.send_modify(|count| *count += 1);
        Self(Arc::clone(management))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.send_modify(|count| *count -= 1);
    }
}

fn in_use(reason: InUse) -> Complaint {
    let reason = match reason {
        InUse::First(name) => Told::new(|t| t.first_model_stays(&name)),
        InUse::InMemory(name) => Told::new(|t| t.loaded_model_stays(&name)),
    };
    Complaint {
        reason,
        kind: ComplaintKind::Conflict,
    }
}

/// What a person may read of the hub: its reasons are in the words of the command line.
pub(crate) fn complaint(error: &Error) -> Complaint {
    let kind = match error {
        Error::Usage(_) => ComplaintKind::Field("name"),
        Error::Conflict(_) => ComplaintKind::Conflict,
        Error::Gone => ComplaintKind::Gone,
        Error::Fetch(_) => ComplaintKind::Unavailable,
        Error::File { .. } => {
            tracing::error!("{error}");
            return Complaint {
                reason: Told::new(Language::cache_folder_fails),
                kind: ComplaintKind::Unavailable,
            };
        }
    };
    Complaint {
        reason: Told::detail(error),
        kind,
    }
}
