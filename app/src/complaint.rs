//! What a person is told about a message that cannot be taken.

use crate::figures::grouped;
use crate::language::{Language, Told};

/// Why a message was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// What went wrong, for the person.
    pub reason: Told,
    /// The kind, for whatever must tell them apart.
    pub kind: ComplaintKind,
}

impl Complaint {
    /// What a message or an act is about is not there, or is another's.
    #[must_use]
    pub fn gone() -> Self {
        Self {
            reason: Told::new(Language::conversation_gone),
            kind: ComplaintKind::Gone,
        }
    }

    /// Nothing was refused, but files that were chosen are not in the form of the page that comes.
    #[must_use]
    pub fn files_are_missed() -> Self {
        Self {
            reason: Told::new(Language::files_are_missed),
            kind: ComplaintKind::Note,
        }
    }

    /// The same of a message with files: a page cannot put them into its form.
    #[must_use]
    pub fn without_files(self) -> Self {
        Self {
            reason: Told::new(|t| t.choose_files_again(self.reason.told(t))),
            kind: self.kind,
        }
    }

    /// A conversation is longer than the model's context, which is more or less than all of its tokens.
    #[must_use]
    pub fn full(tokens: usize, is_exact: bool, context: usize) -> Self {
        let (tokens, context) = (grouped(tokens), grouped(context));
        Self {
            reason: Told::new(|t| {
                if is_exact {
                    t.chat_too_long(&tokens, &context)
                } else {
                    t.chat_far_too_long(&tokens, &context)
                }
            }),
            kind: ComplaintKind::Full,
        }
    }
}

/// The kinds of [`Complaint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComplaintKind {
    /// A field, named here, has a value that cannot be used.
    Field(&'static str),
    /// The model's context has no room for more of the conversation, but for the last of it.
    Full,
    /// The conversation is no longer held.
    Gone,
    /// Too many wait for the model.
    Busy {
        /// Seconds after which there may be a place.
        retry_after_s: u64,
    },
    /// The model cannot take a question now.
    Unavailable,
    /// The server does this for nobody who comes from where the visitor does.
    Forbidden,
    /// It is in use, so that it cannot be done now.
    Conflict,
    /// Nothing was refused: a person is told something beside what was typed.
    Note,
}

impl ComplaintKind {
    /// The status of a response that tells it.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Field(_) | Self::Full => 422,
            Self::Forbidden => 403,
            Self::Gone => 404,
            Self::Conflict => 409,
            Self::Busy { .. } => 429,
            Self::Unavailable => 503,
            Self::Note => 200,
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
