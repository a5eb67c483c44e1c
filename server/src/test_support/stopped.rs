//! A generator whose engine has died.

use std::time::Duration;

use nibble_engine::{Answer, Error, ModelInfo, Request};

use crate::generator::Generator;
use crate::test_support::scripted::Scripted;

/// Does not live, and refuses every request with that.
pub(crate) struct Stopped(ModelInfo);

impl Default for Stopped {
    fn default() -> Self {
        Self(Scripted::new(&[], Duration::ZERO).info().clone())
    }
}

impl Generator for Stopped {
    fn info(&self) -> &ModelInfo {
        &self.0
    }

    fn is_alive(&self) -> bool {
        false
    }

    fn submit(&self, _: Request) -> Result<Answer, Error> {
        Err(Error::Stopped)
    }
}
