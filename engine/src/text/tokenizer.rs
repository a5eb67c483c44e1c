//! Text to token ids and back, as the model file describes it.
//!
//! Words are split and merged by the `tokenizers` crate. Control tokens are found here instead, because who may write
//! one depends on where a text comes from: a chat template may, a message may not ([`RenderedPrompt`]).

mod added;
mod control;
mod decoder;
mod difference;
mod gguf;
mod hugging_face;
mod literals;
mod sentencepiece;
mod splitting;
mod vocabulary;
mod words;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use self::added::{AddedTokens, ControlTokens, Piece};
pub(crate) use self::decoder::TokenDecoder;
pub(crate) use self::hugging_face::HfText;
pub(crate) use self::literals::Literals;
use self::vocabulary::{BLANK, Vocabulary};
use self::words::Words;
pub(crate) use self::words::{Bounds, Excess};
use crate::text::rendered::RenderedPrompt;

/// NFC makes one byte of three at the most: of the signs for Kelvin and of the grave accent. Syllables of Hangul have three
/// bytes of nine.
const COMPOSED_BYTES: usize = 3;

/// BPE, over bytes or as SentencePiece does it, with the vocabulary of one model.
#[derive(Debug)]
pub(crate) struct Tokenizer {
    added: AddedTokens,
    prefix: Prefix,
    /// For normalized text without added tokens.
    words: Words,
    /// What a token may stand for, in bytes of a text; nothing where that has no bound.
    most_bytes: Option<usize>,
    vocabulary: Arc<Vocabulary>,
    control: Literals,
    bos: Option<u32>,
    eos: Option<u32>,
    /// Whether a prompt starts with `bos`.
    adds_bos: bool,
    ends: Vec<u32>,
}

/// How a text is read that becomes tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Whether control tokens that it spells are control tokens.
    pub control_tokens: bool,
    /// Whether the token that every prompt of the model starts with goes before it.
    pub first_token: bool,
}

/// Whether a blank goes before a text that is merged, so that its first word is spelt like any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prefix {
    Never,
    /// Before each stretch between special tokens.
    Always,
    /// As [`Self::Always`], unless there is one.
    Unless,
    /// Only where no token goes before, and unless there is one.
    First,
}

impl Prefix {
    fn put_before(self, text: &str, first: bool) -> Cow<'_, str> {
        let there = text.starts_with([' ', BLANK]);
        let wanted = match self {
            Self::Never => false,
            Self::Always => true,
            Self::Unless => !there,
            Self::First => first && !there,
        };
        match wanted {
            true => Cow::Owned(format!(" {text}")),
            false => Cow::Borrowed(text),
        }
    }
}

impl Tokenizer {
    /// The ids of a text in which control tokens are plain text.
    pub(crate) fn encode(&self, text: &str) -> Vec<u32> {
        self.without_bounds(text, ControlTokens::None, self.prefix)
    }

    /// The ids of a text that goes on behind other tokens, in which control tokens are control tokens.
    pub(crate) fn encode_behind(&self, text: &str) -> Vec<u32> {
        self.without_bounds(text, ControlTokens::All, Prefix::Never)
    }

    /// [`Self::encode`] behind the model's first token.
    pub(crate) fn encode_document(&self, text: &str) -> Vec<u32> {
        self.with_bos(self.encode(text))
    }

    /// The ids of a prompt that is written without a template, in which control tokens are control tokens.
    ///
    /// # Errors
    /// What there is more of than the bounds allow, found out early.
    pub(crate) fn raw_within(&self, text: &str, bounds: Bounds) -> Result<Vec<u32>, Excess> {
        let all = Reading {
            control_tokens: true,
            first_token: true,
        };
        self.read_within(text, all, bounds)
    }

    /// The ids of a text that is read so.
    ///
    /// # Errors
    /// As [`Self::raw_within`].
    pub(crate) fn read_within(
        &self,
        text: &str,
        reading: Reading,
        bounds: Bounds,
    ) -> Result<Vec<u32>, Excess> {
        let control = match reading.control_tokens {
            true => ControlTokens::All,
            false => ControlTokens::None,
        };
        let ids = self.ids(text, control, self.prefix, bounds)?;
        Ok(match reading.first_token {
            true => self.with_bos(ids),
            false => ids,
        })
    }

    /// The ids of a rendered conversation, in which the template's control tokens are control tokens.
    ///
    /// # Errors
    /// As [`Self::raw_within`].
    pub(crate) fn prompt_within(
        &self,
        prompt: &RenderedPrompt,
        bounds: Bounds,
    ) -> Result<Vec<u32>, Excess> {
        let (text, marks) = prompt.without_marks();
        let ids = self.ids(&text, ControlTokens::Unmarked(&marks), self.prefix, bounds)?;
        Ok(self.with_bos(ids))
    }

    #[cfg(test)]
    pub(crate) fn encode_raw(&self, text: &str) -> Vec<u32> {
        self.raw_within(text, Bounds::NONE).unwrap()
    }

    #[cfg(test)]
    pub(crate) fn encode_prompt(&self, prompt: &RenderedPrompt) -> Vec<u32> {
        self.prompt_within(prompt, Bounds::NONE).unwrap()
    }

    fn with_bos(&self, mut ids: Vec<u32>) -> Vec<u32> {
        if let Some(bos) = self.added_bos()
            && ids.first() != Some(&bos)
        {
            ids.insert(0, bos);
        }
        ids
    }

    fn without_bounds(&self, text: &str, control: ControlTokens<'_>, prefix: Prefix) -> Vec<u32> {
        let ids = self.ids(text, control, prefix, Bounds::NONE);
        ids.expect("nothing is too much where there are no bounds")
    }

    fn ids(
        &self,
        text: &str,
        control: ControlTokens<'_>,
        prefix: Prefix,
        bounds: Bounds,
    ) -> Result<Vec<u32>, Excess> {
        let least = self.most_bytes.map_or(0, |most| text.len() / most);
        if least > bounds.tokens {
            return Err(Excess::Tokens(least));
        }
        let mut ids = Vec::new();
        for piece in self.added.pieces(text, control) {
            match piece {
                Piece::Token(id) => ids.push(id),
                Piece::Text(text) => {
                    let text = prefix.put_before(&text, ids.is_empty());
                    self.words.encode(&text, bounds, &mut ids)?;
                }
            }
            if ids.len() > bounds.tokens {
                return Err(Excess::Tokens(ids.len()));
            }
        }
        Ok(ids)
    }

    /// What ids spell, control tokens as they are written; unknown ids spell nothing.
    pub(crate) fn spelt(&self, ids: &[u32]) -> String {
        String::from_utf8_lossy(&self.spelt_bytes(ids)).into_owned()
    }

    /// The bytes that tokens spell, control tokens as they are written.
    pub(crate) fn spelt_bytes(&self, ids: &[u32]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for &id in ids {
            let before = bytes.len();
            self.vocabulary.append_bytes(id, &mut bytes);
            if bytes.len() == before {
                let text = self.vocabulary.text(id).unwrap_or_default();
                bytes.extend_from_slice(text.as_bytes());
            }
        }
        bytes
    }

    /// A decoder for the tokens of one answer. These texts it writes also where they are control tokens.
    pub(crate) fn decoder(&self, shown: &[&str]) -> TokenDecoder {
        let shown = shown.iter().filter_map(|text| self.control.id(text));
        TokenDecoder::new(Arc::clone(&self.vocabulary), shown.collect())
    }

    /// The tokens by which a turn ends.
    pub(crate) fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// Whether this token ends an answer.
    pub(crate) fn is_end(&self, id: u32) -> bool {
        self.ends.contains(&id)
    }

    /// The ids of a text within an answer, in which control tokens are plain text.
    pub(crate) fn encode_within(&self, text: &str) -> Vec<u32> {
        self.without_bounds(text, ControlTokens::None, Prefix::Never)
    }

    /// The tokens of words within an answer, with and without a space in front.
    pub(crate) fn spellings(&self, words: &[String]) -> Vec<Vec<u32>> {
        let words = words.iter().map(|word| word.trim_start());
        let spelt = words.flat_map(|word| [word.to_owned(), format!(" {word}")]);
        let mut spellings: Vec<_> = spelt.map(|word| self.encode_within(&word)).collect();
        spellings.retain(|tokens| !tokens.is_empty());
        spellings.sort_unstable();
        spellings.dedup();
        spellings
    }

    /// Whether a token is one that no text of a message has.
    pub(crate) fn is_control(&self, id: u32) -> bool {
        self.vocabulary.is_control(id)
    }

    /// What a token stands for; nothing for a control token.
    pub(crate) fn bytes(&self, id: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.vocabulary.append_bytes(id, &mut bytes);
        bytes
    }

    /// Number of tokens.
    pub(crate) fn vocabulary(&self) -> usize {
        self.vocabulary.len()
    }

    /// The token that every prompt of this model starts with, if there is one.
    pub(crate) fn added_bos(&self) -> Option<u32> {
        self.bos.filter(|_| self.adds_bos)
    }

    /// The token that starts a sequence.
    pub(crate) fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// The file's own end token.
    pub(crate) fn eos(&self) -> Option<u32> {
        self.eos
    }

    /// A token as the vocabulary spells it: bytes as printable characters, control tokens as they are.
    pub(crate) fn token_text(&self, id: u32) -> Option<&str> {
        self.vocabulary.text(id)
    }

    /// The control tokens, for templates to guard messages against.
    pub(crate) fn control(&self) -> &Literals {
        &self.control
    }
}
