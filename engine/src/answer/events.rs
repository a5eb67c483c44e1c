//! What comes out of the engine: the events of one answer, and their channel.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures::Stream;
use futures::channel::mpsc;

use crate::answer::logprobs::{Logprobs, PromptLogprobs};
use crate::text::calls::AnswerPart;
use crate::text::conversation::ToolCall;
use crate::{Completion, Error};

/// What an [`Answer`] yields: any number of `Queued`, `Prefill`, `Thought`, `Text`, `Called` and `Learned`, then one `Finished` or `Failed`,
/// then nothing. All of `Thought` comes before the first `Text` and `Called`.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "an answer has one end, and the room of the others is soon read"
)]
pub enum Event {
    /// The request waits for the model; sent when its place changes, or how long that may take, once a second at the most.
    Queued {
        /// Requests whose turn comes before.
        before: usize,
        /// How long it may take until its own comes, where that can be said.
        seconds: Option<f64>,
    },
    /// Progress of the prompt, in tokens; sent before the first step and after each.
    Prefill {
        /// Tokens computed or found in the cache.
        done: usize,
        /// Tokens of the prompt.
        total: usize,
    },
    /// The next piece of what the model thinks before it answers, without its marks: whole characters.
    Thought(String),
    /// The next piece of the answer: whole characters, never any part of a stop text.
    Text(String),
    /// The model calls a tool of its [`Conversation`](crate::Conversation).
    Called(ToolCall),
    /// Something that the request wanted to be told beside the answer.
    Learned(Learned),
    /// The answer is complete.
    Finished(Completion),
    /// The answer could not be completed; text already sent stands.
    Failed(Error),
}

/// What a request learns beside its answer, as its [`Wanted`](crate::Wanted) says.
#[derive(Clone, Debug, PartialEq)]
pub enum Learned {
    /// How likely the next token of the answer was, before the text that it completes. Tokens of thoughts are left out, and
    /// so are those that end the answer and are not shown.
    Token(Logprobs),
    /// How likely the prompt's tokens were; before the first token of the answer.
    Prompt(PromptLogprobs),
    /// How many tokens are put out, thoughts and ends included; before the text that the last completes.
    PutOut(usize),
    /// What the prompt comes to, as its states behind the final norm are pooled, `[hidden]`.
    Embedding(Vec<f32>),
}

impl From<AnswerPart> for Event {
    fn from(part: AnswerPart) -> Self {
        match part {
            AnswerPart::Text(text) => Self::Text(text),
            AnswerPart::Call(call) => Self::Called(call),
        }
    }
}

/// Ends one answer early; its events then close with [`FinishReason::Cancelled`](crate::FinishReason::Cancelled).
#[derive(Clone, Debug, Default)]
pub struct Stopper(Arc<AtomicBool>);

impl Stopper {
    /// Asks the engine to stop at its next step.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether [`Stopper::stop`] was called.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The events of one request, in order. Dropping it cancels the request within one step.
#[derive(Debug)]
pub struct Answer {
    events: mpsc::UnboundedReceiver<Event>,
    stopper: Stopper,
}

impl Answer {
    /// An answer and the end that feeds it, for whatever produces answers. The channel is unbounded: its content is
    /// bounded by the request's `max_tokens`, and a slow reader must not hold the model up.
    #[must_use]
    pub fn channel() -> (AnswerSender, Self) {
        let (sender, events) = mpsc::unbounded();
        let stopper = Stopper::default();
        (
            AnswerSender {
                events: sender,
                stopper: stopper.clone(),
            },
            Self { events, stopper },
        )
    }

    /// A handle that ends this answer early and keeps its metrics.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }
}

impl Stream for Answer {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        Pin::new(&mut self.events).poll_next(context)
    }
}

/// The producing end of an [`Answer`].
#[derive(Clone, Debug)]
pub struct AnswerSender {
    events: mpsc::UnboundedSender<Event>,
    stopper: Stopper,
}

impl AnswerSender {
    /// Sends one event; an answer that nobody reads swallows it.
    pub fn send(&self, event: Event) {
        // The only failure is a dropped reader, which `is_abandoned` reports.
        let _ = self.events.unbounded_send(event);
    }

    /// Whether the reader is gone.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.events.is_closed()
    }

    /// Whether nobody wants the rest.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.is_abandoned() || self.is_stopped()
    }

    /// Whether the reader asked for an early end.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopper.is_stopped()
    }
}
