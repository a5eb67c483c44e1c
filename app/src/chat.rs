//! What the pages need of the program behind them: plain data, and the trait that a server implements.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use futures::future::BoxFuture;

use crate::complaint::Complaint;
use crate::settings::{MessageForm, Settings};

/// Tabs show less, lists of bookmarks about as much.
const TITLE_CHARACTERS: usize = 60;

/// A conversation as a page shows it.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// Unguessable name; empty for one that is not begun.
    pub id: String,
    /// What holds for its next answer.
    pub settings: Settings,
    /// Questions and answers, oldest first.
    pub turns: Vec<Turn>,
}

impl Conversation {
    /// What tells it from others, for a tab or a bookmark: its first question on one line, shortened. Nothing before
    /// that.
    #[must_use]
    pub fn title(&self) -> Option<String> {
        let question = &self.turns.first()?.question;
        let mut title = String::new();
        for word in question.split_whitespace() {
            let room = TITLE_CHARACTERS.saturating_sub(title.chars().count() + 1);
            if word.chars().count() > room {
                if title.is_empty() {
                    title.extend(word.chars().take(room));
                }
                title.push('…');
                break;
            }
            if !title.is_empty() {
                title.push(' ');
            }
            title.push_str(word);
        }
        Some(title)
    }
}

/// One question and its answer.
#[derive(Clone, Debug)]
pub struct Turn {
    /// What the person wrote.
    pub question: String,
    /// What the model wrote.
    pub answer: Answer,
}

/// An answer, finished or not.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The name of the run that writes it.
    pub run: String,
    /// Markdown as far as it is written.
    pub text: String,
    /// How it ended; nothing while it runs.
    pub end: Option<End>,
}

/// How an answer ended, and what it took.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// The model ended its turn.
    Complete(Metrics),
    /// The most tokens allowed, or the context, were reached.
    Length(Metrics),
    /// The person stopped it.
    Stopped(Metrics),
    /// The end of the program cut it off.
    CutOff(Metrics),
    /// It could not be completed, for this reason.
    Failed(String),
}

/// The figures of an answer. What could not be measured is absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    /// Seconds from the question to the first token.
    pub time_to_first_token_s: Option<f64>,
    /// Seconds in the queue.
    pub queued_s: f64,
    /// Seconds spent on the prompt.
    pub prefill_s: Option<f64>,
    /// Prompt tokens computed a second.
    pub prefill_tokens_per_second: Option<f64>,
    /// Tokens a second after the first.
    pub decode_tokens_per_second: Option<f64>,
    /// Milliseconds a token after the first.
    pub time_per_output_token_ms: Option<f64>,
    /// Seconds from the question to the last token.
    pub total_s: f64,
    /// Dollars for a million tokens at the decode speed.
    pub usd_per_million_tokens: Option<f64>,
    /// Dollars for this answer.
    pub usd_total: f64,
    /// Dollars for the machine's time that was spent on this answer, and not on others beside it.
    pub usd_share: f64,
    /// About how many dollars it would have been without others.
    pub usd_alone: Option<f64>,
    /// How many others were computed beside it, as a mean over its time.
    pub beside: f64,
    /// Tokens of the prompt, cached ones included.
    pub prompt_tokens: usize,
    /// Tokens of the prompt that needed no computing.
    pub cached_tokens: usize,
    /// Tokens put out.
    pub output_tokens: usize,
}

/// A message that was refused, as it was typed.
#[derive(Clone, Debug)]
pub struct Draft {
    /// All fields of the form.
    pub form: MessageForm,
    /// Why, and which field is to blame.
    pub complaint: Complaint,
}

/// A message that was taken.
#[derive(Clone, Debug)]
pub struct Started {
    /// The conversation, perhaps new.
    pub conversation: String,
    /// The turn with its answer not yet begun.
    pub turn: Turn,
}

/// What an answer in the making is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
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
    pub fn place(self) -> String {
        let Self::Queued { before, seconds } = self else {
            return String::new();
        };
        let behind = (before > 0).then(|| format!("{before} before it"));
        let about = seconds.map(|seconds| format!("about {seconds} s"));
        let parts: Vec<_> = behind.into_iter().chain(about).collect();
        parts.join(", ")
    }
}

/// One step in following an answer.
#[derive(Clone, Debug)]
pub struct Progress {
    /// What it is at.
    pub phase: Phase,
    /// Since the question was taken.
    pub elapsed: Duration,
    /// Text since the step before; the first step has all text so far.
    pub text: String,
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
    /// Its name.
    pub name: String,
    /// Weights, embedding included.
    pub parameters: u64,
    /// Bytes of packed weights in memory.
    pub weight_bytes: u64,
    /// The longest sequence, in tokens.
    pub context: usize,
    /// How the weights are held.
    pub quantization: String,
    /// The matrix kernel in use.
    pub kernel: String,
    /// Threads that compute.
    pub threads: usize,
}

/// The program behind the pages.
pub trait Chat: Send + Sync {
    /// The model in use.
    fn model(&self) -> ModelCard;

    /// What a new conversation starts with.
    fn defaults(&self) -> Settings;

    /// A conversation by its name.
    fn conversation(&self, id: &str) -> Option<Conversation>;

    /// One answer, running or ended.
    fn answer(&self, run: &str) -> Option<Answer>;

    /// Takes a message and sets the model to it, in a new conversation when the form names none. A message that is
    /// refused leaves nothing behind.
    ///
    /// # Errors
    /// When a field is out of range, an answer is still running or the model takes no question.
    fn send<'a>(
        &'a self,
        form: &'a MessageForm,
        visitor: Visitor,
    ) -> BoxFuture<'a, Result<Started, Complaint>>;

    /// Ends a running answer early; what is written stays. Names the conversation.
    fn stop(&self, run: &str) -> Option<String>;

    /// Begins an empty conversation with the settings of a form, or those of the form's conversation where it has
    /// none that can be used. A running answer of that conversation ends. Names the new one.
    fn reset(&self, form: &MessageForm) -> Option<String>;

    /// Follows a running answer from its start.
    fn follow(&self, run: &str) -> Following;
}

/// Who sends messages, as far as the server tells people apart; it provides this in the Leptos context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Visitor(pub u64);

/// The [`Chat`] that a server provides in the Leptos context.
pub type SharedChat = Arc<dyn Chat>;

#[cfg(test)]
mod tests {
    use super::*;

    fn title(question: &str) -> Option<String> {
        let answer = Answer {
            run: String::new(),
            text: String::new(),
            end: None,
        };
        let turn = Turn {
            question: question.to_owned(),
            answer,
        };
        let conversation = Conversation {
            id: String::new(),
            settings: Settings {
                temperature: 0.0,
                max_tokens: 10,
                system_prompt: String::new(),
                usd_per_hour: 0.0,
            },
            turns: vec![turn],
        };
        conversation.title()
    }

    #[test]
    fn a_title_is_the_first_question_on_one_line() {
        assert_eq!(
            title("Why is\n\nthe sky  blue?").as_deref(),
            Some("Why is the sky blue?")
        );
    }

    #[test]
    fn a_long_title_ends_between_words_and_a_long_word_within() {
        let words = title(&"four ".repeat(40)).unwrap();
        assert!(words.ends_with("four four…"), "{words}");
        assert!(words.chars().count() <= TITLE_CHARACTERS, "{words}");
        let word = title(&"é".repeat(500)).unwrap();
        assert_eq!(word.chars().count(), TITLE_CHARACTERS);
        assert!(word.ends_with("é…"), "{word}");
    }
}
