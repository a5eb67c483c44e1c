//! Who a page is made for.

use std::fmt::{self, Display};

use leptos::prelude::use_context;

use crate::language::Language;

/// Who sends messages and reads conversations, as far as the server tells people apart; it provides this in the Leptos
/// context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Visitor {
    /// Requests of one caller share its turn.
    pub caller: u64,
    /// Whose conversations these are.
    pub owner: Owner,
    /// What is told in.
    pub language: Language,
    /// Whether they are those of all who have the server's password.
    pub signed_in: bool,
    /// Whether the request came from the server's own machine, and through no proxy.
    pub is_here: bool,
}

/// Whose conversations these are: a digest of what a browser is known by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Owner(pub [u8; 16]);

impl Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// Who asked for the page that is being rendered.
pub(crate) fn visitor() -> Visitor {
    use_context::<Visitor>().unwrap_or_default()
}

/// The language of whoever asked for the page that is being rendered. Where no page is, its caller has to say.
pub(crate) fn language() -> Language {
    visitor().language
}
