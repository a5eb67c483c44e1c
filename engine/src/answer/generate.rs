//! One answer: prefill of what the cache does not hold yet, then token after token until something ends it.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Instant;

use crate::answer::metrics::Clock;
use crate::answer::sample::Sampler;
use crate::compute::kv::KvCache;
use crate::model::forward::{Model, NewTokens, PREFILL_CHUNK};
use crate::model::rope::Rope;
use crate::text::calls::CallReader;
use crate::text::stop::{Filtered, StopFilter};
use crate::text::tokenizer::{TokenDecoder, Tokenizer};
use crate::{AnswerSender, Completion, Event, FinishReason, Sampling};

/// A checked request with its tokens.
pub(crate) struct PendingAnswer {
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
}

/// The sequence that the cache holds; the next request computes only what it does not share with it.
pub(crate) struct CachedSequence {
    tokens: Vec<u32>,
    cache: KvCache,
}

impl CachedSequence {
    pub(crate) fn new(cache: KvCache) -> Self {
        Self {
            tokens: Vec::new(),
            cache,
        }
    }

    /// Begins a request: cuts the sequence to what it shares with `prompt`, leaving at least the last token to compute.
    fn keep_prefix(&mut self, prompt: &[u32], rope: &Rope) -> usize {
        let same_rotation = |position| {
            let lengths = [self.cache.prompt(), prompt.len()];
            let [found, needed] = lengths.map(|prompt| rope.length(prompt, position));
            found == needed
        };
        let tokens = self.tokens.iter().zip(prompt).enumerate();
        let shared = tokens
            .take_while(|(position, (a, b))| a == b && same_rotation(*position))
            .count();
        let shared = shared.min(prompt.len() - 1).min(self.cache.len());
        self.tokens.truncate(shared);
        self.cache.truncate(shared);
        self.cache.begin(prompt.len());
        shared
    }

    /// Appends tokens; the logits behind the last of them where they are wanted, or `None` when cancelled.
    fn append<'m>(
        &mut self,
        model: &'m mut Model,
        tokens: &[u32],
        wants_logits: bool,
        cancelled: &dyn Fn() -> bool,
    ) -> Option<&'m [f32]> {
        let mut batch = [NewTokens {
            tokens,
            cache: &mut self.cache,
            wants_logits,
        }];
        let logits = model.forward(&mut batch, cancelled)?;
        self.tokens.extend_from_slice(tokens);
        Some(logits)
    }
}

/// Computes one answer and sends its events; nothing is sent to a reader that is gone.
pub(crate) fn answer(
    model: &mut Model,
    tokenizer: &Tokenizer,
    sequence: &mut CachedSequence,
    mut pending: PendingAnswer,
    shutdown: &dyn Fn() -> bool,
) {
    let mut clock = pending.clock.clone();
    clock.begin(Instant::now());
    let cached_tokens = sequence.keep_prefix(&pending.prompt, model.rope());
    let calls = pending.calls.take();
    let marks = calls.iter().flat_map(|calls| calls.format().marks());
    let decoder = tokenizer.decoder(&marks.collect::<Vec<_>>());
    let mut generation = Generation {
        tokenizer,
        clock,
        sampler: Sampler::new(pending.sampling, model.kernel(), entropy()),
        decoder,
        filter: StopFilter::new(&pending.stop),
        calls,
        tokens: Vec::new(),
        cancelled: &|| shutdown() || pending.answer.is_abandoned() || pending.answer.is_stopped(),
        pending: &pending,
    };
    let finish_reason = generation.run(model, sequence);
    let Generation { clock, tokens, .. } = generation;
    let metrics = clock.metrics(
        Instant::now(),
        pending.usd_per_hour,
        model.kernel().name(),
        model.threads(),
    );
    pending.answer.send(Event::Finished(Completion {
        finish_reason,
        prompt_tokens: pending.prompt.len(),
        cached_tokens,
        token_ids: tokens,
        metrics,
    }));
}

/// What differs from answer to answer.
pub(crate) fn entropy() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// The state of an answer between its tokens.
struct Generation<'a> {
    pending: &'a PendingAnswer,
    tokenizer: &'a Tokenizer,
    clock: Clock,
    sampler: Sampler,
    decoder: TokenDecoder,
    filter: StopFilter,
    calls: Option<CallReader>,
    /// The tokens put out.
    tokens: Vec<u32>,
    cancelled: &'a dyn Fn() -> bool,
}

impl Generation<'_> {
    /// Generates until something ends the answer, and shows all text that may be shown.
    fn run(&mut self, model: &mut Model, sequence: &mut CachedSequence) -> FinishReason {
        let Some(mut logits) = self.prefill(model, sequence) else {
            return FinishReason::Cancelled;
        };
        loop {
            let token = self.sampler.next(logits);
            self.clock.token(Instant::now());
            self.tokens.push(token);
            if self.tokenizer.is_end(token) {
                return self.flush(FinishReason::Stop);
            }
            let piece = self.decoder.push(token).to_owned();
            if self.show(&piece) {
                return self.flush(FinishReason::Stop);
            }
            if self.tokens.len() == self.pending.max_tokens {
                return self.flush(FinishReason::Length);
            }
            match sequence.append(model, &[token], true, self.cancelled) {
                Some(next) => logits = next,
                None => return self.flush(FinishReason::Cancelled),
            }
        }
    }

    /// Computes the rest of the prompt; the logits behind its last token, or `None` when cancelled.
    fn prefill<'m>(
        &mut self,
        model: &'m mut Model,
        sequence: &mut CachedSequence,
    ) -> Option<&'m [f32]> {
        let prompt = &self.pending.prompt;
        let (cached, total) = (sequence.cache.len(), prompt.len());
        self.pending.answer.send(Event::Prefill {
            done: cached,
            total,
        });
        let mut done = cached;
        while total - done > PREFILL_CHUNK {
            let chunk = &prompt[done..done + PREFILL_CHUNK];
            sequence.append(model, chunk, false, self.cancelled)?;
            done += PREFILL_CHUNK;
            self.pending.answer.send(Event::Prefill { done, total });
        }
        let logits = sequence.append(model, &prompt[done..], true, self.cancelled)?;
        self.clock.prefilled(Instant::now(), total - cached);
        self.pending
            .answer
            .send(Event::Prefill { done: total, total });
        Some(logits)
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

    /// Sends what was held back, now that nothing can follow it.
    fn flush(&mut self, reason: FinishReason) -> FinishReason {
        let rest = self.filter.finish();
        self.send(rest);
        for part in self.calls.iter_mut().flat_map(CallReader::finish) {
            self.pending.answer.send(part.into());
        }
        reason
    }

    /// Sends a text, or the texts and calls that it decides.
    fn send(&mut self, text: String) {
        match &mut self.calls {
            Some(calls) => {
                for part in calls.push(&text) {
                    self.pending.answer.send(part.into());
                }
            }
            None if text.is_empty() => {}
            None => self.pending.answer.send(Event::Text(text)),
        }
    }
}

#[cfg(test)]
mod tests;
