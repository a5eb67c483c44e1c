//! What a request would take, said before it is made.

use super::Engine;
use crate::{Error, Pace, Request};

/// What is known of a request that was not made.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Foresight {
    /// Tokens of its prompt.
    pub prompt_tokens: usize,
    /// Those of them that need no computing, as long as nothing else takes their memory and the disk, where
    /// some are, gives them in time.
    pub cached_tokens: usize,
    /// How fast the model is here.
    pub pace: Pace,
}

impl Engine {
    /// What [`Self::submit`] would have to compute for a request, which is not made. Of a prompt that the context cannot hold
    /// by far only the beginning is counted, which is more than the context, and nothing of it counts as cached.
    ///
    /// # Errors
    /// As [`Self::prompt_length`].
    pub fn foresee(&self, mut request: Request) -> Result<Foresight, Error> {
        request.check()?;
        request.tell_template();
        let pace = self.scheduler.pace();
        match self.prepare(&request) {
            Ok(prepared) => Ok(Foresight {
                prompt_tokens: prepared.tokens.len(),
                cached_tokens: self.scheduler.cached(&prepared.tokens),
                pace,
            }),
            Err(Error::TooLong { tokens, .. }) => Ok(Foresight {
                prompt_tokens: tokens,
                cached_tokens: 0,
                pace,
            }),
            Err(error) => Err(error),
        }
    }

    /// How fast the model is here.
    #[must_use]
    pub fn pace(&self) -> Pace {
        self.scheduler.pace()
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use futures::executor::block_on;

    use super::*;
    use crate::{LoadOptions, Prompt};

    #[test]
    fn a_prompt_that_was_answered_is_foreseen_as_cached_and_has_a_pace() {
        let engine = Engine::load(&LoadOptions {
            model: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny.gguf").into(),
            threads: Some(1),
            ..LoadOptions::default()
        })
        .unwrap();
        let request = || Request {
            prompt: Prompt::Raw("the dog ".repeat(10)),
            max_tokens: 4,
            ..Request::default()
        };
        let before = engine.foresee(request()).unwrap();
        assert_eq!((before.cached_tokens, before.pace), (0, Pace::default()));
        assert_eq!(
            before.prompt_tokens,
            engine.prompt_length(request()).unwrap()
        );
        let _ = block_on(engine.submit(request()).unwrap().collect::<Vec<_>>());
        let after = engine.foresee(request()).unwrap();
        assert_eq!(after.cached_tokens, after.prompt_tokens - 1);
        let pace = after.pace;
        assert!(pace.token_s(10, true).is_some_and(|seconds| seconds > 0.0));
        assert!(pace.prompt_s(10, 10).is_some_and(|seconds| seconds > 0.0));
    }
}
