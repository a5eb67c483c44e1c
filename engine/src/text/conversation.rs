//! Messages, conversations in which the model may call tools, and what else a chat template can be told.
//!
//! Plain data. Whatever a caller writes here stays text: names, arguments and schemas never become control tokens.

mod arguments;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::arguments::Arguments;
use crate::Error;

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
    /// Whether the model is to call tools.
    pub tool_choice: ToolChoice,
    /// Names of tools whose arguments must be what their schemas allow. Where a call is demanded, those of all must.
    pub strict: Vec<String>,
    /// Whether the first call of a tool ends the answer.
    pub single_call: bool,
    /// Whether the model goes on with the last turn, which must be what the assistant said, instead of answering it. The
    /// answer is then what follows that text.
    pub continues_last: bool,
    /// Further variables for the template, such as `date_string` or `enable_thinking`. Of what every template is given they
    /// replace `add_generation_prompt` alone.
    pub variables: Map<String, Value>,
}

/// Whether the model is to call tools of a [`Conversation`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// As it likes.
    #[default]
    Free,
    /// The answer is a call, or several.
    Required,
    /// The answer is a call of this tool, or several.
    Named(String),
}

/// One turn of a [`Conversation`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Somebody said something.
    Said(Message),
    /// The model answered, and there is more than what it said.
    Answered {
        /// What it thought before; nothing where it did not, or nobody knows. Templates decide what becomes of it, and leave it
        /// out of earlier turns as a rule.
        thought: String,
        /// What it said; often nothing before calls.
        content: String,
        /// The tools that it called.
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
    pub arguments: Arguments,
}

impl Conversation {
    /// The text that the model is to go on with; nothing where it is to answer, or where the last turn is none to go on with.
    pub(crate) fn continued(&self) -> Option<&str> {
        match self.turns.last()? {
            Turn::Said(Message { role, content })
                if self.continues_last && *role == Role::Assistant =>
            {
                Some(content)
            }
            Turn::Answered { content, calls, .. } if self.continues_last && calls.is_empty() => {
                Some(content)
            }
            _ => None,
        }
    }

    /// # Errors
    /// [`Error::Request`] where the last turn is to be continued and is none to go on with.
    pub(crate) fn check_end(&self) -> Result<(), Error> {
        if !self.continues_last || self.continued().is_some() {
            return Ok(());
        }
        let found = match self.turns.last() {
            None => "none",
            Some(Turn::Said(Message { role, .. })) if *role == Role::System => {
                "one of the `system`"
            }
            Some(Turn::Said(_)) => "one of the `user`",
            Some(Turn::Answered { .. }) => "one that calls tools",
            Some(Turn::Returned { .. }) => "one of a `tool`",
        };
        let reason = format!(
            "`messages` must end with one of the `assistant` that calls no tools for that to be continued, found {found}"
        );
        Err(Error::request("messages", reason))
    }

    /// Whether its tools or its turns are of use only to a template that knows tools.
    #[must_use]
    pub fn uses_tools(&self) -> bool {
        let of_tools = |turn: &Turn| match turn {
            Turn::Said(_) => false,
            Turn::Answered { calls, .. } => !calls.is_empty(),
            Turn::Returned { .. } => true,
        };
        !self.tools.is_empty() || self.turns.iter().any(of_tools)
    }
}

impl From<Vec<Turn>> for Conversation {
    fn from(turns: Vec<Turn>) -> Self {
        Self {
            turns,
            ..Self::default()
        }
    }
}

impl From<Vec<Message>> for Conversation {
    fn from(messages: Vec<Message>) -> Self {
        messages
            .into_iter()
            .map(Turn::Said)
            .collect::<Vec<_>>()
            .into()
    }
}
