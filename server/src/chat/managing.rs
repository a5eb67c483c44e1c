//! Models that come and go, for visitors who may have them do so.

use std::sync::Arc;

use nibble_app::chat::Leave;
use nibble_app::complaint::{Complaint, ComplaintKind};
use nibble_app::language::{Language, Told};
use nibble_app::visitor::Visitor;
use nibble_engine::Error;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::ChatService;
use super::complaints::refusal;
use crate::hub::HubName;
use crate::management::{Fetch, Management, complaint};
use crate::served::Served;

impl ChatService {
    /// From now on visitors may change which models are here, as far as they have leave.
    pub(crate) fn manage_by(&self, management: Arc<Management>) {
        management.sweep();
        // A second time it would be the same.
        let _ = self.management.set(management);
    }

    /// Ends the fetch that goes on.
    pub(crate) fn stop_fetching(&self) {
        if let Some(management) = self.management.get() {
            management.stop();
        }
    }

    /// Ready when nothing is left of any fetch.
    pub(crate) async fn all_fetched(&self) {
        if let Some(management) = self.management.get() {
            management.all_ended().await;
        }
    }

    /// What changes models, for a visitor who may.
    ///
    /// # Errors
    /// [`ComplaintKind::Forbidden`] for others.
    pub(crate) fn managed(&self, visitor: Visitor) -> Result<&Arc<Management>, Complaint> {
        let management = self.management.get();
        let leave = management.map_or(Leave::Nobody, |management| management.leave(visitor));
        match management {
            Some(management) if leave == Leave::Granted => Ok(management),
            _ => Err(Complaint {
                reason: Told::new(|t: Language| leave.refusal(t).unwrap_or_default()),
                kind: ComplaintKind::Forbidden,
            }),
        }
    }

    /// The fetch that goes on, or was last, whenever it changes; nothing where none can be.
    pub(crate) fn watch_fetch(&self) -> Option<watch::Receiver<Option<Fetch>>> {
        self.management.get().map(|management| management.watch())
    }

    /// Begins to fetch and serve a model.
    ///
    /// # Errors
    /// When the visitor may not, the name is none, or another is being fetched.
    pub(crate) fn fetch_model(&self, visitor: Visitor, name: &str) -> Result<(), Complaint> {
        let management = self.managed(visitor)?;
        let name = HubName::parse(name).map_err(|error| complaint(&error))?;
        management.fetch(self.writer.models.clone(), name)
    }

    /// Removes a model, so that it can be had back.
    ///
    /// # Errors
    /// When the visitor may not, or as [`Management::remove`].
    pub(crate) async fn remove_model(&self, visitor: Visitor, name: &str) -> Result<(), Complaint> {
        let name = HubName::parse(name).map_err(|error| complaint(&error));
        self.changed(visitor, move |management, served| {
            management.remove(served, &name?)
        })
        .await
    }

    /// Has a removed model back.
    ///
    /// # Errors
    /// When the visitor may not, or as [`Management::restore`].
    pub(crate) async fn restore_model(
        &self,
        visitor: Visitor,
        id: String,
    ) -> Result<(), Complaint> {
        self.changed(visitor, move |management, served| {
            management.restore(served, &id)
        })
        .await
    }

    /// Deletes a removed model for good.
    ///
    /// # Errors
    /// When the visitor may not, or as [`Management::discard`].
    pub(crate) async fn discard_model(
        &self,
        visitor: Visitor,
        id: String,
    ) -> Result<(), Complaint> {
        self.changed(visitor, move |management, _| management.discard(&id))
            .await
    }

    /// Moves files, which may take a while.
    async fn changed(
        &self,
        visitor: Visitor,
        change: impl FnOnce(&Management, &Served) -> Result<(), Complaint> + Send + 'static,
    ) -> Result<(), Complaint> {
        let management = Arc::clone(self.managed(visitor)?);
        let served = self.writer.models.clone();
        let changed = spawn_blocking(move || change(&management, &served)).await;
        changed.unwrap_or_else(|_| Err(refusal(&Error::Broken)))
    }
}
