//! What the pages need of the program behind them: plain data, and the trait that a server implements.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::Stream;

mod comparisons;
mod facts;
mod outlook;
mod presets;
mod replays;
mod speeds;
mod wanted;

pub use self::comparisons::{
    Comparing, ComparisonEntry, ComparisonOf, Comparisons, LaneStep, LaneSteps, Stage,
};
pub use self::facts::{Facts, ModelHere, ModelKnown, Models};
pub use self::outlook::{Outlook, Outlooks};
pub use self::presets::Presets;
pub use self::replays::{Replay, ReplayRefused, Replaying, Replays};
pub use self::speeds::{SpeedOf, Speeds};
pub use self::wanted::{Wanted, WhenFull};
use crate::complaint::Complaint;
use crate::doctor::Machine;
pub use crate::domain::{
    Answer, Attachment, Conversation, End, EndReason, Id, Metrics, Question, Turn,
};
use crate::figures::grouped;
use crate::language::{Language, Told};
use crate::presets::Preset;
use crate::settings::{MessageForm, Settings};
use crate::visitor::Visitor;

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

/// A message that was not sent, as it was typed.
#[derive(Clone, Debug)]
pub struct Draft {
    /// All fields of the form.
    pub form: MessageForm,
    /// Why it was refused, if it was, and which field is to blame.
    pub complaint: Option<Complaint>,
    /// What was wanted.
    pub wanted: Wanted,
    /// What it comes to, where that was asked.
    pub outlook: Option<Outlook>,
}

/// A message that was taken.
#[derive(Clone, Debug)]
pub struct Started {
    /// The conversation, perhaps new.
    pub conversation: Conversation,
    /// The turn with its answer not yet begun.
    pub turn: Turn,
}

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

/// What an answer in the making is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The answer before it in its conversation is written first.
    Behind,
    /// Others are served first.
    Queued {
        /// How many of those who wait come before.
        before: usize,
        /// How long it may take, where that can be said.
        seconds: Option<u32>,
    },
    /// The prompt is computed.
    Prefill {
        /// Tokens computed or found in the cache.
        done: usize,
        /// Tokens of the prompt.
        total: usize,
    },
    /// The model thinks before it answers.
    Thinking,
    /// Tokens come out.
    Decode,
}

impl Phase {
    /// Before anything is known of its place.
    pub const WAITING: Self = Self::Queued {
        before: 0,
        seconds: None,
    };

    /// The place of an answer that waits, in words; empty where there is nothing to say of it.
    #[must_use]
    pub fn place(self, t: Language) -> String {
        let Self::Queued { before, seconds } = self else {
            return String::new();
        };
        let behind = (before > 0).then(|| t.before_it(grouped(before)));
        let about = seconds.map(|seconds| t.about_seconds(seconds));
        let parts: Vec<_> = behind.into_iter().chain(about).collect();
        parts.join(t.comma())
    }
}

/// One step in following an answer.
#[derive(Clone, Debug)]
pub struct Progress {
    /// What it is at.
    pub phase: Phase,
    /// Since the question was taken.
    pub elapsed: Duration,
    /// What was thought since the step before; the first step has all of it so far.
    pub thought: String,
    /// Text since the step before; the first step has all text so far.
    pub text: String,
    /// Pieces of text so far, which are tokens but for those that only make a letter together.
    pub tokens: usize,
    /// From the question to the first of them.
    pub first_token: Option<Duration>,
}

/// The steps of an answer until it ends. Reading slowly holds nothing up, and dropping it stops nothing.
pub type ProgressStream = Pin<Box<dyn Stream<Item = Progress> + Send>>;

/// What whoever wants to follow an answer gets.
pub enum Following {
    /// Its steps.
    Running(ProgressStream),
    /// Nothing: so many follow it that there is no room for another.
    Full,
    /// Nothing: it has ended.
    Ended,
}

/// The model, for people to see.
#[derive(Clone, Debug)]
pub struct ModelCard {
    /// Its name in requests.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Weights, embedding included.
    pub parameters: u64,
    /// Those that every token of a prefill is multiplied with: all but embedding and head.
    pub layer_parameters: u64,
    /// Bytes of packed weights in memory.
    pub weight_bytes: u64,
    /// The longest sequence, in tokens.
    pub context: usize,
    /// How the weights are held.
    pub quantization: String,
    /// How keys and values are held, such as "f16".
    pub kv: String,
    /// The matrix kernel in use.
    pub kernel: String,
    /// Threads that compute.
    pub threads: usize,
    /// Whether it thinks before it answers.
    pub thinks: bool,
    /// What its authors advise of top-k, top-p and min-p.
    pub advised: (usize, f32, f32),
}

/// A model that conversations may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelServed {
    /// Its name in requests.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Whether it is in memory now.
    pub is_loaded: bool,
}

/// The program behind the pages. What a visitor may not see is as if it were not there.
#[async_trait]
pub trait Chat: Presets + Speeds + Facts + Comparisons + Replays + Outlooks {
    /// The model of this name in requests, or else the first.
    fn model(&self, id: &str) -> ModelCard;

    /// The models that conversations may have, at least one.
    fn served(&self) -> Vec<ModelServed>;

    /// What a first conversation starts with.
    fn defaults(&self) -> Settings;

    /// What a visitor's next conversation starts with.
    ///
    /// # Errors
    /// When it cannot be read.
    async fn last_settings(&self, visitor: Visitor) -> Result<Settings, Complaint>;

    /// A visitor's conversations.
    ///
    /// # Errors
    /// When they cannot be read.
    async fn list(&self, visitor: Visitor, query: &ListQuery) -> Result<List, Complaint>;

    /// A conversation, at its end or before one of its questions.
    ///
    /// # Errors
    /// When it cannot be read.
    async fn open(
        &self,
        visitor: Visitor,
        id: Id,
        before: Option<Id>,
    ) -> Result<Option<Thread>, Complaint>;

    /// As few turns at the end of a conversation as tell what its last answer took.
    ///
    /// # Errors
    /// When it cannot be read.
    async fn end(&self, visitor: Visitor, id: Id) -> Result<Option<Thread>, Complaint>;

    /// One answer, running or ended.
    async fn answer(&self, run: Id) -> Option<Answer>;

    /// Takes a message with its files and sets the model to it, in a new conversation when the form names none. One that is
    /// refused leaves nothing behind. One that comes while an answer of the conversation is written waits for its end.
    ///
    /// # Errors
    /// When a field is out of range or the model takes no question.
    async fn send(
        &self,
        visitor: Visitor,
        form: &MessageForm,
        attachments: Vec<Attachment>,
    ) -> Result<Started, Complaint>;

    /// Answers the question of an answer once more, beside it, with the settings of a form.
    ///
    /// # Errors
    /// As [`Self::send`].
    async fn again(
        &self,
        visitor: Visitor,
        answer: Id,
        form: &MessageForm,
    ) -> Result<Started, Complaint>;

    /// Has an answer gone on with that was cut off, from its last byte on.
    ///
    /// # Errors
    /// As [`Self::send`]; the answer is then as it was.
    async fn go_on(
        &self,
        visitor: Visitor,
        answer: Id,
        when_full: WhenFull,
    ) -> Result<Started, Complaint>;

    /// Asks another question in the place of one, beside it and with the same files.
    ///
    /// # Errors
    /// As [`Self::send`].
    async fn edit(
        &self,
        visitor: Visitor,
        question: Id,
        text: &str,
        when_full: WhenFull,
    ) -> Result<Started, Complaint>;

    /// The conversation that a message is in, where the visitor may read it.
    async fn place(&self, visitor: Visitor, message: Id) -> Option<Id>;

    /// Begins a conversation with a copy of another up to an answer. Names it.
    ///
    /// # Errors
    /// When there is no such answer, or it cannot be written down.
    async fn branch(&self, visitor: Visitor, answer: Id) -> Result<Id, Complaint>;

    /// Shows the branch that a message is on, as it was gone on with last. Names the conversation.
    ///
    /// # Errors
    /// When there is no such message, or it cannot be written down.
    async fn show(&self, visitor: Visitor, message: Id) -> Result<Id, Complaint>;

    /// Hides a question with all that follows it, or shows it again. Names the conversation.
    ///
    /// # Errors
    /// When there is no such question, or it cannot be written down.
    async fn hide(&self, visitor: Visitor, question: Id, hidden: bool) -> Result<Id, Complaint>;

    /// Changes a conversation. Says whether there is one.
    ///
    /// # Errors
    /// When it cannot be written down.
    async fn change(&self, visitor: Visitor, id: Id, change: Change) -> Result<bool, Complaint>;

    /// Deletes all conversations of a visitor. Says when, in milliseconds since 1970, by which [`Self::restore_all`] knows
    /// them.
    ///
    /// # Errors
    /// When it cannot be written down.
    async fn delete_all(&self, visitor: Visitor) -> Result<i64, Complaint>;

    /// Has all conversations of a visitor back that were deleted at this time. Says how many.
    ///
    /// # Errors
    /// When it cannot be written down.
    async fn restore_all(&self, visitor: Visitor, at: i64) -> Result<u64, Complaint>;

    /// Ends a running answer early; what is written stays. One that was not begun is withdrawn with its question. Names
    /// the conversation.
    async fn stop(&self, visitor: Visitor, run: Id) -> Option<Id>;

    /// Keeps the settings of a form for the visitor's next conversation, or those of the form's conversation where they
    /// cannot be used.
    async fn reset(&self, visitor: Visitor, form: &MessageForm);

    /// Follows a running answer from its start.
    fn follow(&self, run: Id) -> Following;
}

/// A password that was wrong.
#[derive(Clone, Debug)]
pub struct SignInRefused {
    /// What to tell of it.
    pub reason: Told,
    /// The page that was wanted.
    pub next: String,
}

/// The [`Chat`] that a server provides in the Leptos context.
pub type SharedChat = Arc<dyn Chat>;
