//! Conversations, in memory and bounded by bytes: what is new takes the place of what is longest unused. Those that
//! nobody asked anything in yet have a bound of their own, so that whoever begins many costs nobody a conversation.
//!
//! Callers see plain data only, so that a database can take this place.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nibble_app::chat::{Answer, Conversation, End, Turn};
use nibble_app::settings::Settings;

use crate::runs::RunId;

/// The most memory of conversations with questions; the engine's estimate of what it may use leaves room for it.
const CONVERSATION_BYTES: usize = 24 << 20;
/// The most memory of conversations without.
const BLANK_BYTES: usize = 1 << 20;
/// What a conversation or a turn takes beside its text, with what the allocator rounds up.
const BOOKKEEPING_BYTES: usize = 512;

/// All conversations of the server.
#[derive(Default)]
pub(crate) struct Store {
    records: Mutex<Records>,
}

#[derive(Default)]
struct Records {
    by_id: HashMap<String, Record>,
    /// Counts uses; stands in for time.
    uses: u64,
}

struct Record {
    conversation: Conversation,
    used: u64,
}

/// Why a turn was not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotBegun {
    /// The conversation is not as it was, or is gone.
    Moved,
    /// Conversations that wait for their answers take all the room there is.
    Full,
}

impl Store {
    /// Begins an empty conversation under a name that cannot be guessed.
    pub(crate) fn create(&self, settings: Settings) -> String {
        let id = format!("{:032x}", rand::random::<u128>());
        let conversation = Conversation {
            id: id.clone(),
            settings,
            turns: Vec::new(),
        };
        let mut records = self.lock();
        records.uses += 1;
        let record = Record {
            conversation,
            used: records.uses,
        };
        records.by_id.insert(id.clone(), record);
        records.make_room(&id);
        id
    }

    /// A copy of a conversation.
    pub(crate) fn get(&self, id: &str) -> Option<Conversation> {
        self.lock().touch(id).cloned()
    }

    /// One answer.
    pub(crate) fn answer(&self, run: &RunId) -> Option<Answer> {
        let mut records = self.lock();
        let conversation = records.touch(&run.conversation)?;
        Some(conversation.turns.get(run.turn)?.answer.clone())
    }

    /// Appends a turn whose answer runs.
    ///
    /// # Errors
    /// When the conversation has gone on since the caller looked, or there is no room for it.
    pub(crate) fn begin_turn(
        &self,
        run: &RunId,
        question: String,
        settings: Settings,
    ) -> Result<Turn, NotBegun> {
        let mut records = self.lock();
        let conversation = records.touch(&run.conversation).ok_or(NotBegun::Moved)?;
        if conversation.turns.len() != run.turn {
            return Err(NotBegun::Moved);
        }
        let turn = Turn {
            question,
            answer: Answer {
                run: run.to_string(),
                text: String::new(),
                end: None,
            },
        };
        let earlier = std::mem::replace(&mut conversation.settings, settings);
        conversation.turns.push(turn.clone());
        if records.make_room(&run.conversation) {
            return Ok(turn);
        }
        if let Some(conversation) = records.touch(&run.conversation) {
            conversation.turns.pop();
            conversation.settings = earlier;
        }
        Err(NotBegun::Full)
    }

    /// Writes down how an answer ended.
    pub(crate) fn finish_turn(&self, run: &RunId, text: String, end: End) {
        let mut records = self.lock();
        if let Some(conversation) = records.touch(&run.conversation)
            && let Some(turn) = conversation.turns.get_mut(run.turn)
        {
            turn.answer.text = text;
            turn.answer.end = Some(end);
        }
        records.make_room(&run.conversation);
    }

    fn lock(&self) -> MutexGuard<'_, Records> {
        // A panic elsewhere leaves no record half-written.
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Records {
    fn touch(&mut self, id: &str) -> Option<&mut Conversation> {
        self.uses += 1;
        let record = self.by_id.get_mut(id)?;
        record.used = self.uses;
        Some(&mut record.conversation)
    }

    /// Drops conversations, those longest unused first, until those of the kind of `kept` fit their bound; says whether
    /// they do. `kept` stays, and so does what waits for an answer.
    fn make_room(&mut self, kept: &str) -> bool {
        let Some(blank) = self.by_id.get(kept).map(Record::is_blank) else {
            return true;
        };
        let bound = if blank {
            BLANK_BYTES
        } else {
            CONVERSATION_BYTES
        };
        let alike = self
            .by_id
            .values()
            .filter(|record| record.is_blank() == blank);
        let mut bytes: usize = alike.map(Record::bytes).sum();
        while bytes > bound {
            let idle = self.by_id.iter().filter(|(id, record)| {
                record.is_blank() == blank && *id != kept && !is_running(&record.conversation)
            });
            let oldest = idle.min_by_key(|(_, record)| record.used);
            let Some(id) = oldest.map(|(id, _)| id.clone()) else {
                return false;
            };
            let dropped = self.by_id.remove(&id);
            bytes -= dropped.as_ref().map_or(0, Record::bytes);
        }
        true
    }
}

impl Record {
    /// Whether nothing was asked in it yet.
    fn is_blank(&self) -> bool {
        self.conversation.turns.is_empty()
    }

    /// About what it takes in memory.
    fn bytes(&self) -> usize {
        let Conversation {
            settings, turns, ..
        } = &self.conversation;
        BOOKKEEPING_BYTES * (1 + turns.len())
            + settings.system_prompt.len()
            + text_bytes(&self.conversation)
    }
}

/// The bytes of its questions and answers.
pub(crate) fn text_bytes(conversation: &Conversation) -> usize {
    let turns = conversation.turns.iter();
    turns
        .map(|turn| turn.question.len() + turn.answer.text.len())
        .sum()
}

/// Whether its last answer is still being written.
pub(crate) fn is_running(conversation: &Conversation) -> bool {
    let last = conversation.turns.last();
    last.is_some_and(|turn| turn.answer.end.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            temperature: 0.2,
            max_tokens: 250,
            system_prompt: String::new(),
            usd_per_hour: 1.0,
        }
    }

    /// A conversation with one question and its answer, of about these many bytes.
    fn begun(store: &Store, bytes: usize) -> String {
        let run = RunId {
            conversation: store.create(settings()),
            turn: 0,
        };
        store
            .begin_turn(&run, "a".into(), settings())
            .expect("there is room");
        store.finish_turn(&run, "x".repeat(bytes), End::Failed(String::new()));
        run.conversation
    }

    fn held(store: &Store) -> usize {
        store.lock().by_id.values().map(Record::bytes).sum()
    }

    #[test]
    fn the_conversation_longest_unused_makes_room_for_a_new_one() {
        let store = Store::default();
        let fourth = CONVERSATION_BYTES / 4 - 4 * BOOKKEEPING_BYTES;
        let ids: Vec<_> = (0..4).map(|_| begun(&store, fourth)).collect();
        assert!(store.get(&ids[0]).is_some());
        begun(&store, fourth);
        assert!(store.get(&ids[0]).is_some());
        assert!(store.get(&ids[1]).is_none());
        assert!(store.get(&ids[2]).is_some());
    }

    #[test]
    fn conversations_are_bounded_by_bytes_whatever_their_number() {
        let store = Store::default();
        for _ in 0..600 {
            begun(&store, 256 * 1024);
        }
        assert!(held(&store) <= CONVERSATION_BYTES, "{}", held(&store));
        assert!(held(&store) > CONVERSATION_BYTES / 2, "{}", held(&store));
    }

    #[test]
    fn blank_conversations_drive_out_only_each_other() {
        let store = Store::default();
        let begun = begun(&store, 100);
        let first = store.create(settings());
        let long = Settings {
            system_prompt: "x".repeat(8 * 1024),
            ..settings()
        };
        for _ in 0..1000 {
            store.create(long.clone());
        }
        assert!(store.get(&begun).is_some());
        assert!(store.get(&first).is_none());
        assert!(held(&store) <= BLANK_BYTES + 2000, "{}", held(&store));
    }

    #[test]
    fn a_conversation_that_waits_for_an_answer_stays() {
        let store = Store::default();
        let run = RunId {
            conversation: store.create(settings()),
            turn: 0,
        };
        assert!(store.begin_turn(&run, "a".into(), settings()).is_ok());
        for _ in 0..100 {
            begun(&store, 256 * 1024);
        }
        assert!(store.get(&run.conversation).is_some());
    }

    #[test]
    fn what_waits_for_answers_may_take_all_the_room_and_no_more() {
        let store = Store::default();
        let ask = |bytes| {
            let run = RunId {
                conversation: store.create(settings()),
                turn: 0,
            };
            let turn = store.begin_turn(&run, "x".repeat(bytes), settings());
            (run.conversation, turn.err())
        };
        let half = CONVERSATION_BYTES / 2 - 2 * BOOKKEEPING_BYTES;
        let (first, _) = ask(half);
        assert_eq!(ask(half).1, None);
        let (refused, reason) = ask(half);
        assert_eq!(reason, Some(NotBegun::Full));
        assert!(
            store
                .get(&refused)
                .is_some_and(|blank| blank.turns.is_empty())
        );
        assert!(
            store
                .get(&first)
                .is_some_and(|running| is_running(&running))
        );
    }

    #[test]
    fn a_turn_cannot_be_begun_twice() {
        let store = Store::default();
        let run = RunId {
            conversation: store.create(settings()),
            turn: 0,
        };
        assert!(store.begin_turn(&run, "a".into(), settings()).is_ok());
        let second = store.begin_turn(&run, "b".into(), settings());
        assert_eq!(second.err(), Some(NotBegun::Moved));
    }

    #[test]
    fn names_are_128_random_bits() {
        let store = Store::default();
        let (a, b) = (store.create(settings()), store.create(settings()));
        assert_eq!((a.len(), b.len()), (32, 32));
        assert_ne!(a, b);
    }
}
