//! One answer between its tokens: what is to be computed next, what the logits make of it, and how it ends.

mod blocks;
mod drawing;
pub(crate) mod guesses;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

use crate::answer::clock::{Clock, StepTime};
use crate::answer::constrained::Constrained;
use crate::answer::conversation_key::ConversationId;
use crate::answer::output::Output;
use crate::answer::pending::{PendingAnswer, ThoughtLimit};
use crate::answer::policy::{Caller, View};
use crate::answer::prefix::PrefixCache;
use crate::answer::repetition::Repetition;
use crate::answer::rows::{PromptRows, Read};
use crate::answer::sample::Sampler;
use crate::answer::siblings::Lead;
use crate::answer::speculation::Drafter;
use crate::answer::steer::Steer;
use crate::compute::kernel::Kernel;
use crate::compute::kv::{KvCache, KvMemory};
use crate::model::forward::NewTokens;
use crate::model::rope::Rope;
use crate::text::tokenizer::Tokenizer;
use crate::{AnswerSender, Completion, Error, Event, FinishReason, Learned, PromptLogprobs};

/// An answer that the model computes.
pub(crate) struct Generation {
    caller: Caller,
    conversation: Option<ConversationId>,
    /// The prompt, and behind it what was put out.
    tokens: Vec<u32>,
    prompt: usize,
    /// Keys and values of the first of them.
    cache: KvCache,
    cached_tokens: usize,
    /// Positions whose full blocks others may find already.
    kept: usize,
    paused: bool,
    /// The most positions that there were when it paused.
    reached: usize,
    /// Positions before which it does not make way for others again, after a pause.
    gets_on_at: usize,
    max_tokens: usize,
    limit: FinishReason,
    repetition: Repetition,
    sampler: Sampler,
    /// Where logits are changed before.
    steer: Option<Steer>,
    /// Where tokens are guessed ahead.
    drafter: Option<Drafter>,
    /// Whether what ended the answer is shown.
    shows_stop: bool,
    /// How many of the likeliest tokens are told beside each that is put out.
    logprobs: Option<usize>,
    /// Whether that is told of the token too that ends the answer.
    tells_end: bool,
    /// Whether it is told with each how many there are.
    counts: bool,
    /// Whether nothing of it may come from the KV cache.
    fresh: bool,
    /// Until the whole prompt was read.
    rows: Option<PromptRows>,
    /// While others wait for the prompt.
    lead: Option<Lead>,
    thought_limit: Option<ThoughtLimit>,
    output: Output,
    constrained: Option<Box<Constrained>>,
    /// Why it cannot go on.
    failure: Option<Error>,
    /// The limit of its time, where it has passed that.
    late: Option<Duration>,
    usd_per_hour: f64,
    clock: Clock,
}

impl Generation {
    /// Begins with what there is of the prompt already.
    pub(crate) fn begin(
        pending: PendingAnswer,
        now: Instant,
        tokenizer: &Tokenizer,
        kernel: &'static Kernel,
        rope: &Rope,
        (memory, prefixes): (&KvMemory, &mut PrefixCache),
    ) -> Self {
        let PendingAnswer {
            caller,
            conversation,
            prompt,
            sampling,
            max_tokens,
            limit,
            stop,
            revealed,
            steering,
            speculation,
            bad_words,
            logprobs,
            tells_end,
            counts,
            fresh,
            rows,
            lead,
            thoughts,
            thought_limit,
            calls,
            constrained,
            usd_per_hour,
            mut clock,
            answer,
            ..
        } = pending;
        clock.begin(now);
        let drafter = (max_tokens > 0)
            .then(|| Drafter::new(speculation, &prompt))
            .flatten();
        let mut generation = Self {
            caller,
            conversation,
            prompt: prompt.len(),
            tokens: prompt,
            cache: memory.new_cache(),
            cached_tokens: 0,
            kept: 0,
            paused: false,
            reached: 0,
            gets_on_at: 0,
            max_tokens,
            limit,
            repetition: Repetition::default(),
            sampler: Sampler::new(sampling, kernel, entropy()),
            steer: Steer::new(steering, bad_words, tokenizer.ends()),
            drafter,
            shows_stop: revealed.stop,
            logprobs,
            tells_end,
            counts,
            fresh,
            rows,
            lead,
            thought_limit,
            output: Output::new(tokenizer, (&stop, revealed), (thoughts, calls), answer),
            constrained,
            failure: None,
            late: None,
            usd_per_hour,
            clock,
        };
        generation.resume(memory, prefixes, rope);
        generation.cached_tokens = generation.cache.len();
        generation.tell_prefill();
        generation
    }

    /// What decides about the tokens of the next step.
    pub(crate) fn view(&self) -> View {
        View {
            caller: self.caller,
            pending: if self.paused { 0 } else { self.pending().len() },
            decoding: self.tokens.len() > self.prompt,
            got_on: self.got_on(),
        }
    }

    /// Tokens without keys and values, at least one.
    pub(crate) fn pending(&self) -> &[u32] {
        &self.tokens[self.cache.len()..]
    }

    /// Whether it is to say something; else only its prompt is read.
    pub(crate) fn is_answer(&self) -> bool {
        self.max_tokens > 0
    }

    /// Tokens with keys and values.
    pub(crate) fn computed_tokens(&self) -> &[u32] {
        &self.tokens[..self.cache.len()]
    }

    #[cfg(test)]
    pub(crate) fn cache(&self) -> &KvCache {
        &self.cache
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.output.reader().is_cancelled()
    }

    /// How long ago it was asked for.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        self.clock.since_submitted(now)
    }

    /// The next so many tokens, for a step, with logits behind the last one there is and behind what is guessed of more.
    pub(crate) fn next_tokens(&mut self, tokens: usize) -> NewTokens<'_> {
        let position = self.cache.len();
        let pending = &self.tokens[position..];
        let rows = self.rows.as_mut();
        NewTokens {
            tokens: &pending[..tokens],
            draft: self.drafter.as_ref().map_or(&[], Drafter::draft),
            wants_logits: tokens == pending.len() && self.max_tokens > 0,
            cache: &mut self.cache,
            reader: rows.map(|rows| rows.from(position)),
        }
    }

    pub(crate) fn caller(&self) -> Caller {
        self.caller
    }

    /// The conversation that it belongs to.
    pub(crate) fn conversation(&self) -> Option<ConversationId> {
        self.conversation
    }

    /// The prompt, and behind it what was put out.
    pub(crate) fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Tokens of the prompt that it did not have to compute.
    pub(crate) fn cached_tokens(&self) -> usize {
        self.cached_tokens
    }

    /// Tokens of the prompt, and tokens put out.
    pub(crate) fn lengths(&self) -> [usize; 2] {
        [self.prompt, self.tokens.len() - self.prompt]
    }

    /// By itself it would have taken about so many seconds.
    pub(crate) fn alone(&mut self, seconds: Option<f64>) {
        self.clock.alone(seconds);
    }

    /// The program was throttled for so long so far.
    pub(crate) fn throttled(&mut self, throttled: Option<Duration>) {
        self.clock.throttled(throttled);
    }

    /// Who knows whether the answer is still wanted.
    pub(crate) fn reader(&self) -> AnswerSender {
        self.output.reader().clone()
    }

    /// Accounts for the time of a step of so many tokens and the guesses, whether or not it came to its end.
    pub(crate) fn took_part(&mut self, tokens: usize, time: StepTime) {
        self.clock.go_on(time.end - time.took);
        let guesses = self.draft().len();
        let share = time.share(tokens + guesses, self.model_rows());
        self.clock.step(time.took, share, time.answers);
        if guesses > 0 {
            self.clock.verified(time.took);
        }
    }

    /// Accounts for a step of so many tokens and the guesses, and keeps the blocks that were filled.
    pub(crate) fn computed(
        &mut self,
        tokens: usize,
        time: StepTime,
        prefixes: &mut PrefixCache,
        rope: &Rope,
    ) {
        self.took_part(tokens, time);
        let before = self.cache.len() - tokens;
        if self.cache.filled_block(self.kept) {
            self.keep(prefixes, rope, false);
        }
        self.kept = self.cache.len();
        // Not where it is computed once more, after a pause.
        if before < self.prompt && self.tokens.len() == self.prompt {
            if self.cache.len() >= self.prompt {
                let computed = self.prompt - self.cached_tokens;
                self.clock.prefilled(time.end, computed);
                if let Some(lead) = self.lead.take() {
                    // For those who go on from here, with the block that is not full.
                    self.keep(prefixes, rope, true);
                    drop(lead);
                }
            }
            self.tell_prefill();
        }
    }

    /// Says what was read of the prompt, once that is all there; the reason when there is to be no answer.
    pub(crate) fn end_prompt(&mut self, tokenizer: &Tokenizer) -> Option<FinishReason> {
        let learned = self.rows.take().map(|rows| match rows.read() {
            Read::Embedding(embedding) => Learned::Embedding(embedding),
            Read::Scores(scores) => {
                let first = self.tokens[0];
                let scores = scores.into_iter();
                Learned::Prompt(PromptLogprobs {
                    first,
                    first_bytes: tokenizer.spelt_bytes(&[first]),
                    rest: scores.map(|scored| scored.spelt(tokenizer)).collect(),
                })
            }
        });
        if let Some(learned) = learned {
            self.output.reader().send(Event::Learned(learned));
        }
        (self.max_tokens == 0).then_some(self.limit)
    }

    /// It passes this limit of its time, which its reader is told at its end.
    pub(crate) fn passes(&mut self, limit: Duration) {
        self.late = Some(limit);
    }

    /// Ends the answer: shows what was held back, keeps its keys and values, and says what it took.
    pub(crate) fn finish(
        mut self,
        reason: FinishReason,
        now: Instant,
        (kernel, threads): (&Kernel, usize),
        prefixes: &mut PrefixCache,
        rope: &Rope,
    ) {
        self.output.finish();
        self.keep(prefixes, rope, true);
        if let Some(error) = self.failure.take() {
            return self.fail(error);
        }
        let metrics = self
            .clock
            .metrics(now, self.usd_per_hour, kernel.name(), threads);
        let completion = Completion {
            finish_reason: reason,
            prompt_tokens: self.prompt,
            cached_tokens: self.cached_tokens,
            token_ids: self.tokens.split_off(self.prompt),
            metrics,
        };
        self.output.reader().send(match self.late {
            None => Event::Finished(completion),
            Some(limit) => Event::Failed(Error::TooLate {
                limit,
                spent: Some(Box::new(completion)),
            }),
        });
    }

    /// Ends the answer without keeping anything of it.
    pub(crate) fn fail(self, error: Error) {
        self.output.reader().send(Event::Failed(error));
    }

    fn tell_prefill(&self) {
        self.output.reader().send(Event::Prefill {
            done: self.cache.len().min(self.prompt),
            total: self.prompt,
        });
    }
}

/// What differs from answer to answer.
pub(crate) fn entropy() -> u64 {
    RandomState::new().build_hasher().finish()
}
