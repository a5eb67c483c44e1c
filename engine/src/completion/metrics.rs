//! The figures of one answer.

use serde::{Deserialize, Serialize};

/// What one answer took and cost. A figure that could not be measured is absent, never zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// First token out - request accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_to_first_token_s: Option<f64>,
    /// First token behind the thought out - request accepted; where nothing was thought, the first token out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_to_first_answer_token_s: Option<f64>,
    /// Last token of the thought out - first token out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thought_s: Option<f64>,
    /// Work on the request began - request accepted.
    pub queued_s: f64,
    /// Time of that for which the model was brought into memory, as whoever submits it says; absent where it was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loading_s: Option<f64>,
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
    /// Last token out - request accepted; without any token, end - accepted.
    pub total_s: f64,
    /// Price per hour / 3600 / decode speed * 1e6.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_million_tokens: Option<f64>,
    /// Price per hour / 3600 * total time.
    pub usd_total: f64,
    /// The machine's time that the answer took: of each step the part of its tokens. Over all answers this adds up to the time
    /// that the machine computed.
    pub machine_s: f64,
    /// Price per hour / 3600 * the machine's time.
    pub usd_share: f64,
    /// About what it would have cost without others beside it and with the same guesses, at the speeds of the steps that there
    /// were; absent before steps like those were measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_alone: Option<f64>,
    /// How many other answers were computed beside it, as a mean over its time.
    pub beside: f64,
    /// The most answers of other engines on this machine that were open meanwhile, as whoever submits it says: no other figure
    /// knows of them, and they made it slower.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub beside_engines: usize,
    /// Time for which its memory was lent to others and nothing of it was computed; absent where it never was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused_s: Option<f64>,
    /// Time that the program's threads waited since work began because a quota of CPU had run out, summed over CPUs; absent
    /// where nothing counts that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throttled_s: Option<f64>,
    /// Output tokens, the end-of-turn token included.
    pub completion_tokens: usize,
    /// Those of them that are the thought, its marks included.
    pub thought_tokens: usize,
    /// Guesses of tokens that were computed, and those of them that were right and so are output tokens; both 0 where none were
    /// made.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub drafted_tokens: usize,
    /// See [`Self::drafted_tokens`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub accepted_tokens: usize,
    /// Time of the steps that computed guesses, others beside them included; absent where none were made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guesses_s: Option<f64>,
    /// Each token after the first: token out - the token before it, a pause in between included; none for tokens that were put
    /// out at once. Too many for JSON.
    #[serde(skip)]
    pub token_gaps_s: Vec<f32>,
    /// The matrix kernel that computed it.
    pub kernel: String,
    /// Threads that computed it.
    pub threads: usize,
}

impl Metrics {
    /// The output tokens that are not the thought.
    #[must_use]
    pub fn answer_tokens(&self) -> usize {
        self.completion_tokens.saturating_sub(self.thought_tokens)
    }

    /// The guesses that were computed for nothing.
    #[must_use]
    pub fn rejected_tokens(&self) -> usize {
        self.drafted_tokens.saturating_sub(self.accepted_tokens)
    }
}

/// Left out of what is stored, as by those who knew no guesses.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(count: &usize) -> bool {
    *count == 0
}
