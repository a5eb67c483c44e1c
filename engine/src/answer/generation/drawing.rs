//! What the logits behind one token make of an answer: the token that is drawn, what of it is put out, and what ends there.

use std::time::Instant;

use super::Generation;
use crate::answer::logprobs::Scored;
use crate::answer::output::{PartOf, Stage};
use crate::answer::pending::ThoughtLimit;
use crate::answer::steer::Steer;
use crate::text::tokenizer::Tokenizer;
use crate::{Error, Event, FinishReason, Learned};

impl Generation {
    /// Takes the logits behind one token.
    pub(super) fn take_row(
        &mut self,
        logits: &[f32],
        now: Instant,
        tokenizer: &Tokenizer,
    ) -> Option<FinishReason> {
        let ended = match self.draw(logits, now, tokenizer) {
            Ok(ended) => ended,
            Err(error) => {
                self.failure = Some(error);
                return Some(FinishReason::Stop);
            }
        };
        ended.or_else(|| self.end_long_thought(now, tokenizer))
    }

    /// Draws the next token by what the request makes of the logits, of those that its constraint allows.
    fn draw(
        &mut self,
        logits: &[f32],
        now: Instant,
        tokenizer: &Tokenizer,
    ) -> Result<Option<FinishReason>, Error> {
        let stage = self.output.stage();
        let steered = match &mut self.steer {
            None => Some(logits),
            Some(steer) => steer.changed(logits, &self.tokens, self.prompt),
        };
        let allowed = match (&mut self.constrained, steered) {
            (Some(constrained), Some(steered)) => constrained.mask(steered, stage)?,
            (_, steered) => steered,
        };
        let Some(allowed) = allowed else {
            return self.end_without_token(stage);
        };
        let token = self.sampler.next(allowed);
        if let Some(most) = self.logprobs {
            let likely = Scored::of(logits, token, most);
            self.output.expect(likely.spelt(tokenizer));
        }
        if let Some(constrained) = &mut self.constrained {
            constrained.follow(token, stage)?;
        }
        let ended = self.put_out(token, now, tokenizer);
        match &mut self.constrained {
            Some(constrained) if ended != Some(FinishReason::Stop) => {
                let complete = constrained.is_complete(self.output.begun(), tokenizer)?;
                Ok(complete.then_some(FinishReason::Stop).or(ended))
            }
            _ => Ok(ended),
        }
    }

    /// The end of an answer for which no token is left.
    ///
    /// # Errors
    /// [`Error::Request`] where its constraint does not let it end there.
    fn end_without_token(&mut self, stage: Stage) -> Result<Option<FinishReason>, Error> {
        if let Some(constrained) = &mut self.constrained
            && !constrained.may_end(stage)?
        {
            let steer = self.steer.as_ref();
            let fields = steer.map(Steer::takes_away).unwrap_or_default();
            return Err(constrained.left_without_token(&fields));
        }
        Ok(Some(FinishReason::Stop))
    }

    fn put_out(&mut self, token: u32, now: Instant, tokenizer: &Tokenizer) -> Option<FinishReason> {
        self.clock.token(now);
        self.tokens.push(token);
        if let Some(drafter) = &mut self.drafter {
            drafter.push(&self.tokens);
        }
        if self.counts {
            let [_, put_out] = self.lengths();
            let learned = Learned::PutOut(put_out);
            self.output.reader().send(Event::Learned(learned));
        }
        let (is_end, steer) = (tokenizer.is_end(token), self.steer.as_ref());
        if steer.map_or(is_end, |steer| steer.ends_at(token, is_end)) {
            if self.shows_stop && !is_end {
                self.output.push(token, false);
            } else if self.tells_end {
                self.output.tell_expected();
            }
            return Some(FinishReason::Stop);
        }
        let put_out = self.tokens.len() - self.prompt;
        let is_early = steer.is_some_and(|steer| steer.is_early(put_out));
        let ended = self.output.push(token, !is_early);
        match self.output.part() {
            PartOf::Thought => self.clock.thinks(now),
            PartOf::Answer => self.clock.answers(now),
            PartOf::Neither => {}
        }
        if ended {
            return Some(FinishReason::Stop);
        }
        let goes_on = steer.is_some_and(|steer| steer.goes_on(put_out));
        let circles = self.repetition.push(&self.tokens[self.prompt..]);
        if circles && !goes_on && self.may_be_cut() {
            return Some(FinishReason::Repetition);
        }
        (put_out == self.max_tokens).then_some(self.limit)
    }

    /// Whether what goes round in circles may be ended: not where a constraint, which may ask for just that, is not met yet.
    fn may_be_cut(&mut self) -> bool {
        let is_answer = self.output.part() == PartOf::Answer;
        let constrained = self.constrained.as_mut().filter(|_| is_answer);
        // What cannot be told now fails where the next mask is asked for.
        constrained.is_none_or(|constrained| constrained.may_end(Stage::Answer).unwrap_or(false))
    }

    /// Puts its end behind a thought that has come to its limit. The tokens are computed in the steps that follow, as those
    /// of an answer that goes on after a pause.
    fn end_long_thought(&mut self, now: Instant, tokenizer: &Tokenizer) -> Option<FinishReason> {
        let [_, put_out] = self.lengths();
        let (thinks, room) = (self.output.is_thinking(), self.max_tokens - put_out);
        let is_passed = |limit: &mut ThoughtLimit| {
            // Nothing but the thought was put out so far.
            thinks && put_out >= limit.tokens && limit.end.len() < room
        };
        let limit = self.thought_limit.take_if(is_passed)?;
        self.output.interrupt();
        let mut end = limit.end.into_iter();
        end.find_map(|token| self.put_out(token, now, tokenizer))
    }
}
