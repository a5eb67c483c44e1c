//! The tokenizer that a folder in the layout of the Hugging Face hub describes.
//!
//! `tokenizer.json` is read by the `tokenizers` crate, except for its added tokens: which of those a text may spell
//! depends on where it comes from, so they are found here.

mod generation;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokenizers::models::bpe::BPE;
use tokenizers::{NormalizerWrapper, PreTokenizerWrapper, Tokenizer as Words};

pub(crate) use self::generation::GenerationConfig;
use super::vocabulary::{Spelling, TokenKind, Vocabulary, named_byte};
use super::{Prefix, Tokenizer, ends};
use crate::Error;
use crate::files::checkpoint::HfFolder;
use crate::files::config::hugging_face::HfConfig;

const TOKENIZER: &str = "tokenizer.json";
/// Steps of a normalizer and bytes that one writes for a character: published files have two and three. Each step
/// multiplies what the one before has written.
const MAX_NORMALIZERS: usize = 4;
const MAX_WRITTEN_BYTES: usize = 4;

/// What a folder says about texts outside of `tokenizer.json`.
#[derive(Debug)]
pub(crate) struct HfText {
    config: TokenizerConfig,
    pub(crate) template: Option<String>,
    pub(crate) generation: GenerationConfig,
}

/// `tokenizer_config.json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TokenizerConfig {
    add_bos_token: Option<bool>,
    bos_token: Option<NamedToken>,
    eos_token: Option<NamedToken>,
    chat_template: Option<Templates>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "it must be a token's text, or a token with its `content`")]
enum NamedToken {
    Text(String),
    Token { content: String },
}

impl NamedToken {
    fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Token { content: text } => text,
        }
    }
}

/// One template, or several by name.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "it must be a template, or templates with names")]
enum Templates {
    One(String),
    Several(Vec<NamedTemplate>),
    ByName(BTreeMap<String, String>),
}

impl Templates {
    /// The one for conversations.
    fn into_default(self) -> Option<String> {
        match self {
            Self::One(template) => Some(template),
            Self::Several(templates) => {
                let mut templates = templates.into_iter();
                let default = templates.find(|of| of.name == "default");
                default.map(|of| of.template)
            }
            Self::ByName(mut templates) => templates.remove("default"),
        }
    }
}

#[derive(Debug, Deserialize)]
struct NamedTemplate {
    name: String,
    template: String,
}

impl HfText {
    pub(crate) fn read(folder: &HfFolder) -> Result<Self, Error> {
        let mut config: TokenizerConfig = folder.json("tokenizer_config.json")?.unwrap_or_default();
        let file = "chat_template.jinja";
        let template = match folder.bytes(file)? {
            Some(bytes) => {
                Some(String::from_utf8(bytes).map_err(|_| folder.error(file, "it is not UTF-8"))?)
            }
            None => config
                .chat_template
                .take()
                .and_then(Templates::into_default),
        };
        Ok(Self {
            config,
            template,
            generation: folder.json("generation_config.json")?.unwrap_or_default(),
        })
    }
}

/// `tokenizer.json`, as far as it is read here.
#[derive(Deserialize)]
struct TokenizerJson {
    model: Value,
    normalizer: Option<Value>,
    pre_tokenizer: Option<Value>,
    post_processor: Option<Value>,
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
}

#[derive(Deserialize)]
struct AddedToken {
    id: u32,
    content: String,
    #[serde(default)]
    special: bool,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
}

impl Tokenizer {
    /// The tokenizer of a folder; its ids are below the model's vocabulary.
    pub(crate) fn from_folder(
        folder: &HfFolder,
        config: &HfConfig,
        text: &HfText,
    ) -> Result<Self, Error> {
        let json: Option<TokenizerJson> = folder.json(TOKENIZER)?;
        let json = json.ok_or_else(|| {
            folder.error(
                TOKENIZER,
                "it is missing, so the model can neither read nor write text",
            )
        })?;
        Self::from_json(json, config, text).map_err(|why| folder.error(TOKENIZER, why))
    }

    fn from_json(json: TokenizerJson, config: &HfConfig, text: &HfText) -> Result<Self, String> {
        let TokenizerJson {
            mut model,
            normalizer,
            pre_tokenizer,
            post_processor,
            added_tokens,
        } = json;
        let spelling = spelling(&model, pre_tokenizer.as_ref())?;
        let tokens = tokens(&mut model, &added_tokens, spelling, config.model.vocabulary)?;
        let kinds = tokens.iter().map(|(text, kind)| (text.as_str(), *kind));
        let vocabulary = Arc::new(Vocabulary::new(kinds, spelling)?);

        let bpe: BPE = part("model", &model)?;
        let mut words = Words::new(bpe);
        words.with_normalizer(normalizer_of(normalizer)?);
        let (pre_tokenizer, prefix) = split_prefix(pre_tokenizer)?;
        words.with_pre_tokenizer(pre_tokenizer);

        let id_of = |text: &str| {
            vocabulary
                .iter()
                .find(|(.., of)| *of == text)
                .map(|(id, ..)| id)
        };
        let named =
            |token: &Option<NamedToken>| token.as_ref().and_then(|token| id_of(token.text()));
        let (bos, eos) = (named(&text.config.bos_token), named(&text.config.eos_token));
        let starts_with_bos = || starts_with(post_processor.as_ref(), &text.config.bos_token);
        let named_ends = text.generation.ends().unwrap_or(&config.ends);
        let named_ends: Vec<_> = named_ends.iter().copied().map(Some).chain([eos]).collect();
        Ok(Self {
            words,
            prefix,
            control: vocabulary.literals(TokenKind::Control)?,
            user_defined: vocabulary.literals(TokenKind::UserDefined)?,
            bos,
            eos,
            adds_bos: text.config.add_bos_token.unwrap_or_else(starts_with_bos),
            ends: ends(&vocabulary, &named_ends),
            vocabulary,
        })
    }
}

/// A part of the file as the `tokenizers` crate reads it: from text, since it borrows some of its strings.
fn part<T: DeserializeOwned>(name: &str, value: &Value) -> Result<T, String> {
    serde_json::from_str(&value.to_string()).map_err(|why| format!("`{name}`: {why}"))
}

/// How the words are written, which the file says only by what it does to a text.
fn spelling(model: &Value, pre_tokenizer: Option<&Value>) -> Result<Spelling, String> {
    // Old files leave the type out where it is this one.
    let kind = model["type"].as_str().unwrap_or("BPE");
    if kind != "BPE" {
        return Err(format!("the type of `model` must be `BPE`, found `{kind}`"));
    }
    // The crate would cut texts at them, or leave merges to chance.
    for key in ["continuing_subword_prefix", "end_of_word_suffix", "dropout"] {
        let absent = matches!(&model[key], Value::Null) || model[key] == "" || model[key] == 0.0;
        if !absent {
            return Err(format!(
                "`{key}` of `model` must be absent, found {}",
                model[key]
            ));
        }
    }
    let byte_level = pre_tokenizer.is_some_and(|steps| {
        let last = steps["pretokenizers"]
            .as_array()
            .and_then(|steps| steps.last());
        last.unwrap_or(steps)["type"] == "ByteLevel"
    });
    match (byte_level, &model["byte_fallback"]) {
        (true, _) if !model["unk_token"].is_null() => {
            Err("a byte-level `model` must have no `unk_token`".into())
        }
        (true, _) => Ok(Spelling::ByteLevel),
        (false, Value::Bool(true)) => Ok(Spelling::SentencePiece),
        _ => Err("it must be byte-level BPE, or BPE with `byte_fallback`".into()),
    }
}

/// All tokens by id, and the model without those that no text may spell.
fn tokens(
    model: &mut Value,
    added: &[AddedToken],
    spelling: Spelling,
    vocabulary: usize,
) -> Result<Vec<(String, TokenKind)>, String> {
    let words = model.get_mut("vocab").and_then(Value::as_object_mut);
    let words = words.ok_or("`vocab` of `model` must be an object")?;
    let mut tokens = BTreeMap::new();
    for (text, id) in words.iter() {
        let id = id.as_u64().and_then(|id| u32::try_from(id).ok());
        let id = id.ok_or_else(|| format!("the id of `{text}` must be a whole number"))?;
        let kind = match named_byte(text) {
            Some(_) if spelling == Spelling::SentencePiece => TokenKind::Byte,
            _ => TokenKind::Word,
        };
        tokens.insert(id, (text.clone(), kind));
    }
    for token in added {
        let AddedToken { id, content, .. } = token;
        if token.lstrip || token.rstrip || token.single_word {
            return Err(format!(
                "`lstrip`, `rstrip` and `single_word` of the added token `{content}` must be false"
            ));
        }
        let kind = match token.special {
            true => TokenKind::Control,
            false => TokenKind::UserDefined,
        };
        tokens.insert(*id, (content.clone(), kind));
        if token.special {
            words.remove(content);
        }
    }
    if spelling == Spelling::SentencePiece {
        refuse_missing_bytes(words)?;
    }
    let count = tokens
        .last_key_value()
        .map_or(0, |(id, _)| *id as usize + 1);
    if count > vocabulary {
        return Err(format!(
            "its ids must be below the `vocab_size` of {vocabulary}, found {}",
            count - 1
        ));
    }
    // An id without a token has no text.
    let nothing = || (String::new(), TokenKind::Control);
    let ids = 0..count as u32;
    Ok(ids
        .map(|id| tokens.remove(&id).unwrap_or_else(nothing))
        .collect())
}

/// The model itself must have every byte, or it could meet a text that it cannot spell.
fn refuse_missing_bytes(words: &Map<String, Value>) -> Result<(), String> {
    let mut names = (0..=u8::MAX).map(|byte| format!("<0x{byte:02X}>"));
    match names.find(|name| !words.contains_key(name)) {
        None => Ok(()),
        Some(name) => Err(format!(
            "`vocab` of `model` must have a token for each byte that no special token has the text of, found none for \
             `{name}`"
        )),
    }
}

/// Refuses steps that are not known to work on a stretch of a text as on the whole.
fn check_steps(what: &str, steps: &Value, allowed: &[&str]) -> Result<(), String> {
    let kind = steps["type"].as_str().unwrap_or_default();
    if kind == "Sequence" {
        let list = [&steps["normalizers"], &steps["pretokenizers"]];
        let mut list = list.into_iter().filter_map(Value::as_array).flatten();
        return list.try_for_each(|step| check_steps(what, step, allowed));
    }
    if !allowed.contains(&kind) {
        return Err(format!(
            "a step of `{what}` must be one of {}, found `{kind}`",
            allowed.join(", ")
        ));
    }
    if kind == "ByteLevel" && steps["add_prefix_space"] != false {
        return Err("`add_prefix_space` of `ByteLevel` must be false".into());
    }
    Ok(())
}

fn normalizer_of(steps: Option<Value>) -> Result<Option<NormalizerWrapper>, String> {
    let Some(steps) = steps else {
        return Ok(None);
    };
    check_steps("normalizer", &steps, &["NFC", "Prepend", "Replace"])?;
    bound_growth(&steps, &mut 0)?;
    part("normalizer", &steps).map(Some)
}

/// Refuses a normalizer by which a short text could become a very long one.
fn bound_growth(steps: &Value, count: &mut usize) -> Result<(), String> {
    if let Some(steps) = steps["normalizers"].as_array() {
        return steps.iter().try_for_each(|step| bound_growth(step, count));
    }
    *count += 1;
    let written = ["content", "prepend"].map(|key| steps[key].as_str().map_or(0, str::len));
    let written = written.into_iter().max().unwrap_or(0);
    match (*count, written) {
        (..=MAX_NORMALIZERS, ..=MAX_WRITTEN_BYTES) => Ok(()),
        (..=MAX_NORMALIZERS, _) => Err(format!(
            "a step of `normalizer` may write {MAX_WRITTEN_BYTES} bytes, found {written}"
        )),
        _ => Err(format!(
            "`normalizer` may have {MAX_NORMALIZERS} steps, found more"
        )),
    }
}

/// The pre-tokenizer without the blank that it puts before a text, and when that is put there.
fn split_prefix(steps: Option<Value>) -> Result<(Option<PreTokenizerWrapper>, Prefix), String> {
    let Some(mut steps) = steps else {
        return Ok((None, Prefix::Never));
    };
    let mut prefix = Prefix::Never;
    if steps["type"] == "Metaspace" {
        prefix = match steps["prepend_scheme"].as_str() {
            Some("never") => Prefix::Never,
            Some("first") => Prefix::First,
            _ if steps["add_prefix_space"] == false => Prefix::Never,
            _ => Prefix::Unless,
        };
        steps["prepend_scheme"] = "never".into();
        steps["add_prefix_space"] = false.into();
    } else {
        check_steps("pre_tokenizer", &steps, &["ByteLevel", "Digits", "Split"])?;
    }
    Ok((Some(part("pre_tokenizer", &steps)?), prefix))
}

/// Whether the post-processor puts this token before every text.
fn starts_with(post_processor: Option<&Value>, bos: &Option<NamedToken>) -> bool {
    let Some(bos) = bos else {
        return false;
    };
    let starts = |step: &Value| step["single"][0]["SpecialToken"]["id"] == bos.text();
    post_processor.is_some_and(|steps| match steps["processors"].as_array() {
        Some(steps) => steps.iter().any(starts),
        None => starts(steps),
    })
}
