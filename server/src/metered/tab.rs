//! What an answer costs the key that asked for it.

use std::sync::Arc;

use nibble_engine::{Completion, Event};

use crate::keys::Key;

/// The tokens of one answer so far, as its events tell: an answer that is abandoned has no other figures.
#[derive(Default)]
pub(super) struct Tab {
    key: Option<Arc<Key>>,
    /// Whether its prompt is another answer's too, which pays for it.
    shares_prompt: bool,
    prompt_tokens: u64,
    output_tokens: u64,
}

impl Tab {
    pub(super) fn of(key: Option<Arc<Key>>, shares_prompt: bool) -> Self {
        Self {
            key,
            shares_prompt,
            ..Self::default()
        }
    }

    /// Adds what an event shows. A piece of text has a token at least.
    pub(super) fn add(&mut self, event: &Event) {
        match event {
            // Some of it may be computed once more.
            Event::Prefill { done, .. } => {
                self.prompt_tokens = self.prompt_tokens.max(*done as u64);
            }
            Event::Thought(_) | Event::Text(_) => self.output_tokens += 1,
            // Of about four bytes each.
            Event::Called(call) => {
                self.output_tokens += 1 + call.arguments.as_json().len() as u64 / 4;
            }
            _ => {}
        }
    }

    /// Charges it, by the answer's own figures where there are some.
    pub(super) fn pay(&mut self, completion: Option<&Completion>) {
        let Some(key) = self.key.take() else {
            return;
        };
        let (prompt, output) = match completion {
            Some(completion) => (
                completion.prompt_tokens as u64,
                completion.metrics.completion_tokens as u64,
            ),
            None => (self.prompt_tokens, self.output_tokens),
        };
        let prompt = if self.shares_prompt { 0 } else { prompt };
        key.used(prompt, output);
    }
}
