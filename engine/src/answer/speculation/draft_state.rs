//! What a draft model has of one answer: keys and values of its tokens, and how often its guesses were right.
//!
//! Its keys and values are those of tokens that the answer has, and behind them of guesses, until the step that verifies them
//! says which were wrong. It may lag behind: it reads what is missing before it guesses again.

use super::chances::{Chance, class, likely};
use crate::compute::kv::{KvCache, KvMemory};
use crate::model::forward::NewTokens;
use crate::sampling::MAX_DRAFT;

/// From how many guesses before it on a guess is of a class of its own.
const CLASSES: [usize; 5] = [0, 1, 2, 4, 8];
/// How likely a guess is right, those before it being so, before any was made.
const PRIOR: f64 = 0.7;
/// After so many tokens without a guess what was learnt is forgotten, so that some are tried again where they might pay.
const FORGETS: usize = 128;
/// Steps of more rows read what is missing.
const ROWS_OF_A_GUESS: usize = 2;

/// What a draft model has of one answer.
#[derive(Debug)]
pub(crate) struct DraftState {
    cache: Option<KvCache>,
    chances: [Chance; CLASSES.len()],
    /// Tokens since it guessed last.
    idle: usize,
    /// Whether it guesses no more: there was no room for it.
    is_over: bool,
    /// Its rows in the draft model's steps before the next step of the model.
    rows: usize,
    /// In all, its steps of guesses, and rows of others.
    work: [usize; 2],
}

impl Default for DraftState {
    fn default() -> Self {
        Self {
            cache: None,
            chances: [Chance::of_prior(PRIOR); CLASSES.len()],
            idle: 0,
            is_over: false,
            rows: 0,
            work: [0; 2],
        }
    }
}

impl DraftState {
    /// How likely each of at most so many guesses is right, with all before it.
    pub(super) fn likely(&self, most: usize, is_fixed: bool) -> Vec<f64> {
        let guesses = 0..most.min(MAX_DRAFT);
        let chances = guesses.map(|before| self.chances[class(&CLASSES, before)].of_next());
        likely(chances, is_fixed)
    }

    /// How many tokens it has read, guesses among them.
    pub(crate) fn read(&self) -> usize {
        self.cache.as_ref().map_or(0, KvCache::len)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Begins with a step of an answer that has so many tokens, of which the last was not computed yet.
    pub(super) fn begin(&mut self, tokens: usize) {
        self.rows = 0;
        self.keep(tokens - 1);
    }

    /// Forgets all behind so many tokens.
    fn keep(&mut self, tokens: usize) {
        if let Some(cache) = &mut self.cache {
            cache.truncate(tokens);
        }
    }

    /// The answer has one token more.
    pub(super) fn push(&mut self) {
        self.idle += 1;
        if self.idle >= FORGETS {
            self.idle = 0;
            self.chances = Self::default().chances;
        }
    }

    /// Of so many guesses behind so many tokens the first were right.
    pub(super) fn verified(&mut self, tokens: usize, guesses: usize, accepted: usize) {
        self.idle = 0;
        for guess in 0..guesses.min(accepted + 1) {
            self.chances[class(&CLASSES, guess)].observe(guess < accepted);
        }
        self.keep(tokens + accepted);
    }

    /// Gives its memory back; what it held is computed again when it guesses again.
    pub(crate) fn pause(&mut self) {
        self.cache = None;
    }

    /// The same for good.
    pub(crate) fn end(&mut self) {
        self.cache = None;
        self.is_over = true;
    }

    /// Memory that it takes to have `len` tokens of a sequence which begins with a prompt of so many.
    pub(crate) fn missing(&mut self, memory: &KvMemory, prompt: usize, len: usize) -> usize {
        let cache = self.cache.get_or_insert_with(|| {
            let mut cache = memory.new_cache();
            cache.begin(prompt);
            cache
        });
        cache.missing(len)
    }

    /// The next of these tokens that it has not read, at most so many, with logits behind the last of all.
    ///
    /// # Panics
    /// When it has read all, or nobody made room.
    pub(super) fn next<'a>(&'a mut self, unread: &'a [u32], most: usize) -> NewTokens<'a> {
        let rows = unread.len().min(most);
        self.rows += rows;
        match rows <= ROWS_OF_A_GUESS {
            true => self.work[0] += 1,
            false => self.work[1] += rows,
        }
        let cache = self.cache.as_mut();
        NewTokens {
            tokens: &unread[..rows],
            draft: &[],
            cache: cache.expect("whoever guesses makes room before"),
            wants_logits: rows == unread.len(),
            reader: None,
        }
    }

    /// Its rows in the draft model's steps before the next step of the model.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// In all, its steps of guesses, and rows of others.
    pub(crate) fn work(&self) -> [usize; 2] {
        self.work
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chances_follow_from_how_far_guesses_were_right() {
        let mut state = DraftState::default();
        assert!(state.likely(16, false).is_sorted_by(|one, next| one > next));
        // The first two are right, the third never.
        for tokens in 0..60 {
            state.verified(tokens, 4, 2);
        }
        let likely = state.likely(16, false);
        assert!(likely[1] > 0.9 && likely.len() == 2, "{likely:?}");
        assert_eq!(state.likely(16, true).len(), MAX_DRAFT);
        assert_eq!(state.likely(1, false).len(), 1);
    }

    #[test]
    fn what_was_learnt_is_forgotten_after_a_while_without_guesses() {
        let mut state = DraftState::default();
        (0..60).for_each(|tokens| state.verified(tokens, 1, 0));
        for _ in 1..FORGETS {
            state.push();
            assert_eq!(state.likely(16, false), Vec::<f64>::new());
        }
        state.push();
        assert!(state.likely(16, false)[0] > 0.6);
    }
}
