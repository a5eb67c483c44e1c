//! The form a person fills in, and the checked settings that it becomes. Nothing behind [`Settings::from_form`] can
//! see a value out of range.

use std::fmt::Display;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

mod fields;
#[cfg(test)]
mod tests;

use self::fields::field;
pub(crate) use self::fields::{Field, NUMBER, WHOLE, at_most, optional, within};
use crate::complaint::Complaint;
use crate::language::{Language, Told};

/// What the temperature slider allows.
pub const TEMPERATURE: RangeInclusive<f32> = 0.0..=1.0;
/// What the slider for the longest answer allows, in tokens.
pub const MAX_TOKENS: RangeInclusive<usize> = 10..=1000;
/// What the price of the machine may be.
pub const USD_PER_HOUR: RangeInclusive<f64> = 0.0..=10_000.0;
/// What may be kept of the likeliest tokens, in numbers.
pub const TOP_K: RangeInclusive<usize> = 0..=100_000;
/// What may be kept of the likeliest tokens, in probability.
pub const TOP_P: RangeInclusive<f32> = 0.01..=1.0;
/// How likely beside the likeliest a token must be.
pub const MIN_P: RangeInclusive<f32> = 0.0..=1.0;
/// Seeds that a script can hold exactly.
pub const SEED: RangeInclusive<u64> = 0..=(1 << 53) - 1;
/// The most tokens of a thought.
pub const THOUGHT_TOKENS: RangeInclusive<usize> = 0..=100_000;
/// The most texts that end an answer, one a line, and the longest.
pub const STOPS: usize = 4;
/// See [`STOPS`].
pub const STOP_BYTES: usize = 200;
/// The longest name of a model.
const MODEL_CHARACTERS: usize = 256;
/// The longest message.
pub const MESSAGE_BYTES: usize = 32 * 1024;
/// The longest system prompt.
pub const SYSTEM_PROMPT_BYTES: usize = 8 * 1024;

/// What holds for the answers of a conversation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Within [`TEMPERATURE`].
    pub temperature: f32,
    /// Within [`MAX_TOKENS`].
    pub max_tokens: usize,
    /// Instructions for the whole conversation; empty for none.
    pub system_prompt: String,
    /// Within [`USD_PER_HOUR`].
    pub usd_per_hour: f64,
    /// Within [`TOP_K`]; nothing for what the model's authors advise, here and below.
    pub top_k: Option<usize>,
    /// Within [`TOP_P`].
    pub top_p: Option<f32>,
    /// Within [`MIN_P`].
    pub min_p: Option<f32>,
    /// Within [`SEED`]; nothing for another one each time.
    pub seed: Option<u64>,
    /// Texts that end an answer.
    pub stop: Vec<String>,
    /// Whether the model thinks before it answers, where it can; nothing leaves it to the model.
    pub thinking: Option<bool>,
    /// Within [`THOUGHT_TOKENS`]; nothing for no limit.
    pub thought_tokens: Option<usize>,
    /// The model's name in requests; one that there is not, or none, means the first.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub model: String,
}

/// The fields of the form, as they were typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MessageForm {
    /// The conversation; empty to begin one.
    pub conversation: String,
    /// The question.
    pub message: String,
    /// See [`Settings::temperature`].
    pub temperature: String,
    /// See [`Settings::max_tokens`].
    pub max_tokens: String,
    /// See [`Settings::system_prompt`].
    pub system_prompt: String,
    /// See [`Settings::usd_per_hour`].
    pub usd_per_hour: String,
    /// See [`Settings::top_k`].
    pub top_k: String,
    /// See [`Settings::top_p`].
    pub top_p: String,
    /// See [`Settings::min_p`].
    pub min_p: String,
    /// See [`Settings::seed`].
    pub seed: String,
    /// See [`Settings::stop`]: one a line.
    pub stop: String,
    /// See [`Settings::thinking`]: `on` or `off`.
    pub thinking: String,
    /// See [`Settings::thought_tokens`].
    pub thought_tokens: String,
    /// See [`Settings::model`].
    pub model: String,
    /// A name of [`WhenFull`](crate::chat::WhenFull).
    pub when_full: String,
}

impl MessageForm {
    /// The form of a conversation before anything is typed.
    #[must_use]
    pub fn blank(conversation: &str, settings: &Settings) -> Self {
        Self {
            conversation: conversation.to_owned(),
            message: String::new(),
            temperature: settings.temperature.to_string(),
            max_tokens: settings.max_tokens.to_string(),
            system_prompt: settings.system_prompt.clone(),
            usd_per_hour: settings.usd_per_hour.to_string(),
            top_k: typed(settings.top_k),
            top_p: typed(settings.top_p),
            min_p: typed(settings.min_p),
            seed: typed(settings.seed),
            stop: settings.stop.join("\n"),
            thinking: match settings.thinking {
                None => "",
                Some(true) => "on",
                Some(false) => "off",
            }
            .to_owned(),
            thought_tokens: typed(settings.thought_tokens),
            model: settings.model.clone(),
            when_full: String::new(),
        }
    }

    /// The same with settings, where it came without: other forms than that of the message have none.
    #[must_use]
    pub(crate) fn or(self, conversation: &str, settings: &Settings) -> Self {
        if !self.max_tokens.is_empty() || !self.temperature.is_empty() {
            return self;
        }
        Self {
            message: self.message,
            ..Self::blank(conversation, settings)
        }
    }

    /// The question with line ends as `\n`, without blank ends, and without the zeros that no database takes.
    ///
    /// # Errors
    /// A [`Complaint`] about a too long one, and about an empty one that no files stand beside.
    pub fn question(&self, has_files: bool) -> Result<String, Complaint> {
        let question = self.message.replace("\r\n", "\n").replace('\0', "\u{fffd}");
        let question = question.trim().to_owned();
        if question.is_empty() && !has_files {
            return Err(field("message", Told::new(Language::message_empty)));
        }
        at_most("message", Language::the_message, &question, MESSAGE_BYTES)?;
        Ok(question)
    }
}

impl Settings {
    /// Checks every field but the message.
    ///
    /// # Errors
    /// A [`Complaint`] that names the first field out of range, its range and what was found.
    pub fn from_form(form: &MessageForm) -> Result<Self, Complaint> {
        let system_prompt = form.system_prompt.replace("\r\n", "\n").trim().to_owned();
        at_most(
            "system_prompt",
            Language::the_system_prompt,
            &system_prompt,
            SYSTEM_PROMPT_BYTES,
        )?;
        Ok(Self {
            temperature: within(
                Field("temperature", Language::the_temperature, NUMBER),
                &form.temperature,
                TEMPERATURE,
            )?,
            max_tokens: within(
                Field("max_tokens", Language::the_max_tokens, WHOLE),
                &form.max_tokens,
                MAX_TOKENS,
            )?,
            system_prompt,
            usd_per_hour: within(
                Field("usd_per_hour", Language::the_price, NUMBER),
                &form.usd_per_hour,
                USD_PER_HOUR,
            )?,
            top_k: optional(
                Field("top_k", Language::the_top_k, WHOLE),
                &form.top_k,
                TOP_K,
            )?,
            top_p: optional(
                Field("top_p", Language::the_top_p, NUMBER),
                &form.top_p,
                TOP_P,
            )?,
            min_p: optional(
                Field("min_p", Language::the_min_p, NUMBER),
                &form.min_p,
                MIN_P,
            )?,
            seed: optional(Field("seed", Language::the_seed, WHOLE), &form.seed, SEED)?,
            stop: stops(&form.stop)?,
            thinking: match form.thinking.as_str() {
                "on" => Some(true),
                "off" => Some(false),
                _ => None,
            },
            thought_tokens: optional(
                Field("thought_tokens", Language::the_thought_tokens, WHOLE),
                &form.thought_tokens,
                THOUGHT_TOKENS,
            )?,
            // No model has a longer name.
            model: form.model.chars().take(MODEL_CHARACTERS).collect(),
        })
    }
}

fn typed<T: Display>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn stops(typed: &str) -> Result<Vec<String>, Complaint> {
    let stops: Vec<_> = typed.lines().filter(|line| !line.is_empty()).collect();
    if stops.len() > STOPS {
        let found = stops.len();
        let reason = Told::new(|t| t.most_stops(STOPS, found));
        return Err(field("stop", reason));
    }
    for stop in &stops {
        if stop.len() > STOP_BYTES {
            let found = stop.len();
            let reason = Told::new(|t| t.longest_stop(STOP_BYTES, found));
            return Err(field("stop", reason));
        }
    }
    Ok(stops.into_iter().map(str::to_owned).collect())
}
