//! One answer under its constraint: which tokens may come next, and when nothing can.

use std::fmt::{self, Debug, Formatter};

use llguidance::Matcher;
use toktrie::SimpleVob;

use crate::Error;

/// Follows a compiled constraint, token by token.
pub(crate) struct Follower {
    /// What errors name.
    field: &'static str,
    matcher: Matcher,
    /// What may come next, where that was asked.
    allowed: Option<SimpleVob>,
}

impl Debug for Follower {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Follower");
        shown.field("field", &self.field).finish_non_exhaustive()
    }
}

impl Follower {
    pub(super) fn new(field: &'static str, matcher: Matcher) -> Self {
        Self {
            field,
            matcher,
            allowed: None,
        }
    }

    /// The tokens that may come next; an end token is one of them where the answer may end.
    ///
    /// # Errors
    /// [`Error::Request`] where telling them is beyond the limits.
    pub(crate) fn allowed(&mut self) -> Result<&SimpleVob, Error> {
        let allowed = match self.allowed.take() {
            Some(allowed) => allowed,
            None => {
                let allowed = self.matcher.compute_mask();
                allowed.map_err(|error| self.failed(&error))?
            }
        };
        Ok(self.allowed.insert(allowed))
    }

    /// Goes on behind a token.
    ///
    /// # Errors
    /// [`Error::Request`] for one that may not come next.
    pub(crate) fn follow(&mut self, token: u32) -> Result<(), Error> {
        self.allowed = None;
        let followed = self.matcher.consume_token(token);
        followed.map_err(|error| self.failed(&error))
    }

    /// Whether nothing can follow.
    pub(crate) fn is_complete(&self) -> bool {
        self.matcher.is_stopped()
    }

    /// Whether the answer may end here.
    ///
    /// # Errors
    /// [`Error::Request`] where it can be followed no further.
    pub(crate) fn may_end(&mut self) -> Result<bool, Error> {
        let may_end = self.matcher.is_accepting();
        may_end.map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &anyhow::Error) -> Error {
        let reason = error.to_string();
        self.refused(reason.lines().next().unwrap_or_default())
    }

    /// That the answer cannot go on as it must.
    pub(crate) fn refused(&self, reason: &str) -> Error {
        let field = self.field;
        Error::request(
            field,
            format!("`{field}` cannot be followed any further: {reason}"),
        )
    }
}
