//! One answer between its tokens: what is to be computed next, what the logits make of it, and how it ends.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

use crate::answer::metrics::Clock;
use crate::answer::policy::{Caller, View};
use crate::answer::prefix::PrefixCache;
use crate::answer::sample::Sampler;
use crate::compute::kernel::Kernel;
use crate::compute::kernel::span::KEY_BLOCK;
use crate::compute::kv::{KvCache, KvMemory};
use crate::model::forward::NewTokens;
use crate::model::rope::Rope;
use crate::text::calls::CallReader;
use crate::text::stop::{Filtered, StopFilter};
use crate::text::tokenizer::{TokenDecoder, Tokenizer};
use crate::{AnswerSender, Completion, Error, Event, FinishReason, Sampling};

/// A checked request with its tokens.
#[derive(Debug)]
pub(crate) struct PendingAnswer {
    pub(crate) caller: Caller,
    pub(crate) prompt: Vec<u32>,
    pub(crate) sampling: Sampling,
    /// At least 1, and together with the prompt within the context.
    pub(crate) max_tokens: usize,
    pub(crate) stop: Vec<String>,
    /// Where tools may be called.
    pub(crate) calls: Option<CallReader>,
    pub(crate) usd_per_hour: f64,
    pub(crate) clock: Clock,
    pub(crate) answer: AnswerSender,
    /// How many were before it when its reader was last told.
    pub(crate) told_before: Option<usize>,
}

impl PendingAnswer {
    pub(crate) fn is_cancelled(&self) -> bool {
        self.answer.is_cancelled()
    }

    /// How long it has waited.
    pub(crate) fn waited(&self, now: Instant) -> Duration {
        self.clock.since_accepted(now)
    }

    /// Tells the reader of its place, unless it is where it was.
    pub(crate) fn tell(&mut self, before: usize, seconds: Option<f64>) {
        if self.told_before.replace(before) != Some(before) {
            self.answer.send(Event::Queued { before, seconds });
        }
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

/// An answer that the model computes.
pub(crate) struct Generation {
    caller: Caller,
    /// The prompt, and behind it what was put out.
    tokens: Vec<u32>,
    prompt: usize,
    /// Keys and values of the first of them.
    cache: KvCache,
    cached_tokens: usize,
    paused: bool,
    max_tokens: usize,
    sampler: Sampler,
    decoder: TokenDecoder,
    filter: StopFilter,
    calls: Option<CallReader>,
    usd_per_hour: f64,
    clock: Clock,
    answer: AnswerSender,
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
            prompt,
            sampling,
            max_tokens,
            stop,
            calls,
            usd_per_hour,
            mut clock,
            answer,
            ..
        } = pending;
        clock.begin(now);
        let marks = calls.iter().flat_map(|calls| calls.format().marks());
        let decoder = tokenizer.decoder(&marks.collect::<Vec<_>>());
        let mut generation = Self {
            caller,
            prompt: prompt.len(),
            tokens: prompt,
            cache: memory.new_cache(),
            cached_tokens: 0,
            paused: false,
            max_tokens,
            sampler: Sampler::new(sampling, kernel, entropy()),
            decoder,
            filter: StopFilter::new(&stop),
            calls,
            usd_per_hour,
            clock,
            answer,
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
        }
    }

    /// Tokens without keys and values, at least one.
    pub(crate) fn pending(&self) -> &[u32] {
        &self.tokens[self.cache.len()..]
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.answer.is_cancelled()
    }

    /// How long ago it was asked for.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        self.clock.since_accepted(now)
    }

    /// Memory that the next so many tokens take.
    pub(crate) fn missing(&self, tokens: usize) -> usize {
        self.cache.missing(self.cache.len() + tokens)
    }

    /// Whether it gave its blocks back.
    pub(crate) fn is_paused(&self) -> bool {
        self.paused
    }

    /// The next so many tokens, for a step, with logits behind the last one there is.
    pub(crate) fn next_tokens(&mut self, tokens: usize) -> NewTokens<'_> {
        let pending = &self.tokens[self.cache.len()..];
        NewTokens {
            tokens: &pending[..tokens],
            wants_logits: tokens == pending.len(),
            cache: &mut self.cache,
        }
    }

    pub(crate) fn caller(&self) -> Caller {
        self.caller
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

    /// Who knows whether the answer is still wanted.
    pub(crate) fn reader(&self) -> AnswerSender {
        self.answer.clone()
    }

    /// Accounts for a step, and keeps the blocks that it filled.
    pub(crate) fn computed(
        &mut self,
        tokens: usize,
        time: StepTime,
        prefixes: &mut PrefixCache,
        rope: &Rope,
    ) {
        self.clock.step(time.took, time.share(tokens), time.answers);
        let before = self.cache.len() - tokens;
        if self.cache.filled_block(before) {
            self.keep(prefixes, rope, false);
        }
        if before < self.prompt {
            if self.cache.len() >= self.prompt {
                let computed = self.prompt - self.cached_tokens;
                self.clock.prefilled(time.end, computed);
            }
            self.tell_prefill();
        }
    }

    /// Takes the logits behind the last token; the reason when the answer has ended.
    pub(crate) fn take(
        &mut self,
        logits: &[f32],
        now: Instant,
        tokenizer: &Tokenizer,
    ) -> Option<FinishReason> {
        let token = self.sampler.next(logits);
        self.clock.token(now);
        self.tokens.push(token);
        if tokenizer.is_end(token) {
            return Some(FinishReason::Stop);
        }
        let piece = self.decoder.push(token).to_owned();
        if self.show(&piece) {
            return Some(FinishReason::Stop);
        }
        let put_out = self.tokens.len() - self.prompt;
        (put_out == self.max_tokens).then_some(FinishReason::Length)
    }

    /// Gives the blocks back. What was computed is computed again, unless it is still kept by then.
    pub(crate) fn pause(&mut self, memory: &KvMemory) {
        self.cache = memory.new_cache();
        self.paused = true;
    }

    /// Gives back the last block, which is not full; what it held is computed again.
    pub(crate) fn drop_partial_block(&mut self) {
        let whole = self.cache.len() / KEY_BLOCK * KEY_BLOCK;
        assert!(
            whole < self.cache.len(),
            "memory for one sequence of the context"
        );
        self.cache.truncate(whole);
    }

    /// Goes on with what is kept of it.
    pub(crate) fn resume(&mut self, memory: &KvMemory, prefixes: &mut PrefixCache, rope: &Rope) {
        self.cache = memory.new_cache();
        self.cache.begin(self.prompt);
        self.paused = false;
        let prompt = self.prompt;
        let rotation = |position| rope.length(prompt, position);
        prefixes.restore(&self.tokens, rotation, &mut self.cache);
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
        let rest = self.filter.finish();
        self.send(rest);
        for event in self.calls.iter_mut().flat_map(CallReader::finish) {
            self.answer.send(event.into());
        }
        self.keep(prefixes, rope, true);
        let metrics = self
            .clock
            .metrics(now, self.usd_per_hour, kernel.name(), threads);
        self.answer.send(Event::Finished(Completion {
            finish_reason: reason,
            prompt_tokens: self.prompt,
            cached_tokens: self.cached_tokens,
            token_ids: self.tokens.split_off(self.prompt),
            metrics,
        }));
    }

    /// Ends the answer without keeping anything of it.
    pub(crate) fn fail(self, error: Error) {
        self.answer.send(Event::Failed(error));
    }

    fn keep(&mut self, prefixes: &mut PrefixCache, rope: &Rope, whole: bool) {
        let rotation = |position| rope.length(self.prompt, position);
        prefixes.keep(&self.tokens, rotation, &mut self.cache, whole);
    }

    fn tell_prefill(&self) {
        self.answer.send(Event::Prefill {
            done: self.cache.len().min(self.prompt),
            total: self.prompt,
        });
    }

    /// Sends what may be shown of a piece; true when it ended the answer.
    fn show(&mut self, piece: &str) -> bool {
        let (text, stopped) = match self.filter.push(piece) {
            Filtered::Text(text) => (text, false),
            Filtered::Stopped(text) => (text, true),
        };
        self.send(text);
        stopped || self.calls.as_ref().is_some_and(CallReader::is_ended)
    }

    /// Sends a text, or the texts and calls that it decides.
    fn send(&mut self, text: String) {
        match &mut self.calls {
            Some(calls) => {
                for event in calls.push(&text) {
                    self.answer.send(event.into());
                }
            }
            None if text.is_empty() => {}
            None => self.answer.send(Event::Text(text)),
        }
    }
}

/// A step as its answers account for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StepTime {
    pub(crate) end: Instant,
    /// Since the step before, where that was just before.
    pub(crate) took: Duration,
    /// Tokens of all its answers.
    pub(crate) tokens: usize,
    /// Its answers.
    pub(crate) answers: usize,
}

impl StepTime {
    /// The part of an answer with so many of the tokens.
    fn share(self, tokens: usize) -> Duration {
        self.took.mul_f64(tokens as f64 / self.tokens as f64)
    }
}

/// What differs from answer to answer.
pub(crate) fn entropy() -> u64 {
    RandomState::new().build_hasher().finish()
}
