//! What the pages need of a program whose models come and go while it runs.

use crate::complaint::{Complaint, ComplaintKind};
use crate::language::{Language, Told};

/// Whether a visitor may do what not all may: fetch, serve and remove models, or choose which of them answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Leave {
    /// Yes.
    Granted,
    /// Nobody may, by the page.
    #[default]
    Nobody,
    /// Who has signed in may.
    ByPassword,
    /// Who asks from the server's own machine may, or has signed in.
    FromHere,
}

impl Leave {
    /// Why a visitor may not fetch, serve and remove models; nothing where that is not so.
    #[must_use]
    pub fn refusal(self, t: Language) -> Option<&'static str> {
        match self {
            Self::Granted => None,
            Self::Nobody => Some(t.managed_by_nobody()),
            Self::ByPassword => Some(t.managed_by_password()),
            Self::FromHere => Some(t.managed_from_here()),
        }
    }

    /// The same of choosing which model answers.
    #[must_use]
    pub fn switch_refusal(self, t: Language) -> Option<&'static str> {
        match self {
            Self::Granted => None,
            Self::Nobody => Some(t.switched_by_nobody()),
            Self::ByPassword => Some(t.switched_by_password()),
            Self::FromHere => Some(t.switched_from_here()),
        }
    }

    /// What is told to who chose a model and may not.
    #[must_use]
    pub fn not_switched(self) -> Complaint {
        Complaint {
            reason: Told::new(|t| self.switch_refusal(t).unwrap_or_default()),
            kind: ComplaintKind::Forbidden,
        }
    }
}

/// A model that is being fetched, or was last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fetching {
    /// Tells it from others.
    pub id: u64,
    /// As a person types it.
    pub name: String,
    /// What is being done, such as fetching a file from somewhere; nothing before anything is.
    pub what: Option<Told>,
    /// Bytes that are here.
    pub bytes: u64,
    /// Bytes of all of it, where that is known.
    pub total: Option<u64>,
    /// How fast it comes, where that was measured.
    pub bytes_per_second: Option<f64>,
    /// What came of it; nothing while it goes on.
    pub end: Option<FetchEnd>,
}

/// What came of fetching a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchEnd {
    /// It is here and can be asked, by this name in requests.
    Served(String),
    /// It is here and cannot be asked, for this reason.
    Unserved(String),
    /// It is not here, for this reason.
    Failed(String),
    /// Somebody ended it.
    Cancelled,
}

/// A model that was removed and can be had back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelRemoved {
    /// By which it is had back.
    pub id: String,
    /// As a person types it.
    pub name: String,
    /// Bytes that it still takes.
    pub bytes: u64,
}

/// What was wanted of a model and not done.
#[derive(Clone, Debug)]
pub struct ManageRefused {
    /// The name of what was to be fetched, as it was typed; nothing where something else was wanted.
    pub name: Option<String>,
    /// Why.
    pub complaint: Complaint,
}
