//! The items of a response that hold text.

use serde_json::{Value, json};

/// What the text of an item is: what the model thinks, or what it says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Thought,
    Text,
}

impl Kind {
    /// What the events of its text are called.
    pub(super) fn events(self) -> &'static str {
        match self {
            Self::Thought => "response.reasoning_text",
            Self::Text => "response.output_text",
        }
    }

    pub(super) fn part(self, text: &str) -> Value {
        match self {
            Self::Thought => json!({ "type": "reasoning_text", "text": text }),
            Self::Text => {
                json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] })
            }
        }
    }

    pub(super) fn item(self, id: &str, status: &str, parts: Vec<Value>) -> Value {
        match self {
            Self::Thought => {
                json!({ "id": id, "type": "reasoning", "status": status, "summary": [], "content": parts })
            }
            Self::Text => {
                json!({ "id": id, "type": "message", "status": status, "role": "assistant", "content": parts })
            }
        }
    }

    /// A new item with all of its text.
    pub(super) fn whole(self, text: &str, status: &str) -> Value {
        self.item(&self.new_id(), status, vec![self.part(text)])
    }

    pub(super) fn new_id(self) -> String {
        match self {
            Self::Thought => identifier("rs"),
            Self::Text => identifier("msg"),
        }
    }
}

/// A new id of an item, or of what else is of this kind.
pub(super) fn identifier(kind: &str) -> String {
    format!("{kind}_{:032x}", rand::random::<u128>())
}
