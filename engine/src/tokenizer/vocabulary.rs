//! The tokens of a model and the bytes that they stand for.

use crate::Error;
use crate::checkpoint::Gguf;

use super::literals::Literals;

/// What a token is for; the format's other kinds behave like [`TokenKind::Word`] in byte-level BPE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// Built by merges, spelt in [`byte_of`]'s alphabet.
    Word,
    /// Means something to the model and nothing to a reader.
    Control,
    /// Taken as a whole wherever it stands in a text, spelt as it is.
    UserDefined,
}

impl TokenKind {
    fn from_number(number: i64) -> Self {
        match number {
            // 2 is the unknown token, which no text may spell either.
            2 | 3 => Self::Control,
            4 => Self::UserDefined,
            _ => Self::Word,
        }
    }
}

/// All tokens by id.
#[derive(Debug)]
pub(super) struct Vocabulary {
    /// The texts of all tokens, one after the other: one allocation instead of 128,000.
    texts: String,
    ends: Vec<usize>,
    kinds: Vec<TokenKind>,
}

impl Vocabulary {
    pub(super) fn from_gguf(gguf: &Gguf) -> Result<Self, Error> {
        let tokens = gguf.required_texts("tokenizer.ggml.tokens")?;
        let kinds = match gguf.integers("tokenizer.ggml.token_type")? {
            Some(kinds) => kinds.into_iter().map(TokenKind::from_number).collect(),
            None => vec![TokenKind::Word; tokens.len()],
        };
        if kinds.len() != tokens.len() || u32::try_from(tokens.len()).is_err() {
            return Err(gguf.error(format!(
                "`tokenizer.ggml.token_type` must have the {} entries of `tokenizer.ggml.tokens`, found {}",
                tokens.len(),
                kinds.len()
            )));
        }
        let mut texts = String::new();
        let ends = tokens.into_iter().map(|token| {
            texts.push_str(token);
            texts.len()
        });
        Ok(Self {
            ends: ends.collect(),
            texts,
            kinds,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.kinds.len()
    }

    pub(super) fn text(&self, id: u32) -> Option<&str> {
        let index = id as usize;
        let end = *self.ends.get(index)?;
        let start = match index {
            0 => 0,
            _ => self.ends[index - 1],
        };
        Some(&self.texts[start..end])
    }

    /// Every token as (id, kind, text).
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, TokenKind, &str)> {
        let ids = 0..self.len() as u32;
        ids.map(|id| {
            let text = self.text(id).unwrap_or_default();
            (id, self.kinds[id as usize], text)
        })
    }

    /// A search for the tokens of one kind.
    pub(super) fn literals(&self, kind: TokenKind) -> Result<Literals, String> {
        let tokens = self.iter().filter(|(_, of, _)| *of == kind);
        Literals::new(tokens.map(|(id, _, text)| (id, text)))
    }

    /// Appends the bytes of a token; a control token and an unknown id have none.
    pub(super) fn append_bytes(&self, id: u32, bytes: &mut Vec<u8>) {
        let (Some(text), Some(kind)) = (self.text(id), self.kinds.get(id as usize)) else {
            return;
        };
        match kind {
            TokenKind::Control => {}
            TokenKind::UserDefined => bytes.extend_from_slice(text.as_bytes()),
            TokenKind::Word => {
                for character in text.chars() {
                    match byte_of(character) {
                        Some(byte) => bytes.push(byte),
                        // Outside the alphabet a character can only stand for itself.
                        None => bytes.extend(character.encode_utf8(&mut [0; 4]).bytes()),
                    }
                }
            }
        }
    }
}

/// The byte that a character of GPT-2's alphabet stands for: printable Latin-1 characters for themselves, the 68 other
/// bytes, in order, as the characters from U+0100.
fn byte_of(character: char) -> Option<u8> {
    const OTHERS: [u8; 68] = other_bytes();
    match u32::from(character) {
        code @ 0..=0xff if is_printable(code as u8) => Some(code as u8),
        code @ 0x100..0x144 => Some(OTHERS[code as usize - 0x100]),
        _ => None,
    }
}

const fn is_printable(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff)
}

const fn other_bytes() -> [u8; 68] {
    let mut others = [0; 68];
    let (mut byte, mut found) = (0, 0);
    while found < others.len() {
        if !is_printable(byte) {
            others[found] = byte;
            found += 1;
        }
        byte = byte.wrapping_add(1);
    }
    others
}
