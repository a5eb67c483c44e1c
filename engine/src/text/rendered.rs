//! What a chat template makes of a conversation, for the tokenizer to read.

use std::borrow::Cow;

/// A conversation as text, in which messages cannot be mistaken for control tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RenderedPrompt {
    text: String,
    /// A character that stands between the characters of would-be control tokens and nowhere else.
    mark: Option<char>,
}

impl RenderedPrompt {
    pub(crate) fn new(text: String, mark: Option<char>) -> Self {
        Self { text, mark }
    }

    /// A text that is the template's own from end to end.
    #[cfg(test)]
    pub(crate) fn from_template(text: &str) -> Self {
        Self::new(text.to_owned(), None)
    }

    /// The text with its marks, to find the template's control tokens in.
    pub(crate) fn guarded_text(&self) -> &str {
        &self.text
    }

    /// A part of [`Self::guarded_text`] without marks.
    pub(crate) fn unguarded<'t>(&self, part: &'t str) -> Cow<'t, str> {
        match self.mark {
            Some(mark) if part.contains(mark) => Cow::Owned(part.replace(mark, "")),
            _ => Cow::Borrowed(part),
        }
    }
}
