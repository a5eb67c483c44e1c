//! The conversation that a request is about, and what the template is told beside it.

use nibble_engine::{Conversation, Thinking};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::message::{WireMessage, turns};
use crate::api::body::Integer;
use crate::api::effort;
use crate::api::sampling::whole;
use crate::api::stages::stage;
use crate::api::tools::{Chosen, WireTool, offered};
use crate::error::ApiError;

/// What a template is given of the request itself.
const RESERVED_VARIABLES: [&str; 6] = [
    "messages",
    "tools",
    "documents",
    "bos_token",
    "eos_token",
    "add_generation_prompt",
];

/// Of `chat_template_kwargs`, which are a few words.
const MAX_VARIABLES_BYTES: usize = 16 << 10;

#[derive(Deserialize, ToSchema)]
#[schema(as = ChatConversation)]
#[serde(expecting = "an object")]
pub(in crate::api) struct ConversationFields {
    messages: Vec<WireMessage>,
    tools: Option<Vec<WireTool>>,
    tool_choice: Option<Value>,
    parallel_tool_calls: Option<bool>,
    reasoning_effort: Option<String>,
    /// vLLM's, in tokens; -1 is without end.
    thinking_token_budget: Option<Integer>,
    chat_template_kwargs: Option<Map<String, Value>>,
    add_generation_prompt: Option<bool>,
    continue_final_message: Option<bool>,
    #[serde(flatten)]
    #[schema(ignore)]
    pub(in crate::api) others: Map<String, Value>,
}

stage!(ConversationFields);

impl ConversationFields {
    /// # Errors
    /// Status 400 that names the field.
    pub(in crate::api) fn checked(self) -> Result<(Conversation, Thinking), ApiError> {
        let continues_last = self.continues_last()?;
        let mut variables = variables(self.chat_template_kwargs, self.add_generation_prompt)?;
        let mut thinking = effort::thinking(self.reasoning_effort, &mut variables)?;
        match self.thinking_token_budget {
            Some(Integer(-1)) => thinking.budget = None,
            budget => {
                let budget = whole("thinking_token_budget", budget)?;
                thinking.budget = budget.or(thinking.budget);
            }
        }
        let Chosen {
            tools,
            strict,
            tool_choice,
        } = offered(self.tools, self.tool_choice.as_ref())?;
        let conversation = Conversation {
            tools,
            strict,
            tool_choice,
            single_call: self.parallel_tool_calls == Some(false),
            continues_last,
            variables,
            turns: turns(self.messages)?,
        };
        Ok((conversation, thinking))
    }

    /// Whether the answer goes on with the last message; the engine checks whose that is.
    fn continues_last(&self) -> Result<bool, ApiError> {
        let last = self.messages.last();
        let continues =
            self.continue_final_message == Some(true) || last.is_some_and(WireMessage::is_prefix);
        if continues && self.add_generation_prompt == Some(true) {
            let field = "continue_final_message";
            let message = format!(
                "`{field}` and `add_generation_prompt` must not both be true: the last message is either continued or \
                 answered"
            );
            return Err(ApiError::invalid_field(field, message));
        }
        Ok(continues)
    }
}

/// What the template is told beside the conversation.
fn variables(
    given: Option<Map<String, Value>>,
    add_generation_prompt: Option<bool>,
) -> Result<Map<String, Value>, ApiError> {
    let mut variables = given.unwrap_or_default();
    let mut reserved = RESERVED_VARIABLES.into_iter();
    if let Some(name) = reserved.find(|name| variables.contains_key(*name)) {
        let field = format!("chat_template_kwargs.{name}");
        let message = format!("`{field}` is not the caller's to set: it comes from the request");
        return Err(ApiError::invalid_field(field, message));
    }
    let bytes = serde_json::to_string(&variables).map_or(0, |json| json.len());
    if bytes > MAX_VARIABLES_BYTES {
        let field = "chat_template_kwargs";
        let message = format!("`{field}` may have {MAX_VARIABLES_BYTES} bytes, found {bytes}");
        return Err(ApiError::invalid_field(field, message));
    }
    if let Some(add) = add_generation_prompt {
        variables.insert("add_generation_prompt".into(), add.into());
    }
    Ok(variables)
}
