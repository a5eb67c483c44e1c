//! What the tokens of one answer become for its reader: thoughts, text and calls of tools, as events.
//!
//! Tokens become text, of which a thought is sent as it is. Stop texts and calls are looked for in the rest.

use crate::text::calls::CallReader;
use crate::text::stop::{Filtered, StopFilter};
use crate::text::thoughts::{Part, ThoughtReader};
use crate::text::tokenizer::{TokenDecoder, Tokenizer};
use crate::{AnswerSender, Event, Learned, Logprobs, Revealed};

/// Reads the tokens of one answer and sends what they come to.
#[derive(Debug)]
pub(crate) struct Output {
    decoder: TokenDecoder,
    thoughts: Option<ThoughtReader>,
    /// Of what the last token is a part.
    part: PartOf,
    /// What the last token held of the answer, where it ended the thought.
    begun: String,
    filter: StopFilter,
    calls: Option<CallReader>,
    /// How likely the next token is, where that is to be told.
    likely: Option<Logprobs>,
    answer: AnswerSender,
}

/// What the next token is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The first of a thought or of the answer.
    Start,
    /// One of a thought.
    Thought,
    /// The first of the answer, behind a thought.
    Behind,
    /// One of the answer.
    Answer,
}

/// What a token is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PartOf {
    /// The thought or its marks.
    Thought,
    /// What the model says.
    Answer,
    /// What is not known yet, or the blank lines between the two.
    Neither,
}

impl Output {
    /// For an answer that ends at any of the stop texts, and in which thoughts and calls are told apart by their readers. What
    /// is `revealed` is shown too.
    pub(crate) fn new(
        tokenizer: &Tokenizer,
        (stop, revealed): (&[String], Revealed),
        (thoughts, calls): (Option<ThoughtReader>, Option<CallReader>),
        answer: AnswerSender,
    ) -> Self {
        let of_thoughts = thoughts
            .iter()
            .flat_map(|thoughts| thoughts.marks().texts());
        let of_calls = calls.iter().flat_map(|calls| calls.format().marks());
        let marks: Vec<_> = of_thoughts.chain(of_calls).collect();
        let mut decoder = tokenizer.decoder(&marks);
        if revealed.control_tokens {
            decoder.show_all();
        }
        Self {
            decoder,
            thoughts,
            part: PartOf::Neither,
            begun: String::new(),
            filter: StopFilter::new(stop, revealed.stop),
            calls,
            likely: None,
            answer,
        }
    }

    /// Sends what may be shown with the next token; true when it ended the answer, which it may not always.
    pub(crate) fn push(&mut self, token: u32, may_end: bool) -> bool {
        let piece = self.decoder.push(token);
        let Some(thoughts) = &mut self.thoughts else {
            self.part = PartOf::Answer;
            tell(&self.answer, self.likely.take());
            let filtered = self.filter.push(piece, may_end);
            return self.say(filtered);
        };
        let has_thought = thoughts.is_thinking();
        let Part { thought, answer } = thoughts.push(piece);
        let is_answering = thoughts.is_answering();
        self.begun.clear();
        if has_thought && is_answering {
            self.begun.push_str(&answer);
        }
        self.part = match has_thought || thoughts.is_thinking() {
            true => PartOf::Thought,
            false if is_answering => PartOf::Answer,
            false => PartOf::Neither,
        };
        if is_answering {
            // Where marks are control tokens they are shown no more.
            self.decoder.hide(&thoughts.marks().texts());
        }
        self.think(thought);
        let likely = self.likely.take();
        tell(&self.answer, likely.filter(|_| self.part == PartOf::Answer));
        let filtered = self.filter.push(&answer, may_end);
        self.say(filtered)
    }

    /// Says how likely the token is that comes next, to be told before the text that it completes.
    pub(crate) fn expect(&mut self, likely: Logprobs) {
        self.likely = Some(likely);
    }

    /// Tells how likely the token is that was expected, and is not shown.
    pub(crate) fn tell_expected(&mut self) {
        tell(&self.answer, self.likely.take());
    }

    /// Whether the thought goes on.
    pub(crate) fn is_thinking(&self) -> bool {
        let thoughts = self.thoughts.as_ref();
        thoughts.is_some_and(ThoughtReader::is_thinking)
    }

    /// What the next token is to be.
    pub(crate) fn stage(&self) -> Stage {
        match &self.thoughts {
            None => Stage::Answer,
            Some(thoughts) if thoughts.is_answering() => Stage::Answer,
            Some(thoughts) if thoughts.is_thinking() => Stage::Thought,
            Some(thoughts) if thoughts.is_behind() => Stage::Behind,
            Some(_) => Stage::Start,
        }
    }

    /// What the last token held of the answer, where it ended the thought.
    pub(crate) fn begun(&self) -> &str {
        &self.begun
    }

    /// What follows was not written by the model, which may have stopped within a character.
    pub(crate) fn interrupt(&mut self) {
        self.decoder.cut_character();
    }

    /// What the last token is a part of.
    pub(crate) fn part(&self) -> PartOf {
        self.part
    }

    /// Sends what was held back, when the answer ends.
    pub(crate) fn finish(&mut self) {
        if let Some(thoughts) = &mut self.thoughts {
            let Part { thought, answer } = thoughts.finish();
            self.think(thought);
            // Behind a stop text nothing is held, and the filter takes no more.
            if !answer.is_empty() {
                let filtered = self.filter.push(&answer, true);
                self.say(filtered);
            }
        }
        let rest = self.filter.finish();
        self.say(Filtered::Text(rest));
        for event in self.calls.iter_mut().flat_map(CallReader::finish) {
            self.answer.send(event.into());
        }
    }

    /// Who reads the answer.
    pub(crate) fn reader(&self) -> &AnswerSender {
        &self.answer
    }

    fn think(&self, thought: String) {
        if !thought.is_empty() {
            self.answer.send(Event::Thought(thought));
        }
    }

    /// Sends a text, or the texts and calls that it decides; true when it ended the answer.
    fn say(&mut self, filtered: Filtered) -> bool {
        let (text, stopped) = match filtered {
            Filtered::Text(text) => (text, false),
            Filtered::Stopped(text) => (text, true),
        };
        match &mut self.calls {
            Some(calls) => {
                for event in calls.push(&text) {
                    self.answer.send(event.into());
                }
            }
            None if text.is_empty() => {}
            None => self.answer.send(Event::Text(text)),
        }
        stopped || self.calls.as_ref().is_some_and(CallReader::is_ended)
    }
}

fn tell(answer: &AnswerSender, likely: Option<Logprobs>) {
    if let Some(likely) = likely {
        answer.send(Event::Learned(Learned::Token(likely)));
    }
}

#[cfg(test)]
mod tests;
