//! The tokenizer that a folder in the layout of the Hugging Face hub describes.
//!
//! `tokenizer.json` is read by the `tokenizers` crate, except for its added tokens: which of those a text may spell
//! depends on where it comes from, so they are found here.

mod generation;
mod steps;
mod tokens;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use tokenizers::models::bpe::BPE;

pub(crate) use self::generation::GenerationConfig;
use self::tokens::{ListedToken, Tokens};
use super::Tokenizer;
use super::added::AddedTokens;
use super::control::{Named, ends};
use super::vocabulary::{Spelling, Vocabulary, character_of};
use super::words::Words;
use crate::Error;
use crate::files::checkpoint::HfFolder;
use crate::files::config::hugging_face::HfConfig;

const TOKENIZER: &str = "tokenizer.json";

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
#[serde(
    untagged,
    expecting = "it must be a token's text, or a token with its `content`"
)]
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
    added_tokens: Vec<ListedToken>,
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
        let spelling = spelling(&mut model, pre_tokenizer.as_ref())?;
        let mut tokens = Tokens::new(&model, added_tokens, spelling)?;
        tokens.bound(config.model.vocabulary)?;
        let named = |token: &Option<NamedToken>| {
            let text = token.as_ref().map(NamedToken::text);
            text.and_then(|text| tokens.id(text))
        };
        let (bos, eos) = (named(&text.config.bos_token), named(&text.config.eos_token));
        let ends_named = text.generation.ends().unwrap_or(&config.ends);
        let ends_named = || ends_named.iter().copied().chain(eos);
        tokens.name_control(&Named {
            template: text.template.as_deref(),
            ids: ends_named().chain(bos).collect(),
        });
        tokens.keep_words(&mut model, spelling)?;
        let added = tokens.added();
        let takes_blanks = added.iter().any(|token| token.lstrip || token.rstrip);
        let shrinks = [&normalizer, &pre_tokenizer]
            .into_iter()
            .flatten()
            .try_fold(1_usize, |all, of| all.checked_mul(steps::shrinks(of)?))
            .filter(|_| !takes_blanks);
        let added = AddedTokens::new(added, steps::normalizer_of(normalizer)?)?;
        let tokens = tokens.into_list();
        let kinds = tokens.iter().map(|(text, kind)| (text.as_str(), *kind));
        let vocabulary = Arc::new(Vocabulary::new(kinds, spelling)?);

        let bpe: BPE = steps::part("model", &model)?;
        let (pre_tokenizer, prefix) = steps::split_prefix(pre_tokenizer)?;
        let starts_with_bos = || starts_with(post_processor.as_ref(), &text.config.bos_token);
        Ok(Self {
            added,
            prefix,
            words: Words::new(bpe, None, pre_tokenizer, &vocabulary)?,
            most_bytes: shrinks.map(|shrinks| shrinks * vocabulary.longest()),
            control: vocabulary.control()?,
            bos,
            eos,
            adds_bos: text.config.add_bos_token.unwrap_or_else(starts_with_bos),
            ends: ends(&vocabulary, ends_named()),
            vocabulary,
        })
    }
}

/// How the words are written, which the file says only by what it does to a text.
fn spelling(model: &mut Value, pre_tokenizer: Option<&Value>) -> Result<Spelling, String> {
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
    let byte_level = pre_tokenizer.is_some_and(|steps| match steps["pretokenizers"].as_array() {
        Some(steps) => steps.iter().any(|step| step["type"] == "ByteLevel"),
        None => steps["type"] == "ByteLevel",
    });
    match (byte_level, &model["byte_fallback"]) {
        (true, _) => {
            leave_unknown_out(model)?;
            Ok(Spelling::ByteLevel)
        }
        (false, Value::Bool(true)) => Ok(Spelling::SentencePiece),
        _ => Err("it must be byte-level BPE, or BPE with `byte_fallback`".into()),
    }
}

/// Removes the unknown token of a byte-level model, which no text can lead to where each byte of UTF-8 has a token.
fn leave_unknown_out(model: &mut Value) -> Result<(), String> {
    if model["unk_token"].is_null() {
        return Ok(());
    }
    let bytes = (0..=u8::MAX).filter(|byte| !matches!(byte, 0xc0 | 0xc1 | 0xf5..));
    let missing = bytes
        .map(character_of)
        .find(|of| model["vocab"][of.to_string()].is_null());
    if let Some(missing) = missing {
        return Err(format!(
            "a byte-level `model` must have no `unk_token`, or a token for each byte: it has none for `{missing}`"
        ));
    }
    model["unk_token"] = Value::Null;
    Ok(())
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
