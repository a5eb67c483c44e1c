//! What an answer guesses of its next step, and what the step makes of that.

use std::time::Instant;

use super::Generation;
use crate::FinishReason;
use crate::answer::speculation::Drafter;
use crate::answer::speculation::costs::Prospect;
use crate::sampling::MAX_DRAFT;
use crate::text::tokenizer::Tokenizer;

impl Generation {
    /// What it could guess in its next step; none where it guesses nothing.
    pub(crate) fn prospect(&self) -> Option<Prospect> {
        let [_, put_out] = self.lengths();
        let room = self.max_tokens - put_out;
        let drafter = self.drafter.as_ref();
        drafter.map(|drafter| drafter.prospect(room))
    }

    /// Guesses so many tokens for the next step.
    pub(crate) fn guess(&mut self, tokens: usize) {
        if let Some(drafter) = &mut self.drafter {
            drafter.guess(&self.tokens, tokens);
        }
    }

    /// What is guessed for the next step.
    pub(crate) fn draft(&self) -> &[u32] {
        self.drafter.as_ref().map_or(&[], Drafter::draft)
    }

    /// Takes the logits behind the last token and behind each that was guessed, `[1 + guesses, vocabulary]`, as far as the
    /// guesses are what is drawn; the reason when the answer has ended.
    pub(crate) fn take(
        &mut self,
        logits: &[f32],
        now: Instant,
        tokenizer: &Tokenizer,
    ) -> Option<FinishReason> {
        let guesses = self.draft().len();
        let mut rows = logits.chunks_exact(logits.len() / (1 + guesses));
        let mut accepted = 0;
        let ended = loop {
            let row = rows.next().expect("logits behind each token");
            let ended = self.take_row(row, now, tokenizer);
            // More than one where a thought was ended.
            let is_right = self.draft().get(accepted..=accepted) == Some(self.pending());
            if ended.is_some() || !is_right {
                break ended;
            }
            self.cache.advance(1);
            accepted += 1;
        };
        if let Some(drafter) = self.drafter.as_mut().filter(|_| guesses > 0) {
            drafter.verified(accepted);
            self.clock.guessed(drafter.counts());
            // Wrong guesses may have had blocks of their own.
            self.cache.truncate(self.cache.len());
        }
        ended
    }

    /// Guesses that were computed, and those that were right.
    pub(crate) fn guesses(&self) -> [usize; 2] {
        self.drafter.as_ref().map_or([0; 2], Drafter::counts)
    }

    /// Steps behind its prompt, by how many guesses they had.
    pub(crate) fn steps(&self) -> [usize; MAX_DRAFT + 1] {
        let drafter = self.drafter.as_ref();
        let mut steps = drafter.map_or([0; MAX_DRAFT + 1], Drafter::steps);
        let ([_, put_out], [_, right]) = (self.lengths(), self.guesses());
        // The last step of a prompt gives the first token, each behind it one and its guesses that are right.
        let with_guesses: usize = steps.iter().sum();
        steps[0] = (put_out - right).saturating_sub(1 + with_guesses);
        steps
    }
}
