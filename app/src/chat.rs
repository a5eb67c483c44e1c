//! What the pages need of the program behind them: plain data, and the trait that a server implements.

use std::sync::Arc;

use async_trait::async_trait;

mod comparisons;
mod conversations;
mod facts;
mod loaded;
mod managing;
mod outlook;
mod presets;
mod progress;
mod replays;
mod speeds;
mod wanted;

pub use self::comparisons::{
    Comparing, ComparisonEntry, ComparisonOf, Comparisons, LaneStep, LaneSteps, Stage,
};
pub use self::conversations::{Change, Imported, LeftOut, List, ListQuery};
pub use self::facts::{Done, Facts, MeasureRefused, ModelHere, ModelKnown, Models, WorkDone};
pub use self::loaded::{Loaded, Notice, Thread};
pub use self::managing::{FetchEnd, Fetching, Leave, ManageRefused, ModelRemoved};
pub use self::outlook::{Outlook, Outlooks};
pub use self::presets::Presets;
pub use self::progress::{Following, Phase, Progress, ProgressStream};
pub use self::replays::{Replay, ReplayRefused, Replaying, Replays};
pub use self::speeds::{SpeedOf, Speeds};
pub use self::wanted::{Wanted, WhenFull};
use crate::complaint::Complaint;
pub use crate::domain::{
    Answer, Attachment, Conversation, End, EndReason, Id, Metrics, Question, Turn,
};
use crate::language::Told;
use crate::settings::{MessageForm, Settings};
use crate::visitor::Visitor;

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

/// The model, for people to see.
#[derive(Clone, Debug)]
pub struct ModelCard {
    /// Its name in requests.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Weights, embedding included.
    pub parameters: u64,
    /// Layers.
    pub layers: usize,
    /// Numbers of a token between layers.
    pub hidden: usize,
    /// Heads of a layer, and those of keys and values.
    pub heads: [usize; 2],
    /// Tokens that it knows.
    pub vocabulary: usize,
    /// The licence that its files name; empty where they name none.
    pub licence: String,
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
    /// The name of the model that guesses what it says, where there is one.
    pub draft: Option<String>,
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

    /// Whether a visitor chooses which of them answers.
    fn switching(&self, visitor: Visitor) -> Leave;

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

    /// A conversation at its end where that has an answer, and else at this answer on whichever of its branches. One that is not
    /// there, or hidden, or somebody else's, is as if none had been asked for.
    ///
    /// # Errors
    /// When it cannot be read.
    async fn open_at(
        &self,
        visitor: Visitor,
        id: Id,
        answer: Id,
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
