//! The messages of a chat completion, in both forms that OpenAI's clients send: a string, or an array of parts.

use nibble_engine::{Arguments, Message, Role, ToolCall, Turn};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::api::shape::Shape;
use crate::api::tools::check_name;
use crate::error::ApiError;

/// Each is rendered and tokenised before the request is queued.
const MAX_MESSAGES: usize = 2048;

/// Of one message; as many as there may be tools.
const MAX_CALLS: usize = 128;

#[derive(Deserialize, ToSchema)]
#[schema(as = ChatMessage)]
#[serde(expecting = "an object")]
pub(super) struct WireMessage {
    role: String,
    content: Option<Content>,
    /// What the assistant thought before.
    reasoning_content: Option<String>,
    /// vLLM's name for it.
    reasoning: Option<String>,
    /// What the assistant said instead of an answer.
    refusal: Option<String>,
    /// Whether the answer goes on with this message, as Mistral and DeepSeek have it.
    prefix: Option<bool>,
    #[schema(value_type = Option<Value>)]
    function_call: Option<Value>,
    #[schema(value_type = Option<Value>)]
    audio: Option<Value>,
    tool_calls: Option<Vec<WireCall>>,
    tool_call_id: Option<String>,
    /// Of the tool; who else speaks is told to no template.
    name: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = ChatCall)]
#[serde(expecting = "an object")]
struct WireCall {
    id: String,
    function: WireFunction,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = ChatFunction)]
#[serde(expecting = "an object")]
struct WireFunction {
    name: String,
    /// A JSON object, or its text; some clients leave it out or empty where there are none.
    arguments: Option<Value>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = ChatContent)]
#[serde(untagged, expecting = "expected a string or an array of parts")]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize, ToSchema)]
#[schema(as = ChatPart)]
struct Part {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
}

/// # Errors
/// Status 400 that names the first message, part or call that cannot be used.
pub(super) fn turns(messages: Vec<WireMessage>) -> Result<Vec<Turn>, ApiError> {
    if messages.is_empty() {
        return Err(ApiError::invalid_field(
            "messages",
            "`messages` must have at least one message, found none",
        ));
    }
    if messages.len() > MAX_MESSAGES {
        let found = messages.len();
        return Err(ApiError::invalid_field(
            "messages",
            format!("`messages` must have at most {MAX_MESSAGES} messages, found {found}"),
        ));
    }
    let mut arguments = Shape::default();
    messages
        .into_iter()
        .enumerate()
        .map(|(at, message)| message.checked(&format!("messages[{at}]"), &mut arguments))
        .collect()
}

impl WireMessage {
    /// Whether the answer goes on with this message.
    pub(super) fn is_prefix(&self) -> bool {
        self.prefix == Some(true)
    }

    /// `arguments` is the shape of those of all messages.
    fn checked(self, at: &str, arguments: &mut Shape) -> Result<Turn, ApiError> {
        if self.role == "assistant" {
            return self.answered(at, arguments);
        }
        if self.tool_calls.is_some_and(|calls| !calls.is_empty()) {
            let field = format!("{at}.tool_calls");
            let message = format!("`{field}`: only the `assistant` calls tools");
            return Err(ApiError::invalid_field(field, message));
        }
        let field = format!("{at}.content");
        if self.role == "tool" {
            if self.tool_call_id.is_none() {
                let field = format!("{at}.tool_call_id");
                let message = format!("`{field}` must name the call of this result, found nothing");
                return Err(ApiError::invalid_field(field, message));
            }
            return Ok(Turn::Returned {
                content: text(self.content, &field)?,
                call_id: self.tool_call_id,
                name: self.name,
            });
        }
        let role = role_named(&self.role, at)?;
        let content = text(self.content, &field)?;
        Ok(Turn::Said(Message { role, content }))
    }

    /// What the assistant thought, said and called, of which nothing need be there.
    fn answered(self, at: &str, arguments: &mut Shape) -> Result<Turn, ApiError> {
        let unread = [
            ("function_call", &self.function_call, "`tool_calls` has it"),
            ("audio", &self.audio, "this model reads text only"),
        ];
        if let Some((name, _, hint)) = unread.into_iter().find(|(_, value, _)| value.is_some()) {
            let field = format!("{at}.{name}");
            let message = format!("`{field}` is not supported here: {hint}");
            return Err(ApiError::invalid_field(field, message));
        }
        let field = format!("{at}.content");
        let content = self.content.map(|content| text(Some(content), &field));
        let content = content.transpose()?.or(self.refusal).unwrap_or_default();
        let thought = self.reasoning_content.or(self.reasoning);
        let thought = thought.unwrap_or_default();
        let calls = self.tool_calls.unwrap_or_default();
        if thought.is_empty() && calls.is_empty() {
            let role = Role::Assistant;
            return Ok(Turn::Said(Message { role, content }));
        }
        Ok(Turn::Answered {
            thought,
            content,
            calls: checked_calls(calls, &format!("{at}.tool_calls"), arguments)?,
        })
    }
}

/// The role of whoever says no more than text.
fn role_named(name: &str, at: &str) -> Result<Role, ApiError> {
    match name {
        "system" | "developer" => Ok(Role::System),
        "user" => Ok(Role::User),
        other => {
            let field = format!("{at}.role");
            let message = format!(
                "`{field}` must be `system`, `developer`, `user`, `assistant` or `tool`, found `{other}`"
            );
            Err(ApiError::invalid_field(field, message))
        }
    }
}

fn checked_calls(
    calls: Vec<WireCall>,
    field: &str,
    arguments: &mut Shape,
) -> Result<Vec<ToolCall>, ApiError> {
    if calls.len() > MAX_CALLS {
        let found = calls.len();
        let message = format!("`{field}` must have at most {MAX_CALLS} calls, found {found}");
        return Err(ApiError::invalid_field(field, message));
    }
    calls
        .into_iter()
        .enumerate()
        .map(|(at, call)| call.checked(&format!("{field}[{at}].function"), arguments))
        .collect()
}

impl WireCall {
    fn checked(self, field: &str, all: &mut Shape) -> Result<ToolCall, ApiError> {
        let WireFunction { name, arguments } = self.function;
        check_name(&name, &format!("{field}.name"))?;
        let json = match arguments {
            None => String::new(),
            Some(Value::String(text)) => text,
            Some(value) => value.to_string(),
        };
        all.add(json.as_bytes());
        all.check(&format!("{field}.arguments"))?;
        let arguments = match json.trim() {
            "" | "null" => Ok(Arguments::default()),
            json => Arguments::parse(json),
        };
        let arguments = arguments.map_err(|reason| {
            let field = format!("{field}.arguments");
            let message = format!("`{field}` must be the text of a JSON object: {reason}");
            ApiError::invalid_field(field, message)
        })?;
        Ok(ToolCall {
            id: self.id,
            name,
            arguments,
        })
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
