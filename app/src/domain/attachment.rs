//! Files beside a question, as names and texts, and how the model is told of them. They are kept apart from what the person
//! typed: titles, edits and searches are of that alone.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::language::Told;

/// The most files of a question.
pub const FILES: usize = 8;
/// The longest text of a file.
pub const FILE_BYTES: usize = 128 * 1024;
/// The longest text of all files of a question.
pub const FILES_BYTES: usize = 192 * 1024;
/// The longest name of a file, in characters.
const NAME_CHARACTERS: usize = 100;
/// What is kept of the end of a longer one: it says what kind of file it is.
const ENDING_CHARACTERS: usize = 20;

/// A file as a question has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Without folders and whatever could be taken for anything else than a name.
    pub name: String,
    /// All that it says, with line ends as `\n`.
    pub text: String,
}

impl Attachment {
    /// A file by the name that its sender gave it.
    #[must_use]
    pub fn new(name: &str, text: &str) -> Self {
        Self {
            name: harmless(name),
            text: text
                .replace("\r\n", "\n")
                .replace('\r', "\n")
                .replace('\0', "\u{fffd}"),
        }
    }

    /// As the model is told it: its name, and its text.
    #[must_use]
    pub fn told(&self) -> String {
        self.under(&format!("File `{}`:", self.name))
    }

    /// Its text under such a line, in a fenced block whose fence is longer than any in it.
    #[must_use]
    pub fn under(&self, line: &str) -> String {
        let text = &self.text;
        let fence = "`".repeat(longest_run(text).max(2) + 1);
        let end = if text.ends_with('\n') { "" } else { "\n" };
        format!("{line}\n\n{fence}\n{text}{end}{fence}\n\n")
    }
}

/// What a person asks: what was typed, and files beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// As it was typed; empty where the files say it all.
    pub text: String,
    /// In the order in which they came.
    pub attachments: Vec<Attachment>,
}

impl Content {
    /// What a title is made of.
    #[must_use]
    pub fn heading(&self) -> &str {
        let first = self.attachments.first().filter(|_| self.text.is_empty());
        first.map_or(&self.text, |file| &file.name)
    }
}

impl<T: Into<String>> From<T> for Content {
    fn from(text: T) -> Self {
        Self {
            text: text.into(),
            attachments: Vec::new(),
        }
    }
}

/// A question as the model is told it: its files, then what was typed.
pub(super) fn told(attachments: &[Attachment], text: &str) -> String {
    let mut told = String::new();
    for attachment in attachments {
        // Writing to a string cannot fail.
        let _ = write!(told, "{}", attachment.told());
    }
    if text.is_empty() {
        told.truncate(told.trim_end().len());
    }
    told + text
}

/// Checks files by their number and lengths.
///
/// # Errors
/// The limit that they are over, and by how much.
pub fn check_attachments(attachments: &[Attachment]) -> Result<(), Told> {
    let found = attachments.len();
    if found > FILES {
        return Err(Told::new(|t| t.most_files(FILES, found)));
    }
    for Attachment { name, text } in attachments {
        if text.len() > FILE_BYTES {
            let (found, limit) = (text.len().div_ceil(1024), FILE_BYTES / 1024);
            return Err(Told::new(|t| t.file_too_long(name, found, limit)));
        }
    }
    let bytes: usize = attachments.iter().map(|file| file.text.len()).sum();
    if bytes > FILES_BYTES {
        let (found, limit) = (bytes.div_ceil(1024), FILES_BYTES / 1024);
        return Err(Told::new(|t| t.files_too_long(found, limit)));
    }
    Ok(())
}

/// The longest run of backticks.
fn longest_run(text: &str) -> usize {
    let runs = text.split(|character| character != '`').map(str::len);
    runs.max().unwrap_or(0)
}

/// A name that is one on every system, on one line and in the order in which it is read.
pub(super) fn harmless(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = name
        .chars()
        .filter(|character| !character.is_control() && !is_unseen(*character))
        .map(|character| if character == '`' { '\'' } else { character })
        .collect();
    let name = name.trim();
    let count = name.chars().count();
    if name.is_empty() {
        "file".to_owned()
    } else if count > NAME_CHARACTERS {
        let start = name.chars().take(NAME_CHARACTERS - ENDING_CHARACTERS - 1);
        let end = name.chars().skip(count - ENDING_CHARACTERS);
        start.chain(['…']).chain(end).collect()
    } else {
        name.to_owned()
    }
}

/// Whether a character shows nothing itself and may turn the others around.
fn is_unseen(character: char) -> bool {
    matches!(
        character,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_told_files_before_the_question() {
        let files = [
            Attachment::new("a.txt", "one\r\ntwo"),
            Attachment::new("b.md", "x\n"),
        ];
        assert_eq!(
            told(&files, "Which?"),
            "File `a.txt`:\n\n```\none\ntwo\n```\n\nFile `b.md`:\n\n```\nx\n```\n\nWhich?"
        );
        assert_eq!(told(&files[1..], ""), "File `b.md`:\n\n```\nx\n```");
        assert_eq!(told(&[], "Why?"), "Why?");
    }

    #[test]
    fn no_text_ends_its_own_fence() {
        let told = Attachment::new("a.md", "````\ncode\n````\n`````").told();
        assert!(told.contains("\n``````\n````\ncode"), "{told}");
        assert!(told.ends_with("\n`````\n``````\n\n"), "{told}");
    }

    #[test]
    fn a_name_is_harmless() {
        for (sent, kept) in [
            ("notes.txt", "notes.txt"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\me\\a.csv", "a.csv"),
            ("a\n\u{202e}txt.exe", "atxt.exe"),
            ("`rm`", "'rm'"),
            (" \u{200b}\0 ", "file"),
            ("报告 ملف.md", "报告 ملف.md"),
        ] {
            assert_eq!(harmless(sent), kept, "{sent:?}");
        }
        let long = harmless(&format!("{}.tar.gz", "é".repeat(300)));
        assert_eq!(long.chars().count(), NAME_CHARACTERS);
        assert!(long.ends_with("é.tar.gz"), "{long}");
    }

    #[test]
    fn limits_of_files_are_named_with_what_was_found() {
        let file = |kib: usize| Attachment::new("a.txt", &"x".repeat(kib * 1024));
        assert_eq!(check_attachments(&[file(128), file(64)]), Ok(()));
        for (files, reason) in [
            (vec![file(1); 9], "there may be at most 8 files, found 9"),
            (
                vec![file(129)],
                "`a.txt` has 129 KiB of text, and a file may have at most 128",
            ),
            (
                vec![file(128), file(65)],
                "the files have 193 KiB of text together, and may have at most 192",
            ),
        ] {
            assert_eq!(check_attachments(&files).unwrap_err().to_string(), reason);
        }
    }
}
