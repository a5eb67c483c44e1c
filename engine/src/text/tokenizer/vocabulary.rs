//! The tokens of a model and the bytes that they stand for.

use super::literals::Literals;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// Built by merges, in the spelling of the vocabulary.
    Word,
    /// A byte that no word spells, written `<0x0A>`.
    Byte,
    /// Means something to the model and nothing to a reader.
    Control,
    /// The same for a text that is encoded, but a reader sees it.
    ShownControl,
    /// Taken as a whole wherever it stands in a text, spelt as it is.
    UserDefined,
}

impl TokenKind {
    /// Whether only a template and a raw prompt may spell it.
    pub(super) fn is_control(self) -> bool {
        matches!(self, Self::Control | Self::ShownControl)
    }
}

/// How words are written in the vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// Every byte is a character of [`byte_of`]'s alphabet.
    ByteLevel,
    /// As they are, with [`BLANK`] for a blank.
    SentencePiece,
}

/// What SentencePiece writes for a blank.
pub(super) const BLANK: char = '\u{2581}';

/// All tokens by id.
#[derive(Debug)]
pub(super) struct Vocabulary {
    /// The texts of all tokens, one after the other: one allocation instead of 128,000.
    texts: String,
    ends: Vec<usize>,
    kinds: Vec<TokenKind>,
    spelling: Spelling,
}

impl Vocabulary {
    /// Of tokens in the order of their ids. The error is the reason alone.
    pub(super) fn new<'t>(
        tokens: impl Iterator<Item = (&'t str, TokenKind)>,
        spelling: Spelling,
    ) -> Result<Self, String> {
        let mut vocabulary = Self {
            texts: String::new(),
            ends: Vec::new(),
            kinds: Vec::new(),
            spelling,
        };
        let mut bytes = [false; 256];
        for (text, kind) in tokens {
            if kind == TokenKind::Byte {
                let byte = named_byte(text).ok_or_else(|| {
                    format!("a byte token must look like `<0x0A>`, found `{text}`")
                })?;
                bytes[usize::from(byte)] = true;
            }
            vocabulary.texts.push_str(text);
            vocabulary.ends.push(vocabulary.texts.len());
            vocabulary.kinds.push(kind);
        }
        let missing = bytes.iter().position(|there| !there);
        match (spelling, missing) {
            (Spelling::SentencePiece, Some(byte)) => Err(format!(
                "the vocabulary must have a token for each byte, found none for `<0x{byte:02X}>`"
            )),
            _ if u32::try_from(vocabulary.len()).is_err() => {
                Err(format!("the vocabulary has {} tokens", vocabulary.len()))
            }
            _ => Ok(vocabulary),
        }
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

    pub(super) fn is_control(&self, id: u32) -> bool {
        let kind = self.kinds.get(id as usize);
        kind.is_some_and(|kind| kind.is_control())
    }

    /// Every token as (id, kind, text).
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, TokenKind, &str)> {
        let ids = 0..self.len() as u32;
        ids.map(|id| {
            let text = self.text(id).unwrap_or_default();
            (id, self.kinds[id as usize], text)
        })
    }

    /// The tokens that a text may be made of, by their texts: without the control tokens, so that no merge and no whole
    /// word can end up as one.
    pub(super) fn words(&self) -> impl Iterator<Item = (String, u32)> {
        self.iter()
            .filter(|(_, kind, _)| !kind.is_control())
            .map(|(id, _, text)| (text.to_owned(), id))
    }

    /// Bytes of the longest stretch of a text that is one token.
    pub(super) fn longest(&self) -> usize {
        let mut bytes = Vec::new();
        let lengths = self.iter().map(|(id, kind, text)| match kind {
            TokenKind::Control => text.len(),
            _ => {
                bytes.clear();
                self.append_bytes(id, &mut bytes);
                bytes.len()
            }
        });
        lengths.max().unwrap_or(0).max(1)
    }

    /// Whether no token has a [`BLANK`] behind anything else, so that no word is merged with the one behind it.
    pub(super) fn blanks_begin_words(&self) -> bool {
        let words = self.iter().filter(|(_, kind, _)| *kind == TokenKind::Word);
        let mut words = words.map(|(.., text)| text.trim_start_matches(BLANK));
        self.spelling == Spelling::SentencePiece && words.all(|text| !text.contains(BLANK))
    }

    /// The control tokens by their texts.
    pub(super) fn control(&self) -> Result<Literals, String> {
        let tokens = self.iter().filter(|(_, kind, _)| kind.is_control());
        Literals::new(tokens.map(|(id, _, text)| (id, text)))
    }

    /// Appends the bytes of a token; a control token and an unknown id have none.
    pub(super) fn append_bytes(&self, id: u32, bytes: &mut Vec<u8>) {
        let (Some(text), Some(kind)) = (self.text(id), self.kinds.get(id as usize)) else {
            return;
        };
        match kind {
            TokenKind::Control => {}
            TokenKind::UserDefined | TokenKind::ShownControl => {
                bytes.extend_from_slice(text.as_bytes());
            }
            TokenKind::Byte => bytes.extend(named_byte(text)),
            TokenKind::Word if self.spelling == Spelling::SentencePiece => {
                bytes.extend(text.replace(BLANK, " ").bytes());
            }
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

/// The byte of a token like `<0x0A>`; the `tokenizers` crate knows it with upper-case digits only.
pub(super) fn named_byte(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("<0x")?.strip_suffix('>')?;
    let plain = digits.len() == 2
        && digits
            .bytes()
            .all(|digit| matches!(digit, b'0'..=b'9' | b'A'..=b'F'));
    plain.then(|| u8::from_str_radix(digits, 16).ok())?
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

/// Whether this is the token of a byte: without it some texts could not be spelt.
pub(super) fn is_byte_of_words(text: &str) -> bool {
    let mut characters = text.chars();
    let first = characters.next().and_then(byte_of);
    first.is_some() && characters.next().is_none()
}

/// The character of a byte: the other way round.
pub(super) fn character_of(byte: u8) -> char {
    let characters = (0..0x144).filter_map(char::from_u32);
    let mut characters = characters.filter(|character| byte_of(*character) == Some(byte));
    characters.next().expect("the alphabet has every byte")
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
