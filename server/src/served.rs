//! The models of a server by the names that requests call them, each counted and guarded as [`Metered`] does.

use std::sync::Arc;

use nibble_engine::Load;

use crate::metered::Metered;

/// At least one model; cheap to clone.
#[derive(Clone)]
pub(crate) struct Served(Arc<[Metered]>);

impl Served {
    /// # Panics
    /// Without a model.
    pub(crate) fn new(models: Vec<Metered>) -> Self {
        assert!(!models.is_empty(), "a server has a model");
        Self(models.into())
    }

    /// The one that answers whoever names none.
    pub(crate) fn first(&self) -> &Metered {
        &self.0[0]
    }

    /// By its name in requests.
    pub(crate) fn named(&self, id: &str) -> Option<&Metered> {
        self.0.iter().find(|model| model.info().id == id)
    }

    /// The one of this name, or else the first.
    pub(crate) fn named_or_first(&self, id: &str) -> &Metered {
        self.named(id).unwrap_or(self.first())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Metered> {
        self.0.iter()
    }

    /// Their names in requests.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.0.iter().map(|model| model.info().id.clone()).collect()
    }

    /// What all of them do together.
    pub(crate) fn load(&self) -> Load {
        let loads = self.0.iter().map(Metered::load);
        loads.fold(Load::default(), Load::and)
    }
}
