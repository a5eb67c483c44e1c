//! Calls of tools, read out of an answer while the model writes it.
//!
//! Besides the way that a model was trained to write calls there is one that small models fall into: JSON as the whole
//! answer, perhaps in a code fence. What a model quotes is no call, and what it thinks does not come here.
//!
//! What may be the beginning of a call is held back until it is one, or until it cannot become one and is text like any
//! other. Nothing is lost but the blanks around calls, and how an answer was cut into pieces makes no difference.

mod brackets;
mod format;
mod surroundings;

#[cfg(test)]
mod tests;

use serde::Deserialize;
use serde_json::value::RawValue;

use self::brackets::{Brackets, Step};
pub(crate) use self::format::CallFormat;
use self::surroundings::Surroundings;
use crate::text::conversation::{Arguments, Conversation, ToolCall};
use crate::text::stop::beginning;

/// What begins and ends a block of code.
const FENCE: &str = "```";
/// Of a call, in characters.
pub(crate) const IDENTIFIER_LENGTH: usize = 9;
/// The longest name of a language behind a fence that calls are looked for in.
const MAX_LANGUAGE_BYTES: usize = 16;

/// What a reader makes of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AnswerPart {
    /// Text, to be shown.
    Text(String),
    /// A call, to be made.
    Call(ToolCall),
}

/// Tells calls from text in one answer.
#[derive(Debug)]
pub(crate) struct CallReader {
    format: CallFormat,
    /// The tools that may be called.
    names: Vec<String>,
    /// Whether the first call ends the answer.
    single: bool,
    /// Where the identifiers go on; they differ for as many calls as there are identifiers.
    next_id: u64,
    state: State,
    /// What is not decided yet, but for the bytes of this push before `done`.
    held: String,
    done: usize,
    /// Bytes of `held` that need no second look.
    read: usize,
    /// Calls that stand if nothing follows them.
    pending: Vec<Call>,
    /// Whether those are the whole answer, in a code fence that is still open.
    fenced: bool,
    /// What the text so far makes of a call that would follow.
    surroundings: Surroundings,
    decided: Vec<AnswerPart>,
}

#[derive(Debug)]
enum State {
    /// Nothing but blanks was written.
    Start,
    /// Text, in which a call may begin. What is read of `held` is blank.
    Text,
    /// Where a call is expected; its JSON begins in `held` at `from`.
    Call {
        from: usize,
        brackets: Brackets,
        /// Whether it is to be the whole answer.
        alone: bool,
    },
    /// Behind a call: its closing may follow, and blanks that matter only before text. What is read of `held` is blank.
    Behind,
    /// Behind what is a call if nothing but further ones follow. What is read of `held` since is blank, or separates them.
    Alone { separated: bool },
    /// Text, in which no call can begin.
    Plain,
    /// Nothing is wanted any more.
    Ended,
}

/// A call as models write it; some add a `type` or an `id`, or leave out arguments that there are none of.
#[derive(Debug, Deserialize)]
struct WrittenCall<'j> {
    name: String,
    #[serde(borrow, default, alias = "parameters")]
    arguments: Option<&'j RawValue>,
}

#[derive(Debug)]
struct Call {
    name: String,
    arguments: Arguments,
}

impl CallReader {
    /// A reader of calls of the tools that `conversation` offers. `entropy` keeps identifiers of different answers apart.
    pub(crate) fn new(format: CallFormat, conversation: &Conversation, entropy: u64) -> Self {
        let names = conversation.tools.iter();
        let names = names.filter_map(|tool| tool["function"]["name"].as_str());
        let mut reader = Self {
            format,
            names: names.map(str::to_owned).collect(),
            single: conversation.single_call,
            next_id: entropy,
            state: State::Start,
            held: String::new(),
            done: 0,
            read: 0,
            pending: Vec::new(),
            fenced: false,
            surroundings: Surroundings::default(),
            decided: Vec::new(),
        };
        if !conversation.strict.is_empty() {
            // Only what is marked as a call was held to a schema.
            reader = reader.of_marked_calls();
        }
        reader.go_on(conversation.continued().unwrap_or_default());
        reader
    }

    /// Goes on behind a text that is not its to tell again. A call may follow, but none that would be the whole answer.
    fn go_on(&mut self, text: &str) {
        if !text.trim().is_empty() {
            self.surroundings = self.surroundings.followed_by(text);
            self.expect_text();
        }
    }

    /// The same reader where a text that is no call may look like one: only what is marked as a call is one then, if the
    /// format has a mark.
    pub(crate) fn of_marked_calls(mut self) -> Self {
        if self.format != CallFormat::Bare {
            self.expect_text();
        }
        self
    }

    /// Whether a call can still be read.
    pub(crate) fn can_find_any(&self) -> bool {
        !matches!(self.state, State::Plain | State::Ended)
    }

    /// How the model writes calls.
    pub(crate) fn format(&self) -> CallFormat {
        self.format
    }

    /// Whether nothing that follows is wanted.
    pub(crate) fn is_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Takes the next piece of the answer; the texts and calls that this decides.
    pub(crate) fn push(&mut self, piece: &str) -> Vec<AnswerPart> {
        self.held.push_str(piece);
        while self.step() {}
        // Once a push, or it would take the square of the time.
        self.held.drain(..self.done);
        self.read -= self.done;
        if let State::Call { from, .. } = &mut self.state {
            *from -= self.done;
        }
        self.done = 0;
        std::mem::take(&mut self.decided)
    }

    /// What is left when the answer ends.
    pub(crate) fn finish(&mut self) -> Vec<AnswerPart> {
        match &self.state {
            State::Alone { .. } => self.call(self.held.len()),
            State::Behind if self.held.trim_start().is_empty() => {}
            _ => self.say(self.held.len()),
        }
        self.state = State::Ended;
        std::mem::take(&mut self.decided)
    }

    /// Decides something about `held`; false when that takes more text.
    fn step(&mut self) -> bool {
        match &self.state {
            State::Start => self.expect_call(),
            State::Text => self.find_opening(),
            State::Call { .. } => self.read_json(),
            State::Behind => self.skip_closing(),
            State::Alone { .. } => self.expect_end(),
            State::Plain => {
                self.say(self.held.len());
                false
            }
            State::Ended => {
                self.decide(self.held.len());
                false
            }
        }
    }

    fn expect_call(&mut self) -> bool {
        let opening = self.format.opening();
        self.skip_blanks();
        let rest = &self.held[self.read..];
        let may_begin = |wanted: &str| wanted.starts_with(rest);
        if rest.starts_with(opening) {
            match self.format {
                CallFormat::Bare => self.begin_json(self.read + opening.len(), true),
                CallFormat::Tagged | CallFormat::Listed => self.expect_text(),
            }
        } else if may_begin(opening) || may_begin(FENCE) {
            return false;
        } else if let Some(line) = rest.strip_prefix(FENCE) {
            match line.split_once('\n') {
                None if is_language(line) => return false,
                Some((language, _)) if is_language(language) => {
                    let from = self.read + FENCE.len() + language.len() + 1;
                    self.fenced = true;
                    self.begin_json(from, true);
                }
                _ => self.expect_text(),
            }
        } else if rest.starts_with(brackets::OPENING) {
            self.begin_json(self.read, true);
        } else {
            self.expect_text();
        }
        true
    }

    /// Goes on behind what cannot be the whole answer.
    fn expect_text(&mut self) {
        self.read = self.done;
        self.fenced = false;
        self.state = match self.format {
            CallFormat::Bare => State::Plain,
            CallFormat::Tagged | CallFormat::Listed => State::Text,
        };
    }

    fn find_opening(&mut self) -> bool {
        let opening = self.format.opening();
        let unread = &self.held[self.read..];
        let found = unread.find(opening);
        let end = found.unwrap_or_else(|| unread.len() - beginning(unread, opening));
        // The blanks before it are decided with it.
        let text = unread[..end].trim_end().len();
        let end = self.read + end;
        if text > 0 {
            self.say(self.read + text);
        }
        self.read = end;
        if found.is_some() {
            let behind = end + opening.len();
            let blanks = &self.held[self.done..end];
            match self.surroundings.followed_by(blanks).are_prose() {
                true => self.begin_json(behind, false),
                false => self.say(behind),
            }
        }
        found.is_some()
    }

    fn begin_json(&mut self, from: usize, alone: bool) {
        self.read = from;
        self.state = State::Call {
            from,
            brackets: Brackets::default(),
            alone,
        };
    }

    fn read_json(&mut self) -> bool {
        let State::Call {
            from,
            brackets,
            alone,
        } = &mut self.state
        else {
            return false;
        };
        let (from, alone) = (*from, *alone);
        let unread = &self.held.as_bytes()[self.read..];
        let steps = unread.iter().map(|byte| brackets.step(*byte));
        let decided = steps.zip(self.read..).find(|(step, _)| *step != Step::More);
        match decided {
            None => {
                self.read = self.held.len();
                return false;
            }
            Some((Step::Closed, at)) => {
                let end = at + 1;
                match self.written_calls(&self.held[from..end]) {
                    None => self.refuse(end),
                    Some(calls) => {
                        self.pending.extend(calls);
                        self.end_json(end, alone);
                    }
                }
            }
            Some((_, at)) => self.refuse(at),
        }
        true
    }

    /// The calls that a text consists of; none unless every one is of a tool that there is.
    fn written_calls(&self, json: &str) -> Option<Vec<Call>> {
        let written: Vec<WrittenCall<'_>> = match json.trim_start().starts_with('[') {
            true => serde_json::from_str(json).ok()?,
            false => vec![serde_json::from_str(json).ok()?],
        };
        let calls = written.into_iter().map(|WrittenCall { name, arguments }| {
            let known = self.names.contains(&name);
            let arguments = match arguments {
                None => Arguments::default(),
                Some(written) => Arguments::parse(written.get()).ok()?,
            };
            known.then_some(Call { name, arguments })
        });
        let calls: Vec<Call> = calls.collect::<Option<_>>()?;
        (!calls.is_empty()).then_some(calls)
    }

    fn end_json(&mut self, end: usize, alone: bool) {
        if alone {
            self.state = State::Alone { separated: false };
            self.read = end;
        } else {
            self.state = State::Behind;
            self.call(end);
        }
    }

    fn expect_end(&mut self) -> bool {
        let separated = matches!(self.state, State::Alone { separated: true });
        let (fenced, rest) = (self.fenced, self.skip_blanks());
        let may_end = fenced && FENCE.starts_with(rest);
        if rest.is_empty() || may_end && rest != FENCE {
            return false;
        }
        if rest.starts_with(brackets::OPENING) {
            self.begin_json(self.read, true);
        } else if rest.starts_with(';') && !separated {
            self.read += 1;
            self.state = State::Alone { separated: true };
        } else if fenced && rest.starts_with(FENCE) {
            self.read += FENCE.len();
            self.fenced = false;
            self.state = State::Alone { separated: true };
        } else {
            self.refuse(self.read);
        }
        true
    }

    /// Makes what was taken for a call text again, up to `end`.
    fn refuse(&mut self, end: usize) {
        self.pending.clear();
        self.say(end);
        self.expect_text();
    }

    fn skip_closing(&mut self) -> bool {
        let (closing, rest) = (self.format.closing(), self.skip_blanks());
        let begins = |closing: &str| closing.starts_with(rest) && closing != rest;
        match closing {
            _ if rest.is_empty() => return false,
            Some(closing) if begins(closing) => return false,
            Some(closing) if rest.starts_with(closing) => self.decide(self.read + closing.len()),
            _ => self.state = State::Text,
        }
        true
    }

    /// What follows further blanks in `held`.
    fn skip_blanks(&mut self) -> &str {
        let rest = self.held[self.read..].trim_start().len();
        self.read = self.held.len() - rest;
        &self.held[self.read..]
    }

    fn say(&mut self, end: usize) {
        if end > self.done {
            let text = self.held[self.done..end].to_owned();
            self.surroundings = self.surroundings.followed_by(&text);
            self.decided.push(AnswerPart::Text(text));
        }
        self.decide(end);
    }

    fn call(&mut self, end: usize) {
        for Call { name, arguments } in std::mem::take(&mut self.pending) {
            let id = identifier(self.next_id);
            self.next_id = self.next_id.wrapping_add(1);
            self.decided.push(AnswerPart::Call(ToolCall {
                id,
                name,
                arguments,
            }));
            if self.single {
                self.state = State::Ended;
                break;
            }
        }
        self.decide(end);
    }

    fn decide(&mut self, end: usize) {
        (self.done, self.read) = (end, end);
    }
}

fn is_language(text: &str) -> bool {
    let mut bytes = text.trim_end().bytes();
    text.len() <= MAX_LANGUAGE_BYTES
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Nine letters and digits, as Mistral's templates demand; others take any.
pub(crate) fn identifier(mut number: u64) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let digit = |_| {
        let digit = DIGITS[(number % 62) as usize];
        number /= 62;
        char::from(digit)
    };
    (0..IDENTIFIER_LENGTH).map(digit).collect()
}
