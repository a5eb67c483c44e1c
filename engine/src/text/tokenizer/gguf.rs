//! The tokenizer that a GGUF file describes.

use std::collections::HashSet;
use std::sync::Arc;

use tokenizers::models::bpe::{BPE, Merges, Vocab};

use super::added::{AddedToken, AddedTokens};
use super::control::{Named, ends};
use super::splitting::Splitting;
use super::vocabulary::{Spelling, TokenKind, Vocabulary, is_byte_of_words};
use super::words::Words;
use super::{COMPOSED_BYTES, Prefix, Tokenizer, sentencepiece};
use crate::Error;
use crate::files::checkpoint::Gguf;

impl Tokenizer {
    /// The tokenizer of a file; none when the file says that it has no vocabulary.
    pub(crate) fn from_gguf(gguf: &Gguf) -> Result<Option<Self>, Error> {
        let spelling = match gguf.text("tokenizer.ggml.model")? {
            None | Some("no_vocab") => return Ok(None),
            Some("gpt2") => Spelling::ByteLevel,
            Some("llama") => Spelling::SentencePiece,
            Some(other) => {
                return Err(gguf.error(format!(
                    "`tokenizer.ggml.model` must be `gpt2` (byte-level BPE) or `llama` (SentencePiece BPE), found \
                     `{other}`"
                )));
            }
        };
        let tokens = gguf.required_texts("tokenizer.ggml.tokens")?;
        let special = SpecialIds::read(gguf, spelling, tokens.len());
        let vocabulary = Arc::new(vocabulary(gguf, tokens, spelling, &special)?);
        let (words, defaults) = match spelling {
            Spelling::ByteLevel => byte_level(gguf, &vocabulary)?,
            Spelling::SentencePiece => sentence_piece(gguf, &vocabulary)?,
        };
        let adds_bos = gguf.flag("tokenizer.ggml.add_bos_token")?;
        let added = AddedTokens::new(added_tokens(&vocabulary), None);
        Ok(Some(Self {
            added: added.map_err(|why| gguf.error(why))?,
            prefix: defaults.prefix,
            words,
            most_bytes: Some(defaults.shrinks * vocabulary.longest()),
            control: vocabulary.control().map_err(|why| gguf.error(why))?,
            bos: special.bos,
            eos: special.eos,
            adds_bos: adds_bos.unwrap_or(defaults.adds_bos),
            ends: ends(&vocabulary, special.ends()),
            vocabulary,
        }))
    }
}

/// Tokens that the file names by their ids.
struct SpecialIds {
    bos: Option<u32>,
    eos: Option<u32>,
    eot: Option<u32>,
    eom: Option<u32>,
}

impl SpecialIds {
    /// One that the file does not have is left out, as llama.cpp does.
    fn read(gguf: &Gguf, spelling: Spelling, tokens: usize) -> Self {
        // What a file means that does not say it.
        let (bos, eos) = match spelling {
            Spelling::ByteLevel => (None, None),
            Spelling::SentencePiece => (Some(1), Some(2)),
        };
        let is_there = |id: &u32| (*id as usize) < tokens;
        let id = |name: &str, default: Option<u32>| {
            let key = format!("tokenizer.ggml.{name}_token_id");
            let said = match gguf.integer(&key) {
                Ok(None) => None,
                Ok(Some(found)) => {
                    let id = u32::try_from(found).ok().filter(is_there);
                    if id.is_none() {
                        tracing::warn!("`{key}` must be below {tokens}, found {found}: left out");
                    }
                    id
                }
                Err(why) => {
                    tracing::warn!("{why}: left out");
                    None
                }
            };
            said.or(default.filter(is_there))
        };
        Self {
            bos: id("bos", bos),
            eos: id("eos", eos),
            eot: id("eot", None),
            eom: id("eom", None),
        }
    }

    fn ends(&self) -> impl Iterator<Item = u32> {
        [self.eos, self.eot, self.eom].into_iter().flatten()
    }
}

/// What a file means that does not say it.
struct Defaults {
    adds_bos: bool,
    prefix: Prefix,
    /// What of a text one byte of the normalized one may have been, in bytes.
    shrinks: usize,
}

fn vocabulary(
    gguf: &Gguf,
    tokens: Vec<&str>,
    spelling: Spelling,
    special: &SpecialIds,
) -> Result<Vocabulary, Error> {
    let kinds = gguf.integers("tokenizer.ggml.token_type")?;
    let kinds = kinds.unwrap_or_else(|| vec![1; tokens.len()]);
    if kinds.len() != tokens.len() {
        return Err(gguf.error(format!(
            "`tokenizer.ggml.token_type` must have the {} entries of `tokenizer.ggml.tokens`, found {}",
            tokens.len(),
            kinds.len()
        )));
    }
    let kinds = kinds.into_iter().zip(&tokens);
    let kinds = kinds.map(|(number, text)| match (number, spelling) {
        (3, Spelling::ByteLevel) if is_byte_of_words(text) => TokenKind::Word,
        // 2 is the unknown token, which no text may spell either.
        (2 | 3, _) => TokenKind::Control,
        (4, _) => TokenKind::UserDefined,
        (6, Spelling::SentencePiece) => TokenKind::Byte,
        _ => TokenKind::Word,
    });
    let named = Named {
        template: gguf.text("tokenizer.chat_template")?,
        ids: special.ends().chain(special.bos).collect(),
    };
    let kinds = (0..).zip(&tokens).zip(kinds);
    let kinds = kinds.map(|((id, text), kind)| (*text, named.kind(id, text, kind)));
    Vocabulary::new(kinds, spelling).map_err(|why| gguf.error(why))
}

/// The format does not say how they are found: as most are, in the text as it stands.
fn added_tokens(vocabulary: &Vocabulary) -> Vec<AddedToken> {
    let tokens = vocabulary.iter();
    let tokens = tokens
        .filter(|(_, kind, _)| kind.is_control() || *kind == TokenKind::UserDefined)
        .map(|(id, kind, text)| AddedToken {
            id,
            text: text.to_owned(),
            control: kind.is_control(),
            normalized: false,
            single_word: false,
            lstrip: false,
            rstrip: false,
        });
    tokens.collect()
}

fn byte_level(gguf: &Gguf, vocabulary: &Vocabulary) -> Result<(Words, Defaults), Error> {
    let splitting = Splitting::from_gguf(gguf)?;
    let control = vocabulary.iter().filter(|(_, kind, _)| kind.is_control());
    let control: HashSet<&str> = control.map(|(.., text)| text).collect();
    let mut merges: Merges = Vec::new();
    for merge in gguf.required_texts("tokenizer.ggml.merges")? {
        let (left, right) = merge.split_once(' ').ok_or_else(|| {
            gguf.error(format!(
                "`tokenizer.ggml.merges` must hold pairs with a space between, found `{merge}`"
            ))
        })?;
        let whole = format!("{left}{right}");
        if ![left, right, &whole]
            .iter()
            .any(|text| control.contains(text))
        {
            merges.push((left.to_owned(), right.to_owned()));
        }
    }
    let bpe = BPE::builder()
        .vocab_and_merges(vocabulary.words().collect::<Vocab>(), merges)
        .ignore_merges(splitting.ignores_merges())
        .build()
        .map_err(|why| gguf.error(format!("`tokenizer.ggml.merges`: {why}")))?;
    let words = splitting
        .words(bpe, vocabulary)
        .map_err(|why| gguf.error(why))?;
    let defaults = Defaults {
        adds_bos: splitting.adds_bos(),
        prefix: Prefix::Never,
        shrinks: match splitting.composes() {
            true => COMPOSED_BYTES,
            false => 1,
        },
    };
    Ok((words, defaults))
}

fn sentence_piece(gguf: &Gguf, vocabulary: &Vocabulary) -> Result<(Words, Defaults), Error> {
    // Nothing that is written as this model is uses them; others would be split wrongly without.
    if gguf.flag("tokenizer.ggml.remove_extra_whitespaces")? == Some(true) {
        return Err(gguf.error(
            "`tokenizer.ggml.remove_extra_whitespaces` must be absent or false, found true",
        ));
    }
    let key = "tokenizer.ggml.scores";
    let scores = gguf.floats(key)?;
    let scores = scores.ok_or_else(|| gguf.error(format!("the key `{key}` is missing")))?;
    if scores.len() != vocabulary.len() {
        return Err(gguf.error(format!(
            "`{key}` must have the {} entries of `tokenizer.ggml.tokens`, found {}",
            vocabulary.len(),
            scores.len()
        )));
    }
    let words = sentencepiece::words(vocabulary, &scores).map_err(|why| gguf.error(why))?;
    let prefix = gguf.flag("tokenizer.ggml.add_space_prefix")?;
    let defaults = Defaults {
        adds_bos: true,
        prefix: match prefix {
            None | Some(true) => Prefix::Always,
            Some(false) => Prefix::Never,
        },
        shrinks: 1,
    };
    Ok((words, defaults))
}
