//! Token ids back to text, as a stream.

use std::sync::Arc;

use super::vocabulary::Vocabulary;

/// Turns the tokens of one answer into text. A token may end in the middle of a character: such bytes wait for the
/// next token, and an answer that ends there goes without the character. Bytes that can no longer become one turn into
/// U+FFFD at once.
#[derive(Debug)]
pub(crate) struct TokenDecoder {
    vocabulary: Arc<Vocabulary>,
    /// Control tokens that are written as they are spelt.
    shown: Vec<u32>,
    shows_all: bool,
    /// Bytes that are not decoded yet: after each call the start of one character, three bytes at most.
    pending: Vec<u8>,
    text: String,
}

impl TokenDecoder {
    pub(super) fn new(vocabulary: Arc<Vocabulary>, shown: Vec<u32>) -> Self {
        Self {
            vocabulary,
            shown,
            shows_all: false,
            pending: Vec::new(),
            text: String::new(),
        }
    }

    /// Writes every control token as it is spelt.
    pub(crate) fn show_all(&mut self) {
        self.shows_all = true;
    }

    /// Forgets the beginning of a character whose rest does not come.
    pub(crate) fn cut_character(&mut self) {
        self.pending.clear();
    }

    /// Writes these texts no more where they are control tokens.
    pub(crate) fn hide(&mut self, texts: &[&str]) {
        let Self {
            vocabulary, shown, ..
        } = self;
        shown.retain(|id| {
            let text = vocabulary.text(*id).unwrap_or_default();
            !texts.contains(&text)
        });
    }

    /// The characters that this token completes; nothing for a control token that is not shown.
    pub(crate) fn push(&mut self, id: u32) -> &str {
        let is_shown = self.shows_all && self.vocabulary.is_control(id);
        match is_shown || self.shown.contains(&id) {
            true => {
                let spelt = self.vocabulary.text(id).unwrap_or_default();
                self.pending.extend_from_slice(spelt.as_bytes());
            }
            false => self.vocabulary.append_bytes(id, &mut self.pending),
        }
        self.text.clear();
        let mut done = 0;
        loop {
            let rest = &self.pending[done..];
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    self.text.push_str(valid);
                    done = self.pending.len();
                    break;
                }
                Err(error) => {
                    let valid = &rest[..error.valid_up_to()];
                    self.text.push_str(&String::from_utf8_lossy(valid));
                    done += valid.len();
                    let Some(invalid) = error.error_len() else {
                        break;
                    };
                    self.text.push(char::REPLACEMENT_CHARACTER);
                    done += invalid;
                }
            }
        }
        self.pending.drain(..done);
        &self.text
    }
}
