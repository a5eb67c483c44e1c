//! The models of a server by the names that requests call them, each counted and guarded as [`Metered`] does. The first is
//! there from the start and for ever, others may come and go.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use nibble_engine::{Error, Load};

use crate::metered::Metered;
use crate::models::Offer;

/// At least one model; cheap to clone.
#[derive(Clone)]
pub(crate) struct Served {
    first: Metered,
    others: Arc<RwLock<Vec<Metered>>>,
}

impl Served {
    pub(crate) fn new(first: Metered, others: Vec<Metered>) -> Self {
        let others = Arc::new(RwLock::new(others));
        Self { first, others }
    }

    /// The one that answers whoever names none.
    pub(crate) fn first(&self) -> &Metered {
        &self.first
    }

    /// By its name in requests.
    pub(crate) fn named(&self, id: &str) -> Option<Metered> {
        let is_it = |model: &&Metered| model.info().id == id;
        let first = Some(&self.first).filter(is_it).cloned();
        first.or_else(|| self.others().iter().find(is_it).cloned())
    }

    /// The one of this name, or else the first.
    pub(crate) fn named_or_first(&self, id: &str) -> Metered {
        self.named(id).unwrap_or_else(|| self.first.clone())
    }

    /// Those that there are now.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Metered> + use<> {
        let first = std::iter::once(self.first.clone());
        first.chain(self.others().clone())
    }

    /// Their names in requests.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.iter().map(|model| model.info().id.clone()).collect()
    }

    /// What all of them do together, and did that are gone.
    pub(crate) fn load(&self) -> Load {
        self.first.load_of_all()
    }

    /// One more.
    ///
    /// # Errors
    /// [`Error::Option`] when there is one of its name.
    pub(crate) fn add(&self, offer: Offer) -> Result<Metered, Error> {
        let mut others = self.others.write().unwrap_or_else(PoisonError::into_inner);
        let id = offer.info.id.clone();
        let taken = || Error::Option(format!("another model called `{id}` is served already"));
        let ids = others.iter().chain([&self.first]);
        if ids.into_iter().any(|model| model.info().id == id) {
            return Err(taken());
        }
        let added = self.first.add(offer).map_err(|_| taken())?;
        others.push(added.clone());
        Ok(added)
    }

    /// Takes out all of these names, of which none may be in memory.
    ///
    /// # Errors
    /// The one that is, or that answers whoever names none; then all stay.
    pub(crate) fn withdraw(&self, ids: &[String]) -> Result<Withdrawn, InUse> {
        let is_meant = |model: &Metered| ids.contains(&model.info().id);
        if is_meant(&self.first) {
            return Err(InUse::First(self.first.info().name.clone()));
        }
        let mut others = self.others.write().unwrap_or_else(PoisonError::into_inner);
        let mut withdrawn = Withdrawn {
            served: self.clone(),
            models: Vec::new(),
        };
        for model in others.iter().filter(|model| is_meant(model)) {
            if !model.withdraw() {
                let name = model.info().name.clone();
                reinstate(&mut others, withdrawn.models);
                return Err(InUse::InMemory(name));
            }
            withdrawn.models.push(model.clone());
        }
        let is_out = |model: &Metered| {
            let mut gone = withdrawn.models.iter();
            gone.any(|gone| Arc::ptr_eq(gone.offer(), model.offer()))
        };
        others.retain(|model| !is_out(model));
        Ok(withdrawn)
    }

    fn others(&self) -> RwLockReadGuard<'_, Vec<Metered>> {
        self.others.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts models back in the places of what they were, or behind the others.
fn reinstate(others: &mut Vec<Metered>, withdrawn: Vec<Metered>) {
    for model in withdrawn {
        let back = match model.reinstated() {
            Ok(back) => back,
            Err(error) => {
                tracing::error!("`{}` is not served any more: {error}", model.info().id);
                continue;
            }
        };
        match others
            .iter()
            .position(|other| other.info().id == back.info().id)
        {
            Some(place) => others[place] = back,
            None => others.push(back),
        }
    }
}

/// Models that nobody can ask any more.
pub(crate) struct Withdrawn {
    served: Served,
    models: Vec<Metered>,
}

impl Withdrawn {
    pub(crate) fn is_empty(&self) -> bool {
        self.models.is_empty()
    }

    /// Takes it back.
    pub(crate) fn undo(self) {
        let others = self.served.others.write();
        let mut others = others.unwrap_or_else(PoisonError::into_inner);
        reinstate(&mut others, self.models);
    }
}

/// Why a model cannot be withdrawn, with its name for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum InUse {
    /// It answers whoever names none.
    First(String),
    /// It is in memory, or on its way there.
    InMemory(String),
}
