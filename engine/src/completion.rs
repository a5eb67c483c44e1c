//! What an answer came to, as plain data, at its end or where its time ran out.

pub mod metrics;

use serde::{Deserialize, Serialize};

use self::metrics::Metrics;

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FinishReason {
    /// The model ended its turn, or a stop text appeared.
    Stop,
    /// `max_tokens` was reached.
    Length,
    /// The end of the context was reached.
    Context,
    /// The same passage of at most 64 tokens came over and over, for 256 tokens.
    Repetition,
    /// [`Stopper::stop`](crate::Stopper::stop) was called, or its time ran out: see [`Error::TooLate`](crate::Error::TooLate).
    Cancelled,
}

/// The end of an answer: everything but its text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Completion {
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// Tokens of the prompt, cached ones included.
    pub prompt_tokens: usize,
    /// Prompt tokens whose keys and values were still in the KV cache.
    pub cached_tokens: usize,
    /// The tokens put out, the end-of-turn token included.
    pub token_ids: Vec<u32>,
    /// What it took and what it cost.
    pub metrics: Metrics,
}
