//! Where conversations are kept: what a store can do, as a trait of plain data, and how it fails.
//!
//! A question is committed with its empty answer before the engine is asked, an answer is written down while it comes, and
//! what a crash leaves open is marked at the next start. `sql` keeps them in SQLite or Postgres.

use std::fmt::{self, Display};

use async_trait::async_trait;
use nibble_app::chat::{Change, List, ListQuery};
pub(crate) use nibble_app::domain::MESSAGES;
use nibble_app::domain::{
    Answer, COMPARISONS, Comparison, Content, Conversation, End, Id, Measured, Message, Metrics,
    Origin, Piece, Question, Transcript, Tree, Turn,
};
use nibble_app::presets::{PRESETS, Preset};
use nibble_app::settings::Settings;
use nibble_app::visitor::Owner;

mod sql;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use self::sql::now;
pub use self::sql::{Database, SqlStore, backup, restore};

/// What asks the model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ask {
    /// A question that begins a conversation.
    First(Content),
    /// A question after the last answer of the branch that a conversation shows.
    Next(Id, Content),
    /// A question in the place of this one.
    Instead(Id, Content),
    /// The question of this answer, once more.
    Again(Id),
}

/// An answer that is to be written.
#[derive(Clone, Debug)]
pub(crate) struct Begun {
    /// With what now holds for it.
    pub(crate) conversation: Conversation,
    /// The question, and the answer with nothing in it.
    pub(crate) turn: Turn,
    /// The answer that is written before it.
    pub(crate) after: Option<Id>,
    /// What it took here until it was cut off, where it goes on; nothing of what it took elsewhere.
    pub(crate) before: Option<Metrics>,
}

/// What there is of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// The answer.
    pub(crate) id: Id,
    /// What it thought.
    pub(crate) thought: String,
    /// What it says.
    pub(crate) text: String,
}

/// A part of a conversation's branch.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    /// Oldest first.
    pub(crate) turns: Vec<Turn>,
    /// Whether there are others before.
    pub(crate) earlier: bool,
    /// Whether there are others after.
    pub(crate) later: bool,
    /// The question of the whole branch with which the model's memory begins, see [`Tree::memory`].
    pub(crate) memory: Option<Id>,
}

/// Which part of a conversation's branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it.
    Whole,
    /// So many turns at its end.
    Last(usize),
    /// So many turns before this question.
    Before(Id, usize),
}

/// What is copied of a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Copied {
    /// All of it.
    Whole,
    /// Its last question with the answer.
    LastTurn,
}

/// Where a message stands among all of its conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place(i64);

/// Conversations that outlast the program. Owners see nothing of each other.
#[async_trait]
pub(crate) trait Store: Send + Sync {
    /// Writes a question and its empty answer, both or neither. The settings hold for the conversation from now on, and those
    /// of its first question for the owner's next one.
    async fn begin(&self, owner: Owner, ask: Ask, origin: Origin) -> Result<Begun, StoreError>;

    /// From now on the model's memory begins with this question, in every branch that it is on.
    async fn begin_memory(&self, question: Id) -> Result<(), StoreError>;

    /// Keeps with the origin of an answer what it was told, when the engine was asked for it or for more of it.
    async fn add_piece(&self, answer: Id, piece: Piece) -> Result<(), StoreError>;

    /// Opens the answer at the end of a branch again, to be gone on with; gives it as it was. [`Self::finish`] with its old end
    /// takes that back.
    async fn reopen(&self, owner: Owner, answer: Id) -> Result<Begun, StoreError>;

    /// Takes back what [`Self::begin`] wrote for this answer, as if it had not been asked.
    async fn withdraw(&self, answer: Id) -> Result<(), StoreError>;

    /// Writes down what there is of answers that are being written; those in the list whose turn has come run from now on.
    async fn checkpoint(&self, answers: &[Written]) -> Result<(), StoreError>;

    /// Writes down an answer at its end.
    async fn finish(&self, answer: &Written, end: &End) -> Result<(), StoreError>;

    /// Whether other processes may write answers here too.
    fn is_shared(&self) -> bool;

    /// Asks the process that writes this answer to end it.
    async fn stop(&self, answer: Id) -> Result<(), StoreError>;

    /// The open answers of this process that others asked to end.
    async fn stopping(&self) -> Result<Vec<Id>, StoreError>;

    /// Marks the open answers of processes that are no more; says how many.
    async fn interrupt_open(&self) -> Result<u64, StoreError>;

    /// A conversation that is not deleted, and whose it is.
    async fn conversation(&self, id: Id) -> Result<Option<(Conversation, Owner)>, StoreError>;

    /// All messages of a conversation by their places.
    async fn tree(&self, conversation: Id) -> Result<Tree, StoreError>;

    /// A part of the branch of a conversation that ends with `tip`.
    async fn window(
        &self,
        conversation: Id,
        tip: Option<Id>,
        part: Part,
    ) -> Result<Window, StoreError>;

    /// One answer.
    async fn answer(&self, id: Id) -> Result<Option<Answer>, StoreError>;

    /// One question, but for its siblings.
    async fn question(&self, id: Id) -> Result<Option<Question>, StoreError>;

    /// The conversation that a message is in.
    async fn conversation_of(&self, message: Id) -> Result<Option<Id>, StoreError>;

    /// An owner's conversations.
    async fn list(&self, owner: Owner, query: &ListQuery, most: usize) -> Result<List, StoreError>;

    /// What the answers of an owner took that are neither deleted nor hidden, those of the newest conversations where there are
    /// more than [`nibble_app::domain::MEASURED`]. Neither copies count nor what came by a file.
    async fn measured(&self, owner: Owner) -> Result<Vec<Measured>, StoreError>;

    /// What the last answers took that were made [as fast](Origin::is_as_fast_as) as one of this origin, whoever asked: so
    /// many at the most, and of the last ones of its model, however many there are of others.
    async fn last_measured(&self, of: &Origin, most: usize) -> Result<Vec<Metrics>, StoreError>;

    /// How many tokens the last of these had that an owner asked for and can read, in the newest conversations.
    async fn last_lengths(
        &self,
        owner: Owner,
        of: &Origin,
        most: usize,
    ) -> Result<Vec<usize>, StoreError>;

    /// What an owner's next conversation starts with.
    async fn settings(&self, owner: Owner) -> Result<Option<Settings>, StoreError>;

    /// Keeps what an owner's next conversation starts with.
    async fn keep_settings(&self, owner: Owner, settings: &Settings) -> Result<(), StoreError>;

    /// What an owner keeps under names, by name.
    async fn presets(&self, owner: Owner) -> Result<Vec<Preset>, StoreError>;

    /// Keeps settings under a name of this owner, in the place of those that it had.
    async fn save_preset(&self, owner: Owner, preset: &Preset) -> Result<(), StoreError>;

    /// Forgets what an owner keeps under a name; says whether there was anything.
    async fn delete_preset(&self, owner: Owner, name: &str) -> Result<bool, StoreError>;

    /// Writes down a comparison that begins.
    async fn begin_comparison(
        &self,
        owner: Owner,
        comparison: &Comparison,
    ) -> Result<(), StoreError>;

    /// Writes down what came of it.
    async fn end_comparison(&self, comparison: &Comparison) -> Result<(), StoreError>;

    /// A comparison, and whether it is this owner's.
    async fn comparison(
        &self,
        owner: Owner,
        id: Id,
    ) -> Result<Option<(Comparison, bool)>, StoreError>;

    /// An owner's comparisons, newest first.
    async fn comparisons(&self, owner: Owner) -> Result<Vec<Comparison>, StoreError>;

    /// Forgets a comparison of this owner; says whether there was one.
    async fn delete_comparison(&self, owner: Owner, id: Id) -> Result<bool, StoreError>;

    /// Changes a conversation of this owner; says whether it is there.
    async fn change(&self, owner: Owner, id: Id, change: Change) -> Result<bool, StoreError>;

    /// Copies the branch up to this answer, or the turns at its end, into a new conversation of the same owner.
    async fn copy(&self, owner: Owner, answer: Id, part: Copied) -> Result<Id, StoreError>;

    /// Hides a question of this owner with all that follows it, or shows it again; names the conversation.
    async fn hide(&self, owner: Owner, question: Id, hidden: bool) -> Result<Id, StoreError>;

    /// The names of an owner's conversations, as a list shows them.
    async fn names(&self, owner: Owner) -> Result<Vec<Id>, StoreError>;

    /// So many messages of a conversation after those that were read before, oldest first.
    async fn messages(
        &self,
        conversation: Id,
        after: Place,
        most: usize,
    ) -> Result<Vec<(Place, Message)>, StoreError>;

    /// Writes a conversation from elsewhere down, all of it or nothing. It and its messages get names of their own, and
    /// nobody else may read it.
    async fn import(&self, owner: Owner, transcript: &Transcript) -> Result<Id, StoreError>;

    /// Deletes all conversations of this owner at a time, by which they can be had back for a while; says how many.
    async fn delete_all(&self, owner: Owner, at: i64) -> Result<u64, StoreError>;

    /// Has all back that this owner deleted at that time; says how many.
    async fn restore_all(&self, owner: Owner, at: i64) -> Result<u64, StoreError>;

    /// Forgets what was deleted before this time.
    async fn purge(&self, before: i64) -> Result<u64, StoreError>;

    /// Ready when all is in its place and other processes know that this one is no more, which must ask nothing after it.
    async fn close(&self) -> Result<(), StoreError>;
}

/// Why a store could not do something.
#[derive(Debug)]
pub enum StoreError {
    /// What it was about is not there, or is another owner's.
    Gone,
    /// There are as many messages in the conversation as may be.
    Full,
    /// An owner keeps as many settings under names as may be.
    Presets,
    /// An owner keeps as many comparisons as may be.
    Comparisons,
    /// The database failed, for this reason in words for whoever runs it.
    Failed(String),
}

impl Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("there is no such conversation"),
            Self::Full => write!(f, "a conversation may have at most {MESSAGES} messages"),
            Self::Presets => write!(f, "there may be at most {PRESETS} presets of yours"),
            Self::Comparisons => {
                write!(f, "there may be at most {COMPARISONS} comparisons of yours")
            }
            Self::Failed(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for StoreError {}
