//! How far an answer may be guessed ahead.

use std::str::FromStr;

use crate::Error;

/// The most tokens that are guessed at a time.
pub const MAX_DRAFT: usize = 16;

/// Whether tokens are guessed from what the conversation said before, so that one step verifies several. What is put out is
/// the same with and without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Speculation {
    /// As many at a time as pay, by how many guesses were right and by what steps of more rows take; none where that does
    /// not pay.
    #[default]
    Auto,
    /// None.
    Off,
    /// So many wherever there is something to go by, at most [`MAX_DRAFT`], whether that pays or not.
    Fixed(usize),
}

impl Speculation {
    /// Refuses more tokens than can be guessed at a time.
    ///
    /// # Errors
    /// [`Error::Request`] that names the field, its range and the value.
    pub fn check(self) -> Result<(), Error> {
        match self {
            Self::Fixed(found) if found > MAX_DRAFT => {
                let reason = refusal(&found.to_string());
                Err(Error::request("speculate", format!("`speculate` {reason}")))
            }
            _ => Ok(()),
        }
    }
}

impl FromStr for Speculation {
    type Err = String;

    /// `auto`, `off` or a number.
    fn from_str(text: &str) -> Result<Self, String> {
        let speculation = match text {
            "auto" => Some(Self::Auto),
            "off" => Some(Self::Off),
            number => number.parse().ok().map(Self::Fixed),
        };
        let known = speculation.filter(|speculation| speculation.check().is_ok());
        known.ok_or_else(|| refusal(text))
    }
}

/// As much of a refused text as an error shows.
const SHOWN_CHARACTERS: usize = 80;

fn refusal(found: &str) -> String {
    let found: String = found.chars().take(SHOWN_CHARACTERS).collect();
    format!("must be `auto`, `off` or a number from 0 to {MAX_DRAFT}, found {found}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_word_or_a_number_within_its_range() {
        let read = |text: &str| text.parse::<Speculation>();
        assert_eq!(read("auto"), Ok(Speculation::Auto));
        assert_eq!(read("off"), Ok(Speculation::Off));
        assert_eq!(read("16"), Ok(Speculation::Fixed(16)));
        assert_eq!(read("0"), Ok(Speculation::Fixed(0)));
        for text in ["17", "on", "-1", ""] {
            let refused = read(text).unwrap_err();
            assert!(refused.ends_with(&format!("found {text}")), "{refused}");
        }
        let refused = Speculation::Fixed(17).check().unwrap_err().to_string();
        assert!(refused.contains("`speculate` must be"), "{refused}");
    }
}
