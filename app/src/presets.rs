//! Settings that a visitor keeps under names, and a few that are there from the start.

use serde::{Deserialize, Serialize};

use crate::complaint::{Complaint, ComplaintKind};
use crate::language::{Language, Told};
use crate::settings::Settings;

/// The most that a visitor may keep.
pub const PRESETS: usize = 20;
/// The longest name, in characters.
pub const PRESET_NAME_CHARACTERS: usize = 40;

/// Settings under a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preset {
    /// One line, at most [`PRESET_NAME_CHARACTERS`] long.
    pub name: String,
    /// What it sets, but for the price, which is the machine's, and the model.
    pub settings: Settings,
    /// Whether it is there from the start, and cannot be deleted.
    pub is_built_in: bool,
}

/// Those that are there from the start: the way back, and one that shows what a preset is good for.
#[must_use]
pub fn built_in(t: Language, defaults: &Settings) -> Vec<Preset> {
    let short = Settings {
        max_tokens: 100,
        system_prompt: t.preset_short_prompt().to_owned(),
        ..defaults.clone()
    };
    [
        (t.preset_defaults(), defaults.clone()),
        (t.preset_short(), short),
    ]
    .map(|(name, settings)| Preset {
        name: name.to_owned(),
        settings,
        is_built_in: true,
    })
    .into()
}

/// A name as it is kept: its words on one line.
///
/// # Errors
/// A [`Complaint`] about an empty or a too long one.
pub fn preset_name(typed: &str) -> Result<String, Complaint> {
    let words: Vec<_> = typed.split_whitespace().collect();
    let name = words.join(" ").replace('\0', "\u{fffd}");
    let (found, limit) = (name.chars().count(), PRESET_NAME_CHARACTERS);
    let reason = match found {
        0 => Told::new(Language::preset_name_empty),
        _ if found > limit => Told::new(|t| t.preset_name_too_long(limit, found)),
        _ => return Ok(name),
    };
    Err(Complaint {
        reason,
        kind: ComplaintKind::Field("preset_name"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::MessageForm;

    #[test]
    fn a_name_is_one_line_within_its_limit() {
        assert_eq!(preset_name(" to \n be\0 ").unwrap(), "to be\u{fffd}");
        assert_eq!(preset_name(&"é".repeat(40)).unwrap(), "é".repeat(40));
        let refused = preset_name(&"é".repeat(41)).unwrap_err();
        assert_eq!(refused.kind, ComplaintKind::Field("preset_name"));
        assert_eq!(
            refused.reason.to_string(),
            "the name of a preset may have at most 40 characters, found 41"
        );
        assert_eq!(
            preset_name(" \n").unwrap_err().reason.to_string(),
            "the name of the preset is empty"
        );
    }

    #[test]
    fn those_that_are_there_from_the_start_can_be_used() {
        let defaults = Settings {
            temperature: 0.3,
            max_tokens: 250,
            ..Settings::default()
        };
        for preset in Language::ALL
            .into_iter()
            .flat_map(|t| built_in(t, &defaults))
        {
            assert_eq!(preset_name(&preset.name).unwrap(), preset.name);
            let form = MessageForm::blank("", &preset.settings);
            assert_eq!(Settings::from_form(&form).unwrap(), preset.settings);
        }
    }
}
