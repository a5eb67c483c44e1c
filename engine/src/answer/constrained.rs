//! An answer that is held to a constraint: which logits count, and what a token does to the constraint.
//!
//! It holds from where the answer begins, behind the thought. A thought is free but for its end, which must come before that
//! of the answer. Nothing here depends on other answers of a step, so an answer is the same bits alone and in company.

use crate::Error;
use crate::answer::output::Stage;
use crate::text::constraint::follower::Follower;
use crate::text::thoughts::Marks;
use crate::text::tokenizer::Tokenizer;

/// Tokens of which a word of a mask says whether they may come.
const WORD: usize = u32::BITS as usize;

/// The constraint of one answer.
#[derive(Debug)]
pub(crate) struct Constrained {
    follower: Follower,
    /// The token that begins a thought, where the model may think and has one.
    opening: Option<u32>,
    /// Those of line ends alone, of which one may come behind a thought.
    line_ends: Vec<u32>,
    /// Those that end an answer.
    ends: Vec<u32>,
    /// Logits of those tokens that may come next, and for the others less than any.
    masked: Vec<f32>,
    /// Whether a line end has come behind the thought.
    has_line_end: bool,
    /// What the last token is to the constraint.
    last: Role,
}

/// Where a token belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Thought,
    Answer,
}

impl Constrained {
    /// An answer that follows a constraint, behind a thought between these marks, if there is to be one.
    pub(crate) fn new(
        follower: Follower,
        thought: Option<&'static Marks>,
        tokenizer: &Tokenizer,
    ) -> Self {
        let only = |text: &str| match tokenizer.encode_behind(text)[..] {
            [token] => Some(token),
            _ => None,
        };
        Self {
            follower,
            opening: thought.and_then(|marks| only(marks.opening)),
            line_ends: ["\n", "\n\n"].into_iter().filter_map(only).collect(),
            ends: tokenizer.ends().to_vec(),
            masked: Vec::new(),
            has_line_end: false,
            last: Role::Answer,
        }
    }

    /// The logits of what may come next; nothing where nothing may, or only what the request forbids: [`Self::may_end`] says
    /// whether the answer has then ended.
    ///
    /// # Errors
    /// [`Error::Request`] where that is beyond the limits.
    pub(crate) fn mask(&mut self, logits: &[f32], stage: Stage) -> Result<Option<&[f32]>, Error> {
        self.masked.clear();
        if stage == Stage::Thought {
            self.masked.extend_from_slice(logits);
            for &end in &self.ends {
                if let Some(logit) = self.masked.get_mut(end as usize) {
                    *logit = f32::NEG_INFINITY;
                }
            }
            return Ok(self.masked.iter().any(can_be_drawn).then_some(&self.masked));
        }
        let (allowed, masked) = (self.follower.allowed()?, &mut self.masked);
        let known = &logits[..logits.len().min(allowed.len())];
        let words = known.chunks(WORD).zip(allowed.as_slice());
        let mut any = words.fold(false, |any, (logits, word)| {
            push_allowed(masked, logits, *word) || any
        });
        masked.resize(logits.len(), f32::NEG_INFINITY);
        let mut allow = |token: usize| {
            if let (Some(masked), Some(logit)) = (masked.get_mut(token), logits.get(token)) {
                *masked = *logit;
                any |= *logit > f32::NEG_INFINITY;
            }
        };
        match stage {
            Stage::Start => self.opening.iter().for_each(|token| allow(*token as usize)),
            Stage::Behind if !self.has_line_end => {
                self.line_ends
                    .iter()
                    .for_each(|token| allow(*token as usize));
            }
            _ => {}
        }
        Ok(any.then_some(&self.masked))
    }

    /// Whether an answer for which no token is left may end in `stage`.
    ///
    /// # Errors
    /// [`Error::Request`] where that cannot be told.
    pub(crate) fn may_end(&mut self, stage: Stage) -> Result<bool, Error> {
        Ok(stage != Stage::Thought && self.follower.may_end()?)
    }

    /// Why an answer fails for which no token is left where it may not end, of a request that takes tokens away by these
    /// fields.
    pub(crate) fn left_without_token(&self, fields: &[&str]) -> Error {
        self.follower.refused(&match fields {
            [] => "no token of the model can come next".to_owned(),
            fields => format!(
                "what may come next is taken away by `{}`",
                fields.join("` and `")
            ),
        })
    }

    /// Takes a token that was drawn in `stage`, before it is put out.
    ///
    /// # Errors
    /// [`Error::Request`] for one that may not come.
    pub(crate) fn follow(&mut self, token: u32, stage: Stage) -> Result<(), Error> {
        let is_allowed = stage != Stage::Thought && self.follower.allowed()?.is_allowed(token);
        self.last = Role::Answer;
        match stage {
            Stage::Thought => self.last = Role::Thought,
            _ if is_allowed => self.follower.follow(token)?,
            Stage::Start if self.opening == Some(token) => self.last = Role::Thought,
            Stage::Behind if self.line_ends.contains(&token) => self.has_line_end = true,
            _ => self.follower.follow(token)?,
        }
        Ok(())
    }

    /// Takes what a token that ended the thought holds of the answer, and whether nothing can follow.
    ///
    /// # Errors
    /// [`Error::Request`] where an answer may not begin so.
    pub(crate) fn is_complete(
        &mut self,
        begun: &str,
        tokenizer: &Tokenizer,
    ) -> Result<bool, Error> {
        if self.last == Role::Thought && !begun.is_empty() {
            for token in tokenizer.encode_within(begun) {
                self.follower.follow(token)?;
            }
        }
        Ok(self.follower.is_complete())
    }
}

/// Adds as many logits as a word of a mask has bits, or fewer: those whose bit is set, from the lowest on, and less than any for
/// the others. Whether one of them can be drawn.
fn push_allowed(masked: &mut Vec<f32>, logits: &[f32], word: u32) -> bool {
    let first = masked.len();
    match word {
        0 => masked.resize(first + logits.len(), f32::NEG_INFINITY),
        u32::MAX => masked.extend_from_slice(logits),
        _ => masked.extend(logits.iter().enumerate().map(|(bit, logit)| {
            if word >> bit & 1 == 1 {
                *logit
            } else {
                f32::NEG_INFINITY
            }
        })),
    }
    word != 0 && masked[first..].iter().any(can_be_drawn)
}

fn can_be_drawn(logit: &f32) -> bool {
    *logit > f32::NEG_INFINITY
}

#[cfg(test)]
mod tests;
