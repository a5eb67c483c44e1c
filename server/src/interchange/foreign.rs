//! A conversation as other programs have it, whichever: messages of any roles, each after another.

use std::fmt;
use std::marker::PhantomData;

use nibble_app::domain::{Conversation, Id, MESSAGES, Message, Timestamp, Transcript, title};
use nibble_app::settings::Settings;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::Reading;
use super::planting::Planting;

/// The most messages in a file for one conversation, of which some are joined or left out.
const NODES: usize = 4 * MESSAGES;

/// A conversation as another program has it.
#[derive(Debug, Default)]
pub(super) struct Foreign {
    pub(super) title: String,
    /// Seconds since 1970, as are all times here.
    pub(super) created: Option<f64>,
    pub(super) updated: Option<f64>,
    pub(super) pinned: bool,
    pub(super) system_prompt: String,
    /// The message that is shown last.
    pub(super) current: Option<String>,
    pub(super) nodes: Vec<Node>,
}

/// A message as another program has it.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: String,
    pub(super) parent: Option<String>,
    pub(super) created: Option<f64>,
    pub(super) role: Role,
    pub(super) text: String,
    /// Which model wrote it.
    pub(super) model: String,
    /// Parts of it that are left out.
    pub(super) skipped: usize,
}

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    System,
    Question,
    Answer,
    /// A tool, or whatever has no place here.
    Other,
}

impl Role {
    /// By the name that both programs have for it.
    pub(super) fn named(name: &str) -> Self {
        match name {
            "system" => Self::System,
            "user" => Self::Question,
            "assistant" => Self::Answer,
            _ => Self::Other,
        }
    }
}

impl Foreign {
    /// The conversation, and how many messages are left out.
    pub(super) fn transcript(&self, reading: &Reading) -> (Transcript, usize) {
        let mut planting = Planting::new(&self.system_prompt);
        planting.plant(&self.nodes);
        let tip = planting.tip(self.current.as_deref());
        let (messages, system_prompt, skipped) = planting.grown();
        let created = milliseconds(self.created).unwrap_or(reading.now);
        let first = messages
            .iter()
            .map(Message::text)
            .find(|text| !text.is_empty());
        let conversation = Conversation {
            id: Id(rand::random()),
            title: match self.title.trim() {
                "" => title(first.unwrap_or_default()),
                named => named.to_owned(),
            },
            created,
            updated: milliseconds(self.updated).unwrap_or(created),
            pinned: self.pinned,
            shared: false,
            settings: Settings {
                system_prompt,
                ..reading.defaults.clone()
            },
            tip,
            usd: 0.0,
        };
        let transcript = Transcript {
            conversation,
            messages,
        };
        (transcript, skipped)
    }
}

pub(super) fn milliseconds(seconds: Option<f64>) -> Option<Timestamp> {
    // Times that no clock has shown become the ends of the range.
    seconds.map(|seconds| (seconds * 1000.0) as Timestamp)
}

/// Messages by their names in the order of the file, of which there are not too many.
pub(super) struct Nodes<T>(pub(super) Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Nodes<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

struct Entries<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
    type Value = Nodes<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("messages by their names")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Nodes<T>, A::Error> {
        let mut nodes = Vec::new();
        while let Some(entry) = map.next_entry()? {
            if nodes.len() == NODES {
                return Err(A::Error::custom(format!(
                    "it has more than {NODES} messages"
                )));
            }
            nodes.push(entry);
        }
        Ok(Nodes(nodes))
    }
}
