//! A loaded model that answers: what a program embeds.
//!
//! Requests are checked and tokenised on the caller's thread, so a bad one is refused at once and costs the model
//! nothing.

use std::sync::Arc;
use std::time::Instant;

use crate::answer::generation::{PendingAnswer, entropy};
use crate::answer::load::Load;
use crate::answer::metrics::Clock;
use crate::answer::schedule::{Limits, Scheduler};
use crate::load::{DEFAULT_QUEUE, LoadOptions, Loaded};
use crate::text::calls::CallReader;
use crate::text::prompt::ChatTemplate;
use crate::text::tokenizer::{Bounds, Excess, Tokenizer};
use crate::{Answer, Error, ModelInfo, Prompt, Request};

/// The longest word of a prompt, in bytes: BPE takes some hundred bytes for each while it merges them.
const MAX_WORD_BYTES: usize = 128 << 10;

/// A loaded model and the thread that owns it. Dropping it ends the thread after the current step.
#[derive(Debug)]
pub struct Engine {
    info: ModelInfo,
    tokenizer: Arc<Tokenizer>,
    template: ChatTemplate,
    scheduler: Scheduler,
}

impl Engine {
    /// Reads the model, packs its weights for this CPU and starts the owner thread.
    ///
    /// # Errors
    /// [`Error::File`] and [`Error::Model`] for the file, [`Error::Option`] for the other options, [`Error::Memory`] when
    /// the model does not fit, [`Error::NoMemory`] and [`Error::NoThread`] for what the system refuses.
    pub fn load(options: &LoadOptions) -> Result<Self, Error> {
        Self::load_with_progress(options, &|_, _| {})
    }

    /// [`Self::load`] that shows how far the packing of weights is: `progress` gets the bytes packed so far, and how many
    /// there will be. It is never called where packed weights are found.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_with_progress(
        options: &LoadOptions,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<Self, Error> {
        let Loaded {
            info,
            model,
            tokenizer,
            template,
            kv_bytes,
        } = Loaded::load(options, progress)?;
        let tokenizer = Arc::new(tokenizer);
        let limits = Limits {
            queue: options.queue.unwrap_or(DEFAULT_QUEUE),
            kv_bytes,
            wait: options.wait,
            total: options.total,
        };
        let scheduler = Scheduler::start(model, Arc::clone(&tokenizer), limits)?;
        Ok(Self {
            info,
            tokenizer,
            template,
            scheduler,
        })
    }

    /// What is loaded.
    #[must_use]
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// Puts a request into the queue.
    ///
    /// # Errors
    /// [`Error::Busy`] when the queue is full, [`Error::Request`] for values out of range or a prompt that the
    /// context cannot hold, [`Error::Stopped`] when the thread that owns the model has died.
    pub fn submit(&self, request: Request) -> Result<Answer, Error> {
        let clock = Clock::accept(Instant::now());
        request.check()?;
        // Before the prompt is laid out and tokenised, which takes long for a long one.
        let place = self.scheduler.reserve(request.caller)?;
        let mut calls = self.call_reader(&request.prompt)?;
        let prompt = self.prompt_tokens(&request.prompt, calls.as_mut())?;
        let (used, context, field) = (prompt.len(), self.info.context, request.prompt.field());
        if used == 0 {
            return Err(Error::request(field, "the prompt is empty"));
        }
        if used >= context {
            return Err(too_long(field, &used.to_string(), context));
        }
        let (sender, answer) = Answer::channel();
        place.fill(PendingAnswer {
            caller: request.caller,
            prompt,
            sampling: request.sampling,
            max_tokens: request.max_tokens.min(context - used),
            stop: request.stop,
            calls,
            usd_per_hour: request.usd_per_hour,
            clock,
            answer: sender,
            told_before: None,
        })?;
        Ok(answer)
    }

    /// What the engine is doing.
    #[must_use]
    pub fn load_now(&self) -> Load {
        self.scheduler.load()
    }

    /// Whether the thread that owns the model runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.scheduler.is_alive()
    }

    /// The token ids of a text, for `nibble tokenize` and for counting. Control tokens written in the text are
    /// plain text.
    #[must_use]
    pub fn tokenize(&self, text: &str) -> Vec<u32> {
        self.tokenizer.encode(text)
    }

    /// What tells calls of the conversation's tools from text; none where none are offered.
    fn call_reader(&self, prompt: &Prompt) -> Result<Option<CallReader>, Error> {
        let Prompt::Chat(conversation) = prompt else {
            return Ok(None);
        };
        let (tokenizer, model) = (&self.tokenizer, &self.info.id);
        let format = self.template.call_format(conversation, tokenizer, model)?;
        Ok(format.map(|format| CallReader::new(format, conversation, entropy())))
    }

    fn prompt_tokens(
        &self,
        prompt: &Prompt,
        calls: Option<&mut CallReader>,
    ) -> Result<Vec<u32>, Error> {
        let context = self.info.context;
        let bounds = Bounds {
            // Whoever is a little over is told by how much.
            tokens: 2 * context,
            word_bytes: MAX_WORD_BYTES,
        };
        let excess = |excess| match excess {
            Excess::Tokens(least) => {
                too_long(prompt.field(), &format!("at least {least}"), context)
            }
            Excess::WordBytes(limit) => Error::request(
                prompt.field(),
                format!("a word of the prompt may have about {limit} bytes, found more"),
            ),
        };
        match prompt {
            Prompt::Raw(text) => self.tokenizer.raw_within(text, bounds).map_err(excess),
            Prompt::Chat(conversation) => {
                let rendered = self.template.render(conversation, &self.tokenizer)?;
                if let Some(calls) = calls {
                    calls.follow(&rendered.without_marks().0);
                }
                let ids = self.tokenizer.prompt_within(&rendered, bounds);
                ids.map_err(excess)
            }
        }
    }
}

fn too_long(field: &'static str, tokens: &str, context: usize) -> Error {
    Error::request(
        field,
        format!(
            "the prompt has {tokens} tokens, and the context of {context} must leave room for an answer"
        ),
    )
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::{Caller, Message, Role, Sampling};

    fn engine(queue: usize) -> Result<Engine, Error> {
        Engine::load(&LoadOptions {
            model: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny.gguf").into(),
            threads: Some(1),
            queue: Some(queue),
            ..LoadOptions::default()
        })
    }

    fn request(text: &str) -> Request {
        let message = Message {
            role: Role::User,
            content: text.to_owned(),
        };
        Request {
            prompt: Prompt::Chat(vec![message].into()),
            sampling: Sampling::default(),
            max_tokens: 200,
            stop: Vec::new(),
            usd_per_hour: 1.0,
            caller: Caller::default(),
        }
    }

    #[test]
    fn a_place_in_the_queue_comes_before_the_prompt_is_looked_at() {
        let engine = engine(1).unwrap();
        let place = engine.scheduler.reserve(Caller::default()).unwrap();
        // What only tokenising would show.
        let too_long = || engine.submit(request(&"the dog ".repeat(200))).unwrap_err();
        let full = Error::Busy {
            waiting: 1,
            limit: 1,
            wait: None,
        };
        assert_eq!(too_long().to_string(), full.to_string());
        drop(place);
        for _ in 0..3 {
            let refused = too_long();
            assert!(
                matches!(
                    refused,
                    Error::Request {
                        field: "messages",
                        ..
                    }
                ),
                "{refused}"
            );
        }
        engine.submit(request("the dog")).unwrap();
    }

    #[test]
    fn of_a_prompt_that_is_far_too_long_only_the_beginning_is_read() {
        let engine = engine(1).unwrap();
        let context = engine.info.context;
        let refusal = |text: &str| engine.submit(request(text)).unwrap_err().to_string();
        let most = engine.tokenize(&"the dog ".repeat(context)).len();
        let exact = refusal(&"the dog ".repeat(context * 3 / 4));
        assert!(
            !exact.contains("at least") && exact.contains(" tokens, and the context of"),
            "{exact}"
        );
        let long = refusal(&"the dog ".repeat(context * 100));
        let least = long
            .split("at least ")
            .nth(1)
            .and_then(|rest| rest.split(' ').next());
        let least: usize = least.expect(&long).parse().unwrap();
        assert!(least > 2 * context, "{long}");
        assert!(least <= most * 200, "{long}");
    }

    #[test]
    fn a_word_without_end_is_refused() {
        let engine = engine(1).unwrap();
        let tokenizer = &engine.tokenizer;
        let bounds = Bounds {
            tokens: usize::MAX,
            word_bytes: 1000,
        };
        let found = tokenizer.raw_within(&"a".repeat(200_000), bounds);
        assert_eq!(found, Err(Excess::WordBytes(1000)));
    }

    #[test]
    fn a_queue_without_a_place_is_refused() {
        let error = engine(0).unwrap_err().to_string();
        assert!(error.contains("`queue`"), "{error}");
    }
}
