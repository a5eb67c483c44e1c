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

    /// Goes on with a text of the template's.
    pub(crate) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Leaves out a character wherever it stands, and all that is behind the last one; false where there is none.
    pub(crate) fn cut_at_last(&mut self, end: char) -> bool {
        let Some(at) = self.text.rfind(end) else {
            return false;
        };
        self.text.truncate(at);
        self.text.retain(|character| character != end);
        true
    }

    /// The text without its marks, and where they were: byte positions in it, ascending.
    pub(crate) fn without_marks(&self) -> (Cow<'_, str>, Vec<usize>) {
        let Some(mark) = self.mark else {
            return (Cow::Borrowed(&self.text), Vec::new());
        };
        let marks = self.text.match_indices(mark).enumerate();
        let places = marks.map(|(earlier, (at, _))| at - earlier * mark.len_utf8());
        (Cow::Owned(self.text.replace(mark, "")), places.collect())
    }
}
