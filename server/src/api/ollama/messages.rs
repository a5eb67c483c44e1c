//! Messages as Ollama has them: calls of tools without names of their own, and results in the order of their calls.

use nibble_engine::{Arguments, Message, Role, ToolCall, Turn};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::api::tools::check_name;
use crate::error::ApiError;

/// Each is rendered and tokenised before the request is queued.
const MAX_MESSAGES: usize = 2048;

#[derive(Deserialize, ToSchema)]
#[schema(as = OllamaMessage)]
#[serde(expecting = "an object")]
pub(super) struct WireMessage {
    role: String,
    content: Option<String>,
    thinking: Option<String>,
    images: Option<Vec<Value>>,
    tool_calls: Option<Vec<WireCall>>,
    #[serde(alias = "name")]
    tool_name: Option<String>,
    tool_call_id: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = OllamaCall)]
#[serde(expecting = "an object")]
struct WireCall {
    id: Option<String>,
    function: WireFunction,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = OllamaFunction)]
#[serde(expecting = "an object")]
struct WireFunction {
    name: String,
    arguments: Option<Map<String, Value>>,
}

/// # Errors
/// Status 400 that names the first message or call that cannot be used.
pub(super) fn turns(messages: Vec<WireMessage>) -> Result<Vec<Turn>, ApiError> {
    let found = messages.len();
    if !(1..=MAX_MESSAGES).contains(&found) {
        let message = format!("`messages` must have 1 to {MAX_MESSAGES} messages, found {found}");
        return Err(ApiError::invalid_field("messages", message));
    }
    let mut open = Vec::new();
    let messages = messages.into_iter().enumerate();
    messages
        .map(|(at, message)| message.turn(&format!("messages[{at}]"), &mut open))
        .collect()
}

/// # Errors
/// Status 400 where there are images.
pub(super) fn refuse_images(images: Option<&Vec<Value>>, field: &str) -> Result<(), ApiError> {
    if images.is_none_or(Vec::is_empty) {
        return Ok(());
    }
    let message = format!("`{field}` must be empty: this model reads text only");
    Err(ApiError::invalid_field(field, message))
}

impl WireMessage {
    /// `open` are the calls that no result was given of, by identifier and name.
    fn turn(self, at: &str, open: &mut Vec<(String, String)>) -> Result<Turn, ApiError> {
        refuse_images(self.images.as_ref(), &format!("{at}.images"))?;
        let content = self.content.unwrap_or_default();
        let role = match self.role.as_str() {
            "system" => Role::System,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "tool" => return Ok(returned(self.tool_name, self.tool_call_id, content, open)),
            other => {
                let field = format!("{at}.role");
                let message = format!(
                    "`{field}` must be `system`, `user`, `assistant` or `tool`, found `{other}`"
                );
                return Err(ApiError::invalid_field(field, message));
            }
        };
        let (thought, calls) = (
            self.thinking.unwrap_or_default(),
            self.tool_calls.unwrap_or_default(),
        );
        if role != Role::Assistant || thought.is_empty() && calls.is_empty() {
            return Ok(Turn::Said(Message { role, content }));
        }
        let calls = calls.into_iter().enumerate();
        let calls =
            calls.map(|(index, call)| call.checked(&format!("{at}.tool_calls[{index}]"), open));
        Ok(Turn::Answered {
            thought,
            content,
            calls: calls.collect::<Result<_, _>>()?,
        })
    }
}

/// The result of the call that it names, or of the first that is open.
fn returned(
    name: Option<String>,
    call_id: Option<String>,
    content: String,
    open: &mut Vec<(String, String)>,
) -> Turn {
    let is_named = |called: &String| name.as_ref().is_none_or(|name| name == called);
    let place = open.iter().position(|(_, called)| is_named(called));
    let call = place.map(|place| open.remove(place).0);
    Turn::Returned {
        content,
        call_id: call_id.or(call),
        name,
    }
}

impl WireCall {
    fn checked(self, at: &str, open: &mut Vec<(String, String)>) -> Result<ToolCall, ApiError> {
        let name = self.function.name;
        check_name(&name, &format!("{at}.function.name"))?;
        let id = self.id.unwrap_or_else(|| format!("call{:05}", open.len()));
        open.push((id.clone(), name.clone()));
        Ok(ToolCall {
            id,
            name,
            arguments: Arguments::from(self.function.arguments.unwrap_or_default()),
        })
    }
}
