//! A chat as Open WebUI exports it: `history.messages` is a tree of messages by their names, `currentId` the last one shown.
//! After its frontend's types: <https://github.com/open-webui/open-webui/blob/main/src/lib/types/index.ts>

use nibble_app::language::Language;
use nibble_app::settings::SYSTEM_PROMPT_BYTES;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::foreign::{Foreign, Node, Nodes, Role};
use super::parsed;

#[derive(Deserialize)]
struct Exported<'a> {
    title: Option<String>,
    #[serde(borrow)]
    chat: Chat<'a>,
    created_at: Option<f64>,
    updated_at: Option<f64>,
    pinned: Option<bool>,
}

#[derive(Deserialize)]
struct Chat<'a> {
    title: Option<String>,
    #[serde(borrow)]
    history: History<'a>,
    system: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct History<'a> {
    #[serde(borrow)]
    messages: Nodes<Message<'a>>,
    current_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    parent_id: Option<String>,
    role: String,
    /// A text, or parts of which some are texts.
    #[serde(borrow)]
    content: &'a RawValue,
    timestamp: Option<f64>,
    model: Option<String>,
}

#[derive(Deserialize)]
struct Part {
    text: Option<String>,
}

pub(super) fn read(part: &str, t: Language) -> Result<Foreign, String> {
    let exported: Exported<'_> = parsed(part, t)?;
    let Chat {
        title,
        history,
        system,
    } = exported.chat;
    let (nodes, current) = (history.messages.0, history.current_id);
    Ok(Foreign {
        title: exported.title.or(title).unwrap_or_default(),
        created: exported.created_at,
        updated: exported.updated_at,
        pinned: exported.pinned.unwrap_or_default(),
        system_prompt: system
            .filter(|prompt| prompt.len() <= SYSTEM_PROMPT_BYTES)
            .unwrap_or_default(),
        current,
        nodes: nodes.into_iter().map(node).collect(),
    })
}

fn node((id, message): (String, Message<'_>)) -> Node {
    let (text, skipped) = text(message.content);
    Node {
        id,
        parent: message.parent_id,
        created: message.timestamp,
        role: Role::named(&message.role),
        text,
        model: message.model.unwrap_or_default(),
        skipped,
    }
}

/// The text of a message, and how many parts of it are none.
fn text(content: &RawValue) -> (String, usize) {
    if let Ok(text) = serde_json::from_str(content.get()) {
        return (text, 0);
    }
    let parts: Vec<Part> = serde_json::from_str(content.get()).unwrap_or_default();
    let texts: Vec<_> = parts
        .iter()
        .filter_map(|part| part.text.as_deref())
        .collect();
    (texts.join("\n"), parts.len() - texts.len())
}
