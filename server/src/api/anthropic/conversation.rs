//! The conversation of a request: instructions, messages, tools, and whether to think.

use nibble_engine::{Conversation, Message, Role, Thinking, Turn};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::content::{Content, WireMessage};
use crate::api::asker::Asker;
use crate::api::body::Integer;
use crate::api::fields::refuse_unknown;
use crate::api::sampling::limit;
use crate::api::stages::stage;
use crate::api::tools::{Chosen, Function, Told, bounded, chosen, told};
use crate::error::ApiError;

/// As many as the engine's own.
const MAX_MESSAGES: usize = 2048;

/// What begins the types of edits that clear old results and thoughts.
const CLEARING: &str = "clear_";

#[derive(Deserialize, ToSchema)]
#[schema(as = MessageConversation)]
#[serde(expecting = "an object")]
pub(super) struct ConversationFields {
    model: Option<String>,
    system: Option<Content>,
    messages: Vec<WireMessage>,
    tools: Option<Vec<WireTool>>,
    tool_choice: Option<ToolChoice>,
    thinking: Option<ThinkingField>,
    context_management: Option<ContextManagement>,
    #[serde(flatten)]
    #[schema(ignore)]
    pub(super) others: Map<String, Value>,
}

stage!(ConversationFields);

#[derive(Deserialize, ToSchema)]
#[schema(as = MessageTool)]
#[serde(expecting = "an object")]
struct WireTool {
    /// Nothing for a tool of the client's.
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(flatten)]
    function: Function,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = MessageToolChoice)]
#[serde(expecting = "an object")]
struct ToolChoice {
    #[serde(rename = "type")]
    kind: String,
    name: Option<String>,
    disable_parallel_tool_use: Option<bool>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = MessageThinking)]
#[serde(expecting = "an object")]
struct ThinkingField {
    #[serde(rename = "type")]
    kind: String,
    budget_tokens: Option<Integer>,
    #[serde(flatten)]
    #[schema(ignore)]
    others: Map<String, Value>,
}

/// What is to become of the oldest parts of a long conversation.
#[derive(Deserialize, ToSchema)]
#[schema(as = MessageContextManagement)]
#[serde(expecting = "an object")]
struct ContextManagement {
    edits: Option<Vec<ContextEdit>>,
    #[serde(flatten)]
    #[schema(ignore)]
    others: Map<String, Value>,
}

/// When it is due, and what it spares, is of no account: none is applied.
#[derive(Deserialize, ToSchema)]
#[schema(as = MessageContextEdit)]
#[serde(expecting = "an object")]
struct ContextEdit {
    #[serde(rename = "type")]
    kind: String,
}

impl ConversationFields {
    /// Whether the answer is to say which edits of the context were applied. None is: a conversation is read as it comes, and
    /// refused where it is too long, so what may be cleared of it stays. What is to be summed up cannot be.
    ///
    /// # Errors
    /// Status 400 that names the edit.
    pub(super) fn edits_context(&self) -> Result<bool, ApiError> {
        let Some(management) = &self.context_management else {
            return Ok(false);
        };
        refuse_unknown(&management.others, &[])?;
        for (at, edit) in management.edits.iter().flatten().enumerate() {
            let kind = &edit.kind;
            if !kind.starts_with(CLEARING) {
                let field = format!("context_management.edits[{at}]");
                let message = format!(
                    "`{field}` must be of a type that begins with `{CLEARING}`, found `{kind}`: nothing is summed up here"
                );
                return Err(ApiError::invalid_field(field, message));
            }
        }
        Ok(true)
    }

    /// A message of the assistant's at the end is gone on with.
    ///
    /// # Errors
    /// Status 400 that names the field, 404 for another model.
    pub(super) fn checked(self, asker: &Asker) -> Result<(Conversation, Thinking), ApiError> {
        asker.check_model(self.model.as_deref())?;
        let found = self.messages.len();
        if !(1..=MAX_MESSAGES).contains(&found) {
            let message =
                format!("`messages` must have 1 to {MAX_MESSAGES} messages, found {found}");
            return Err(ApiError::invalid_field("messages", message));
        }
        let continues_last = self.messages.last().is_some_and(WireMessage::is_answer);
        let mut turns = Vec::new();
        if let Some(system) = self.system {
            let role = Role::System;
            let content = system.text("system")?;
            turns.push(Turn::Said(Message { role, content }));
        }
        for (at, message) in self.messages.into_iter().enumerate() {
            turns.extend(message.turns(at)?);
        }
        let tools = self.tools.unwrap_or_default().into_iter().enumerate();
        let tools = bounded(tools.map(|(at, tool)| tool.checked(&format!("tools[{at}]"))))?;
        let single_call = self
            .tool_choice
            .as_ref()
            .is_some_and(|choice| choice.disable_parallel_tool_use == Some(true));
        let choice = self.tool_choice.map(ToolChoice::into_openais);
        let Chosen {
            tools,
            strict,
            tool_choice,
        } = chosen(tools, choice.transpose()?.as_ref())?;
        let conversation = Conversation {
            turns,
            tools,
            strict,
            tool_choice,
            single_call,
            continues_last,
            ..Conversation::default()
        };
        let thinking = self.thinking.map(ThinkingField::checked).transpose()?;
        Ok((conversation, thinking.unwrap_or_default()))
    }
}

impl WireTool {
    fn checked(self, at: &str) -> Result<Told, ApiError> {
        match self.kind.as_deref() {
            None | Some("custom") => told(self.function, at),
            Some(kind) => {
                let message =
                    format!("`{at}` must be a tool of type `custom`, found type `{kind}`");
                Err(ApiError::invalid_field(at, message))
            }
        }
    }
}

impl ToolChoice {
    /// The same choice in OpenAI's words.
    fn into_openais(self) -> Result<Value, ApiError> {
        match (self.kind.as_str(), self.name) {
            (kind @ ("auto" | "none"), _) => Ok(kind.into()),
            ("any", _) => Ok("required".into()),
            ("tool", Some(name)) => Ok(json!({ "type": "function", "name": name })),
            (kind, _) => {
                let message = format!(
                    "`tool_choice` must be of type `auto`, `none`, `any`, or `tool` with its `name`, found `{kind}`"
                );
                Err(ApiError::invalid_field("tool_choice", message))
            }
        }
    }
}

impl ThinkingField {
    fn checked(self) -> Result<Thinking, ApiError> {
        // What it thinks is shown in any case.
        refuse_unknown(&self.others, &["display"])?;
        let enabled = match self.kind.as_str() {
            "enabled" | "adaptive" => true,
            "disabled" => false,
            kind => {
                let message = format!(
                    "`thinking` must be of type `enabled`, `adaptive` or `disabled`, found `{kind}`"
                );
                return Err(ApiError::invalid_field("thinking", message));
            }
        };
        Ok(Thinking {
            enabled: Some(enabled),
            budget: limit("thinking.budget_tokens", self.budget_tokens)?,
        })
    }
}
