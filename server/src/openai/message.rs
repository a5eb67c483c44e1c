//! The messages of a chat completion, in both forms that OpenAI's clients send: a string, or an array of parts.

use nibble_engine::{Message, Role};
use serde::Deserialize;
use serde_json::Value;

use crate::error::ApiError;

#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct WireMessage {
    role: String,
    content: Option<Content>,
    tool_calls: Option<Value>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a string or an array of parts")]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
struct Part {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
}

/// # Errors
/// Status 400 that names the first message or part that cannot be used.
pub(super) fn conversation(messages: Vec<WireMessage>) -> Result<Vec<Message>, ApiError> {
    if messages.is_empty() {
        return Err(ApiError::invalid_field(
            "messages",
            "`messages` must have at least one message, found none",
        ));
    }
    messages
        .into_iter()
        .enumerate()
        .map(|(at, message)| message.checked(&format!("messages[{at}]")))
        .collect()
}

impl WireMessage {
    fn checked(self, at: &str) -> Result<Message, ApiError> {
        let field = format!("{at}.role");
        let role = match self.role.as_str() {
            "system" | "developer" => Role::System,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "tool" | "function" => {
                let message = format!("`{field}`: results of tools are not supported");
                return Err(ApiError::invalid_field(field, message));
            }
            other => {
                let message = format!(
                    "`{field}` must be `system`, `developer`, `user` or `assistant`, found `{other}`"
                );
                return Err(ApiError::invalid_field(field, message));
            }
        };
        let has_calls = |calls: &Value| calls.as_array().is_none_or(|calls| !calls.is_empty());
        if self.tool_calls.as_ref().is_some_and(has_calls) {
            let field = format!("{at}.tool_calls");
            let message = format!("`{field}`: calls of tools are not supported");
            return Err(ApiError::invalid_field(field, message));
        }
        let content = text(self.content, &format!("{at}.content"))?;
        Ok(Message { role, content })
    }
}

fn text(content: Option<Content>, field: &str) -> Result<String, ApiError> {
    let parts = match content {
        Some(Content::Text(text)) => return Ok(text),
        Some(Content::Parts(parts)) => parts,
        None => {
            let message = format!("`{field}` must be a string or an array of parts, found nothing");
            return Err(ApiError::invalid_field(field, message));
        }
    };
    let mut joined = String::new();
    for (at, part) in parts.into_iter().enumerate() {
        match part {
            Part {
                kind,
                text: Some(text),
            } if kind == "text" => joined.push_str(&text),
            Part { kind, .. } => {
                let field = format!("{field}[{at}]");
                let message = format!(
                    "`{field}` must be a part of type `text` with its `text`, found type `{kind}`: this model reads text only"
                );
                return Err(ApiError::invalid_field(field, message));
            }
        }
    }
    Ok(joined)
}
