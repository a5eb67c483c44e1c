//! The form a person fills in, and the checked settings that it becomes. Nothing behind [`Settings::from_form`] can
//! see a value out of range.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::complaint::{Complaint, ComplaintKind};
use crate::figures::group;
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

/// The name of a field, what people call it, and what it must be.
pub(crate) struct Field(
    pub(crate) &'static str,
    pub(crate) fn(Language) -> &'static str,
    pub(crate) Rule,
);

/// Tells of a field, the least and the most that it may be, and what was found.
pub(crate) type Rule = fn(Language, &str, &str, &str, &str) -> String;

pub(crate) const NUMBER: Rule =
    |t, what, low, high, found| t.must_be_number(what, low, high, found);
pub(crate) const WHOLE: Rule = |t, what, low, high, found| t.must_be_whole(what, low, high, found);

/// A field that may be left empty.
pub(crate) fn optional<T: FromStr + PartialOrd + Display>(
    field: Field,
    typed: &str,
    range: RangeInclusive<T>,
) -> Result<Option<T>, Complaint> {
    if typed.trim().is_empty() {
        return Ok(None);
    }
    within(field, typed, range).map(Some)
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

/// A number that is read from its text.
///
/// # Errors
/// A [`Complaint`] that names the field, its range and what was found.
pub(crate) fn within<T: FromStr + PartialOrd + Display>(
    Field(name, what, rule): Field,
    typed: &str,
    range: RangeInclusive<T>,
) -> Result<T, Complaint> {
    // `contains` is false for NaN.
    match typed.trim().parse() {
        Ok(value) if range.contains(&value) => Ok(value),
        _ => {
            let shown: String = typed.chars().take(40).collect();
            let (low, high) = (range.start().to_string(), range.end().to_string());
            let (low, high) = (group(&low), group(&high));
            let reason = Told::new(|t| rule(t, what(t), &low, &high, &shown));
            Err(field(name, reason))
        }
    }
}

/// Refuses a text that is too long.
///
/// # Errors
/// A [`Complaint`] that names the field, the most that it may be and what was found.
pub(crate) fn at_most(
    name: &'static str,
    what: fn(Language) -> &'static str,
    text: &str,
    limit: usize,
) -> Result<(), Complaint> {
    if text.len() <= limit {
        return Ok(());
    }
    let (found, limit) = (text.len().div_ceil(1024), limit / 1024);
    let reason = Told::new(|t| t.at_most_kib(what(t), limit, found));
    Err(field(name, reason))
}

fn field(name: &'static str, reason: Told) -> Complaint {
    Complaint {
        reason,
        kind: ComplaintKind::Field(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> MessageForm {
        let settings = Settings {
            temperature: 0.2,
            max_tokens: 250,
            system_prompt: "be brief".into(),
            usd_per_hour: 0.94256,
            top_k: Some(40),
            top_p: Some(0.9),
            min_p: Some(0.05),
            seed: Some(7),
            stop: vec!["END".into(), "a b".into()],
            thinking: Some(false),
            thought_tokens: Some(100),
            model: "tiny".into(),
        };
        MessageForm::blank("c", &settings)
    }

    fn complaint(change: impl FnOnce(&mut MessageForm)) -> (ComplaintKind, String) {
        let mut form = form();
        change(&mut form);
        let complaint = Settings::from_form(&form).unwrap_err();
        (complaint.kind, complaint.reason.to_string())
    }

    #[test]
    fn a_blank_form_gives_its_settings_back() {
        let settings = Settings::from_form(&form()).unwrap();
        assert_eq!(MessageForm::blank("c", &settings), form());
    }

    #[test]
    fn a_temperature_out_of_range_is_named_with_its_range() {
        let (kind, reason) = complaint(|form| form.temperature = "1.01".into());
        assert_eq!(kind, ComplaintKind::Field("temperature"));
        assert_eq!(
            reason,
            "the temperature must be a number from 0 to 1, found `1.01`"
        );
    }

    #[test]
    fn what_is_no_number_is_refused_for_every_number() {
        for typed in ["", "NaN", "inf", "-1", "1e9", "0x10", "٣"] {
            complaint(|form| form.temperature = typed.into());
            complaint(|form| form.max_tokens = typed.into());
            complaint(|form| form.usd_per_hour = typed.into());
        }
    }

    #[test]
    fn what_is_left_empty_is_as_the_model_advises() {
        let mut form = form();
        for field in [
            &mut form.top_k,
            &mut form.top_p,
            &mut form.min_p,
            &mut form.seed,
            &mut form.stop,
            &mut form.thinking,
            &mut form.thought_tokens,
            &mut form.model,
        ] {
            field.clear();
        }
        let settings = Settings::from_form(&form).unwrap();
        let expected = Settings {
            temperature: 0.2,
            max_tokens: 250,
            system_prompt: "be brief".into(),
            usd_per_hour: 0.94256,
            ..Settings::default()
        };
        assert_eq!(settings, expected);
    }

    #[test]
    fn further_settings_out_of_range_are_named_with_their_limits() {
        let (kind, reason) = complaint(|form| form.top_p = "0".into());
        assert_eq!(kind, ComplaintKind::Field("top_p"));
        assert_eq!(reason, "top-p must be a number from 0.01 to 1, found `0`");
        let (_, reason) = complaint(|form| form.stop = "a\nb\n\nc\nd\ne".into());
        assert_eq!(
            reason,
            "there may be at most 4 stop texts, one a line, found 5"
        );
        let (kind, _) = complaint(|form| form.stop = "x".repeat(STOP_BYTES + 1));
        assert_eq!(kind, ComplaintKind::Field("stop"));
        complaint(|form| form.seed = "-1".into());
    }

    #[test]
    fn the_longest_answer_is_a_whole_number() {
        let (_, reason) = complaint(|form| form.max_tokens = "20.5".into());
        assert_eq!(
            reason,
            "max response tokens must be a whole number from 10 to 1,000, found `20.5`"
        );
    }

    #[test]
    fn a_system_prompt_over_its_limit_is_refused() {
        let (kind, _) = complaint(|form| form.system_prompt = "x".repeat(SYSTEM_PROMPT_BYTES + 1));
        assert_eq!(kind, ComplaintKind::Field("system_prompt"));
    }

    #[test]
    fn a_question_loses_its_blank_ends_and_foreign_line_ends() {
        let mut form = form();
        form.message = " a\r\nb\n".into();
        assert_eq!(form.question(false).unwrap(), "a\nb");
        form.message = " \r\n ".into();
        let empty = form.question(false).unwrap_err();
        assert_eq!(empty.reason.to_string(), "the message is empty");
        assert_eq!(form.question(true).unwrap(), "");
    }

    #[test]
    fn a_question_over_its_limit_is_refused() {
        let mut form = form();
        form.message = "x".repeat(MESSAGE_BYTES);
        assert!(form.question(true).is_ok());
        form.message.push('x');
        assert_eq!(
            form.question(true).unwrap_err().reason.to_string(),
            "the message may have at most 32 KiB, found 33 KiB"
        );
    }
}
