//! An answer in one piece.

use futures::StreamExt;
use nibble_engine::{Completion, Error, Event, Learned, Logprobs, PromptLogprobs, ToolCall};

use super::Piece;
use crate::error::ApiError;
use crate::metered::MeteredAnswer;

/// What an answer came to.
pub(in crate::api) struct Answered {
    /// In the order of the answer, each as long as its kind goes on.
    pub(in crate::api) pieces: Vec<Piece>,
    /// Of the answer's tokens, the prompt's, and what the prompt means, where that was wanted.
    pub(in crate::api) logprobs: Vec<Logprobs>,
    pub(in crate::api) prompt: Option<PromptLogprobs>,
    pub(in crate::api) embedding: Option<Vec<f32>>,
    pub(in crate::api) completion: Completion,
}

/// The pieces of an answer by their kinds, as forms with one place for each have them.
#[derive(Default)]
pub(in crate::api) struct ByKind {
    pub(in crate::api) thought: String,
    pub(in crate::api) text: String,
    pub(in crate::api) calls: Vec<ToolCall>,
}

impl ByKind {
    pub(in crate::api) fn of(pieces: Vec<Piece>) -> Self {
        let mut all = Self::default();
        for piece in pieces {
            match piece {
                Piece::Thought(thought) => all.thought.push_str(&thought),
                Piece::Text(text) => all.text.push_str(&text),
                Piece::Called(call) => all.calls.push(call),
            }
        }
        all
    }
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
    let (mut pieces, mut logprobs) = (Vec::new(), Vec::new());
    let (mut prompt, mut embedding) = (None, None);
    while let Some(event) = answer.next().await {
        match event {
            Event::Queued { .. } | Event::Prefill { .. } | Event::Learned(Learned::PutOut(_)) => {}
            Event::Learned(Learned::Token(token)) => logprobs.push(token),
            Event::Learned(Learned::Prompt(tokens)) => prompt = Some(tokens),
            Event::Learned(Learned::Embedding(states)) => embedding = Some(states),
            Event::Thought(thought) => add(&mut pieces, Piece::Thought(thought)),
            Event::Text(text) => add(&mut pieces, Piece::Text(text)),
            Event::Called(call) => add(&mut pieces, Piece::Called(call)),
            Event::Finished(completion) => {
                return Ok(Answered {
                    pieces,
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

/// Adds what comes next, to the piece before where that is of its kind.
fn add(pieces: &mut Vec<Piece>, piece: Piece) {
    match (pieces.last_mut(), &piece) {
        (Some(Piece::Thought(before)), Piece::Thought(more))
        | (Some(Piece::Text(before)), Piece::Text(more)) => before.push_str(more),
        _ => pieces.push(piece),
    }
}

/// The answer of a form that knows no choices.
///
/// # Errors
/// Where there is none.
pub(in crate::api) fn only(answers: Vec<Answered>) -> Result<Answered, ApiError> {
    let first = answers.into_iter().next();
    first.ok_or_else(|| Error::Stopped.into())
}
