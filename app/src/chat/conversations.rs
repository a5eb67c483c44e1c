//! A visitor's conversations: which of them are wanted, what is done to one, and what came of a file of them.

use crate::domain::{Conversation, Id};
use crate::settings::Settings;

/// Some of a visitor's conversations.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct List {
    /// Pinned ones first, then those that were used last.
    pub conversations: Vec<Conversation>,
    /// Where the next ones begin; nothing at the end.
    pub next: Option<usize>,
}

/// Which conversations a visitor wants to see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// Words that stand in a title or a message; empty for all conversations.
    pub search: String,
    /// How many to leave out at the beginning.
    pub from: usize,
}

/// What an owner does to a conversation.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Gives it another title.
    Rename(String),
    /// Puts it before the others, or back.
    Pin(bool),
    /// Lets who has its address read it, or no longer.
    Share(bool),
    /// Shows the branch that ends with this message.
    Show(Id),
    /// Has these hold for its next answer.
    Settings(Settings),
    /// Deletes it.
    Delete,
    /// Has it back.
    Restore,
}

/// What came of a file of conversations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Conversations that were taken in.
    pub chats: usize,
    /// Those that were not, or the first of them.
    pub left_out: Vec<LeftOut>,
    /// How many were not.
    pub left_out_in_all: usize,
    /// Messages in those that were taken in that have no place here.
    pub skipped: usize,
    /// Why the file, or the rest of it, was not read.
    pub trouble: Option<String>,
}

/// A conversation that was not taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// As its file calls it.
    pub title: String,
    /// Why.
    pub reason: String,
}
