//! What goes into the engine and what comes out: plain data and the channel of one answer.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures::Stream;
use futures::channel::mpsc;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::answer::metrics::Metrics;
use crate::answer::policy::Caller;
use crate::sampling::Sampling;
use crate::text::calls::AnswerPart;
use crate::text::conversation::{Conversation, ToolCall};

/// What the model continues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// A conversation, laid out by the model's chat template.
    Chat(Conversation),
    /// Text as it is, without a template.
    Raw(String),
}

impl Prompt {
    /// What [`Error::Request`] calls it.
    pub(crate) fn field(&self) -> &'static str {
        match self {
            Self::Chat(_) => "messages",
            Self::Raw(_) => "prompt",
        }
    }

    fn check(&self) -> Result<(), Error> {
        match self {
            Self::Chat(conversation) if conversation.turns.len() > MAX_MESSAGES => {
                let found = conversation.turns.len();
                let reason =
                    format!("`messages` must be at most {MAX_MESSAGES} messages, found {found}");
                Err(Error::request(self.field(), reason))
            }
            _ => Ok(()),
        }
    }
}

/// One question to the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What to continue.
    pub prompt: Prompt,
    /// How to choose tokens.
    pub sampling: Sampling,
    /// The most tokens to put out; the rest of the context is the limit when it is smaller.
    pub max_tokens: usize,
    /// Texts that end the answer and are never shown.
    pub stop: Vec<String>,
    /// Price of this machine, for the cost figures of [`Metrics`].
    pub usd_per_hour: f64,
    /// Who asks: callers take turns.
    pub caller: Caller,
}

/// The most stop texts of a request.
pub const MAX_STOPS: usize = 16;
/// The longest stop text. What may be its beginning is held back, so that a longer one would hide the answer.
pub const MAX_STOP_BYTES: usize = 1024;
/// The most messages of a conversation, which templates walk through.
pub const MAX_MESSAGES: usize = 4096;

impl Request {
    /// Refuses values that no model could take.
    ///
    /// # Errors
    /// [`Error::Request`] that names the field, its range and the value.
    pub fn check(&self) -> Result<(), Error> {
        self.sampling.check()?;
        self.prompt.check()?;
        self.check_stop()?;
        if self.max_tokens == 0 {
            let reason = "`max_tokens` must be at least 1, found 0";
            return Err(Error::request("max_tokens", reason));
        }
        let price = self.usd_per_hour;
        if !(price.is_finite() && price >= 0.0) {
            let reason = format!("`usd_per_hour` must be a price of at least 0, found {price}");
            return Err(Error::request("usd_per_hour", reason));
        }
        Ok(())
    }

    fn check_stop(&self) -> Result<(), Error> {
        let refused = |reason| Err(Error::request("stop", reason));
        let found = self.stop.len();
        if found > MAX_STOPS {
            return refused(format!(
                "`stop` must have at most {MAX_STOPS} texts, found {found}"
            ));
        }
        match self.stop.iter().map(String::len).max() {
            Some(found) if found > MAX_STOP_BYTES => refused(format!(
                "a `stop` text must have at most {MAX_STOP_BYTES} bytes, found {found}"
            )),
            _ if self.stop.iter().any(String::is_empty) => {
                refused("a `stop` text must not be empty".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FinishReason {
    /// The model ended its turn, or a stop text appeared.
    Stop,
    /// `max_tokens` or the context was reached.
    Length,
    /// [`Stopper::stop`] was called.
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

/// What an [`Answer`] yields: any number of `Queued`, `Prefill`, `Text` and `Called`, then one `Finished` or `Failed`, then nothing.
#[derive(Debug)]
pub enum Event {
    /// The request waits for the model; sent when its place changes, once a second at the most.
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
    /// The next piece of the answer: whole characters, never any part of a stop text.
    Text(String),
    /// The model calls a tool of its [`Conversation`].
    Called(ToolCall),
    /// The answer is complete.
    Finished(Completion),
    /// The answer could not be completed; text already sent stands.
    Failed(Error),
}

impl From<AnswerPart> for Event {
    fn from(part: AnswerPart) -> Self {
        match part {
            AnswerPart::Text(text) => Self::Text(text),
            AnswerPart::Call(call) => Self::Called(call),
        }
    }
}

/// Ends one answer early; its events then close with [`FinishReason::Cancelled`].
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

/// What is loaded, for people to see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Name from the file, such as "SmolLM2 135M Instruct".
    pub name: String,
    /// Short identifier for APIs: the name in lower case with hyphens.
    pub id: String,
    /// Weights, embedding included.
    pub parameters: u64,
    /// Bytes of packed weights in memory.
    pub weight_bytes: u64,
    /// The longest sequence, in tokens.
    pub context: usize,
    /// Entries of the vocabulary.
    pub vocabulary: usize,
    /// How the weights are held, such as "int4, groups of 32".
    pub quantization: String,
    /// The matrix kernel in use, such as "avx2".
    pub kernel: String,
    /// Threads that compute.
    pub threads: usize,
    /// What the model's authors advise.
    pub sampling: Sampling,
}
