//! Every text that a person reads on the page, in each language beside the other.
//!
//! A text is an entry of a table below, by which it becomes a method of [`Language`](crate::language::Language):
//! `language().new_chat()`. A misspelt name, a missing translation and a value that one of the two leaves out do not compile.
//!
//! ```text
//! new_chat: "New chat" | "新对话";                                                     a text
//! paragraph(place): "paragraph {place}" | "第 {place} 段";                             with values, each of which it has
//! words[count]: "{count} word" | "{count} words" | "{count} 个词";                     for one thing, for others, in Chinese
//! ```
//!
//! `texts/forgotten.rs` finds texts that stand elsewhere, those that nobody tells, and names that scripts ask for in vain.

mod about;
mod answers;
mod chat;
mod compare;
mod complaints;
mod doctor;
#[cfg(test)]
mod forgotten;
mod import;
mod pages;
mod scripts;
mod settings;
mod speed;

/// The methods of a table.
macro_rules! texts {
    ($($name:ident $([$count:ident])? $(($($value:ident),+))?: $($text:literal)|+;)*) => {
        impl $crate::language::Language {
            $($crate::texts::text! { $name $([$count])? $(($($value),+))?: $($text)|+ })*
        }
    };
}

/// The method of an entry, with its English text for a description. Values are named to `format!`, which refuses one that a
/// text leaves out.
macro_rules! text {
    ($name:ident: $english:literal | $chinese:literal) => {
        #[doc = $english]
        #[must_use]
        pub fn $name(self) -> &'static str {
            match self {
                Self::English => $english,
                Self::Chinese => $chinese,
            }
        }
    };
    ($name:ident($($value:ident),+): $english:literal | $chinese:literal) => {
        #[doc = $english]
        #[must_use]
        pub fn $name(self, $($value: impl std::fmt::Display),+) -> String {
            match self {
                Self::English => format!($english, $($value = $value),+),
                Self::Chinese => format!($chinese, $($value = $value),+),
            }
        }
    };
    ($name:ident[$count:ident]: $one:literal | $others:literal | $chinese:literal) => {
        #[doc = $others]
        #[must_use]
        pub fn $name(self, $count: usize) -> String {
            let is_one = $count == 1;
            let $count = $crate::figures::grouped($count);
            match self {
                Self::English if is_one => format!($one, $count = $count),
                Self::English => format!($others, $count = $count),
                Self::Chinese => format!($chinese, $count = $count),
            }
        }
    };
}

use {text, texts};

pub(crate) use self::scripts::script_texts;

#[cfg(test)]
mod tests {
    use crate::language::Language::{Chinese, English};

    #[test]
    fn one_thing_is_not_many_in_english_and_chinese_has_no_plural() {
        let chats = [0, 1, 2, 1000].map(|count| English.chats_counted(count));
        assert_eq!(chats, ["0 chats", "1 chat", "2 chats", "1,000 chats"]);
        let chats = [1, 1000].map(|count| Chinese.chats_counted(count));
        assert_eq!(chats, ["1 个对话", "1,000 个对话"]);
    }
}
