//! Messages, conversations in which the model may call tools, and what else a chat template can be told.
//!
//! Plain data. Whatever a caller writes here stays text: names, arguments and schemas never become control tokens.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Who said a [`Message`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions that hold for the whole conversation.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who said it.
    pub role: Role,
    /// What was said.
    pub content: String,
}

/// What a chat template lays out. Without tools and variables it is the same as its messages alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conversation {
    /// What was said, called and returned, in order.
    pub turns: Vec<Turn>,
    /// The tools that the model may call, as JSON schemas in the form of OpenAI's API.
    pub tools: Vec<Value>,
    /// Whether the first call of a tool ends the answer.
    pub single_call: bool,
    /// Further variables for the template, such as `date_string` or `enable_thinking`. Of what every template is given they
    /// replace `add_generation_prompt` alone.
    pub variables: Map<String, Value>,
}

/// One turn of a [`Conversation`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Somebody said something.
    Said(Message),
    /// The model called tools.
    Called {
        /// What it said before; often nothing.
        content: String,
        /// At least one.
        calls: Vec<ToolCall>,
    },
    /// A tool returned.
    Returned {
        /// What it returned.
        content: String,
        /// The identifier of the [`ToolCall`] that it answers.
        call_id: Option<String>,
        /// The tool.
        name: Option<String>,
    },
}

/// One call of a tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Names the call for its result. Those of answers are nine letters and digits.
    pub id: String,
    /// The tool.
    pub name: String,
    /// By the name of the parameter.
    pub arguments: Map<String, Value>,
}

impl Conversation {
    /// Whether its tools or its turns are of use only to a template that knows tools.
    #[must_use]
    pub fn uses_tools(&self) -> bool {
        let of_tools = |turn: &Turn| !matches!(turn, Turn::Said(_));
        !self.tools.is_empty() || self.turns.iter().any(of_tools)
    }
}

impl From<Vec<Message>> for Conversation {
    fn from(messages: Vec<Message>) -> Self {
        Self {
            turns: messages.into_iter().map(Turn::Said).collect(),
            ..Self::default()
        }
    }
}
