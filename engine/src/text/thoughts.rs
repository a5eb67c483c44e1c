//! What a model thinks before it answers, told from the answer while both are written.
//!
//! The marks are those that the model's chat template names; a model whose template names none is not known to think. A
//! thought stands before everything else, so marks that are written later are text. A mark that has begun is held back until
//! it is whole or cannot become one, and how an answer was cut into pieces makes no difference.
//!
//! Thoughts that are told apart in another way, such as the channels of harmony, would be another reader with the same
//! [`Part`]: whoever shows, counts and bounds thoughts knows nothing of marks.

use crate::text::stop::beginning;

/// What stands around a thought.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Marks {
    pub(crate) opening: &'static str,
    pub(crate) closing: &'static str,
    /// What ends a thought and leads to the answer, where the template does not show it.
    pub(crate) end: &'static str,
}

/// The marks that are known.
const KNOWN: [Marks; 2] = [
    Marks {
        opening: "<think>",
        closing: "</think>",
        end: "\n</think>\n\n",
    },
    Marks {
        opening: "[THINK]",
        closing: "[/THINK]",
        end: "[/THINK]",
    },
];

impl Marks {
    /// Those that the source of a template names; either is enough, as some templates open every thought themselves, and
    /// others only cut thoughts off.
    pub(crate) fn named_in(source: &str) -> Option<&'static Self> {
        let names =
            |marks: &&Self| [marks.opening, marks.closing].map(|mark| source.contains(mark));
        KNOWN.iter().find(|marks| names(marks).contains(&true))
    }

    /// Both, to be seen also where the vocabulary has them as control tokens.
    pub(crate) fn texts(&self) -> [&'static str; 2] {
        [self.opening, self.closing]
    }
}

/// What a piece comes to; the thought goes before the answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) thought: String,
    pub(crate) answer: String,
}

/// Tells the thought from the answer.
#[derive(Debug)]
pub(crate) struct ThoughtReader {
    marks: &'static Marks,
    state: State,
    /// What is not decided yet.
    held: String,
    /// Bytes of `held` that are blank and need no second look.
    blank: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing but blanks was written, or nothing but the opening mark.
    Start { opened: bool },
    /// Within the thought.
    Thought,
    /// Behind the closing mark, where blank lines belong to nobody.
    Behind,
    /// What follows is the answer.
    Answer,
}

impl ThoughtReader {
    /// A reader of what follows a prompt, which may have opened a thought for the model.
    pub(crate) fn behind(prompt: &str, marks: &'static Marks) -> Self {
        let opened = prompt.trim_end().ends_with(marks.opening);
        Self {
            marks,
            state: State::Start { opened },
            held: String::new(),
            blank: 0,
        }
    }

    /// A reader of what goes on with what was `said`, within its thought or behind it; a mark that has begun there is of that
    /// text.
    pub(crate) fn going_on(said: &str, marks: &'static Marks) -> Self {
        let mut reader = Self::behind("", marks);
        reader.push(said);
        reader.held.clear();
        reader.blank = 0;
        if reader.state == (State::Start { opened: false }) {
            reader.state = State::Answer;
        }
        reader
    }

    /// What the thought stands between.
    pub(crate) fn marks(&self) -> &'static Marks {
        self.marks
    }

    /// Whether the model is known to think now.
    pub(crate) fn is_thinking(&self) -> bool {
        matches!(self.state, State::Start { opened: true } | State::Thought)
    }

    /// Whether the answer has begun.
    pub(crate) fn is_answering(&self) -> bool {
        self.state == State::Answer
    }

    /// Whether a thought has ended and the answer has not begun.
    pub(crate) fn is_behind(&self) -> bool {
        self.state == State::Behind
    }

    /// Takes the next piece.
    pub(crate) fn push(&mut self, piece: &str) -> Part {
        let mut part = Part::default();
        self.held.push_str(piece);
        while self.step(&mut part) {}
        part
    }

    /// What is left when the answer ends.
    pub(crate) fn finish(&mut self) -> Part {
        if self.state == (State::Start { opened: true }) {
            self.drop_blank_lines();
        }
        let held = std::mem::take(&mut self.held);
        self.blank = 0;
        let mut part = Part::default();
        match self.state {
            State::Start { opened: true } | State::Thought => {
                held.trim_end().clone_into(&mut part.thought);
            }
            State::Start { opened: false } | State::Answer => part.answer = held,
            State::Behind => {}
        }
        part
    }

    /// Decides something about `held`; false when that takes more text.
    fn step(&mut self, part: &mut Part) -> bool {
        match self.state {
            State::Start { opened } => self.expect_opening(opened),
            State::Thought => self.find_closing(part),
            State::Behind => {
                if self.skip_blanks().is_empty() {
                    return false;
                }
                self.drop_blank_lines();
                self.state = State::Answer;
                true
            }
            State::Answer => {
                part.answer.push_str(&self.held);
                self.held.clear();
                false
            }
        }
    }

    /// A thought that the prompt has opened may be opened again.
    fn expect_opening(&mut self, opened: bool) -> bool {
        let opening = self.marks.opening;
        let rest = self.skip_blanks();
        if rest.starts_with(opening) {
            self.held.drain(..self.blank + opening.len());
            self.blank = 0;
            self.state = State::Start { opened: true };
        } else if opening.starts_with(rest) {
            return false;
        } else if opened {
            self.drop_blank_lines();
            self.state = State::Thought;
        } else {
            self.state = State::Answer;
        }
        true
    }

    fn find_closing(&mut self, part: &mut Part) -> bool {
        let closing = self.marks.closing;
        let unread = &self.held[self.blank..];
        let found = unread.find(closing);
        let end = found.unwrap_or_else(|| unread.len() - beginning(unread, closing));
        let text = unread[..end].trim_end().len();
        let end = self.blank + end;
        // Blanks before more text belong to it, those before the mark to nobody.
        if text > 0 {
            part.thought.push_str(&self.held[..self.blank + text]);
            self.held.drain(..self.blank + text);
            self.blank = end - self.blank - text;
        } else {
            self.blank = end;
        }
        if found.is_some() {
            self.held.drain(..self.blank + closing.len());
            self.blank = 0;
            self.state = State::Behind;
        }
        found.is_some()
    }

    /// What follows further blanks in `held`.
    fn skip_blanks(&mut self) -> &str {
        let rest = self.held[self.blank..].trim_start().len();
        self.blank = self.held.len() - rest;
        &self.held[self.blank..]
    }

    /// Keeps of the blanks at the beginning those of the line in which the text begins.
    fn drop_blank_lines(&mut self) {
        let lines = self.held[..self.blank].rfind('\n').map_or(0, |end| end + 1);
        self.held.drain(..lines);
        self.blank = 0;
    }
}

#[cfg(test)]
mod tests;
