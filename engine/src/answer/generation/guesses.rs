//! What an answer guesses of its next step, and what the step makes of that.

use std::time::Instant;

use super::Generation;
use crate::FinishReason;
use crate::answer::speculation::Drafter;
use crate::answer::speculation::costs::Prospect;
use crate::sampling::MAX_DRAFT;
use crate::text::tokenizer::Tokenizer;

/// An answer of which a draft model guesses the next tokens.
pub(crate) struct Followed<'a> {
    /// All that it has.
    pub(crate) tokens: &'a [u32],
    /// How many of them are its prompt.
    pub(crate) prompt: usize,
    pub(crate) drafter: &'a mut Drafter,
    /// How many guesses are wanted.
    pub(crate) wanted: usize,
}

impl Generation {
    /// Guesses nothing yet for its next step.
    pub(crate) fn begin_guesses(&mut self) {
        if let Some(drafter) = &mut self.drafter {
            drafter.begin(self.tokens.len());
        }
    }

    /// Guesses from now on by this too, which was said before in its conversation.
    pub(crate) fn recall(&mut self, said: Vec<u32>) {
        if let Some(drafter) = &mut self.drafter {
            drafter.recall(said, &self.tokens);
        }
    }

    /// What it could guess in its next step by what was said; none where it guesses nothing.
    pub(crate) fn prospect(&self) -> Option<Prospect> {
        let room = self.room();
        let drafter = self.drafter.as_ref();
        drafter.map(|drafter| drafter.prospect(room))
    }

    /// What a draft model could guess in its next step which has so long a context.
    pub(crate) fn model_prospect(&self, context: usize) -> Option<Prospect> {
        // All guesses but the last are computed.
        let room = (context + 2).saturating_sub(self.tokens.len());
        let room = self.room().min(room);
        self.drafter.as_ref()?.model_prospect(room)
    }

    /// How many tokens a draft model has not read, of which the last is the next that is computed.
    pub(crate) fn unread(&self) -> &[u32] {
        let drafter = self.drafter.as_ref();
        &self.tokens[drafter.map_or(0, |drafter| drafter.state().read())..]
    }

    /// For a draft model, of which so many guesses are wanted.
    pub(crate) fn followed(&mut self, wanted: usize) -> Option<Followed<'_>> {
        Some(Followed {
            tokens: &self.tokens,
            prompt: self.prompt,
            drafter: self.drafter.as_mut()?,
            wanted,
        })
    }

    /// Its rows in the draft model's steps before its next step.
    pub(crate) fn model_rows(&self) -> usize {
        let drafter = self.drafter.as_ref();
        drafter.map_or(0, |drafter| drafter.state().rows())
    }

    /// Steps in which a draft model guessed for it, and rows that it read besides.
    pub(crate) fn model_work(&self) -> [usize; 2] {
        let drafter = self.drafter.as_ref();
        drafter.map_or([0; 2], |drafter| drafter.state().work())
    }

    /// Lets no draft model guess for it any more.
    pub(crate) fn end_model(&mut self) {
        if let Some(drafter) = &mut self.drafter {
            drafter.state_mut().end();
        }
    }

    /// Gives back what a draft model of so long a context has of it, once it has grown beyond that.
    pub(crate) fn end_model_beyond(&mut self, context: usize) {
        if self.tokens.len() > context + 1 {
            self.end_model();
        }
    }

    /// Tokens that it may still put out.
    pub(crate) fn room(&self) -> usize {
        let [_, put_out] = self.lengths();
        self.max_tokens - put_out
    }

    /// Guesses so many tokens for the next step by what was said.
    pub(crate) fn guess(&mut self, tokens: usize) {
        if let Some(drafter) = &mut self.drafter {
            drafter.guess(&self.tokens, tokens);
        }
    }

    /// What is guessed for the next step.
    pub(crate) fn draft(&self) -> &[u32] {
        self.drafter.as_ref().map_or(&[], Drafter::draft)
    }

    /// Whether a draft model guessed that.
    pub(crate) fn is_drafted_by_model(&self) -> bool {
        self.drafter.as_ref().is_some_and(Drafter::by_model)
    }

    /// Takes the logits behind the last token and behind each that was guessed, `[1 + guesses, vocabulary]`, as far as the
    /// guesses are what is drawn; the reason when the answer has ended.
    pub(crate) fn take(
        &mut self,
        logits: &[f32],
        now: Instant,
        tokenizer: &Tokenizer,
    ) -> Option<FinishReason> {
        let (guesses, known) = (self.draft().len(), self.tokens.len());
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
            drafter.verified(known, accepted);
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
