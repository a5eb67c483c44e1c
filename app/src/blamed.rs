//! Which field of the settings a complaint is about.

use leptos::prelude::*;

use crate::complaint::{Complaint, ComplaintKind};
use crate::visitor::language;

/// Which field a complaint is about, and what it says.
pub(crate) struct Blamed(Option<(&'static str, String)>);

impl Blamed {
    pub(crate) fn new(complaint: Option<Complaint>) -> Self {
        Self(complaint.and_then(|complaint| match complaint.kind {
            ComplaintKind::Field(name) => Some((name, complaint.reason.sentence(language()))),
            _ => None,
        }))
    }

    pub(crate) fn of(&self, name: &str) -> Option<&str> {
        let blamed = self.0.as_ref().filter(|(blamed, _)| *blamed == name);
        blamed.map(|(_, reason)| reason.as_str())
    }

    /// Whether the field is one that is folded away.
    pub(crate) fn is_among_the_rarer(&self) -> bool {
        let seen = [
            "message",
            "files",
            "temperature",
            "max_tokens",
            "system_prompt",
            "preset",
            "preset_name",
        ];
        let blamed = self.0.as_ref();
        blamed.is_some_and(|(name, _)| !seen.contains(name))
    }

    /// The value of `aria-invalid`.
    pub(crate) fn is(&self, name: &str) -> Option<&'static str> {
        self.of(name).map(|_| "true")
    }

    /// The line below a field.
    pub(crate) fn reason(&self, name: &'static str) -> impl IntoView + use<> {
        let reason = self.of(name).map(str::to_owned);
        view! { <p class="wrong" id=format!("wrong-{name}")>{reason}</p> }
    }
}
