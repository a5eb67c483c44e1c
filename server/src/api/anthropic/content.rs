//! Messages made of blocks, as turns of a conversation.

use nibble_engine::{Arguments, Message, Role, ToolCall, Turn};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::api::tools::check_name;
use crate::error::ApiError;

#[derive(Deserialize, ToSchema)]
#[schema(as = MessageMessage)]
#[serde(expecting = "an object")]
pub(super) struct WireMessage {
    role: String,
    content: Content,
}

/// A text, or blocks.
#[derive(Deserialize, ToSchema)]
#[schema(as = MessageContent)]
#[serde(untagged, expecting = "expected a string or an array of blocks")]
pub(super) enum Content {
    Text(String),
    Blocks(Vec<Block>),
}

#[derive(Deserialize, ToSchema)]
#[schema(as = MessageBlock)]
pub(super) struct Block {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
    thinking: Option<String>,
    id: Option<String>,
    name: Option<String>,
    input: Option<Map<String, Value>>,
    tool_use_id: Option<String>,
    #[schema(no_recursion)]
    content: Option<Content>,
    is_error: Option<bool>,
}

impl Content {
    /// The text of content that may hold nothing else.
    ///
    /// # Errors
    /// Status 400 that names the first block that is none.
    pub(super) fn text(self, at: &str) -> Result<String, ApiError> {
        let blocks = match self {
            Self::Text(text) => return Ok(text),
            Self::Blocks(blocks) => blocks,
        };
        let mut texts = String::new();
        for (index, block) in blocks.into_iter().enumerate() {
            match block.text {
                Some(text) if block.kind == "text" => texts.push_str(&text),
                _ => return Err(unreadable(&block.kind, &format!("{at}[{index}]"))),
            }
        }
        Ok(texts)
    }
}

fn unreadable(kind: &str, at: &str) -> ApiError {
    let message = format!("`{at}` cannot be a block of type `{kind}`: this model reads text only");
    ApiError::invalid_field(at, message)
}

impl WireMessage {
    pub(super) fn is_answer(&self) -> bool {
        self.role == "assistant"
    }

    /// Those of the message that stands behind `index` others. Instructions may come in mid-conversation, not at its
    /// beginning, where they are the field `system`.
    ///
    /// # Errors
    /// Status 400 that names what cannot be used.
    pub(super) fn turns(self, index: usize) -> Result<Vec<Turn>, ApiError> {
        let content = format!("messages[{index}].content");
        match self.role.as_str() {
            "user" => asked(self.content, &content),
            "assistant" => Ok(vec![answered(self.content, &content)?]),
            "system" if index > 0 => Ok(vec![Turn::Said(Message {
                role: Role::System,
                content: self.content.text(&content)?,
            })]),
            other => {
                let field = format!("messages[{index}].role");
                let message = format!(
                    "`{field}` must be `user`, `assistant`, or behind the first message `system`, found `{other}`"
                );
                Err(ApiError::invalid_field(field, message))
            }
        }
    }
}

/// What tools returned, and then what was said.
fn asked(content: Content, at: &str) -> Result<Vec<Turn>, ApiError> {
    let role = Role::User;
    let blocks = match content {
        Content::Text(content) => return Ok(vec![Turn::Said(Message { role, content })]),
        Content::Blocks(blocks) => blocks,
    };
    let (mut turns, mut said) = (Vec::new(), None::<String>);
    for (index, block) in blocks.into_iter().enumerate() {
        let at = format!("{at}[{index}]");
        match (block.kind.as_str(), block.text, block.tool_use_id) {
            ("text", Some(text), _) => said.get_or_insert_default().push_str(&text),
            ("tool_result", _, Some(id)) => {
                let content = block
                    .content
                    .map(|content| content.text(&format!("{at}.content")));
                let content = content.transpose()?.unwrap_or_default();
                turns.push(Turn::Returned {
                    content: match block.is_error {
                        Some(true) => format!("Error: {content}"),
                        _ => content,
                    },
                    call_id: Some(id),
                    name: None,
                });
            }
            (kind, ..) => return Err(unreadable(kind, &at)),
        }
    }
    if turns.is_empty() || said.is_some() {
        let content = said.unwrap_or_default();
        turns.push(Turn::Said(Message { role, content }));
    }
    Ok(turns)
}

/// What the model thought, said and called.
fn answered(content: Content, at: &str) -> Result<Turn, ApiError> {
    let role = Role::Assistant;
    let blocks = match content {
        Content::Text(content) => return Ok(Turn::Said(Message { role, content })),
        Content::Blocks(blocks) => blocks,
    };
    let (mut thought, mut content, mut calls) = (String::new(), String::new(), Vec::new());
    for (index, block) in blocks.into_iter().enumerate() {
        let at = format!("{at}[{index}]");
        match block {
            Block {
                kind,
                text: Some(text),
                ..
            } if kind == "text" => content.push_str(&text),
            Block {
                kind,
                thinking: Some(text),
                ..
            } if kind == "thinking" => {
                thought.push_str(&text);
            }
            Block {
                kind,
                id: Some(id),
                name: Some(name),
                input,
                ..
            } if kind == "tool_use" => {
                check_name(&name, &format!("{at}.name"))?;
                let arguments = Arguments::from(input.unwrap_or_default());
                calls.push(ToolCall {
                    id,
                    name,
                    arguments,
                });
            }
            Block { kind, .. } => return Err(unreadable(&kind, &at)),
        }
    }
    if thought.is_empty() && calls.is_empty() {
        return Ok(Turn::Said(Message { role, content }));
    }
    Ok(Turn::Answered {
        thought,
        content,
        calls,
    })
}
