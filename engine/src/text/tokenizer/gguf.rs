//! The tokenizer that a GGUF file describes.

use std::sync::Arc;

use tokenizers::Tokenizer as Words;
use tokenizers::models::bpe::{BPE, Merges, Vocab};

use super::splitting::Splitting;
use super::vocabulary::{Spelling, TokenKind, Vocabulary};
use super::{Prefix, Tokenizer, ends, sentencepiece};
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
        let vocabulary = Arc::new(vocabulary(gguf, spelling)?);
        let (words, defaults) = match spelling {
            Spelling::ByteLevel => byte_level(gguf, &vocabulary)?,
            Spelling::SentencePiece => sentence_piece(gguf, &vocabulary)?,
        };
        let id = |key, default| special_id(gguf, key, vocabulary.len(), default);
        let bos = id("tokenizer.ggml.bos_token_id", defaults.bos)?;
        let eos = id("tokenizer.ggml.eos_token_id", defaults.eos)?;
        let named_ends = [
            eos,
            id("tokenizer.ggml.eot_token_id", None)?,
            id("tokenizer.ggml.eom_token_id", None)?,
        ];
        let adds_bos = gguf.flag("tokenizer.ggml.add_bos_token")?;
        let literals = |kind| vocabulary.literals(kind).map_err(|why| gguf.error(why));
        Ok(Some(Self {
            words,
            prefix: defaults.prefix,
            control: literals(TokenKind::Control)?,
            user_defined: literals(TokenKind::UserDefined)?,
            bos,
            eos,
            adds_bos: adds_bos.unwrap_or(defaults.adds_bos),
            ends: ends(&vocabulary, &named_ends),
            vocabulary,
        }))
    }
}

/// What a file means that does not say it.
struct Defaults {
    bos: Option<u32>,
    eos: Option<u32>,
    adds_bos: bool,
    prefix: Prefix,
}

fn vocabulary(gguf: &Gguf, spelling: Spelling) -> Result<Vocabulary, Error> {
    let tokens = gguf.required_texts("tokenizer.ggml.tokens")?;
    let kinds = gguf.integers("tokenizer.ggml.token_type")?;
    let kinds = kinds.unwrap_or_else(|| vec![1; tokens.len()]);
    if kinds.len() != tokens.len() {
        return Err(gguf.error(format!(
            "`tokenizer.ggml.token_type` must have the {} entries of `tokenizer.ggml.tokens`, found {}",
            tokens.len(),
            kinds.len()
        )));
    }
    let kinds = kinds.into_iter().map(|number| match (number, spelling) {
        // 2 is the unknown token, which no text may spell either.
        (2 | 3, _) => TokenKind::Control,
        (4, _) => TokenKind::UserDefined,
        (6, Spelling::SentencePiece) => TokenKind::Byte,
        _ => TokenKind::Word,
    });
    Vocabulary::new(tokens.into_iter().zip(kinds), spelling).map_err(|why| gguf.error(why))
}

fn byte_level(gguf: &Gguf, vocabulary: &Vocabulary) -> Result<(Words, Defaults), Error> {
    let splitting = Splitting::from_gguf(gguf)?;
    let mut merges: Merges = Vec::new();
    for merge in gguf.required_texts("tokenizer.ggml.merges")? {
        let (left, right) = merge.split_once(' ').ok_or_else(|| {
            gguf.error(format!(
                "`tokenizer.ggml.merges` must hold pairs with a space between, found `{merge}`"
            ))
        })?;
        merges.push((left.to_owned(), right.to_owned()));
    }
    let bpe = BPE::builder()
        .vocab_and_merges(vocabulary.words().collect::<Vocab>(), merges)
        .ignore_merges(splitting.ignores_merges())
        .build()
        .map_err(|why| gguf.error(format!("`tokenizer.ggml.merges`: {why}")))?;
    let words = splitting.words(bpe).map_err(|why| gguf.error(why))?;
    let defaults = Defaults {
        bos: None,
        eos: None,
        adds_bos: splitting.adds_bos(),
        prefix: Prefix::Never,
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
    let id = |id: u32| Some(id).filter(|id| (*id as usize) < vocabulary.len());
    let prefix = gguf.flag("tokenizer.ggml.add_space_prefix")?;
    let defaults = Defaults {
        bos: id(1),
        eos: id(2),
        adds_bos: true,
        prefix: match prefix {
            None | Some(true) => Prefix::Always,
            Some(false) => Prefix::Never,
        },
    };
    Ok((words, defaults))
}

fn special_id(
    gguf: &Gguf,
    key: &str,
    tokens: usize,
    default: Option<u32>,
) -> Result<Option<u32>, Error> {
    let Some(found) = gguf.integer(key)? else {
        return Ok(default);
    };
    match u32::try_from(found) {
        Ok(id) if (id as usize) < tokens => Ok(Some(id)),
        _ => Err(gguf.error(format!("`{key}` must be below {tokens}, found {found}"))),
    }
}
