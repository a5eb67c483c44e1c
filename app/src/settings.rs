//! The form a person fills in, and the checked settings that it becomes. Nothing behind [`Settings::from_form`] can
//! see a value out of range.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::complaint::{Complaint, ComplaintKind};

/// What the temperature slider allows.
pub const TEMPERATURE: RangeInclusive<f32> = 0.0..=1.0;
/// What the slider for the longest answer allows, in tokens.
pub const MAX_TOKENS: RangeInclusive<usize> = 10..=1000;
/// What the price of the machine may be.
pub const USD_PER_HOUR: RangeInclusive<f64> = 0.0..=10_000.0;
/// The longest message.
pub const MESSAGE_BYTES: usize = 32 * 1024;
/// The longest system prompt.
pub const SYSTEM_PROMPT_BYTES: usize = 8 * 1024;

/// What holds for the answers of a conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Within [`TEMPERATURE`].
    pub temperature: f32,
    /// Within [`MAX_TOKENS`].
    pub max_tokens: usize,
    /// Instructions for the whole conversation; empty for none.
    pub system_prompt: String,
    /// Within [`USD_PER_HOUR`].
    pub usd_per_hour: f64,
}

/// The fields of the form, as they were typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
        }
    }

    /// The question with line ends as `\n` and without blank ends.
    ///
    /// # Errors
    /// A [`Complaint`] about an empty or a too long one.
    pub fn question(&self) -> Result<String, Complaint> {
        let question = self.message.replace("\r\n", "\n").trim().to_owned();
        if question.is_empty() {
            return Err(field("message", "the message is empty".to_owned()));
        }
        at_most("message", "the message", &question, MESSAGE_BYTES)?;
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
            "the system prompt",
            &system_prompt,
            SYSTEM_PROMPT_BYTES,
        )?;
        Ok(Self {
            temperature: within(
                "temperature",
                "the temperature must be a number",
                &form.temperature,
                TEMPERATURE,
            )?,
            max_tokens: within(
                "max_tokens",
                "max response tokens must be a whole number",
                &form.max_tokens,
                MAX_TOKENS,
            )?,
            system_prompt,
            usd_per_hour: within(
                "usd_per_hour",
                "$ per hour must be a number",
                &form.usd_per_hour,
                USD_PER_HOUR,
            )?,
        })
    }
}

fn within<T: FromStr + PartialOrd + Display>(
    name: &'static str,
    rule: &str,
    typed: &str,
    range: RangeInclusive<T>,
) -> Result<T, Complaint> {
    // `contains` is false for NaN.
    match typed.trim().parse() {
        Ok(value) if range.contains(&value) => Ok(value),
        _ => {
            let shown: String = typed.chars().take(40).collect();
            let (low, high) = (range.start(), range.end());
            let reason = format!("{rule} from {low} to {high}, found `{shown}`");
            Err(field(name, reason))
        }
    }
}

fn at_most(name: &'static str, label: &str, text: &str, limit: usize) -> Result<(), Complaint> {
    if text.len() <= limit {
        return Ok(());
    }
    let (found, limit) = (text.len().div_ceil(1024), limit / 1024);
    Err(field(
        name,
        format!("{label} may have at most {limit} KiB, found {found} KiB"),
    ))
}

fn field(name: &'static str, reason: String) -> Complaint {
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
        };
        MessageForm::blank("c", &settings)
    }

    fn complaint(change: impl FnOnce(&mut MessageForm)) -> (ComplaintKind, String) {
        let mut form = form();
        change(&mut form);
        let complaint = Settings::from_form(&form).unwrap_err();
        (complaint.kind, complaint.reason)
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
    fn the_longest_answer_is_a_whole_number() {
        let (_, reason) = complaint(|form| form.max_tokens = "20.5".into());
        assert_eq!(
            reason,
            "max response tokens must be a whole number from 10 to 1000, found `20.5`"
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
        assert_eq!(form.question().unwrap(), "a\nb");
        form.message = " \r\n ".into();
        assert_eq!(form.question().unwrap_err().reason, "the message is empty");
    }

    #[test]
    fn a_question_over_its_limit_is_refused() {
        let mut form = form();
        form.message = "x".repeat(MESSAGE_BYTES);
        assert!(form.question().is_ok());
        form.message.push('x');
        assert_eq!(
            form.question().unwrap_err().reason,
            "the message may have at most 32 KiB, found 33 KiB"
        );
    }
}
