//! What an answer took, on the wire: tokens as OpenAI counts them, and the figures that it has no fields for.

use nibble_engine::metrics::Metrics;
use nibble_engine::{Completion, FinishReason};
use serde::Serialize;

/// Tokens that went in and came out.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Usage {
    prompt_tokens: usize,
    completion_tokens: usize,
    total_tokens: usize,
    prompt_tokens_details: PromptTokensDetails,
    completion_tokens_details: CompletionTokensDetails,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
struct PromptTokensDetails {
    cached_tokens: usize,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
struct CompletionTokensDetails {
    reasoning_tokens: usize,
    /// Guesses ahead that were right. OpenAI's are of a text that the request brings; here nobody pays for those that were
    /// wrong, which are no part of `completion_tokens`.
    accepted_prediction_tokens: usize,
    rejected_prediction_tokens: usize,
}

impl CompletionTokensDetails {
    fn and(self, other: Self) -> Self {
        Self {
            reasoning_tokens: self.reasoning_tokens + other.reasoning_tokens,
            accepted_prediction_tokens: self.accepted_prediction_tokens
                + other.accepted_prediction_tokens,
            rejected_prediction_tokens: self.rejected_prediction_tokens
                + other.rejected_prediction_tokens,
        }
    }
}

/// What no API has fields for; each has it as `nibble`, at the end of an answer.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    /// The engine's own reason, of which clients know but some.
    finish_reason: FinishReason,
    #[serde(flatten)]
    metrics: Metrics,
}

impl Figures {
    pub(crate) fn of(completion: Completion) -> Self {
        Self {
            finish_reason: completion.finish_reason,
            metrics: completion.metrics,
        }
    }
}

impl Usage {
    /// Of two answers together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            prompt_tokens: self.prompt_tokens + other.prompt_tokens,
            completion_tokens: self.completion_tokens + other.completion_tokens,
            total_tokens: self.total_tokens + other.total_tokens,
            prompt_tokens_details: PromptTokensDetails {
                cached_tokens: self.prompt_tokens_details.cached_tokens
                    + other.prompt_tokens_details.cached_tokens,
            },
            completion_tokens_details: self
                .completion_tokens_details
                .and(other.completion_tokens_details),
        }
    }

    /// Of answers that are under way.
    pub(crate) fn so_far(
        prompt_tokens: usize,
        cached_tokens: usize,
        completion_tokens: usize,
    ) -> Self {
        Self {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens + completion_tokens,
            prompt_tokens_details: PromptTokensDetails { cached_tokens },
            ..Self::default()
        }
    }

    /// Of all answers to a question, of which each has so many in turn: a prompt counts once.
    pub(crate) fn of_choices<'a>(
        completions: impl IntoIterator<Item = &'a Completion>,
        n: usize,
    ) -> Self {
        let completions = completions.into_iter().enumerate();
        let usages = completions.map(|(choice, completion)| Self::of_choice(completion, choice, n));
        usages.fold(Self::default(), Self::and)
    }

    /// Of one choice, which has the prompt where it is the first of `n`.
    pub(crate) fn of_choice(completion: &Completion, choice: usize, n: usize) -> Self {
        let usage = Self::of(completion);
        if choice.is_multiple_of(n) {
            return usage;
        }
        Self {
            prompt_tokens: 0,
            total_tokens: usage.completion_tokens,
            prompt_tokens_details: PromptTokensDetails::default(),
            ..usage
        }
    }

    /// Of one answer.
    pub(crate) fn of(completion: &Completion) -> Self {
        let completion_tokens = completion.token_ids.len();
        Self {
            prompt_tokens: completion.prompt_tokens,
            completion_tokens,
            total_tokens: completion.prompt_tokens + completion_tokens,
            prompt_tokens_details: PromptTokensDetails {
                cached_tokens: completion.cached_tokens,
            },
            completion_tokens_details: CompletionTokensDetails {
                reasoning_tokens: completion.metrics.thought_tokens,
                accepted_prediction_tokens: completion.metrics.accepted_tokens,
                rejected_prediction_tokens: completion.metrics.rejected_tokens(),
            },
        }
    }
}
