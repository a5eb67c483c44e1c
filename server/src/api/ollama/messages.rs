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

/// The calls of a conversation.
#[derive(Default)]
struct Calls {
    /// How many there were.
    made: usize,
    /// Those that no result was given of, by identifier and name.
    open: Vec<(String, String)>,
}

/// # Errors
/// Status 400 that names the first message or call that cannot be used.
pub(super) fn turns(messages: Vec<WireMessage>) -> Result<Vec<Turn>, ApiError> {
    let found = messages.len();
    if !(1..=MAX_MESSAGES).contains(&found) {
        let message = format!("`messages` must have 1 to {MAX_MESSAGES} messages, found {found}");
        return Err(ApiError::invalid_field("messages", message));
    }
    let mut calls = Calls::default();
    let messages = messages.into_iter().enumerate();
    messages
        .map(|(at, message)| message.turn(&format!("messages[{at}]"), &mut calls))
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
    /// `calls` are those of the messages before.
    fn turn(self, at: &str, calls: &mut Calls) -> Result<Turn, ApiError> {
        refuse_images(self.images.as_ref(), &format!("{at}.images"))?;
        let content = self.content.unwrap_or_default();
        let role = match self.role.as_str() {
            "system" => Role::System,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "tool" => return Ok(returned(self.tool_name, self.tool_call_id, content, calls)),
            other => {
                let field = format!("{at}.role");
                let message = format!(
                    "`{field}` must be `system`, `user`, `assistant` or `tool`, found `{other}`"
                );
                return Err(ApiError::invalid_field(field, message));
            }
        };
        let (thought, made) = (
            self.thinking.unwrap_or_default(),
            self.tool_calls.unwrap_or_default(),
        );
        if role != Role::Assistant || thought.is_empty() && made.is_empty() {
            return Ok(Turn::Said(Message { role, content }));
        }
        let made = made.into_iter().enumerate();
        let made =
            made.map(|(index, call)| call.checked(&format!("{at}.tool_calls[{index}]"), calls));
        Ok(Turn::Answered {
            thought,
            content,
            calls: made.collect::<Result<_, _>>()?,
        })
    }
}

/// The result of the call that it names, or of the first that is open.
fn returned(
    name: Option<String>,
    call_id: Option<String>,
    content: String,
    Calls { open, .. }: &mut Calls,
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
    fn checked(self, at: &str, calls: &mut Calls) -> Result<ToolCall, ApiError> {
        let name = self.function.name;
        check_name(&name, &format!("{at}.function.name"))?;
        let id = self.id.unwrap_or_else(|| format!("call{:05}", calls.made));
        calls.made += 1;
        calls.open.push((id.clone(), name.clone()));
        Ok(ToolCall {
            id,
            name,
            arguments: Arguments::from(self.function.arguments.unwrap_or_default()),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_two_calls_of_a_conversation_have_the_same_name() {
        let call = |name: &str| json!({ "function": { "name": name, "arguments": {} } });
        let messages = json!([
            { "role": "user", "content": "Now?" },
            { "role": "assistant", "tool_calls": [call("time"), call("weather")] },
            { "role": "tool", "tool_name": "time", "content": "ten" },
            { "role": "assistant", "tool_calls": [call("time")] },
        ]);
        let turns = turns(serde_json::from_value(messages).unwrap()).unwrap();
        let calls = turns.into_iter().flat_map(|turn| match turn {
            Turn::Answered { calls, .. } => calls,
            _ => Vec::new(),
        });
        let ids: Vec<_> = calls.map(|call| call.id).collect();
        assert_eq!(ids, ["call00000", "call00001", "call00002"]);
    }
}
