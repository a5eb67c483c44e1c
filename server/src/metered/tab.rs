//! What an answer costs the key that asked for it.

use std::sync::Arc;

use nibble_engine::{Completion, Event};

use crate::keys::Key;

/// The tokens of one answer so far, as its events tell: an answer that fails has no other figures.
#[derive(Default)]
pub(super) struct Tab {
    key: Option<Arc<Key>>,
    /// Whether its prompt is another answer's too, which pays for it.
    shares_prompt: bool,
    prompt_tokens: u64,
    output_tokens: u64,
    /// What of both is charged already.
    paid: [u64; 2],
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
        self.charge(match completion {
            Some(completion) => [
                completion.prompt_tokens as u64,
                completion.metrics.completion_tokens as u64,
            ],
            None => [self.prompt_tokens, self.output_tokens],
        });
        self.key = None;
    }

    /// Charges what was shown, before the rest is known: whoever asks again at once finds it spent.
    pub(super) fn pay_so_far(&mut self) {
        self.charge([self.prompt_tokens, self.output_tokens]);
    }

    /// Charges what of these tokens, the prompt's and those put out, is not charged yet.
    fn charge(&mut self, [prompt, output]: [u64; 2]) {
        let Some(key) = &self.key else {
            return;
        };
        let prompt = if self.shares_prompt { 0 } else { prompt };
        let [prompt_paid, output_paid] = self.paid;
        key.used(
            prompt.saturating_sub(prompt_paid),
            output.saturating_sub(output_paid),
        );
        self.paid = [prompt.max(prompt_paid), output.max(output_paid)];
    }
}
