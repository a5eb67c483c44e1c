//! The languages of the page, and what is told in each of them before it is known who reads it.

use std::fmt::{self, Display};

/// A language of the page. Its texts are methods; `texts.rs` has the tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English, also for those who prefer none of the others.
    #[default]
    English,
    /// Chinese in simplified characters.
    Chinese,
}

impl Language {
    /// Every one, in the order in which the page offers them.
    pub const ALL: [Self; 2] = [Self::English, Self::Chinese];

    /// As `lang` attributes, headers and cookies have it.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh-CN",
        }
    }

    /// What those who speak it call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Chinese => "中文",
        }
    }

    /// The one with this tag.
    #[must_use]
    pub fn tagged(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.tag() == tag)
    }

    /// The one that serves those who want a tag such as `zh-Hant-TW`: of Chinese there is but one.
    #[must_use]
    pub fn serving(tag: &str) -> Option<Self> {
        let primary = tag.split('-').next().unwrap_or_default();
        let is = |known: &Self| {
            known
                .tag()
                .split('-')
                .next()
                .is_some_and(|own| own.eq_ignore_ascii_case(primary))
        };
        Self::ALL.into_iter().find(is)
    }

    /// A reason, which is written like an error, as a sentence.
    #[must_use]
    pub fn sentence(self, reason: &str) -> String {
        let mut characters = reason.chars();
        let first = characters.next().into_iter().flat_map(char::to_uppercase);
        let first: String = first.collect();
        format!("{first}{}{}", characters.as_str(), self.full_stop())
    }
}

/// Something that is told in the language of whoever reads it, which is known only later. Logs have it in English.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told([String; Language::ALL.len()]);

impl Told {
    /// By what it is in each language.
    #[must_use]
    pub fn new<T: Into<String>>(tell: impl Fn(Language) -> T) -> Self {
        Self(Language::ALL.map(|language| tell(language).into()))
    }

    /// A technical detail, which is the same in all of them.
    #[must_use]
    pub fn detail(detail: impl Display) -> Self {
        Self::new(|_| detail.to_string())
    }

    /// What it is in a language.
    #[must_use]
    pub fn told(&self, language: Language) -> &str {
        let Self([english, chinese]) = self;
        match language {
            Language::English => english,
            Language::Chinese => chinese,
        }
    }

    /// The same as a sentence.
    #[must_use]
    pub fn sentence(&self, language: Language) -> String {
        language.sentence(self.told(language))
    }
}

impl Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.told(Language::English))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_known_by_its_tag() {
        for language in Language::ALL {
            assert_eq!(Language::tagged(language.tag()), Some(language));
        }
        assert_eq!(Language::tagged("zh"), None);
    }

    #[test]
    fn every_kind_of_chinese_is_served_in_simplified_characters() {
        for tag in ["zh", "ZH-cn", "zh-Hans", "zh-TW", "zh-Hant-HK"] {
            assert_eq!(Language::serving(tag), Some(Language::Chinese), "{tag}");
        }
        assert_eq!(Language::serving("en-GB"), Some(Language::English));
        for tag in ["de", "", "*", "zha", "e"] {
            assert_eq!(Language::serving(tag), None, "{tag}");
        }
    }

    #[test]
    fn a_reason_is_a_sentence_as_its_language_ends_one() {
        let reason = Told::new(Language::message_empty);
        assert_eq!(reason.sentence(Language::English), "The message is empty.");
        assert_eq!(reason.sentence(Language::Chinese), "消息为空。");
        assert_eq!(reason.to_string(), "the message is empty");
    }
}
