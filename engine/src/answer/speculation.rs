//! Tokens that an answer guesses ahead, from what its own sequence or its conversation said before or by a draft model, and how
//! often that was right.
//!
//! A step verifies them: their rows stand behind that of the last token, and each token is drawn as it would be without
//! them, from the logits behind the one before, by the same random numbers. A guess is right when it is what was drawn, and
//! the first that is not ends what the step gives. So tokens follow from model, settings and seed, with and without guesses;
//! rejection sampling would keep no more than their distribution.
//!
//! How likely a guess of a passage is right is learnt from every token, also of steps without guesses: what the passage would
//! have said is compared with what came ([`source`]). Of a draft model it is learnt from what it guessed ([`draft_state`]).

mod chances;
pub(crate) mod costs;
pub(crate) mod draft_state;
mod lookup;
pub(crate) mod recalled;
mod source;

use self::costs::Prospect;
use self::draft_state::DraftState;
use self::source::Source;
use crate::model::forward::NewTokens;
use crate::sampling::{MAX_DRAFT, Speculation};

/// The guesses of one answer.
#[derive(Debug)]
pub(crate) struct Drafter {
    /// How many at a time.
    most: usize,
    is_fixed: bool,
    own: Source,
    /// What was said before in the conversation.
    recalled: Option<Source>,
    /// What a draft model has of the answer, where there is one.
    state: DraftState,
    /// Those of the next step.
    draft: Vec<u32>,
    /// Whether the draft model made them.
    by_model: bool,
    /// Guesses that were computed, and those that were right.
    drafted: usize,
    accepted: usize,
    /// Steps by how many guesses they had.
    steps: [usize; MAX_DRAFT + 1],
}

impl Drafter {
    /// Nothing where none are to be made.
    pub(crate) fn new(speculation: Speculation, prompt: &[u32]) -> Option<Self> {
        let (most, is_fixed) = match speculation {
            Speculation::Off | Speculation::Fixed(0) => return None,
            Speculation::Auto => (MAX_DRAFT, false),
            Speculation::Fixed(most) => (most, true),
        };
        Some(Self {
            most,
            is_fixed,
            own: Source::own(prompt),
            recalled: None,
            state: DraftState::default(),
            draft: Vec::new(),
            by_model: false,
            drafted: 0,
            accepted: 0,
            steps: [0; MAX_DRAFT + 1],
        })
    }

    /// Guesses from this text too, which was said before in the conversation; the sequence has these tokens.
    pub(crate) fn recall(&mut self, text: Vec<u32>, tokens: &[u32]) {
        self.recalled = Some(Source::another(text, tokens));
    }

    /// Takes note of the last token of the sequence.
    pub(crate) fn push(&mut self, tokens: &[u32]) {
        self.own.push(tokens);
        if let Some(recalled) = &mut self.recalled {
            recalled.push(tokens);
        }
        self.state.push();
    }

    /// The text that is likelier right; of equals the sequence itself.
    fn source(&self) -> &Source {
        let recalled = self.recalled.as_ref();
        let likelier = recalled.filter(|recalled| recalled.chance() > self.own.chance());
        likelier.unwrap_or(&self.own)
    }

    /// What could be guessed from texts in a step that may put out so many tokens.
    pub(crate) fn prospect(&self, room: usize) -> Prospect {
        let most = self.most.min(room.saturating_sub(1));
        Prospect {
            chances: self.source().likely(most, self.is_fixed),
            is_fixed: self.is_fixed,
            by_model: false,
        }
    }

    /// What a draft model could guess in such a step; none where it guesses no more for this answer.
    pub(crate) fn model_prospect(&self, room: usize) -> Option<Prospect> {
        let most = self.most.min(room.saturating_sub(1));
        (!self.state.is_over()).then(|| Prospect {
            chances: self.state.likely(most, self.is_fixed),
            is_fixed: self.is_fixed,
            by_model: true,
        })
    }

    /// Guesses nothing yet for the next step of a sequence of so many tokens.
    pub(crate) fn begin(&mut self, tokens: usize) {
        self.draft.clear();
        self.by_model = false;
        self.state.begin(tokens);
    }

    /// Guesses so many tokens for the next step, from texts.
    pub(crate) fn guess(&mut self, tokens: &[u32], count: usize) {
        let guesses = self.source().following(tokens).take(count);
        self.draft = guesses.collect();
    }

    /// Whether a draft model made the guesses of the next step.
    pub(crate) fn by_model(&self) -> bool {
        self.by_model
    }

    /// One guess more for the next step, by a draft model.
    pub(crate) fn push_guess(&mut self, token: u32) {
        self.by_model = true;
        self.draft.push(token);
    }

    /// What was guessed for the next step.
    pub(crate) fn draft(&self) -> &[u32] {
        &self.draft
    }

    /// The guesses of a step were computed behind so many tokens, and so many of them were right.
    pub(crate) fn verified(&mut self, tokens: usize, accepted: usize) {
        if self.by_model {
            self.state.verified(tokens, self.draft.len(), accepted);
        }
        self.drafted += self.draft.len();
        self.accepted += accepted;
        self.steps[self.draft.len()] += 1;
        self.draft.clear();
    }

    /// Steps that verified guesses, by how many.
    pub(crate) fn steps(&self) -> [usize; MAX_DRAFT + 1] {
        self.steps
    }

    /// Guesses that were computed, and those that were right.
    pub(crate) fn counts(&self) -> [usize; 2] {
        [self.drafted, self.accepted]
    }

    /// What a draft model has of the answer.
    pub(crate) fn state(&self) -> &DraftState {
        &self.state
    }

    /// The same, to change.
    pub(crate) fn state_mut(&mut self) -> &mut DraftState {
        &mut self.state
    }

    /// What a draft model computes next, at most so many of the sequence's tokens or the guess behind them; it must have
    /// room.
    pub(crate) fn next_of_state<'a>(&'a mut self, tokens: &'a [u32], most: usize) -> NewTokens<'a> {
        let read = self.state.read();
        let unread = match read.checked_sub(tokens.len()) {
            None => &tokens[read..],
            Some(guesses) => &self.draft[guesses..],
        };
        self.state.next(unread, most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A drafter that has read a text.
    fn drafter(speculation: Speculation, tokens: &[u32]) -> Drafter {
        let mut drafter = Drafter::new(speculation, &tokens[..1]).unwrap();
        (2..=tokens.len()).for_each(|end| drafter.push(&tokens[..end]));
        drafter
    }

    #[test]
    fn what_repeats_itself_is_guessed_with_growing_confidence() {
        let tokens: Vec<u32> = (0..20).cycle().take(80).collect();
        let early = drafter(Speculation::Auto, &tokens[..23]).prospect(100);
        let late = drafter(Speculation::Auto, &tokens).prospect(100);
        assert_eq!(late.chances.len(), MAX_DRAFT);
        assert!(late.chances[0] > 0.95 && early.chances[0] < 0.5);
        assert!(early.chances.is_sorted_by(|one, next| one >= next));
        let mut drafter = drafter(Speculation::Auto, &tokens);
        drafter.guess(&tokens, 3);
        assert_eq!(drafter.draft(), [0, 1, 2]);
    }

    #[test]
    fn guesses_that_were_wrong_are_trusted_less() {
        // The same two tokens, each time followed by another.
        let tokens: Vec<u32> = (10..50).flat_map(|other| [1, 2, other]).collect();
        let drafter = drafter(Speculation::Auto, &[&tokens[..], &[1, 2]].concat());
        assert_eq!(drafter.prospect(100), Prospect::default());
    }

    #[test]
    fn what_was_said_before_is_guessed_where_the_sequence_itself_is_less_likely_right() {
        let said: Vec<u32> = (100..160).collect();
        let mut drafter = Drafter::new(Speculation::Auto, &[1, 2, 100, 101]).unwrap();
        drafter.recall(said.clone(), &[1, 2, 100, 101]);
        let mut tokens = vec![1, 2, 100, 101];
        for token in 102..130 {
            tokens.push(token);
            drafter.push(&tokens);
        }
        assert!(drafter.prospect(100).chances[0] > 0.9);
        drafter.guess(&tokens, 3);
        assert_eq!(drafter.draft(), [130, 131, 132]);
        // Of equals the sequence itself, which goes on otherwise.
        let both = [&said[..40], &[7, 8, 9], &said[20..40]].concat();
        let mut drafter = Drafter::new(Speculation::Auto, &both).unwrap();
        drafter.recall(said, &both);
        drafter.guess(&both, 3);
        assert_eq!(drafter.draft(), [7, 8, 9]);
    }

    #[test]
    fn no_more_is_guessed_than_may_be_put_out() {
        let tokens: Vec<u32> = (0..20).cycle().take(80).collect();
        let of = |speculation, room| drafter(speculation, &tokens).prospect(room).chances.len();
        assert_eq!(of(Speculation::Fixed(7), 100), 7);
        assert_eq!(of(Speculation::Fixed(7), 3), 2);
        assert_eq!(of(Speculation::Auto, 1), 0);
        assert!(Drafter::new(Speculation::Off, &tokens).is_none());
    }
}
