//! An answer that waits for the model.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::answer::clock::Clock;
use crate::answer::constrained::Constrained;
use crate::answer::conversation_key::ConversationId;
use crate::answer::policy::Caller;
use crate::answer::prefix::disk::Reading;
use crate::answer::rows::PromptRows;
use crate::answer::siblings::{Lead, Siblings};
use crate::compute::kernel::Kernel;
use crate::text::calls::CallReader;
use crate::text::thoughts::ThoughtReader;
use crate::{
    AnswerSender, Completion, Event, FinishReason, Revealed, Sampling, Speculation, Steering,
};

/// A checked request with its tokens.
#[derive(Debug)]
pub(crate) struct PendingAnswer {
    pub(crate) caller: Caller,
    /// Where it belongs to one.
    pub(crate) conversation: Option<ConversationId>,
    pub(crate) prompt: Vec<u32>,
    pub(crate) sampling: Sampling,
    /// Together with the prompt within the context; 0 where the prompt alone is read.
    pub(crate) max_tokens: usize,
    /// Why an answer of so many tokens has ended.
    pub(crate) limit: FinishReason,
    pub(crate) stop: Vec<String>,
    pub(crate) revealed: Revealed,
    pub(crate) steering: Steering,
    pub(crate) speculation: Speculation,
    /// The tokens of its `bad_words`.
    pub(crate) bad_words: Vec<Vec<u32>>,
    /// How many of the likeliest tokens are told beside each that is put out.
    pub(crate) logprobs: Option<usize>,
    /// Whether that is told of the token too that ends the answer.
    pub(crate) tells_end: bool,
    /// Whether it is told with each how many there are.
    pub(crate) counts: bool,
    /// Whether nothing of the prompt may come from the KV cache.
    pub(crate) fresh: bool,
    /// What is read of the whole prompt.
    pub(crate) rows: Option<PromptRows>,
    /// Where others wait for its prompt.
    pub(crate) lead: Option<Lead>,
    /// Whose prompt it waits for.
    pub(crate) behind: Option<Siblings>,
    /// What is read of the prompt from the disk.
    pub(crate) reading: Option<Arc<Reading>>,
    /// Where the model may think.
    pub(crate) thoughts: Option<ThoughtReader>,
    /// Where that has a limit.
    pub(crate) thought_limit: Option<ThoughtLimit>,
    /// Where tools may be called.
    pub(crate) calls: Option<CallReader>,
    /// Where the answer must be of a form.
    pub(crate) constrained: Option<Box<Constrained>>,
    pub(crate) usd_per_hour: f64,
    pub(crate) clock: Clock,
    pub(crate) answer: AnswerSender,
}

/// How long a thought may be.
#[derive(Debug)]
pub(crate) struct ThoughtLimit {
    /// Its most tokens.
    pub(crate) tokens: usize,
    /// What ends it then.
    pub(crate) end: Vec<u32>,
}

impl PendingAnswer {
    /// Whether it may begin: who has the prompt of another waits until that was read, and who has some of it on the disk until
    /// that is in memory.
    pub(crate) fn is_ready(&self) -> bool {
        let is_known = self.behind.as_ref().is_none_or(Siblings::is_read);
        is_known && self.reading.as_ref().is_none_or(|read| read.is_over())
    }

    /// The part of the prompt whose keys and values may be those of another, and one token.
    pub(crate) fn restorable(&self) -> &[u32] {
        restorable(&self.prompt, self.rows.as_ref(), self.fresh)
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.answer.is_cancelled()
    }

    /// How long it has waited.
    pub(crate) fn waited(&self, now: Instant) -> Duration {
        self.clock.since_submitted(now)
    }

    /// Ends it before it began.
    pub(crate) fn cancel(self, now: Instant, (kernel, threads): (&Kernel, usize)) {
        let metrics = self
            .clock
            .metrics(now, self.usd_per_hour, kernel.name(), threads);
        self.answer.send(Event::Finished(Completion {
            finish_reason: FinishReason::Cancelled,
            prompt_tokens: self.prompt.len(),
            cached_tokens: 0,
            token_ids: Vec::new(),
            metrics,
        }));
    }
}

/// The beginning of `tokens` whose keys and values suffice, as what is read of their rows was read, and one token; nothing
/// suffices where all is to be computed.
pub(crate) fn restorable<'a>(
    tokens: &'a [u32],
    rows: Option<&PromptRows>,
    fresh: bool,
) -> &'a [u32] {
    let most = match fresh {
        true => 0,
        false => rows.map_or(usize::MAX, PromptRows::dispensable),
    };
    &tokens[..tokens.len().min(most.saturating_add(1))]
}

#[cfg(test)]
impl PendingAnswer {
    /// A plain request that was accepted now, and its answer.
    pub(crate) fn asked(
        caller: Caller,
        prompt: &[u32],
        max_tokens: usize,
        now: Instant,
    ) -> (Self, crate::Answer) {
        let (sender, answer) = crate::Answer::channel();
        let pending = Self {
            caller,
            conversation: None,
            prompt: prompt.to_vec(),
            sampling: Sampling::default(),
            max_tokens,
            limit: FinishReason::Length,
            constrained: None,
            stop: Vec::new(),
            revealed: Revealed::default(),
            steering: Steering::default(),
            speculation: Speculation::Off,
            bad_words: Vec::new(),
            logprobs: None,
            tells_end: false,
            counts: false,
            fresh: false,
            rows: None,
            lead: None,
            behind: None,
            reading: None,
            thoughts: None,
            thought_limit: None,
            calls: None,
            usd_per_hour: 1.0,
            clock: Clock::accept(now),
            answer: sender,
        };
        (pending, answer)
    }
}
