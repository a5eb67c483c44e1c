//! What an answer must be, made ready for the model: constraints are compiled where requests are checked.

use super::Engine;
use super::prepared::Prepared;
use crate::answer::constrained::Constrained;
use crate::text::calls::CallReader;
use crate::text::constraint::follower::Follower;
use crate::text::constraint::grammars::Grammars;
use crate::text::conversation::{Conversation, ToolChoice};
use crate::{Constraint, Error, Prompt, Request};

impl Engine {
    /// What holds an answer to the constraint of its request, or to the calls that its tools demand, or to either.
    ///
    /// # Errors
    /// [`Error::Request`] for a constraint that is not supported or too much, and for one that cannot be told from calls;
    /// [`Error::NoThread`].
    pub(super) fn constrained(
        &self,
        request: &Request,
        prepared: &Prepared,
    ) -> Result<Option<Box<Constrained>>, Error> {
        let follower = match (&request.constraint, &prepared.calls) {
            (None, calls) => self.follow_calls(request, calls.as_ref())?,
            (Some(constraint), None) => Some(self.grammars(constraint.field)?.compile(constraint)?),
            (Some(constraint), Some(calls)) => self.follow_either(request, calls, constraint)?,
        };
        let Some(follower) = follower else {
            return Ok(None);
        };
        let may_think = request.thinking.most_tokens() != Some(0);
        let thought = self.template.thought_marks().filter(|_| may_think);
        let thought = thought.filter(|_| prepared.thoughts.is_some());
        let constrained = Constrained::new(follower, thought, &self.tokenizer);
        Ok(Some(Box::new(constrained)))
    }

    /// What follows the calls that the tools of a request demand; nothing where these are free.
    fn follow_calls(
        &self,
        request: &Request,
        calls: Option<&CallReader>,
    ) -> Result<Option<Follower>, Error> {
        let Prompt::Chat(conversation) = &request.prompt else {
            return Ok(None);
        };
        let held = self.held(conversation)?;
        match calls {
            _ if held.tool_choice == ToolChoice::Free && held.strict.is_empty() => Ok(None),
            Some(calls) => self.grammars("tools")?.compile_calls(
                calls.format(),
                &held,
                &loose(conversation, &held),
            ),
            None if held.tool_choice == ToolChoice::Free => Ok(None),
            None => Err(Error::request(
                "tools",
                "`tools` must have one where a call is demanded, found none",
            )),
        }
    }

    /// What follows an answer that may call tools beside a constraint: it is calls, or keeps to that. Where a call is demanded
    /// there is nothing to keep to it.
    fn follow_either(
        &self,
        request: &Request,
        calls: &CallReader,
        constraint: &Constraint,
    ) -> Result<Option<Follower>, Error> {
        let Prompt::Chat(conversation) = &request.prompt else {
            return Ok(None);
        };
        let held = self.held(conversation)?;
        if held.tool_choice != ToolChoice::Free {
            return self.follow_calls(request, Some(calls));
        }
        let grammars = self.grammars(constraint.field)?;
        let follower = match calls.can_find_any() {
            true => {
                let loose = loose(conversation, &held);
                grammars.compile_either(calls.format(), &held, &loose, constraint)
            }
            false => grammars.compile(constraint),
        };
        follower.map(Some)
    }

    /// What compiles constraints, made when the first is asked for, in a `field`.
    ///
    /// # Errors
    /// [`Error::Request`] for a model whose tokens cannot be told apart by their bytes.
    pub(super) fn grammars(&self, field: &'static str) -> Result<&Grammars, Error> {
        let made = self.grammars.get_or_init(|| {
            let began = std::time::Instant::now();
            let made = Grammars::new(&self.tokenizer);
            tracing::debug!(took = ?began.elapsed(), "constraints can be compiled");
            made
        });
        made.as_ref().map_err(|reason| {
            let reason =
                format!("`{field}`: this model's answers cannot be held to anything: {reason}");
            Error::request(field, reason)
        })
    }
}

/// The tools that are strict only since the model is told of them in words: whoever asks for no schema to be kept to wants an
/// answer all the same.
fn loose(conversation: &Conversation, held: &Conversation) -> Vec<String> {
    let is_loose = |name: &&String| !conversation.strict.contains(*name);
    match held.tool_choice {
        ToolChoice::Free => held.strict.iter().filter(is_loose).cloned().collect(),
        _ => Vec::new(),
    }
}
