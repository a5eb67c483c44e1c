//! The thread that owns the model: step after step, each for all answers that run.
//!
//! A step has the next token of every answer that decodes, and parts of prompts beside them, as [`policy`] says. Answers
//! come in from the [`WaitingList`] as long as there are blocks for their prompts; where blocks run out, first what is kept
//! of ended answers goes, then the youngest answer pauses, whose reader sees no more than that. A step that panics ends
//! its answers and no others.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::answer::generation::{Generation, PendingAnswer, StepTime};
use crate::answer::load::{Load, LoadCounters};
use crate::answer::policy::{self, Caller, Rates, Served};
use crate::answer::prefix::PrefixCache;
use crate::answer::waiting::{Place, WaitingList};
use crate::compute::kernel::Kernel;
use crate::compute::kv::KvMemory;
use crate::model::forward::{Model, NewTokens};
use crate::model::rope::Rope;
use crate::text::tokenizer::Tokenizer;
use crate::{AnswerSender, Error, Event, FinishReason};

/// A second panic within this time ends the thread.
const PANICS_APART: Duration = Duration::from_mins(1);
/// What is going on is counted so often at the most while answers are computed.
const COUNT_EVERY: Duration = Duration::from_millis(100);
/// Those who wait are told of their place so often at the most.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// What computes steps, and tells the time.
trait StepModel {
    /// As [`Model::forward`]; the logits are then those of [`Self::logits`].
    fn forward(
        &mut self,
        batch: &mut [NewTokens<'_>],
        cancelled: &dyn Fn() -> bool,
    ) -> Option<&[f32]>;

    /// Those of the last step.
    fn logits(&self) -> &[f32];

    /// Numbers of a sequence's logits.
    fn vocabulary(&self) -> usize;

    /// Its kernel, and the threads that compute.
    fn machine(&self) -> (&'static Kernel, usize);

    fn now(&self) -> Instant;
}

impl StepModel for Model {
    fn forward(
        &mut self,
        batch: &mut [NewTokens<'_>],
        cancelled: &dyn Fn() -> bool,
    ) -> Option<&[f32]> {
        self.forward(batch, cancelled)
    }

    fn logits(&self) -> &[f32] {
        self.logits()
    }

    fn vocabulary(&self) -> usize {
        self.config().vocabulary
    }

    fn machine(&self) -> (&'static Kernel, usize) {
        (self.kernel(), self.threads())
    }

    fn now(&self) -> Instant {
        Instant::now()
    }
}

/// How much at a time, and how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Requests that may wait.
    pub(crate) queue: usize,
    /// Bytes of keys and values.
    pub(crate) kv_bytes: u64,
    /// How long a request may wait.
    pub(crate) wait: Option<Duration>,
    /// How long an answer may take from its request on.
    pub(crate) total: Option<Duration>,
}

impl Limits {
    /// The limit that a request has passed which has waited so long.
    fn passed_waiting(self, waited: Duration) -> Option<Error> {
        let passed = |limit: Option<Duration>| limit.filter(|limit| waited > *limit);
        let waiting = passed(self.wait).map(|limit| Error::WaitedTooLong { limit });
        waiting.or_else(|| passed(self.total).map(|limit| Error::TooLate { limit }))
    }
}

/// The waiting list and the owner thread. Dropping it ends the thread within a step.
#[derive(Debug)]
pub(crate) struct Scheduler {
    shared: Shared,
    owner: Option<JoinHandle<()>>,
}

/// What the owner thread shares with those who ask.
#[derive(Clone, Debug)]
struct Shared {
    waiting: Arc<WaitingList>,
    shutdown: Arc<AtomicBool>,
    load: Arc<LoadCounters>,
}

impl Shared {
    fn new(limits: Limits) -> Self {
        Self {
            waiting: WaitingList::new(limits.queue),
            shutdown: Arc::default(),
            load: Arc::default(),
        }
    }
}

impl Scheduler {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`Error::Option`] for a queue without a place, [`Error::NoThread`].
    pub(crate) fn start(
        model: Model,
        tokenizer: Arc<Tokenizer>,
        limits: Limits,
    ) -> Result<Self, Error> {
        if limits.queue == 0 {
            return Err(Error::Option("`queue` must be at least 1, found 0".into()));
        }
        let shared = Shared::new(limits);
        let of_owner = shared.clone();
        let memory = model.kv_memory(limits.kv_bytes);
        let blocks = memory.usage().blocks;
        shared.load.kv_blocks.store(blocks, Ordering::Relaxed);
        let run = move || {
            model.pin_caller();
            let rope = Arc::clone(model.rope());
            Owner::new(model, rope, memory, tokenizer, limits, of_owner).run();
        };
        let owner = thread::Builder::new()
            .name("nibble-model".into())
            .spawn(run);
        let owner = Some(owner.map_err(Error::NoThread)?);
        Ok(Self { shared, owner })
    }

    /// Whether the owner thread runs.
    pub(crate) fn is_alive(&self) -> bool {
        let owner = self.owner.as_ref();
        owner.is_some_and(|owner| !owner.is_finished())
    }

    /// Takes a place on the waiting list for a caller.
    ///
    /// # Errors
    /// [`Error::Busy`] when there is none for it, [`Error::Stopped`] when the owner thread has died.
    pub(crate) fn reserve(&self, caller: Caller) -> Result<Place, Error> {
        if !self.is_alive() {
            return Err(Error::Stopped);
        }
        self.shared.waiting.reserve(caller)
    }

    /// What is going on.
    pub(crate) fn load(&self) -> Load {
        self.shared.load.read(self.shared.waiting.waiting())
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.shared.shutdown.store(true, Ordering::Relaxed);
        fail_all(self.shared.waiting.close());
        if let Some(owner) = self.owner.take() {
            // A panic of the owner has already failed its answers; there is nobody left to tell.
            let _ = owner.join();
        }
    }
}

fn fail_all(pending: impl IntoIterator<Item = PendingAnswer>) {
    for pending in pending {
        pending.answer.send(Event::Failed(Error::Ending));
    }
}

/// What the owner thread owns.
struct Owner<M> {
    model: M,
    rope: Arc<Rope>,
    tokenizer: Arc<Tokenizer>,
    limits: Limits,
    waiting: Arc<WaitingList>,
    shutdown: Arc<AtomicBool>,
    load: Arc<LoadCounters>,
    memory: KvMemory,
    prefixes: PrefixCache,
    /// In the order of their arrival, those that are paused among them.
    answers: Vec<Generation>,
    served: Served,
    rates: Rates,
    lengths: Lengths,
    /// The end of the last step, unless nothing ran since.
    last_step: Option<Instant>,
    last_told: Option<Instant>,
    last_counted: Option<Instant>,
    last_panic: Option<Instant>,
}

impl<M: StepModel> Owner<M> {
    fn new(
        model: M,
        rope: Arc<Rope>,
        memory: KvMemory,
        tokenizer: Arc<Tokenizer>,
        limits: Limits,
        shared: Shared,
    ) -> Self {
        let Shared {
            waiting,
            shutdown,
            load,
        } = shared;
        Self {
            model,
            rope,
            tokenizer,
            limits,
            waiting,
            shutdown,
            load,
            memory,
            prefixes: PrefixCache::default(),
            answers: Vec::new(),
            served: Served::default(),
            rates: Rates::default(),
            lengths: Lengths::default(),
            last_step: None,
            last_told: None,
            last_counted: None,
            last_panic: None,
        }
    }

    fn run(mut self) {
        while self.wait_for_work() && self.turn() {}
        fail_all(self.waiting.close());
        for generation in std::mem::take(&mut self.answers) {
            self.finish(generation, FinishReason::Cancelled);
        }
    }

    /// Ends and begins answers, and computes a step; false when the thread had better end.
    fn turn(&mut self) -> bool {
        self.drop_ended();
        self.resume();
        self.admit();
        self.tell_waiting();
        self.count();
        self.answers.is_empty() || self.step()
    }

    /// False when it is time to end.
    fn wait_for_work(&mut self) -> bool {
        if self.answers.is_empty() {
            self.last_step = None;
            self.served.retain(|_| false);
            self.count();
            if !self.waiting.wait() {
                return false;
            }
        }
        !self.shutdown.load(Ordering::Relaxed)
    }

    /// Ends what nobody wants any more and what took too long.
    fn drop_ended(&mut self) {
        let now = self.model.now();
        if self.waiting.waiting() > 0 {
            let Limits { wait, total, .. } = self.limits;
            let longest = wait.into_iter().chain(total).min();
            for pending in self.waiting.take_ended(now, longest) {
                match self.limits.passed_waiting(pending.waited(now)) {
                    Some(error) if !pending.is_cancelled() => {
                        pending.answer.send(Event::Failed(error));
                    }
                    _ => pending.cancel(now, self.model.machine()),
                }
            }
        }
        let total = self.limits.total;
        let late = |generation: &Generation| total.filter(|total| generation.age(now) > *total);
        let has_ended =
            |generation: &Generation| generation.is_cancelled() || late(generation).is_some();
        if !self.answers.iter().any(has_ended) {
            return;
        }
        for generation in std::mem::take(&mut self.answers) {
            match late(&generation) {
                _ if generation.is_cancelled() => self.finish(generation, FinishReason::Cancelled),
                Some(limit) => generation.fail(Error::TooLate { limit }),
                None => self.answers.push(generation),
            }
        }
    }

    /// Lets the oldest answers that are paused go on, as far as there are blocks for all that they have to compute again.
    fn resume(&mut self) {
        let (memory, prefixes) = (&self.memory, &mut self.prefixes);
        for index in 0..self.answers.len() {
            let alone = self.answers.iter().all(Generation::is_paused);
            let paused = &mut self.answers[index];
            if !paused.is_paused() {
                continue;
            }
            paused.resume(memory, prefixes, &self.rope);
            let missing = paused.missing(paused.pending().len());
            if !prefixes.make_room(memory, missing) && !alone {
                paused.pause(memory);
                return;
            }
        }
    }

    /// Takes in who waits, as far as there are blocks for their prompts and a step for their tokens.
    fn admit(&mut self) {
        while self.answers.len() < self.rates.running()
            && !self.answers.iter().any(Generation::is_paused)
        {
            // Those that run have not come to all blocks of their prompts yet.
            let promised = self
                .answers
                .iter()
                .map(|answer| answer.missing(answer.pending().len()));
            let promised: usize = promised.sum();
            let (memory, prefixes) = (&self.memory, &mut self.prefixes);
            let (alone, rope) = (self.answers.is_empty(), &self.rope);
            let fits = |pending: &PendingAnswer| {
                // What is kept of it shall not make room for the rest.
                let mut cache = memory.new_cache();
                let len = pending.prompt.len();
                prefixes.restore(&pending.prompt, |at| rope.length(len, at), &mut cache);
                prefixes.make_room(memory, promised + cache.missing(len + 1)) || alone
            };
            let Some(pending) = self.waiting.take(&self.served, fits) else {
                return;
            };
            self.begin(pending);
        }
    }

    fn begin(&mut self, pending: PendingAnswer) {
        self.served.enter(pending.caller);
        let prompt = pending.prompt.len() as u64;
        let kv = (&self.memory, &mut self.prefixes);
        let ((kernel, _), now) = (self.model.machine(), self.model.now());
        let generation = Generation::begin(pending, now, &self.tokenizer, kernel, &self.rope, kv);
        let found = generation.cached_tokens() as u64;
        self.load
            .prefix_queries
            .fetch_add(prompt, Ordering::Relaxed);
        self.load.prefix_hits.fetch_add(found, Ordering::Relaxed);
        self.answers.push(generation);
    }

    /// Tells those who wait how long they will, now and then.
    fn tell_waiting(&mut self) {
        let (now, told) = (self.model.now(), self.last_told);
        if self.waiting.waiting() == 0 || told.is_some_and(|told| now - told < TELL_EVERY) {
            return;
        }
        self.last_told = Some(now);
        let seconds = self.lengths.seconds(&self.rates);
        let each = seconds.map(|seconds| seconds / self.answers.len().max(1) as f64);
        self.waiting.tell(&self.served, each);
    }

    /// Says what is going on.
    fn count(&mut self) {
        let (now, counted) = (self.model.now(), self.last_counted);
        if !self.answers.is_empty() && counted.is_some_and(|counted| now - counted < COUNT_EVERY) {
            return;
        }
        self.last_counted = Some(now);
        let paused = self
            .answers
            .iter()
            .filter(|answer| answer.is_paused())
            .count();
        let used = self.memory.usage().used;
        let cached = self.prefixes.unused() / self.memory.slabs();
        for (counter, value) in [
            (&self.load.running, self.answers.len() - paused),
            (&self.load.paused, paused),
            (&self.load.kv_blocks_used, used),
            (&self.load.kv_blocks_cached, cached),
        ] {
            counter.store(value, Ordering::Relaxed);
        }
    }

    /// One step; false when the thread had better end.
    fn step(&mut self) -> bool {
        let began = self.last_step.unwrap_or_else(|| self.model.now());
        let tokens = self.planned();
        let step = catch_unwind(AssertUnwindSafe(|| self.compute(&tokens, began)));
        self.last_step = Some(self.model.now());
        let Ok(ended) = step else {
            return self.recover(&tokens);
        };
        // From the end, so that indices stay what they were.
        for (index, reason) in ended.into_iter().rev() {
            let generation = self.answers.remove(index);
            self.finish(generation, reason);
        }
        true
    }

    /// How many tokens each answer has in the next step; there is room for all of them.
    fn planned(&mut self) -> Vec<usize> {
        loop {
            let views: Vec<_> = self.answers.iter().map(Generation::view).collect();
            let decoding = views.iter().filter(|view| view.decoding).count();
            let rows = self.rates.prefill_rows(decoding);
            let tokens = policy::plan(&views, &self.served, rows);
            let planned = self.answers.iter().zip(&tokens);
            let missing = planned
                .map(|(answer, tokens)| answer.missing(*tokens))
                .sum();
            if self.prefixes.make_room(&self.memory, missing) {
                return tokens;
            }
            let mut running = self.answers.iter_mut().filter(|answer| !answer.is_paused());
            let youngest = running.next_back().expect("what is planned runs");
            if running.next().is_none() {
                // One sequence has room, but not for a copy of the block that it shares.
                youngest.drop_partial_block();
                continue;
            }
            youngest.pause(&self.memory);
            self.load.preemptions.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Computes so many tokens of each answer; which have ended with that, and why.
    fn compute(&mut self, tokens: &[usize], began: Instant) -> Vec<(usize, FinishReason)> {
        let (mut batch, mut readers) = (Vec::new(), Vec::new());
        for (answer, tokens) in self.answers.iter_mut().zip(tokens) {
            if *tokens > 0 {
                readers.push(answer.reader());
                batch.push(answer.next_tokens(*tokens));
            }
        }
        let (answers, shutdown) = (readers.len(), &self.shutdown);
        let cancelled =
            || shutdown.load(Ordering::Relaxed) || readers.iter().all(AnswerSender::is_cancelled);
        if self.model.forward(&mut batch, &cancelled).is_none() {
            return Vec::new();
        }
        let end = self.model.now();
        let time = StepTime {
            end,
            took: end - began,
            tokens: tokens.iter().sum(),
            answers,
        };
        self.rates.observe(time.tokens, time.took);
        self.take_logits(tokens, time)
    }

    /// Gives each answer of a step what it computed for it.
    fn take_logits(&mut self, tokens: &[usize], time: StepTime) -> Vec<(usize, FinishReason)> {
        let (vocabulary, mut ended) = (self.model.vocabulary(), Vec::new());
        let mut logits = self.model.logits().chunks_exact(vocabulary);
        for (index, (answer, tokens)) in self.answers.iter_mut().zip(tokens).enumerate() {
            if *tokens == 0 {
                continue;
            }
            self.served.add(answer.caller(), *tokens);
            answer.computed(*tokens, time, &mut self.prefixes, &self.rope);
            if !answer.pending().is_empty() {
                continue;
            }
            let logits = logits
                .next()
                .expect("logits for each that has no more tokens");
            let reason = answer.take(logits, self.model.now(), &self.tokenizer);
            self.load.token(answer.lengths());
            ended.extend(reason.map(|reason| (index, reason)));
        }
        ended
    }

    /// Ends the answers of a step that panicked; false when that happens too often.
    fn recover(&mut self, tokens: &[usize]) -> bool {
        self.load.panics.fetch_add(1, Ordering::Relaxed);
        let answers = std::mem::take(&mut self.answers);
        for (generation, tokens) in answers.into_iter().zip(tokens) {
            if *tokens > 0 {
                generation.fail(Error::Broken);
            } else {
                self.answers.push(generation);
            }
        }
        let now = self.model.now();
        let before = self.last_panic.replace(now);
        before.is_none_or(|before| now - before > PANICS_APART)
    }

    fn finish(&mut self, mut generation: Generation, reason: FinishReason) {
        let [prompt, output] = generation.lengths();
        self.lengths.observe([prompt, output]);
        let computed = prompt - generation.cached_tokens();
        // The last step of a prompt gives the first token.
        let steps = output.saturating_sub(1);
        generation.alone(self.rates.seconds_alone(computed, steps));
        let (now, machine) = (self.model.now(), self.model.machine());
        generation.finish(reason, now, machine, &mut self.prefixes, &self.rope);
        let Self {
            answers, served, ..
        } = self;
        served.retain(|caller| answers.iter().any(|answer| answer.caller() == caller));
    }
}

/// How long prompts and answers are, as far as there were any.
#[derive(Clone, Copy, Debug, Default)]
struct Lengths(Option<[f64; 2]>);

impl Lengths {
    fn observe(&mut self, lengths: [usize; 2]) {
        let lengths = lengths.map(|length| length as f64);
        let mean = self.0.get_or_insert(lengths);
        for (mean, length) in mean.iter_mut().zip(lengths) {
            *mean += (length - *mean) / 8.0;
        }
    }

    /// Seconds that such an answer takes.
    fn seconds(self, rates: &Rates) -> Option<f64> {
        let [prompt, output] = self.0?.map(|length| length as usize);
        rates.seconds(prompt, output)
    }
}

#[cfg(test)]
mod tests;
