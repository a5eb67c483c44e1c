//! What an answer must be, made ready for the model: constraints are compiled where requests are checked.

use super::Engine;
use super::prepared::Prepared;
use crate::answer::constrained::Constrained;
use crate::text::calls::CallReader;
use crate::text::constraint::follower::Follower;
use crate::text::constraint::grammars::Grammars;
use crate::text::conversation::ToolChoice;
use crate::{Error, Prompt, Request};

impl Engine {
    /// What holds an answer to the constraint of its request, or to the calls that its tools demand.
    ///
    /// # Errors
    /// [`Error::Request`] for a constraint that is not supported or too much, and for one beside tools; [`Error::NoThread`].
    pub(super) fn constrained(
        &self,
        request: &Request,
        prepared: &Prepared,
    ) -> Result<Option<Box<Constrained>>, Error> {
        let follower = match (&request.constraint, &prepared.calls) {
            (None, calls) => match self.follow_calls(request, calls.as_ref())? {
                None => return Ok(None),
                Some(follower) => follower,
            },
            (Some(constraint), None) => self.grammars(constraint.field)?.compile(constraint)?,
            (Some(constraint), Some(_)) => {
                let field = constraint.field;
                let reason = format!(
                    "`{field}` and `tools` cannot be honoured together: an answer would have to be both; with \
                     `tool_choice` none the tools are left out"
                );
                return Err(Error::request(field, reason));
            }
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
        let is_loose = |name: &&String| !conversation.strict.contains(*name);
        let loose: Vec<_> = match held.tool_choice {
            // Whoever asks for no schema to be kept to wants an answer all the same.
            ToolChoice::Free => held.strict.iter().filter(is_loose).cloned().collect(),
            _ => Vec::new(),
        };
        match calls {
            _ if held.tool_choice == ToolChoice::Free && held.strict.is_empty() => Ok(None),
            Some(calls) => self
                .grammars("tools")?
                .compile_calls(calls.format(), &held, &loose),
            None if held.tool_choice == ToolChoice::Free => Ok(None),
            None => Err(Error::request(
                "tools",
                "`tools` must have one where a call is demanded, found none",
            )),
        }
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
