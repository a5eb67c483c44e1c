//! A text without added tokens to the ids of its words, a window of it at a time.
//!
//! The `tokenizers` crate takes some 300 bytes for each word of a text that it cuts, and whoever asks for too much is to
//! learn it early. So it cuts a window, of which the words at its end count for nothing: where they end may depend on what
//! comes behind. The next window begins with the first of them.

use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::Replace;
use tokenizers::pre_tokenizers::split::SplitPattern;
use tokenizers::{
    Model, NormalizedString, Normalizer, NormalizerWrapper, OffsetReferential, OffsetType,
    PreTokenizedString, PreTokenizer, PreTokenizerWrapper,
};

use super::vocabulary::{BLANK, Vocabulary};

/// Bytes of a window that holds more than a few words.
const WINDOW: usize = 16 << 10;
/// How many words at the end of a window may be others in the whole text. Patterns of published tokenizers decide a word by
/// what follows up to the end of the next one, such as line ends behind blanks.
const UNSURE: usize = 2;
/// Words of which the crate keeps the tokens, each of up to 256 bytes in up to 8 KiB.
const KEPT_WORDS: usize = 2048;
/// In patterns that look at what stands before a word, so that a window may not begin there.
const LOOKS_BACK: [&str; 7] = ["(?<=", "(?<!", "^", r"\A", r"\b", r"\B", r"\G"];

/// What may be asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// The most tokens.
    pub(crate) tokens: usize,
    /// The longest word, about, in bytes.
    pub(crate) word_bytes: usize,
}

impl Bounds {
    /// For texts that nobody else wrote.
    pub(super) const NONE: Self = Self {
        tokens: usize::MAX,
        word_bytes: usize::MAX,
    };
}

/// What a text has too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Excess {
    /// So many tokens, or more.
    Tokens(usize),
    /// A word of more than so many bytes.
    WordBytes(usize),
}

/// BPE, and the words that it works in.
#[derive(Debug)]
pub(super) struct Words {
    normalizer: Option<NormalizerWrapper>,
    pre_tokenizer: Option<PreTokenizerWrapper>,
    bpe: BPE,
    cuts: Cuts,
}

/// Where a normalized text falls into words that are merged each by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cuts {
    /// Where the pre-tokenizer says.
    Told,
    /// Before the blanks between words, since no token has one behind anything else.
    AtBlanks,
    /// Nowhere that is known.
    Nowhere,
}

impl Words {
    /// Words that are cut like this, of a vocabulary.
    pub(super) fn new(
        mut bpe: BPE,
        mut normalizer: Option<NormalizerWrapper>,
        mut pre_tokenizer: Option<PreTokenizerWrapper>,
        vocabulary: &Vocabulary,
    ) -> Result<Self, String> {
        bpe.resize_cache(KEPT_WORDS);
        // One that only writes blanks as the vocabulary does is a normalizer.
        if let Some(PreTokenizerWrapper::Metaspace(blanks)) = &pre_tokenizer
            && !blanks.split
            && normalizer.is_none()
        {
            normalizer = Some(as_blanks(blanks.get_replacement())?);
            pre_tokenizer = None;
        }
        let cuts = match &pre_tokenizer {
            Some(steps) if looks_back(steps) => Cuts::Nowhere,
            Some(_) => Cuts::Told,
            None if vocabulary.blanks_begin_words() => Cuts::AtBlanks,
            None => Cuts::Nowhere,
        };
        Ok(Self {
            normalizer,
            pre_tokenizer,
            bpe,
            cuts,
        })
    }

    /// Appends the ids of a text.
    ///
    /// # Errors
    /// What there is more of than the bounds allow, also among what was there.
    pub(super) fn encode(
        &self,
        text: &str,
        bounds: Bounds,
        ids: &mut Vec<u32>,
    ) -> Result<(), Excess> {
        let Some(normalizer) = &self.normalizer else {
            return self.encode_normalized(text, WINDOW, bounds, ids);
        };
        let mut normalized = NormalizedString::from(text);
        normalizer
            .normalize(&mut normalized)
            .expect("to compose and to replace have no way to fail");
        let text = normalized.get().to_owned();
        // It holds 16 bytes for each byte.
        drop(normalized);
        self.encode_normalized(&text, WINDOW, bounds, ids)
    }

    /// In windows of so many bytes, and of more where words are longer.
    pub(super) fn encode_normalized(
        &self,
        text: &str,
        window: usize,
        bounds: Bounds,
        ids: &mut Vec<u32>,
    ) -> Result<(), Excess> {
        let (mut rest, mut bytes) = (text, window);
        while !rest.is_empty() {
            let end = rest.floor_char_boundary(bytes);
            let is_last = end == rest.len();
            let read = self.encode_window(&rest[..end], is_last, bounds, ids)?;
            if read > 0 {
                (rest, bytes) = (&rest[read..], window);
            } else if bytes >= bounds.word_bytes {
                return Err(Excess::WordBytes(bounds.word_bytes));
            } else {
                bytes = bytes.saturating_mul(2);
            }
        }
        Ok(())
    }

    /// Appends the ids of the words that are sure; gives back how many bytes they are.
    fn encode_window(
        &self,
        window: &str,
        is_last: bool,
        bounds: Bounds,
        ids: &mut Vec<u32>,
    ) -> Result<usize, Excess> {
        let mut cut = None;
        let words: Vec<(&str, usize)> = match self.cuts {
            Cuts::AtBlanks => at_blanks(window),
            Cuts::Nowhere if !is_last => Vec::new(),
            Cuts::Told | Cuts::Nowhere => {
                let cut = cut.insert(PreTokenizedString::from(window));
                if let Some(steps) = &self.pre_tokenizer {
                    steps
                        .pre_tokenize(cut)
                        .expect("to cut and to spell have no way to fail");
                }
                let words = cut.get_splits(OffsetReferential::Original, OffsetType::Byte);
                words.iter().map(|(word, at, _)| (*word, at.1)).collect()
            }
        };
        let sure = match is_last {
            true => words.len(),
            false => words.len().saturating_sub(UNSURE),
        };
        let words = &words[..sure];
        for (word, _) in words {
            let tokens = self.bpe.tokenize(word);
            let tokens = tokens.expect("BPE without an unknown token has no way to fail");
            ids.extend(tokens.iter().map(|token| token.id));
            if ids.len() > bounds.tokens {
                return Err(Excess::Tokens(ids.len()));
            }
        }
        Ok(match is_last {
            true => window.len(),
            false => words.last().map_or(0, |(_, end)| *end),
        })
    }
}

/// Writes the blanks of a text as a vocabulary does.
pub(super) fn as_blanks(blank: char) -> Result<NormalizerWrapper, String> {
    let replace = Replace::new(" ", blank.to_string()).map_err(|why| why.to_string())?;
    Ok(replace.into())
}

/// Words with the blanks before them, and where each ends.
fn at_blanks(text: &str) -> Vec<(&str, usize)> {
    let mut words = Vec::new();
    let mut start = 0;
    for (at, _) in text.match_indices(BLANK) {
        if at > start && !text[..at].ends_with(BLANK) {
            words.push((&text[start..at], at));
            start = at;
        }
    }
    words.push((&text[start..], text.len()));
    words
}

/// Whether a window may not begin where a word does.
fn looks_back(steps: &PreTokenizerWrapper) -> bool {
    match steps {
        PreTokenizerWrapper::Sequence(steps) => steps.as_ref().iter().any(looks_back),
        PreTokenizerWrapper::Split(split) => match &split.pattern {
            SplitPattern::Regex(pattern) => {
                let pattern = pattern.replace("[^", "[");
                LOOKS_BACK.iter().any(|looks| pattern.contains(looks))
            }
            SplitPattern::String(_) => false,
        },
        _ => false,
    }
}
