//! What a page is about, as it is loaded before the page is rendered.

use super::{Comparing, ComparisonOf, List, ListQuery, Models, SpeedOf, WorkDone};
use crate::complaint::Complaint;
use crate::doctor::Machine;
use crate::domain::{Conversation, Id, Metrics, Turn};
use crate::presets::Preset;
use crate::settings::Settings;

/// A conversation as a page shows it: the end of the branch that was last shown, or a part before it.
#[derive(Clone, Debug)]
pub struct Thread {
    /// The conversation; nothing for one that is not begun.
    pub conversation: Option<Conversation>,
    /// What holds for its next answer.
    pub settings: Settings,
    /// Questions and answers, oldest first.
    pub turns: Vec<Turn>,
    /// The question with which the model's memory of the branch begins; nothing where it has all of it.
    pub memory: Option<Id>,
    /// The oldest question of `turns`, where there are others before it.
    pub earlier: Option<Id>,
    /// Whether there are others after it.
    pub later: bool,
    /// Whether it is the visitor's own, and not one that another shares.
    pub own: bool,
}

impl Thread {
    /// One that begins with its first message.
    #[must_use]
    pub fn blank(settings: Settings) -> Self {
        Self {
            conversation: None,
            settings,
            turns: Vec::new(),
            memory: None,
            earlier: None,
            later: false,
            own: true,
        }
    }

    /// The name of the conversation; empty for one that is not begun.
    #[must_use]
    pub fn id(&self) -> String {
        self.conversation
            .as_ref()
            .map(|conversation| conversation.id.to_string())
            .unwrap_or_default()
    }
}

/// What a page is about, loaded before it is rendered.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The conversation; nothing where there is none that the visitor may read.
    pub thread: Option<Thread>,
    /// Those of the visitor's conversations that `query` wants.
    pub list: List,
    /// Which those are, on a page that can be asked.
    pub query: ListQuery,
    /// What was done a moment ago.
    pub notice: Option<Notice>,
    /// The page that somebody wanted who is to sign in first.
    pub next: String,
    /// The query of the page's address.
    pub asked: String,
    /// The settings that the visitor may choose from.
    pub presets: Vec<Preset>,
    /// What the visitor's answers took, where the page is about that.
    pub speeds: Option<SpeedOf>,
    /// Where the program runs, where the page is about that.
    pub machine: Option<Machine>,
    /// What the visitor's last answer took, likewise.
    pub last: Option<Metrics>,
    /// What answers came to there, likewise.
    pub work: WorkDone,
    /// The models there, likewise.
    pub models: Option<Models>,
    /// What may be compared, where the page is about that.
    pub comparing: Option<Comparing>,
    /// The comparison of the page.
    pub comparison: Option<ComparisonOf>,
    /// Why conversations cannot be read now.
    pub trouble: Option<Complaint>,
}

/// What a visitor has just done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// This question was hidden with all that follows it.
    Hidden(Id),
    /// This conversation was deleted.
    Deleted(Id),
    /// All conversations were deleted at this time.
    AllDeleted(i64),
    /// The conversation of the page was shared.
    Shared,
}
