//! Conversations, in memory and bounded: a new one takes the place of the one longest unused.
//!
//! Callers see plain data only, so that a database can take this place.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nibble_app::chat::{Answer, Conversation, Draft, End, Turn};
use nibble_app::settings::Settings;

use crate::runs::RunId;

/// The most conversations that are held.
const CONVERSATIONS: usize = 500;

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

impl Store {
    /// Begins an empty conversation under a name that cannot be guessed.
    pub(crate) fn create(&self, settings: Settings) -> String {
        let id = format!("{:032x}", rand::random::<u128>());
        let conversation = Conversation {
            id: id.clone(),
            settings,
            turns: Vec::new(),
            draft: None,
        };
        let mut records = self.lock();
        records.make_room();
        records.uses += 1;
        let used = records.uses;
        let record = Record { conversation, used };
        records.by_id.insert(id.clone(), record);
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

    /// Appends a turn whose answer runs, unless the conversation has gone on since the caller looked.
    pub(crate) fn begin_turn(
        &self,
        run: &RunId,
        question: String,
        settings: Settings,
    ) -> Option<Turn> {
        let mut records = self.lock();
        let conversation = records.touch(&run.conversation)?;
        if conversation.turns.len() != run.turn {
            return None;
        }
        let turn = Turn {
            question,
            answer: Answer {
                run: run.to_string(),
                text: String::new(),
                end: None,
            },
        };
        conversation.settings = settings;
        conversation.draft = None;
        conversation.turns.push(turn.clone());
        Some(turn)
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
    }

    /// Keeps a refused message; says whether the conversation is still there.
    pub(crate) fn keep_draft(&self, id: &str, draft: Draft) -> bool {
        let mut records = self.lock();
        let conversation = records.touch(id);
        conversation.is_some_and(|conversation| {
            conversation.draft = Some(draft);
            true
        })
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

    /// Drops the conversation longest unused among those that wait for no answer.
    fn make_room(&mut self) {
        if self.by_id.len() < CONVERSATIONS {
            return;
        }
        let oldest = self
            .by_id
            .iter()
            .filter(|(_, record)| !is_running(&record.conversation))
            .min_by_key(|(_, record)| record.used)
            .map(|(id, _)| id.clone());
        if let Some(id) = oldest {
            self.by_id.remove(&id);
        }
    }
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

    #[test]
    fn the_conversation_longest_unused_makes_room_for_a_new_one() {
        let store = Store::default();
        let ids: Vec<_> = (0..CONVERSATIONS)
            .map(|_| store.create(settings()))
            .collect();
        assert!(store.get(&ids[0]).is_some());
        store.create(settings());
        assert!(store.get(&ids[0]).is_some());
        assert!(store.get(&ids[1]).is_none());
        assert!(store.get(&ids[2]).is_some());
    }

    #[test]
    fn a_conversation_that_waits_for_an_answer_stays() {
        let store = Store::default();
        let run = RunId {
            conversation: store.create(settings()),
            turn: 0,
        };
        assert!(store.begin_turn(&run, "a".into(), settings()).is_some());
        for _ in 0..CONVERSATIONS + 1 {
            store.create(settings());
        }
        assert!(store.get(&run.conversation).is_some());
    }

    #[test]
    fn a_turn_cannot_be_begun_twice() {
        let store = Store::default();
        let run = RunId {
            conversation: store.create(settings()),
            turn: 0,
        };
        assert!(store.begin_turn(&run, "a".into(), settings()).is_some());
        assert!(store.begin_turn(&run, "b".into(), settings()).is_none());
    }

    #[test]
    fn names_are_128_random_bits() {
        let store = Store::default();
        let (a, b) = (store.create(settings()), store.create(settings()));
        assert_eq!((a.len(), b.len()), (32, 32));
        assert_ne!(a, b);
    }
}
