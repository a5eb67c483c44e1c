//! Conversations in files of JSON: ours, and those that Open WebUI and ChatGPT export.
//!
//! Ours is `{"nibble_chats": 1, "chats": [{"conversation": {…}, "messages": […]}, …]}`, where a part is a [`Transcript`]. The
//! others are arrays with a conversation in each part. Parts are read one by one, so that a damaged one is left out alone,
//! and what is in memory beside the file is one of them.

use nibble_app::domain::{Timestamp, Transcript};
use nibble_app::language::Language;
use nibble_app::settings::Settings;
use serde::Deserialize;
use serde_json::value::RawValue;

mod chatgpt;
mod foreign;
mod open_webui;
mod planting;
#[cfg(test)]
pub(crate) mod tests;

/// The version of our files that is written, and the latest that is read.
pub(crate) const VERSION: u32 = 1;

/// The most conversations in a file.
const CONVERSATIONS: usize = 10_000;
/// The longest conversation as JSON.
const PART_BYTES: usize = 16 * 1024 * 1024;

/// What is the same for all conversations of a file.
pub(crate) struct Reading {
    /// The settings of conversations that come without.
    pub(crate) defaults: Settings,
    pub(crate) now: Timestamp,
    /// What is wrong is told in.
    pub(crate) language: Language,
}

/// A part of a file.
pub(crate) struct Found {
    /// As it is called there.
    pub(crate) title: String,
    /// The conversation, or why it is none.
    pub(crate) transcript: Result<Transcript, String>,
    /// Messages in it that have no place here: of tools, images, other than the first of the system.
    pub(crate) skipped: usize,
}

/// Ours, or a conversation of another program by itself.
#[derive(Deserialize)]
struct Whole<'a> {
    nibble_chats: Option<u32>,
    #[serde(borrow)]
    chats: Option<Vec<&'a RawValue>>,
}

/// By what a conversation of each program is known.
#[derive(Deserialize)]
struct Part<'a> {
    /// Open WebUI.
    #[serde(borrow)]
    chat: Option<&'a RawValue>,
    /// ChatGPT.
    #[serde(borrow)]
    mapping: Option<&'a RawValue>,
}

/// Reads a file, and hands each conversation over as it is found until one is not taken.
///
/// # Errors
/// Why it is no file of conversations, for a person.
pub(crate) fn read(
    bytes: &[u8],
    reading: &Reading,
    mut take: impl FnMut(Found) -> bool,
) -> Result<(), String> {
    let t = reading.language;
    let (parts, is_ours) = parts(bytes, t)?;
    let count = parts.len();
    if count > CONVERSATIONS {
        return Err(t.too_many_conversations(count, CONVERSATIONS));
    }
    for (index, part) in parts.into_iter().enumerate() {
        let found = found(part, is_ours, reading).unwrap_or_else(|reason| Found {
            title: title(part.get()).unwrap_or_else(|| t.conversation_number(index + 1)),
            transcript: Err(reason),
            skipped: 0,
        });
        if !take(found) {
            break;
        }
    }
    Ok(())
}

/// The conversations of a file, and whether they are ours.
fn parts(bytes: &[u8], t: Language) -> Result<(Vec<&RawValue>, bool), String> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    if bytes.starts_with(b"PK") {
        return Err(t.file_is_zip().to_owned());
    }
    let unreadable = |error| t.file_no_json(error);
    if bytes.trim_ascii_start().starts_with(b"[") {
        let parts: Vec<&RawValue> = serde_json::from_slice(bytes).map_err(unreadable)?;
        return Ok((parts, false));
    }
    let whole: Whole<'_> = serde_json::from_slice(bytes).map_err(unreadable)?;
    match whole.nibble_chats {
        Some(version) if version > VERSION => Err(t.file_too_new(version, VERSION)),
        Some(_) => Ok((whole.chats.unwrap_or_default(), true)),
        None => {
            let single = serde_json::from_slice(bytes).map_err(unreadable)?;
            Ok((vec![single], false))
        }
    }
}

/// Reads a file to its end, for whoever has any bytes.
#[cfg(any(test, fuzzing))]
pub(crate) fn read_any(bytes: &[u8]) {
    let reading = Reading {
        defaults: Settings::default(),
        now: Timestamp::MAX,
        language: Language::default(),
    };
    let _ = read(bytes, &reading, |_| true);
}

fn found(part: &RawValue, is_ours: bool, reading: &Reading) -> Result<Found, String> {
    let (text, t) = (part.get(), reading.language);
    if text.len() > PART_BYTES {
        let (found, limit) = (text.len().div_ceil(1 << 20), PART_BYTES >> 20);
        return Err(t.part_too_large(found, limit));
    }
    if is_ours {
        let transcript: Transcript = parsed(text, t)?;
        return Ok(Found {
            title: transcript.conversation.title.clone(),
            transcript: transcript.checked(reading.now, t),
            skipped: 0,
        });
    }
    let Part { chat, mapping } = parsed(text, t)?;
    let foreign = match (chat, mapping) {
        (Some(_), _) => open_webui::read(text, t)?,
        (None, Some(_)) => chatgpt::read(text, t)?,
        (None, None) => {
            return Err(t.part_unknown().to_owned());
        }
    };
    let (transcript, skipped) = foreign.transcript(reading);
    Ok(Found {
        title: foreign.title,
        transcript: transcript.checked(reading.now, t),
        skipped,
    })
}

fn parsed<'a, T: Deserialize<'a>>(text: &'a str, t: Language) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| t.part_unreadable(error))
}

/// What a part that cannot be read may still be called.
fn title(part: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Titled<'a> {
        #[serde(borrow)]
        title: Option<&'a RawValue>,
        #[serde(borrow)]
        conversation: Option<&'a RawValue>,
    }
    let titled: Titled<'_> = serde_json::from_str(part).ok()?;
    match (titled.title, titled.conversation) {
        (Some(title), _) => serde_json::from_str(title.get()).ok(),
        (None, Some(conversation)) => title(conversation.get()),
        (None, None) => None,
    }
}
