//! Models that come and go beside the first, and memory for what is none.

use std::path::Path;
use std::sync::Arc;

use nibble_engine::{Error, Load};
use prometheus::Result as Figured;

use super::Metered;
use crate::models::{Offer, Reserved};

impl Metered {
    /// What can be loaded.
    pub(crate) fn offer(&self) -> &Arc<Offer> {
        &self.offer
    }

    /// The file or folder that it comes from, where it comes from one.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.offer.file.as_deref()
    }

    /// As [`reserve`](crate::models::Models::reserve) beside all models.
    ///
    /// # Errors
    /// As it.
    pub(crate) fn reserve(&self, bytes: u64, context: usize) -> Result<Reserved, Error> {
        self.models.reserve(bytes, context)
    }

    /// One model more beside it.
    ///
    /// # Errors
    /// As [`Self::beside`], and then it can be asked by nobody.
    pub(crate) fn add(&self, offer: Offer) -> Figured<Self> {
        let index = self.models.add(offer);
        let added = self.beside(index);
        if added.is_err() {
            self.models.withdraw(index);
        }
        added
    }

    /// As [`withdraw`](crate::models::Models::withdraw) of all models, with its figures.
    pub(crate) fn withdraw(&self) -> bool {
        let is_out = self.models.withdraw(self.index);
        if is_out {
            self.telemetry.withdraw();
        }
        is_out
    }

    /// Takes back that it was withdrawn.
    ///
    /// # Errors
    /// As [`Self::beside`].
    pub(crate) fn reinstated(&self) -> Figured<Self> {
        let reinstated = self.beside(self.index)?;
        self.models.reinstate(self.index);
        Ok(reinstated)
    }

    /// What all models of the server do together. Who is on the way to a queue waits, too.
    pub(crate) fn load_of_all(&self) -> Load {
        let load = self.models.load_of_all();
        Load {
            waiting: load.waiting + self.waiters.of_all(),
            ..load
        }
    }
}
