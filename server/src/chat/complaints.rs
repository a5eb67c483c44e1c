//! What people are told when a message cannot be taken: errors of the engine and the store in their words.

use nibble_app::complaint::{Complaint, ComplaintKind};
use nibble_app::domain::COMPARISONS;
use nibble_app::language::{Language, Told};
use nibble_app::presets::PRESETS;
use nibble_engine::Error;

use crate::error::retry_after_s;
use crate::store::{MESSAGES, StoreError};

/// The engine took no question.
pub(super) fn refusal(error: &Error) -> Complaint {
    let reason = reason(error);
    match error {
        Error::Request { field, .. } => Complaint {
            reason,
            // The page's form has no other field that the engine knows than settings of the same names.
            kind: ComplaintKind::Field(match *field {
                "messages" => "message",
                other => other,
            }),
        },
        Error::TooLong { .. } => Complaint {
            reason,
            kind: ComplaintKind::Field("message"),
        },
        Error::Busy { wait, .. } => {
            let retry_after_s = retry_after_s(*wait);
            Complaint {
                reason: Told::new(|t| t.try_again_in(reason.told(t), retry_after_s)),
                kind: ComplaintKind::Busy { retry_after_s },
            }
        }
        Error::Ending => unavailable(Told::new(|t| t.try_again_soon(reason.told(t)))),
        _ => unavailable(reason),
    }
}

/// What a person may read: errors of the machine stay in the log.
pub(crate) fn reason(error: &Error) -> Told {
    match error {
        Error::Busy { waiting, limit, .. } => Told::new(|t| t.queue_full(waiting, limit)),
        Error::Stopped => Told::new(Language::engine_stopped),
        Error::TooLong {
            tokens,
            is_exact,
            context,
            ..
        } => Told::new(|t| match is_exact {
            true => t.prompt_too_long(tokens, context),
            false => t.prompt_far_too_long(tokens, context),
        }),
        Error::Request { .. }
        | Error::WaitedTooLong { .. }
        | Error::TooLate { .. }
        | Error::Occupied { .. }
        | Error::Withdrawn { .. }
        | Error::Memory { .. }
        | Error::TooLittleMemory { .. } => Told::detail(error),
        Error::Ending => Told::new(Language::server_ending),
        _ => {
            tracing::error!(%error, "an answer failed");
            Told::new(Language::engine_failed)
        }
    }
}

/// The store could not do something. That a database fails is no secret, and whoever reads it may be the one to mend it.
pub(super) fn unstored(error: StoreError) -> Complaint {
    match error {
        StoreError::Gone => Complaint::gone(),
        StoreError::Full => unavailable(Told::new(|t| t.conversation_full(MESSAGES))),
        StoreError::Presets => Complaint {
            reason: Told::new(|t| t.most_presets(PRESETS)),
            kind: ComplaintKind::Field("preset_name"),
        },
        StoreError::Comparisons => unavailable(Told::new(|t| t.most_comparisons(COMPARISONS))),
        StoreError::Failed(reason) => {
            tracing::error!("{reason}");
            unavailable(Told::new(|t| t.not_kept(&reason)))
        }
    }
}

/// The model is not told so much text.
pub(super) fn too_much_text(limit: usize) -> Complaint {
    let limit = limit / 1024;
    Complaint {
        reason: Told::new(|t| t.too_much_text(limit)),
        kind: ComplaintKind::Full,
    }
}

fn unavailable(reason: Told) -> Complaint {
    Complaint {
        reason,
        kind: ComplaintKind::Unavailable,
    }
}
