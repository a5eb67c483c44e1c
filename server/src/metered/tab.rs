//! What an answer costs the key that asked for it.

use nibble_engine::{Completion, Event};

use crate::keys::Held;

/// The tokens of one answer so far, as its events tell: an answer that fails has no other figures. They are taken of the key's
/// limit as they come.
#[derive(Default)]
pub(super) struct Tab {
    held: Option<Held>,
    /// Whether its prompt is another answer's too, which pays for it.
    shares_prompt: bool,
    /// The most that it may put out.
    most: u64,
    knows_prompt: bool,
    prompt_tokens: u64,
    output_tokens: u64,
}

impl Tab {
    /// For an answer of at most so many tokens, for which these are kept.
    pub(super) fn of(held: Option<Held>, shares_prompt: bool, most: usize) -> Self {
        Self {
            held,
            shares_prompt,
            most: most as u64,
            ..Self::default()
        }
    }

    /// Adds what an event shows. A piece of text has a token at least.
    pub(super) fn add(&mut self, event: &Event) {
        let Some(held) = &mut self.held else {
            return;
        };
        match event {
            // Some of it may be computed once more.
            Event::Prefill { done, total } => {
                if !std::mem::replace(&mut self.knows_prompt, true) {
                    let prompt = if self.shares_prompt { 0 } else { *total as u64 };
                    held.foresee(self.most.saturating_add(prompt));
                }
                if !self.shares_prompt {
                    self.prompt_tokens = self.prompt_tokens.max(*done as u64);
                }
            }
            Event::Thought(_) | Event::Text(_) => self.output_tokens += 1,
            // Of about four bytes each.
            Event::Called(call) => {
                self.output_tokens += 1 + call.arguments.as_json().len() as u64 / 4;
            }
            _ => return,
        }
        held.has_taken(self.prompt_tokens + self.output_tokens);
    }

    /// Charges it, by the answer's own figures where there are some.
    pub(super) fn pay(&mut self, completion: Option<&Completion>) {
        let Some(held) = self.held.take() else {
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
        held.settle(prompt, output);
    }
}
