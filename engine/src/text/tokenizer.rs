//! Text to token ids and back, as the model file describes it.
//!
//! Words are split and merged by the `tokenizers` crate. Control tokens are found here instead, because who may write
//! one depends on where a text comes from: a chat template may, a message may not ([`RenderedPrompt`]).

mod decoder;
mod gguf;
mod hugging_face;
mod literals;
mod sentencepiece;
mod splitting;
mod vocabulary;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

pub(crate) use self::decoder::TokenDecoder;
pub(crate) use self::hugging_face::HfText;
pub(crate) use self::literals::Literals;
use self::literals::Piece;
use self::vocabulary::{BLANK, TokenKind, Vocabulary};
use crate::text::rendered::RenderedPrompt;

/// Control tokens that end an answer whatever the file's own end token is. Files name one such token at most twice,
/// but models are trained to end a turn with one and a document with another. llama.cpp stops at the same texts.
const END_TEXTS: [&str; 13] = [
    "<|eot_id|>",
    "<|eom_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|end_of_text|>",
    "<|endoftext|>",
    "<|eot|>",
    "<end_of_turn>",
    "<end_of_utterance>",
    "<|return|>",
    "<EOT>",
    "</s>",
    "<eos>",
];

/// BPE, over bytes or as SentencePiece does it, with the vocabulary of one model.
#[derive(Debug)]
pub(crate) struct Tokenizer {
    words: tokenizers::Tokenizer,
    prefix: Prefix,
    vocabulary: Arc<Vocabulary>,
    control: Literals,
    user_defined: Literals,
    bos: Option<u32>,
    eos: Option<u32>,
    /// Whether a prompt starts with `bos`.
    adds_bos: bool,
    ends: Vec<u32>,
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
        let mut ids = Vec::new();
        self.encode_plain(text, &mut ids);
        ids
    }

    /// The ids of a text that is continued without a template: [`Self::encode`] behind the model's first token.
    pub(crate) fn encode_raw(&self, text: &str) -> Vec<u32> {
        self.with_bos(self.encode(text))
    }

    /// The ids of a rendered conversation, in which the template's control tokens are control tokens.
    pub(crate) fn encode_prompt(&self, prompt: &RenderedPrompt) -> Vec<u32> {
        let mut ids = Vec::new();
        for piece in self.control.pieces(prompt.guarded_text()) {
            match piece {
                Piece::Token(id) => ids.push(id),
                Piece::Text(text) => self.encode_plain(&prompt.unguarded(text), &mut ids),
            }
        }
        self.with_bos(ids)
    }

    fn with_bos(&self, mut ids: Vec<u32>) -> Vec<u32> {
        if let Some(bos) = self.added_bos()
            && ids.first() != Some(&bos)
        {
            ids.insert(0, bos);
        }
        ids
    }

    fn encode_plain(&self, text: &str, ids: &mut Vec<u32>) {
        for piece in self.user_defined.pieces(text) {
            match piece {
                Piece::Token(id) => ids.push(id),
                Piece::Text("") => {}
                Piece::Text(text) => {
                    let text = self.prefix.put_before(text, ids.is_empty());
                    let encoding = self.words.encode_fast(text, false);
                    let encoding =
                        encoding.expect("BPE without an unknown token has no way to fail");
                    ids.extend_from_slice(encoding.get_ids());
                }
            }
        }
    }

    /// A decoder for the tokens of one answer. These texts it writes also where they are control tokens.
    pub(crate) fn decoder(&self, shown: &[&str]) -> TokenDecoder {
        let shown = shown.iter().filter_map(|text| self.control.id(text));
        TokenDecoder::new(Arc::clone(&self.vocabulary), shown.collect())
    }

    /// Whether this token ends an answer.
    pub(crate) fn is_end(&self, id: u32) -> bool {
        self.ends.contains(&id)
    }

    /// Number of tokens.
    #[cfg(test)]
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

fn ends(vocabulary: &Vocabulary, named: &[Option<u32>]) -> Vec<u32> {
    let by_text = vocabulary
        .iter()
        .filter(|(_, kind, text)| *kind == TokenKind::Control && END_TEXTS.contains(text))
        .map(|(id, ..)| id);
    let mut ends: Vec<u32> = named.iter().flatten().copied().chain(by_text).collect();
    ends.sort_unstable();
    ends.dedup();
    ends
}
