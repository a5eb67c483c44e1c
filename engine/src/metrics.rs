//! The clock of one answer and the formulas of its figures, nothing else.

use serde::{Deserialize, Serialize};

/// What one answer took and cost. A figure that could not be measured is absent, never zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// First token out - request accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_to_first_token_s: Option<f64>,
    /// Work on the request began - request accepted.
    pub queued_s: f64,
    /// Time spent computing the prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefill_s: Option<f64>,
    /// Prompt tokens computed / prefill time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefill_tokens_per_second: Option<f64>,
    /// (Output tokens - 1) / (last token - first token).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decode_tokens_per_second: Option<f64>,
    /// 1000 / decode speed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_per_output_token_ms: Option<f64>,
    /// Last token out - request accepted.
    pub total_s: f64,
    /// Price per hour / 3600 / decode speed * 1e6.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_million_tokens: Option<f64>,
    /// Price per hour / 3600 * total time.
    pub usd_total: f64,
    /// Output tokens, the end-of-turn token included.
    pub completion_tokens: usize,
    /// The matrix kernel that computed it.
    pub kernel: String,
    /// Threads that computed it.
    pub threads: usize,
}
