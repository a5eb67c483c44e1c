//! A conversation as a file for people: the branch that it shows, as Markdown or as a page that needs nothing beside it.

mod markdown;
mod page;

pub use self::markdown::markdown;
pub use self::page::page;

use crate::day::date;
use crate::domain::{Conversation, Turn};
use crate::language::Language;

/// What stands below the title: when it began, and which models answered.
fn facts(t: Language, conversation: &Conversation, turns: &[Turn]) -> String {
    let mut facts = vec![date(t, conversation.created)];
    for turn in turns {
        let model = &turn.answer.origin.model;
        if !model.is_empty() && !facts.contains(model) {
            facts.push(model.clone());
        }
    }
    facts.retain(|fact| !fact.is_empty());
    facts.join(" · ")
}
