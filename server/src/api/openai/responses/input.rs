//! What was said, called and returned before: a text, or items of several types.

use nibble_engine::{Arguments, Message, Role, ToolCall, Turn};
use serde::Deserialize;
use utoipa::ToSchema;

use super::offered::joined;
use crate::api::MAX_BODY_BYTES;
use crate::api::shape::Shape;
use crate::api::tools::check_name;
use crate::error::ApiError;
use crate::response_items::{MAX_AGE, OwnItems};

/// Each is rendered and tokenised before the request is queued.
const MAX_ITEMS: usize = 2048;

/// Of all items that are referred to, which count as if they had come along.
const MAX_REFERRED_BYTES: usize = MAX_BODY_BYTES;

#[derive(Deserialize, ToSchema)]
#[schema(as = ResponseInput)]
#[serde(untagged, expecting = "expected a string or an array of items")]
pub(super) enum Input {
    Text(String),
    Items(Vec<Item>),
}

#[derive(Deserialize, ToSchema)]
#[schema(as = ResponseItem)]
pub(super) struct Item {
    /// Nothing for a message.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Of the item that is referred to.
    id: Option<String>,
    role: Option<String>,
    content: Option<Content>,
    call_id: Option<String>,
    name: Option<String>,
    /// Of the function that was called.
    namespace: Option<String>,
    arguments: Option<String>,
    output: Option<Content>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = ResponseContent)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize, ToSchema)]
#[schema(as = ResponsePart)]
struct Part {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
}

impl Content {
    fn text(self, at: &str) -> Result<String, ApiError> {
        let parts = match self {
            Self::Text(text) => return Ok(text),
            Self::Parts(parts) => parts,
        };
        let mut texts = String::new();
        for (index, part) in parts.into_iter().enumerate() {
            match part.text {
                Some(text) if part.kind.ends_with("text") => texts.push_str(&text),
                _ => return Err(unreadable(&part.kind, &format!("{at}[{index}]"))),
            }
        }
        Ok(texts)
    }
}

fn unreadable(kind: &str, at: &str) -> ApiError {
    let message = format!(
        "`{at}` cannot be of type `{kind}`: this model reads text and calls of functions only"
    );
    ApiError::invalid_field(at, message)
}

fn unknown(id: &str, at: &str) -> ApiError {
    let hours = MAX_AGE.as_secs() / 3600;
    let message = format!(
        "`{at}` refers to `{id}`, which is not known here: items of responses are kept for {hours} hours at most, not beyond a \
         restart, and not with `store: false`, with which clients send the items themselves"
    );
    ApiError::invalid_field(at, message)
}

impl Input {
    /// What the assistant thought, said and called one after the other is one turn.
    ///
    /// # Errors
    /// Status 400 that names the first item that cannot be used.
    pub(super) fn turns(self, own_items: &OwnItems) -> Result<Vec<Turn>, ApiError> {
        let role = Role::User;
        let items = match self {
            Self::Text(content) => return Ok(vec![Turn::Said(Message { role, content })]),
            Self::Items(items) => items,
        };
        let found = items.len();
        if !(1..=MAX_ITEMS).contains(&found) {
            let message = format!("`input` must have 1 to {MAX_ITEMS} items, found {found}");
            return Err(ApiError::invalid_field("input", message));
        }
        let mut turns = Turns::default();
        for (at, item) in items.into_iter().enumerate() {
            let at = format!("input[{at}]");
            match item.kind.as_deref() {
                Some("item_reference") => turns.refer(item, own_items, &at)?,
                _ => turns.add(item, &at)?,
            }
        }
        turns.end_answer();
        Ok(turns.done)
    }
}

#[derive(Default)]
struct Turns {
    done: Vec<Turn>,
    thought: String,
    said: Option<String>,
    calls: Vec<ToolCall>,
    /// Of all calls so far.
    arguments: Shape,
    /// Bytes of items that were referred to.
    referred: usize,
}

impl Turns {
    /// Adds an item that is kept.
    fn refer(&mut self, item: Item, own_items: &OwnItems, at: &str) -> Result<(), ApiError> {
        let id = item.id.unwrap_or_default();
        let json = own_items.find(&id).ok_or_else(|| unknown(&id, at))?;
        self.referred += json.len();
        if self.referred > MAX_REFERRED_BYTES {
            let found = self.referred;
            let message = format!(
                "`input` may refer to items of {MAX_REFERRED_BYTES} bytes, found {found} up to `{at}`"
            );
            return Err(ApiError::invalid_field("input", message));
        }
        let kept = serde_json::from_str(&json).map_err(|_| unknown(&id, at))?;
        self.add(kept, at)
    }

    fn add(&mut self, item: Item, at: &str) -> Result<(), ApiError> {
        let content = |content: Option<Content>, field: &str| {
            let text = content.map(|content| content.text(&format!("{at}.{field}")));
            Ok::<_, ApiError>(text.transpose()?.unwrap_or_default())
        };
        match (
            item.kind.as_deref().unwrap_or("message"),
            item.call_id,
            item.name,
        ) {
            ("message", ..) => {
                let text = content(item.content, "content")?;
                self.message(item.role.as_deref().unwrap_or_default(), text, at)?;
            }
            ("reasoning", ..) => {
                self.begin_answer();
                self.thought += &content(item.content, "content")?;
            }
            ("function_call", Some(id), Some(name)) => {
                let name = match item.namespace {
                    Some(namespace) => joined(&namespace, &name),
                    None => name,
                };
                check_name(&name, &format!("{at}.name"))?;
                let json = item.arguments.unwrap_or_default();
                self.arguments.add(json.as_bytes());
                self.arguments.check(&format!("{at}.arguments"))?;
                let arguments = parsed(&json, at)?;
                self.calls.push(ToolCall {
                    id,
                    name,
                    arguments,
                });
            }
            ("function_call_output", Some(id), name) => {
                self.end_answer();
                self.done.push(Turn::Returned {
                    content: content(item.output, "output")?,
                    call_id: Some(id),
                    name,
                });
            }
            (kind, ..) => return Err(unreadable(kind, at)),
        }
        Ok(())
    }

    fn message(&mut self, role: &str, content: String, at: &str) -> Result<(), ApiError> {
        let role = match role {
            "assistant" => {
                self.begin_answer();
                self.said = Some(content);
                return Ok(());
            }
            "user" => Role::User,
            "system" | "developer" => Role::System,
            other => {
                let field = format!("{at}.role");
                let message = format!(
                    "`{field}` must be `system`, `developer`, `user` or `assistant`, found `{other}`"
                );
                return Err(ApiError::invalid_field(field, message));
            }
        };
        self.end_answer();
        self.done.push(Turn::Said(Message { role, content }));
        Ok(())
    }

    /// What comes next belongs behind no words and no calls.
    fn begin_answer(&mut self) {
        if self.said.is_some() || !self.calls.is_empty() {
            self.end_answer();
        }
    }

    fn end_answer(&mut self) {
        let (thought, said) = (std::mem::take(&mut self.thought), self.said.take());
        let calls = std::mem::take(&mut self.calls);
        let role = Role::Assistant;
        match (said, thought.is_empty() && calls.is_empty()) {
            (None, true) => {}
            (Some(content), true) => self.done.push(Turn::Said(Message { role, content })),
            (said, false) => self.done.push(Turn::Answered {
                thought,
                content: said.unwrap_or_default(),
                calls,
            }),
        }
    }
}

fn parsed(arguments: &str, at: &str) -> Result<Arguments, ApiError> {
    if arguments.trim().is_empty() {
        return Ok(Arguments::default());
    }
    Arguments::parse(arguments).map_err(|reason| {
        let field = format!("{at}.arguments");
        let message = format!("`{field}` must be the text of a JSON object: {reason}");
        ApiError::invalid_field(field, message)
    })
}
