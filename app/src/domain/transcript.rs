//! A conversation with all its messages as one piece, on its way out of the program or into it.
//!
//! Those that come in are checked here, whatever file they are from: behind [`Transcript::checked`] questions and answers
//! alternate, each after what it follows, and every text, setting and count is within its limit.

use std::collections::{HashMap, HashSet};
use std::ops::Not;

use serde::{Deserialize, Serialize};

use super::attachment::{Attachment, check_attachments};
use super::{Conversation, End, EndReason, Id, Origin, TITLE_CHARACTERS, Timestamp, title};
use crate::language::Language;
use crate::settings::{MessageForm, Settings};

/// The most messages of a conversation, in all its branches.
pub const MESSAGES: usize = 4000;
/// The longest text of a message that comes in.
pub const TEXT_BYTES: usize = 256 * 1024;
/// The most text of all messages of a conversation that comes in.
pub const CONVERSATION_BYTES: usize = 16 * 1024 * 1024;
/// The longest name of a model, a quantisation or a kernel.
const NAME_BYTES: usize = 1024;

/// A conversation with its messages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transcript {
    /// The conversation.
    pub conversation: Conversation,
    /// In all its branches, each after what it follows, siblings oldest first.
    pub messages: Vec<Message>,
}

/// A question or an answer in its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Its name.
    pub id: Id,
    /// What it follows; nothing for a question that begins the conversation.
    pub parent: Option<Id>,
    /// When it was asked, or begun.
    pub created: Timestamp,
    /// What it says.
    #[serde(flatten)]
    pub said: Said,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
#[allow(
    clippy::large_enum_variant,
    reason = "a few are in memory at a time, and half of them are answers"
)]
pub enum Said {
    /// A person.
    Question {
        /// As it was typed.
        text: String,
        /// Files beside it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        attachments: Vec<Attachment>,
        /// Whether the model's memory begins with it, see [`Tree::memory`](super::Tree::memory).
        #[serde(default, skip_serializing_if = "Not::not")]
        begins_memory: bool,
    },
    /// The model.
    Answer {
        /// What it thought before.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        thought: String,
        /// Markdown.
        text: String,
        /// How it ended; nothing while it is written.
        end: Option<End>,
        /// What it was made with.
        #[serde(default)]
        origin: Origin,
    },
}

impl Said {
    /// A question without files.
    #[must_use]
    pub fn question(text: String) -> Self {
        Self::Question {
            text,
            attachments: Vec::new(),
            begins_memory: false,
        }
    }
}

impl Message {
    /// Its text.
    #[must_use]
    pub fn text(&self) -> &str {
        match &self.said {
            Said::Question { text, .. } | Said::Answer { text, .. } => text,
        }
    }

    /// Leaves out what its owner told the model, and what the model was told of it.
    pub fn for_others(&mut self) {
        match &mut self.said {
            Said::Answer { origin, .. } => origin.settings.system_prompt.clear(),
            Said::Question { begins_memory, .. } => *begins_memory = false,
        }
    }

    fn is_answer(&self) -> bool {
        matches!(self.said, Said::Answer { .. })
    }
}

impl Transcript {
    /// The same, if it can be a conversation here: with a title of the usual length, times that have passed, and no zeros in
    /// its texts, which no database takes.
    ///
    /// # Errors
    /// What is wrong with it, for a person.
    pub fn checked(mut self, now: Timestamp, t: Language) -> Result<Self, String> {
        if self.messages.is_empty() {
            return Err(t.no_messages().to_owned());
        }
        let (count, limit) = (self.messages.len(), MESSAGES);
        if count > limit {
            return Err(t.too_many_messages(count, limit));
        }
        self.check_places(t)?;
        self.check_texts(now, t)?;
        let last = self.messages.iter().rfind(|message| message.is_answer());
        let last = last.map(|answer| answer.id);
        let Conversation {
            title,
            created,
            updated,
            settings,
            tip,
            usd,
            ..
        } = &mut self.conversation;
        check_settings(settings, t)?;
        *title = named(title, t);
        *created = (*created).clamp(0, now);
        *updated = (*updated).clamp(*created, now);
        *usd = usd.max(0.0);
        let mut answers = self.messages.iter().filter(|message| message.is_answer());
        *tip = tip
            .filter(|tip| answers.any(|answer| answer.id == *tip))
            .or(last);
        Ok(self)
    }

    /// Questions begin it or follow answers, answers follow questions, and each question has one.
    fn check_places(&self, t: Language) -> Result<(), String> {
        let mut is_answer = HashMap::new();
        let mut unanswered = HashSet::new();
        for message in &self.messages {
            let id = message.id;
            let parent = message
                .parent
                .map(|parent| (parent, is_answer.get(&parent)));
            match (message.is_answer(), parent) {
                (false, None | Some((_, Some(true)))) => {
                    unanswered.insert(id);
                }
                (true, Some((question, Some(false)))) => {
                    unanswered.remove(&question);
                }
                _ => return Err(t.message_follows_nothing(id)),
            }
            if is_answer.insert(id, message.is_answer()).is_some() {
                return Err(t.two_messages(id));
            }
        }
        let Some(question) = unanswered.iter().next() else {
            return Ok(());
        };
        Err(t.question_without_answer(question))
    }

    fn check_texts(&mut self, now: Timestamp, t: Language) -> Result<(), String> {
        let mut bytes = 0;
        for message in &mut self.messages {
            message.created = message.created.clamp(0, now);
            let is_first = message.parent.is_none();
            let texts = match &mut message.said {
                Said::Question {
                    text,
                    attachments,
                    begins_memory,
                } => {
                    *begins_memory &= !is_first;
                    for file in &mut *attachments {
                        *file = Attachment::new(&file.name, &file.text);
                    }
                    check_attachments(attachments).map_err(|reason| reason.told(t).to_owned())?;
                    bytes += attachments
                        .iter()
                        .map(|file| file.text.len())
                        .sum::<usize>();
                    vec![text]
                }
                Said::Answer {
                    thought,
                    text,
                    end,
                    origin,
                } => {
                    check_origin(origin, t)?;
                    end.get_or_insert_with(interrupted);
                    vec![thought, text]
                }
            };
            for text in texts {
                if text.contains('\0') {
                    *text = text.replace('\0', "\u{fffd}");
                }
                within(t, t.a_message(), text.len(), TEXT_BYTES)?;
                bytes += text.len();
            }
        }
        within(t, t.its_text(), bytes, CONVERSATION_BYTES)
    }
}

/// A program that is no more cannot go on with it.
fn interrupted() -> End {
    End {
        reason: EndReason::Interrupted,
        metrics: None,
    }
}

fn check_origin(origin: &Origin, t: Language) -> Result<(), String> {
    check_settings(&origin.settings, t)?;
    for (what, name) in [
        (t.a_model_name(), &origin.model),
        (t.a_quantisation(), &origin.quantization),
        (t.a_kv_precision(), &origin.kv),
        (t.a_kernel_name(), &origin.kernel),
    ] {
        within(t, what, name.len(), NAME_BYTES)?;
    }
    Ok(())
}

/// By the rules of the form, but for an answer that came without.
fn check_settings(settings: &Settings, t: Language) -> Result<(), String> {
    if *settings == Settings::default() {
        return Ok(());
    }
    let form = MessageForm::blank("", settings);
    Settings::from_form(&form)
        .map(drop)
        .map_err(|complaint| complaint.reason.told(t).to_owned())
}

fn within(t: Language, what: &str, bytes: usize, limit: usize) -> Result<(), String> {
    if bytes <= limit {
        return Ok(());
    }
    Err(t.most_kib(what, bytes.div_ceil(1024), limit / 1024))
}

/// A title on one line, as long as one may be.
fn named(found: &str, t: Language) -> String {
    let words: Vec<_> = found.split_whitespace().collect();
    let line = words.join(" ").replace('\0', "\u{fffd}");
    if line.is_empty() {
        t.untitled().to_owned()
    } else if line.chars().count() <= TITLE_CHARACTERS {
        line
    } else {
        title(&line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = 2_000;

    fn question(id: u128, parent: u128) -> Message {
        let text = format!("question {id}");
        message(id, parent, Said::question(text))
    }

    fn answer(id: u128, parent: u128) -> Message {
        let said = Said::Answer {
            thought: String::new(),
            text: format!("answer {id}"),
            end: Some(End::failed("it was late")),
            origin: Origin::default(),
        };
        message(id, parent, said)
    }

    fn message(id: u128, parent: u128, said: Said) -> Message {
        Message {
            id: Id(id),
            parent: (parent > 0).then_some(Id(parent)),
            created: 1_000,
            said,
        }
    }

    fn transcript(messages: Vec<Message>) -> Transcript {
        let conversation = Conversation {
            id: Id(99),
            title: "Sky".to_owned(),
            created: 1_000,
            updated: 1_500,
            pinned: true,
            shared: false,
            settings: Settings::default(),
            tip: Some(Id(2)),
            usd: 0.5,
        };
        Transcript {
            conversation,
            messages,
        }
    }

    fn refusal(messages: Vec<Message>) -> String {
        transcript(messages)
            .checked(NOW, Language::English)
            .unwrap_err()
    }

    #[test]
    fn what_can_be_a_conversation_is_left_as_it_is() {
        let branches = vec![
            question(1, 0),
            answer(2, 1),
            answer(3, 1),
            question(4, 2),
            answer(5, 4),
            question(6, 0),
            answer(7, 6),
        ];
        let whole = transcript(branches);
        assert_eq!(whole.clone().checked(NOW, Language::English), Ok(whole));
    }

    #[test]
    fn questions_and_answers_alternate_and_have_names_of_their_own() {
        for (messages, reason) in [
            (vec![], "it has no messages"),
            (
                vec![answer(1, 0)],
                "`00000000000000000000000000000001` follows nothing",
            ),
            (vec![question(1, 0), question(2, 1)], "02` follows nothing"),
            (
                vec![question(1, 0), answer(2, 1), answer(3, 2)],
                "03` follows nothing",
            ),
            (vec![question(1, 9), answer(2, 1)], "01` follows nothing"),
            (
                vec![question(1, 0), answer(2, 1), question(1, 2)],
                "two messages are named",
            ),
            (
                vec![question(1, 0), answer(2, 1), question(3, 2)],
                "03` has no answer",
            ),
        ] {
            let found = refusal(messages);
            assert!(found.contains(reason), "{found}");
        }
    }

    #[test]
    fn limits_are_named_with_what_was_found() {
        let mut many = vec![question(1, 0)];
        many.extend((0..MESSAGES as u128).map(|n| answer(n + 2, 1)));
        assert_eq!(
            refusal(many),
            "it has 4001 messages, and may have at most 4000"
        );
        let mut long = vec![question(1, 0), answer(2, 1)];
        long[0].said = Said::question("x".repeat(TEXT_BYTES + 1));
        assert_eq!(
            refusal(long),
            "a message has 257 KiB, and may have at most 256"
        );
        let mut many = vec![question(1, 0), answer(2, 1)];
        many[0].said = Said::Question {
            text: String::new(),
            attachments: vec![Attachment::new("a", "b"); 9],
            begins_memory: false,
        };
        assert_eq!(refusal(many), "there may be at most 8 files, found 9");
        let mut hot = transcript(vec![question(1, 0), answer(2, 1)]);
        hot.conversation.settings.temperature = 1e9;
        let found = hot.checked(NOW, Language::English).unwrap_err();
        assert!(found.starts_with("the temperature must be"), "{found}");
    }

    #[test]
    fn strange_titles_times_and_zeros_are_made_usual() {
        let mut strange = transcript(vec![question(1, 0), answer(2, 1)]);
        strange.conversation.title = format!("a\nb\0{}", "x".repeat(100));
        strange.conversation.created = i64::MIN;
        strange.conversation.updated = i64::MAX;
        strange.conversation.tip = Some(Id(77));
        strange.conversation.usd = -1.0;
        strange.messages[0].said = Said::Question {
            text: "a\0b".to_owned(),
            attachments: vec![Attachment {
                name: "../a\nb".to_owned(),
                text: "c\0\r\nd".to_owned(),
            }],
            // It begins the chat anyway.
            begins_memory: true,
        };
        let usual = strange.checked(NOW, Language::English).unwrap();
        assert_eq!(usual.conversation.title, "a…");
        assert_eq!(usual.conversation.created, 0);
        assert_eq!(usual.conversation.updated, NOW);
        assert_eq!(usual.conversation.tip, Some(Id(2)));
        assert_eq!(usual.conversation.usd, 0.0);
        let file = Attachment::new("ab", "c\u{fffd}\nd");
        let said = Said::Question {
            text: "a\u{fffd}b".to_owned(),
            attachments: vec![file],
            begins_memory: false,
        };
        assert_eq!(usual.messages[0].said, said);
    }
}
