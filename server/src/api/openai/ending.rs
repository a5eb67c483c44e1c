//! How and when an answer ended, in OpenAI's words.

use std::time::{SystemTime, UNIX_EPOCH};

use nibble_engine::{Completion, FinishReason};

use crate::error::ApiError;

/// OpenAI's word for the reason. Clients refuse words that they do not know, so an answer that was ended because it repeated
/// itself has the one for those that are not complete; [`Figures`](crate::figures::Figures) says which it is.
///
/// # Errors
/// A cancelled answer is none: a client must not take it for complete.
pub(super) fn finish_reason(
    completion: &Completion,
    called: bool,
) -> Result<&'static str, ApiError> {
    match completion.finish_reason {
        FinishReason::Stop if called => Ok("tool_calls"),
        FinishReason::Stop => Ok("stop"),
        FinishReason::Length | FinishReason::Context | FinishReason::Repetition => Ok("length"),
        FinishReason::Cancelled => Err(ApiError::unavailable(
            "the server cancelled the answer before it was complete",
        )),
    }
}

/// Seconds since 1970; 0 on a clock that is set before.
pub(super) fn unix_time() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs())
}
