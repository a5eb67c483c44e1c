//! An answer in one piece.

use futures::StreamExt;
use nibble_engine::{Completion, Error, Event, Learned, Logprobs, PromptLogprobs, ToolCall};

use crate::error::ApiError;
use crate::metered::MeteredAnswer;

/// What an answer came to.
pub(in crate::api) struct Answered {
    pub(in crate::api) thought: String,
    pub(in crate::api) text: String,
    pub(in crate::api) calls: Vec<ToolCall>,
    /// Of the answer's tokens, the prompt's, and what the prompt means, where that was wanted.
    pub(in crate::api) logprobs: Vec<Logprobs>,
    pub(in crate::api) prompt: Option<PromptLogprobs>,
    pub(in crate::api) embedding: Option<Vec<f32>>,
    pub(in crate::api) completion: Completion,
}

impl Answered {
    /// Whether writing it may take long: log probabilities of a prompt come to many megabytes.
    pub(super) fn may_be_large(&self) -> bool {
        self.prompt.is_some() || !self.logprobs.is_empty() || self.embedding.is_some()
    }
}

/// What comes of an answer, when it is complete.
///
/// # Errors
/// Why it is not.
pub(in crate::api) async fn collected(mut answer: MeteredAnswer) -> Result<Answered, ApiError> {
    let (mut thought, mut text, mut calls) = (String::new(), String::new(), Vec::new());
    let (mut logprobs, mut prompt, mut embedding) = (Vec::new(), None, None);
    while let Some(event) = answer.next().await {
        match event {
            Event::Queued { .. } | Event::Prefill { .. } | Event::Learned(Learned::PutOut(_)) => {}
            Event::Learned(Learned::Token(token)) => logprobs.push(token),
            Event::Learned(Learned::Prompt(tokens)) => prompt = Some(tokens),
            Event::Learned(Learned::Embedding(states)) => embedding = Some(states),
            Event::Thought(piece) => thought.push_str(&piece),
            Event::Text(piece) => text.push_str(&piece),
            Event::Called(call) => calls.push(call),
            Event::Finished(completion) => {
                return Ok(Answered {
                    thought,
                    text,
                    calls,
                    logprobs,
                    prompt,
                    embedding,
                    completion,
                });
            }
            Event::Failed(error) => return Err(error.into()),
        }
    }
    Err(Error::Stopped.into())
}

/// The answer of a form that knows no choices.
///
/// # Errors
/// Where there is none.
pub(in crate::api) fn only(answers: Vec<Answered>) -> Result<Answered, ApiError> {
    let first = answers.into_iter().next();
    first.ok_or_else(|| Error::Stopped.into())
}
