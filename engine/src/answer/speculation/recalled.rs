//! What answers of a conversation said, kept for guesses in its next answers.
//!
//! A question that is asked again, or was changed, is often answered much as before, and that answer is no part of its prompt;
//! nor are thoughts that templates leave out, or what calls of tools were before they were written anew. Conversations are told
//! apart by [`ConversationId`], of which the caller is a part, so nobody's answers make another's faster. This is in memory
//! alone, bounded, and for no longer than it is of use: guesses come sooner by it, tokens are never others.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::lookup::LONGEST;
use crate::answer::conversation_key::ConversationId;

/// The most conversations; the longest unused makes way.
const CONVERSATIONS: usize = 256;
/// The most tokens of each, so that they are looked up in no more time than a prompt of that length; the oldest answers make way.
const TOKENS: usize = 4096;
/// A conversation that was unused for so long is forgotten.
const LIFE: Duration = Duration::from_mins(60);

/// What was said in conversations, those that were used last at the end.
#[derive(Debug, Default)]
pub(crate) struct Recalled(VecDeque<Kept>);

#[derive(Debug)]
struct Kept {
    conversation: ConversationId,
    used: Instant,
    /// From the oldest on, each with some of what it followed.
    answers: VecDeque<Vec<u32>>,
}

impl Recalled {
    /// What answers of a conversation said, one behind the other; nothing where none is known.
    pub(crate) fn find(&mut self, conversation: ConversationId, now: Instant) -> Vec<u32> {
        let Some(kept) = self.take(conversation, now) else {
            return Vec::new();
        };
        let said = kept.answers.iter().flatten().copied().collect();
        self.0.push_back(Kept { used: now, ..kept });
        said
    }

    /// Keeps what an answer said behind a prompt of so many of these tokens. One that begins as it does, or is the same, it
    /// replaces.
    pub(crate) fn keep(
        &mut self,
        conversation: ConversationId,
        tokens: &[u32],
        prompt: usize,
        now: Instant,
    ) {
        if tokens.len() == prompt {
            return;
        }
        // By what it followed its beginning is found.
        let said = &tokens[prompt.saturating_sub(LONGEST)..];
        let said = &said[..said.len().min(TOKENS)];
        let kept = self.take(conversation, now);
        let mut answers = kept.map(|kept| kept.answers).unwrap_or_default();
        answers.retain(|known| !said.starts_with(known));
        answers.push_back(said.to_vec());
        while answers.iter().map(Vec::len).sum::<usize>() > TOKENS {
            answers.pop_front();
        }
        self.0.push_back(Kept {
            conversation,
            used: now,
            answers,
        });
        if self.0.len() > CONVERSATIONS {
            self.0.pop_front();
        }
    }

    fn take(&mut self, conversation: ConversationId, now: Instant) -> Option<Kept> {
        self.0
            .retain(|kept| now.saturating_duration_since(kept.used) < LIFE);
        let mut known = self.0.iter();
        let at = known.position(|kept| kept.conversation == conversation)?;
        self.0.remove(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::policy::Caller;
    use crate::model::capacity::{ANSWERS, RECALLED};

    fn id(caller: u64, digest: u64) -> ConversationId {
        ConversationId::numbered(Caller(caller), digest)
    }

    #[test]
    fn what_was_said_is_found_in_the_same_conversation_alone() {
        let (mut recalled, now) = (Recalled::default(), Instant::now());
        recalled.keep(id(1, 1), &[1, 2, 3, 4], 2, now);
        recalled.keep(id(1, 1), &[5, 6, 7], 1, now);
        assert_eq!(recalled.find(id(1, 1), now), [1, 2, 3, 4, 5, 6, 7]);
        for other in [id(1, 2), id(2, 1)] {
            assert!(recalled.find(other, now).is_empty());
        }
        // Nothing was said.
        recalled.keep(id(1, 2), &[1, 2], 2, now);
        assert!(recalled.find(id(1, 2), now).is_empty());
    }

    #[test]
    fn an_answer_takes_the_place_of_its_own_beginning() {
        let (mut recalled, now) = (Recalled::default(), Instant::now());
        for end in [5, 7, 7] {
            recalled.keep(id(1, 1), &[1, 2, 3, 4, 5, 6, 7][..end], 2, now);
        }
        assert_eq!(recalled.find(id(1, 1), now), [1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn of_a_long_prompt_only_the_end_is_kept() {
        let (mut recalled, now) = (Recalled::default(), Instant::now());
        let tokens: Vec<u32> = (0..100).collect();
        recalled.keep(id(1, 1), &tokens, 90, now);
        assert_eq!(recalled.find(id(1, 1), now), tokens[90 - LONGEST..]);
    }

    #[test]
    fn the_oldest_answers_and_the_longest_unused_conversations_make_way() {
        let (mut recalled, now) = (Recalled::default(), Instant::now());
        let said = |first: usize, len: usize| -> Vec<u32> { (first as u32..).take(len).collect() };
        for first in 0..3 {
            recalled.keep(id(1, 0), &said(first * TOKENS, TOKENS / 2), 0, now);
        }
        recalled.keep(id(1, 1), &said(7, 3 * TOKENS), 0, now);
        let both = [TOKENS, 2 * TOKENS].map(|first| said(first, TOKENS / 2));
        assert_eq!(recalled.find(id(1, 0), now), both.concat());
        assert_eq!(recalled.find(id(1, 1), now), said(7, TOKENS));
        recalled.find(id(1, 0), now);
        for digest in 2..=CONVERSATIONS as u64 {
            recalled.keep(id(1, digest), &[1, 2], 1, now);
        }
        assert!(recalled.find(id(1, 1), now).is_empty());
        assert!(!recalled.find(id(1, 0), now).is_empty());
        assert_eq!(recalled.0.len(), CONVERSATIONS);
    }

    #[test]
    fn what_nobody_asks_for_is_forgotten() {
        let (mut recalled, now) = (Recalled::default(), Instant::now());
        recalled.keep(id(1, 1), &[1, 2, 3], 1, now);
        recalled.keep(id(1, 2), &[1, 2, 3], 1, now);
        assert!(!recalled.find(id(1, 1), now + LIFE / 2).is_empty());
        assert!(recalled.find(id(1, 2), now + LIFE).is_empty());
        assert_eq!(recalled.0.len(), 1);
    }

    #[test]
    fn its_memory_is_within_what_is_counted_for_it() {
        // Tokens, and of those that answers are looking up the text and about 46 bytes for each as well.
        let kept = CONVERSATIONS * TOKENS * size_of::<u32>();
        let looked_up = ANSWERS * TOKENS * 48;
        assert!((kept + looked_up) as u64 <= RECALLED);
    }
}
