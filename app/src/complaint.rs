//! What a person is told about a message that cannot be taken.

/// Why a message was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// What went wrong, for the person.
    pub reason: String,
    /// The kind, for whatever must tell them apart.
    pub kind: ComplaintKind,
}

/// The kinds of [`Complaint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComplaintKind {
    /// A field, named here, has a value that cannot be used.
    Field(&'static str),
    /// An answer is still being written in this conversation.
    Running,
    /// The conversation is no longer held.
    Gone,
    /// Too many wait for the model.
    Busy {
        /// Seconds after which there may be a place.
        retry_after_s: u64,
    },
    /// The model cannot take a question now.
    Unavailable,
}

impl ComplaintKind {
    /// The status of a response that tells it.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Field(_) => 422,
            Self::Running => 409,
            Self::Gone => 404,
            Self::Busy { .. } => 429,
            Self::Unavailable => 503,
        }
    }

    /// After how many seconds the message may be sent again, where the response is to say so.
    #[must_use]
    pub fn retry_after_s(self) -> Option<u64> {
        match self {
            Self::Busy { retry_after_s } => Some(retry_after_s),
            _ => None,
        }
    }
}
