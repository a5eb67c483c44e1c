//! What a chat is made of: conversations, their questions and answers, and what each answer took. Plain data below the
//! views, the API and the store, which read it and never each other's types.

use serde::{Deserialize, Serialize};

use crate::settings::Settings;

mod attachment;
mod comparison;
mod foreseen;
mod id;
mod measured;
mod metrics;
mod replay;
mod title;
mod transcript;
mod tree;

pub use self::attachment::{
    Attachment, Content, FILE_BYTES, FILES, FILES_BYTES, check_attachments,
};
#[cfg(test)]
pub(crate) use self::comparison::tests as compared;
pub use self::comparison::{
    Agreement, COMPARISONS, Comparison, ComparisonEnd, FEWEST_LANES, LANES, Lane, Measurement,
    Plan, Weights,
};
pub use self::foreseen::{Foreseen, Lengths, Rates, usual};
pub use self::id::Id;
pub(crate) use self::measured::Near;
#[cfg(test)]
pub(crate) use self::measured::tests::measured;
pub use self::measured::{Expected, Filter, MEASURED, Measured};
pub(crate) use self::metrics::ENOUGH_TOKENS;
pub use self::metrics::Metrics;
pub use self::replay::{Changed, Parting, Replayed};
pub use self::title::{TITLE_CHARACTERS, title};
pub use self::transcript::{CONVERSATION_BYTES, MESSAGES, Message, Said, TEXT_BYTES, Transcript};
pub use self::tree::{Node, Tree};

/// Milliseconds since 1970.
pub type Timestamp = i64;

/// A conversation, without its messages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    /// Its unguessable name.
    pub id: Id,
    /// Its first words, or what its owner called it.
    pub title: String,
    /// When it began.
    pub created: Timestamp,
    /// When something was last asked or answered in it.
    pub updated: Timestamp,
    /// Whether it stands before the others.
    pub pinned: bool,
    /// Whether who has its address may read it.
    pub shared: bool,
    /// What holds for its next answer.
    pub settings: Settings,
    /// The message at the end of the branch that is shown.
    pub tip: Option<Id>,
    /// What its answers cost, in dollars.
    pub usd: f64,
}

/// A question and one answer to it, as they follow each other in the branch that is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// What the person asked.
    pub question: Question,
    /// What the model wrote.
    pub answer: Answer,
}

impl Turn {
    /// A question that nobody has answered yet, and that is written down nowhere.
    #[must_use]
    pub fn unanswered(content: Content, origin: Origin) -> Self {
        Self {
            question: Question {
                id: Id(0),
                text: content.text,
                attachments: content.attachments,
                siblings: Vec::new(),
            },
            answer: Answer {
                id: Id(0),
                thought: String::new(),
                text: String::new(),
                end: None,
                siblings: Vec::new(),
                is_told_alone: false,
                origin,
            },
        }
    }
}

/// What a person asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// Its name.
    pub id: Id,
    /// As it was typed.
    pub text: String,
    /// Files beside it.
    pub attachments: Vec<Attachment>,
    /// It and what was asked in its place, oldest first.
    pub siblings: Vec<Id>,
}

/// What the model wrote, finished or not.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Its name, and that of the run that writes it.
    pub id: Id,
    /// What it thought before, as far as it is written.
    pub thought: String,
    /// Markdown as far as it is written.
    pub text: String,
    /// How it ended; nothing while it runs or waits.
    pub end: Option<End>,
    /// It and other answers to its question, oldest first.
    pub siblings: Vec<Id>,
    /// Whether the model was told no turn before it, so that nothing makes room for more of it.
    pub is_told_alone: bool,
    /// What it was made with.
    pub origin: Origin,
}

/// What an answer was made with: the same again gives the same text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Origin {
    /// The settings that held.
    pub settings: Settings,
    /// What tokens were drawn with.
    pub seed: u64,
    /// The model's name.
    pub model: String,
    /// How its weights are held.
    pub quantization: String,
    /// How keys and values are held, such as "f16"; empty where it was not kept.
    pub kv: String,
    /// The matrix kernel.
    pub kernel: String,
    /// Threads that compute.
    pub threads: usize,
    /// The version of the program; empty where it was not kept.
    pub version: String,
    /// What changes when the model's files are written anew, likewise.
    pub fingerprint: String,
    /// What it was told: one for each time that it was asked for, as it may have been cut off and gone on with. Empty where
    /// that was not kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pieces: Vec<Piece>,
}

/// A piece of an answer that one request gave. Each draws its tokens from the seed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Piece {
    /// Turns that the model was told, that of the answer included.
    pub turns: usize,
    /// Bytes of the thought that were there before.
    pub thought: usize,
    /// Bytes of the text that were there before.
    pub text: usize,
}

impl Origin {
    /// Whether it is of the same model, held and computed in the same way, and so about as fast on the same machine.
    #[must_use]
    pub fn is_as_fast_as(&self, other: &Self) -> bool {
        let how = |origin: &Self| {
            let held = (origin.quantization.clone(), origin.kv.clone());
            let computed = (origin.kernel.clone(), origin.threads);
            (origin.model.clone(), held, computed)
        };
        how(self) == how(other)
    }
}

/// How an answer ended, and what it took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// Why there is no more of it.
    pub reason: EndReason,
    /// What it took, where that was measured.
    pub metrics: Option<Metrics>,
}

/// Why an answer ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The model ended its turn.
    Complete,
    /// The most tokens allowed were reached.
    MaxTokens,
    /// The context was full.
    Context,
    /// The same passage came over and over.
    Repetition,
    /// The person stopped it.
    Stopped,
    /// The end of the program cut it off.
    CutOff,
    /// The program ended without a chance to say so.
    Interrupted,
    /// It could not be completed, for this reason.
    Failed(String),
}

impl Question {
    /// As the model is told it.
    #[must_use]
    pub fn told(&self) -> String {
        attachment::told(&self.attachments, &self.text)
    }

    /// Bytes of all its texts.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let files = self.attachments.iter().map(|file| file.text.len());
        self.text.len() + files.sum::<usize>()
    }
}

impl End {
    /// An answer that failed.
    #[must_use]
    pub fn failed(reason: impl Into<String>) -> Self {
        Self {
            reason: EndReason::Failed(reason.into()),
            metrics: None,
        }
    }
}

impl Answer {
    /// Whether the context was full before there was all of it, or any: there is more of it where the model can be told less.
    #[must_use]
    pub fn lacks_room(&self) -> bool {
        let reason = self.end.as_ref().map(|end| &end.reason);
        reason == Some(&EndReason::Context)
    }

    /// Whether it [lacks room](Self::lacks_room) that can be made.
    #[must_use]
    pub fn may_have_room(&self) -> bool {
        self.lacks_room() && !self.is_told_alone
    }

    /// Whether more of it may be had: it was cut off, and there is something to go on with.
    #[must_use]
    pub fn may_go_on(&self) -> bool {
        let cut_off = self.end.as_ref().is_some_and(|end| {
            !matches!(
                end.reason,
                EndReason::Complete | EndReason::Context | EndReason::Repetition
            )
        });
        cut_off && !self.text.trim().is_empty()
    }
}
