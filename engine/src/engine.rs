//! A loaded model that answers: what a program embeds.
//!
//! Requests are checked and tokenised on the caller's thread, so a bad one is refused at once and costs the model
//! nothing.

mod constrained;
mod foresight;
mod prepared;
mod tokens;

use std::hash::RandomState;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::answer::clock::Clock;
use crate::answer::conversation_key::ConversationId;
use crate::answer::load::Load;
use crate::answer::pending::PendingAnswer;
use crate::answer::schedule::{Limits, Scheduler};
use crate::load::{DEFAULT_QUEUE, LoadOptions, Loaded};
use crate::text::constraint::grammars::Grammars;
use crate::text::prompt::ChatTemplate;
use crate::text::tokenizer::Tokenizer;
use crate::{Answer, Caller, Error, FinishReason, ModelInfo, Request, Siblings, Speculation};

pub use foresight::Foresight;

/// A loaded model and the thread that owns it. Dropping it ends the thread after the current step.
#[derive(Debug)]
pub struct Engine {
    info: ModelInfo,
    fixed_bytes: u64,
    kv_bytes: u64,
    tokenizer: Arc<Tokenizer>,
    template: ChatTemplate,
    /// From when somebody asks for an answer of a form.
    grammars: OnceLock<Result<Grammars, String>>,
    /// For requests that do not say.
    speculation: Speculation,
    /// What conversations are told apart by.
    conversation_keys: RandomState,
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
            draft,
            tokenizer,
            template,
            kv_bytes,
            fixed_bytes,
            kv_identity,
        } = Loaded::load(options, progress)?;
        let tokenizer = Arc::new(tokenizer);
        let of_draft = draft.as_ref().map_or(0, |draft| draft.kv_bytes);
        let limits = Limits {
            queue: options.queue.unwrap_or(DEFAULT_QUEUE),
            kv_bytes,
            wait: options.wait,
            total: options.total,
        };
        let kept = options.prefix_folder.as_ref().zip(kv_identity.as_deref());
        let scheduler = Scheduler::start(model, draft, Arc::clone(&tokenizer), limits, kept)?;
        Ok(Self {
            info,
            fixed_bytes,
            kv_bytes: kv_bytes + of_draft,
            tokenizer,
            template,
            grammars: OnceLock::new(),
            speculation: options.speculation,
            conversation_keys: RandomState::new(),
            scheduler,
        })
    }

    /// What is loaded.
    #[must_use]
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// Bytes of memory that it takes, or may take: those for keys and values are taken as they are needed.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.fixed_bytes + self.kv_bytes
    }

    /// Those of them that are for keys and values.
    #[must_use]
    pub fn kv_bytes(&self) -> u64 {
        self.kv_bytes
    }

    /// How many requests may wait at a time.
    #[must_use]
    pub fn queue(&self) -> usize {
        self.scheduler.queue()
    }

    /// Whether the queue has a place for a caller now.
    ///
    /// # Errors
    /// [`Error::Busy`] when it has none, with when there may be one where that can be said, [`Error::Stopped`] when the thread
    /// that owns the model has died.
    pub fn room(&self, caller: Caller) -> Result<(), Error> {
        self.scheduler.reserve(caller).map(drop)
    }

    /// Puts a request into the queue.
    ///
    /// # Errors
    /// [`Error::Busy`] when the queue is full, [`Error::Request`] for values out of range, [`Error::TooLong`] for a prompt
    /// that the context cannot hold, [`Error::Stopped`] when the thread that owns the model has died.
    pub fn submit(&self, mut request: Request) -> Result<Answer, Error> {
        let now = Instant::now();
        let clock =
            Clock::accept(request.accepted.unwrap_or(now)).submitted(request.came.unwrap_or(now));
        request.check()?;
        // Before the prompt is laid out and tokenised, which takes long for a long one.
        let place = self.scheduler.reserve(request.caller)?;
        request.tell_template();
        request.steering.check_tokens(self.info.vocabulary)?;
        let prepared = self.prepare(&request)?;
        request.wanted.check_prompt(prepared.tokens.len())?;
        let constrained = self.constrained(&request, &prepared)?;
        let bad_words = self.tokenizer.spellings(&request.steering.bad_words);
        let room = self.info.context - prepared.tokens.len();
        let limit = match request.max_tokens <= room {
            true => FinishReason::Length,
            false => FinishReason::Context,
        };
        let (sender, answer) = Answer::channel();
        let wanted = request.wanted;
        let lead = request.siblings.as_ref().and_then(Siblings::lead);
        place.fill(PendingAnswer {
            caller: request.caller,
            conversation: ConversationId::of(&request, &self.conversation_keys),
            rows: prepared.rows(wanted),
            behind: request.siblings.filter(|_| lead.is_none()),
            lead,
            reading: None,
            revealed: request.revealed,
            steering: request.steering,
            speculation: request.speculation.unwrap_or(self.speculation),
            bad_words,
            logprobs: wanted.logprobs,
            tells_end: wanted.end,
            counts: wanted.counts,
            fresh: request.fresh,
            prompt: prepared.tokens,
            sampling: request.sampling,
            max_tokens: request.max_tokens.min(room),
            limit,
            stop: request.stop,
            thoughts: prepared.thoughts,
            thought_limit: prepared.thought_limit,
            calls: prepared.calls,
            constrained,
            usd_per_hour: request.usd_per_hour,
            clock,
            answer: sender,
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

    /// How many tokens a request's prompt has as [`Self::submit`] would have it, and nothing is asked. Of one that the context
    /// cannot hold by far only the beginning is counted, which is more than the context.
    ///
    /// # Errors
    /// [`Error::Request`], as [`Self::submit`].
    pub fn prompt_length(&self, mut request: Request) -> Result<usize, Error> {
        request.check()?;
        request.tell_template();
        match self.prepare(&request) {
            Ok(prepared) => Ok(prepared.tokens.len()),
            Err(Error::TooLong { tokens, .. }) => Ok(tokens),
            Err(error) => Err(error),
        }
    }

    /// The token ids of a text, for `nibble tokenize` and for counting. Control tokens written in the text are
    /// plain text.
    #[must_use]
    pub fn tokenize(&self, text: &str) -> Vec<u32> {
        self.tokenizer.encode(text)
    }
}

#[cfg(test)]
mod tests {
    mod continued;

    use std::time::Duration;

    use futures::executor::block_on_stream;

    use super::*;
    use crate::Event;
    use crate::text::tokenizer::{Bounds, Excess};
    use crate::{Message, Prompt, Role, Sampling, Thinking};

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
            thinking: Thinking::default(),
            constraint: None,
            stop: Vec::new(),
            usd_per_hour: 1.0,
            caller: Caller::default(),
            ..Request::default()
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
        let room = engine.room(Caller::default());
        assert_eq!(room.unwrap_err().to_string(), full.to_string());
        drop(place);
        for _ in 0..2 {
            engine.room(Caller::default()).unwrap();
        }
        for _ in 0..3 {
            let refused = too_long();
            assert!(
                matches!(
                    refused,
                    Error::TooLong {
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
    fn how_long_a_request_waits_counts_from_when_it_came() {
        let limit = Duration::from_secs(1);
        let engine = Engine::load(&LoadOptions {
            model: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny.gguf").into(),
            threads: Some(1),
            wait: Some(limit),
            ..LoadOptions::default()
        });
        let engine = engine.unwrap();
        let asked = Request {
            came: Some(Instant::now() - 2 * limit),
            ..request("the dog")
        };
        let answer = engine.submit(asked).unwrap();
        let end = block_on_stream(answer).last();
        assert!(
            matches!(end, Some(Event::Failed(Error::WaitedTooLong { .. }))),
            "{end:?}"
        );
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
    fn what_is_counted_is_what_would_be_read() {
        let engine = engine(1).unwrap();
        let context = engine.info.context;
        let count = |text: &str| engine.prompt_length(request(text)).unwrap();
        let short = count("the dog");
        let prepared = engine.prepare(&request("the dog"));
        assert_eq!(short, prepared.unwrap().tokens.len());
        assert!(short < count("the dog the dog"));
        let long = "the dog ".repeat(context * 3 / 4);
        let refused = engine.submit(request(&long)).unwrap_err().to_string();
        let exact = format!("the prompt has {} tokens,", count(&long));
        assert!(refused.starts_with(&exact), "{refused}");
        assert!(count(&"the dog ".repeat(context * 100)) > context);
        let mut none = request("the dog");
        none.max_tokens = 0;
        assert!(engine.prompt_length(none).is_err());
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
