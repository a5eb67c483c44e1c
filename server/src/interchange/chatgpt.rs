//! A conversation of ChatGPT's `conversations.json`: `mapping` is a tree of nodes by their names, some without a message,
//! `current_node` the last one shown. OpenAI's help describes the archive; the fields are those that exports have had since
//! 2023: <https://help.openai.com/en/articles/7260999>

use nibble_app::language::Language;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::foreign::{Foreign, Node, Nodes, Role};
use super::parsed;

#[derive(Deserialize)]
struct Exported<'a> {
    title: Option<String>,
    create_time: Option<f64>,
    update_time: Option<f64>,
    #[serde(borrow)]
    mapping: Nodes<Entry<'a>>,
    current_node: Option<String>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    parent: Option<String>,
    #[serde(borrow)]
    message: Option<Message<'a>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    author: Author,
    create_time: Option<f64>,
    #[serde(borrow)]
    content: Content<'a>,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Author {
    role: String,
}

#[derive(Deserialize)]
struct Content<'a> {
    content_type: String,
    /// Texts, and objects that stand for images and files.
    #[serde(borrow)]
    parts: Option<Vec<&'a RawValue>>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    is_visually_hidden_from_conversation: Option<bool>,
    model_slug: Option<String>,
}

pub(super) fn read(part: &str, t: Language) -> Result<Foreign, String> {
    let exported: Exported<'_> = parsed(part, t)?;
    Ok(Foreign {
        title: exported.title.unwrap_or_default(),
        created: exported.create_time,
        updated: exported.update_time,
        current: exported.current_node,
        nodes: exported.mapping.0.into_iter().map(node).collect(),
        ..Foreign::default()
    })
}

fn node((id, entry): (String, Entry<'_>)) -> Node {
    let empty = Node {
        id,
        parent: entry.parent,
        created: None,
        role: Role::Other,
        text: String::new(),
        model: String::new(),
        skipped: 0,
    };
    let Some(message) = entry.message else {
        return empty;
    };
    let metadata = message.metadata.unwrap_or_default();
    // What ChatGPT does not show its readers either.
    if metadata.is_visually_hidden_from_conversation == Some(true) {
        return empty;
    }
    let parts = message.content.parts.unwrap_or_default();
    let texts: Vec<String> = parts
        .iter()
        .filter_map(|part| serde_json::from_str(part.get()).ok())
        .collect();
    let is_text = ["text", "multimodal_text"].contains(&message.content.content_type.as_str());
    Node {
        created: message.create_time,
        role: Role::named(&message.author.role),
        // Code that was run, thoughts and what was found on the web are of other kinds.
        text: if is_text {
            texts.join("\n")
        } else {
            String::new()
        },
        model: metadata.model_slug.unwrap_or_default(),
        skipped: if is_text {
            parts.len() - texts.len()
        } else {
            1
        },
        ..empty
    }
}
