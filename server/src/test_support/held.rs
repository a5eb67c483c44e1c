//! A generator for tests that want to play the engine by hand.

use std::sync::Mutex;
use std::time::Duration;

use nibble_engine::metrics::Metrics;
use nibble_engine::{
    Answer, AnswerSender, Arguments, Completion, Error, Event, FinishReason, ModelInfo, Prompt,
    Reading, Request, Thinking, ToolCall,
};

use crate::generator::Generator;
use crate::test_support::scripted::Scripted;

/// Whether whoever reads an answer has left: it is dropped while it waits, and stopped once the model works on it.
pub(crate) fn is_left(sender: &AnswerSender) -> bool {
    sender.is_abandoned() || sender.is_stopped()
}

/// The end of an answer to a prompt of ten tokens that took a second.
pub(crate) fn finished(finish_reason: FinishReason, tokens: usize) -> Event {
    Event::Finished(completion(finish_reason, tokens))
}

/// The same of one whose time ran out.
pub(crate) fn late(tokens: usize) -> Event {
    Event::Failed(Error::TooLate {
        limit: Duration::from_secs(1),
        spent: Some(Box::new(completion(FinishReason::Cancelled, tokens))),
    })
}

fn completion(finish_reason: FinishReason, tokens: usize) -> Completion {
    Completion {
        finish_reason,
        prompt_tokens: 10,
        cached_tokens: 0,
        token_ids: vec![1; tokens],
        metrics: Metrics {
            completion_tokens: tokens,
            total_s: 1.0,
            ..Metrics::default()
        },
    }
}

/// An answer in which a call stands between two texts, and why it ends.
pub(crate) fn say_around_a_call(sender: &AnswerSender, finish_reason: FinishReason) {
    let call = ToolCall {
        id: "abcdefghi".into(),
        name: "weather".into(),
        arguments: Arguments::default(),
    };
    let text = |piece: &str| Event::Text(piece.into());
    sender.send(Event::Prefill { done: 0, total: 10 });
    sender.send(text("Let me "));
    sender.send(text("see."));
    sender.send(Event::Called(call));
    sender.send(text("Then "));
    sender.send(text("more."));
    sender.send(finished(finish_reason, 5));
}

/// What [`say_guessed`] comes to in JSON.
pub(crate) const GUESSES: &str = "\"drafted_tokens\":9,\"accepted_tokens\":7,\"guesses_s\":0.5";

/// An answer of ten tokens, for which nine were guessed, seven of them right.
pub(crate) fn say_guessed(sender: &AnswerSender) {
    sender.send(Event::Prefill { done: 0, total: 10 });
    sender.send(Event::Text("Again.".into()));
    sender.send(Event::Finished(Completion {
        finish_reason: FinishReason::Stop,
        prompt_tokens: 10,
        cached_tokens: 0,
        token_ids: vec![1; 10],
        metrics: Metrics {
            completion_tokens: 10,
            total_s: 1.0,
            drafted_tokens: 9,
            accepted_tokens: 7,
            guesses_s: Some(0.5),
            ..Metrics::default()
        },
    }));
}

/// Keeps every request together with the end that feeds its answer.
pub(crate) struct Held {
    info: ModelInfo,
    queue: usize,
    taken: Mutex<Vec<(Request, AnswerSender)>>,
}

impl Default for Held {
    fn default() -> Self {
        Self {
            info: Scripted::new(&[], Duration::ZERO).info().clone(),
            queue: usize::MAX,
            taken: Mutex::default(),
        }
    }
}

impl Held {
    /// One that says that so many may wait at a time.
    pub(crate) fn of_queue(queue: usize) -> Self {
        Self {
            queue,
            ..Self::default()
        }
    }

    /// The newest request that was not taken yet.
    pub(crate) fn take(&self) -> Option<(Request, AnswerSender)> {
        self.taken.lock().unwrap().pop()
    }
}

impl Generator for Held {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn queue(&self) -> usize {
        self.queue
    }

    fn submit(&self, request: Request) -> Result<Answer, Error> {
        let (sender, answer) = Answer::channel();
        self.taken.lock().unwrap().push((request, sender));
        Ok(answer)
    }

    /// As [`Scripted`] makes them.
    fn prompt_tokens(&self, prompt: &Prompt, thinking: Thinking) -> Result<Vec<u32>, Error> {
        Scripted::new(&[], Duration::ZERO).prompt_tokens(prompt, thinking)
    }

    /// As [`Scripted`] makes them.
    fn text_tokens(&self, text: &str, reading: Reading) -> Result<Vec<u32>, Error> {
        Scripted::new(&[], Duration::ZERO).text_tokens(text, reading)
    }

    /// As [`Scripted`] spells them.
    fn spelt(&self, tokens: &[u32]) -> Result<String, Error> {
        Scripted::new(&[], Duration::ZERO).spelt(tokens)
    }
}
