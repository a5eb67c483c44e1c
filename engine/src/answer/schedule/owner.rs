//! The loop of the thread that owns the model: step after step, each for all answers that run.
//!
//! A step has the next token of every answer that decodes, and parts of prompts beside them, as [`policy`] says. Answers
//! come in from the [`WaitingList`] as long as there are blocks for their prompts; where blocks run out, first what is kept
//! of ended answers goes, then the youngest answer of whoever has most pauses, whose reader sees no more than that. What becomes
//! of answers when something panics is in [`recovery`].

mod admission;
pub(super) mod draft_model;
mod drafting;
mod recovery;
mod reporting;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use self::admission::views;
use self::draft_model::DraftModel;
use super::lengths::Lengths;
use super::step_model::StepModel;
use super::{Limits, Shared, fail_all, locked};
use crate::answer::clock::{Drafting, StepTime};
use crate::answer::generation::Generation;
use crate::answer::load::LoadCounters;
use crate::answer::policy::{self, Rates, Served};
use crate::answer::prefix::PrefixCache;
use crate::answer::prefix::disk::Disk;
use crate::answer::speculation::costs::StepCosts;
use crate::answer::speculation::recalled::Recalled;
use crate::answer::waiting::WaitingList;
use crate::compute::kernel::span::KEY_BLOCK;
use crate::compute::kv::KvMemory;
use crate::model::forward::NewTokens;
use crate::model::rope::Rope;
use crate::text::tokenizer::Tokenizer;
use crate::{AnswerSender, Error, FinishReason};

/// What the owner thread owns.
pub(super) struct Owner<M> {
    model: M,
    draft_model: Option<DraftModel<M>>,
    rope: Arc<Rope>,
    tokenizer: Arc<Tokenizer>,
    limits: Limits,
    waiting: Arc<WaitingList>,
    shutdown: Arc<AtomicBool>,
    load: Arc<LoadCounters>,
    memory: KvMemory,
    prefixes: Arc<Mutex<PrefixCache>>,
    disk: Option<Arc<Disk>>,
    /// In the order of their arrival, those that are paused among them.
    answers: Vec<Generation>,
    /// Who reads the answer that begins or ends just now, and so is in no list.
    in_hand: Option<AnswerSender>,
    served: Served,
    rates: Rates,
    costs: StepCosts,
    recalled: Recalled,
    /// What the draft model computed for the next step.
    drafting: Drafting,
    /// The same for those who ask.
    shown_rates: Arc<Mutex<Rates>>,
    lengths: Lengths,
    /// The end of the last step, unless nothing ran since.
    last_step: Option<Instant>,
    last_told: Option<Instant>,
    last_counted: Option<Instant>,
    last_panic: Option<Instant>,
}

impl<M: StepModel> Owner<M> {
    pub(super) fn new(
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
            prefixes,
            disk,
            rates: shown_rates,
        } = shared;
        Self {
            model,
            draft_model: None,
            rope,
            tokenizer,
            limits,
            waiting,
            shutdown,
            load,
            memory,
            prefixes,
            disk,
            answers: Vec::new(),
            in_hand: None,
            served: Served::default(),
            rates: Rates::default(),
            costs: StepCosts::default(),
            recalled: Recalled::default(),
            drafting: Drafting::default(),
            shown_rates,
            lengths: Lengths::default(),
            last_step: None,
            last_told: None,
            last_counted: None,
            last_panic: None,
        }
    }

    /// The same with a model that guesses.
    pub(super) fn with_draft(self, draft_model: Option<DraftModel<M>>) -> Self {
        Self {
            draft_model,
            ..self
        }
    }

    pub(super) fn run(mut self) {
        while self.guarded(|owner| owner.wait_for_work() && owner.turn()) {}
        fail_all(self.waiting.close());
        self.guarded(|owner| {
            while let Some(generation) = owner.answers.pop() {
                owner.finish(generation, FinishReason::Cancelled);
            }
            false
        });
    }

    /// Ends and begins answers, and computes a step; false when the thread had better end.
    fn turn(&mut self) -> bool {
        self.drop_ended();
        if let Some(disk) = &self.disk {
            disk.take_in();
        }
        self.admit();
        self.resume();
        self.tell_waiting();
        self.count();
        self.answers.is_empty() || self.step()
    }

    /// False when it is time to end.
    fn wait_for_work(&mut self) -> bool {
        if self.answers.is_empty() {
            self.last_step = None;
            self.forget_served();
            self.count();
            if !self.waiting.wait() {
                return false;
            }
        }
        !self.shutdown.load(Ordering::Relaxed)
    }

    /// One step; false when the thread had better end.
    fn step(&mut self) -> bool {
        let began = self.last_step.unwrap_or_else(|| self.model.now());
        let tokens = self.planned();
        if tokens.iter().all(|tokens| *tokens == 0) {
            return true;
        }
        self.draft(&tokens);
        let step = catch_unwind(AssertUnwindSafe(|| self.compute(&tokens, began)));
        let end = self.model.now();
        self.last_step = Some(end);
        self.load.step(end - began);
        let Ok(ended) = step else {
            return self.recover(&tokens);
        };
        if ended.is_empty() {
            return true;
        }
        // From the end, so that indices stay what they were.
        for (index, reason) in ended.into_iter().rev() {
            let generation = self.answers.remove(index);
            self.finish(generation, reason);
        }
        self.forget_served();
        true
    }

    /// How many tokens each answer has in the next step; there is room for all of them.
    fn planned(&mut self) -> Vec<usize> {
        loop {
            let views = views(&self.answers);
            let rows = self.rates.prefill_rows(policy::decoding(&views));
            let tokens = policy::plan(&views, &self.served, rows);
            let planned = self.answers.iter().zip(&tokens);
            let missing = planned
                .map(|(answer, tokens)| answer.missing(*tokens))
                .sum();
            if locked(&self.prefixes).make_room(&self.memory, missing) {
                return tokens;
            }
            let Some(paused) = policy::to_pause(&views) else {
                self.make_do();
                continue;
            };
            self.pause(paused);
        }
    }

    /// Goes on with the memory that there is for the only answer that runs. One sequence has room, but not for a copy of the block
    /// that it shares; where the system gave less memory than there was to be, it may have none, and the answer ends.
    fn make_do(&mut self) {
        let Some(only) = self.answers.iter().position(|answer| !answer.is_paused()) else {
            return;
        };
        if self.answers[only].drop_partial_block() {
            return;
        }
        let room = self.memory.usage().blocks * KEY_BLOCK;
        let tokens = self.answers[only].lengths().iter().sum();
        let error = Error::TooLittleMemory { tokens, room };
        tracing::error!("{error}");
        self.load.panics.fetch_add(1, Ordering::Relaxed);
        self.answers.remove(only).fail(error);
    }

    /// Lends what an answer has to others, until it goes on.
    fn pause(&mut self, index: usize) {
        self.answers[index].pause(&self.memory, self.model.now());
        self.load.preemptions.fetch_add(1, Ordering::Relaxed);
    }

    /// Computes so many tokens of each answer; which have ended with that, and why.
    fn compute(&mut self, tokens: &[usize], began: Instant) -> Vec<(usize, FinishReason)> {
        let is_decode = drafting::is_decode(&self.answers, tokens);
        let (mut batch, mut readers) = (Vec::new(), Vec::new());
        for (answer, tokens) in self.answers.iter_mut().zip(tokens) {
            if *tokens > 0 {
                readers.push(answer.reader());
                batch.push(answer.next_tokens(*tokens));
            }
        }
        let rows = batch.iter().map(NewTokens::rows).sum();
        let behind = batch.iter().map(|new| new.cache.len()).sum();
        let (answers, shutdown) = (readers.len(), &self.shutdown);
        let cancelled =
            || shutdown.load(Ordering::Relaxed) || readers.iter().all(AnswerSender::is_cancelled);
        let is_computed = self.model.forward(&mut batch, &cancelled).is_some();
        let end = self.model.now();
        let time = StepTime {
            end,
            took: end - began,
            rows,
            answers,
            drafting: self.drafting,
        };
        if !is_computed {
            let computed = self.answers.iter_mut().zip(tokens);
            computed
                .filter(|(_, tokens)| **tokens > 0)
                .for_each(|(answer, tokens)| answer.took_part(*tokens, time));
            return Vec::new();
        }
        let verified = time.took.saturating_sub(self.drafting.took);
        // A row of a guess costs less than a step of one, and more than a row of a prompt.
        if self.answers.iter().all(|answer| answer.draft().is_empty()) {
            self.rates.observe(rows, is_decode, verified);
        }
        if !is_decode && answers == 1 {
            self.rates.read(rows, behind, verified);
        }
        let put_out = |answers: &[Generation]| -> usize {
            let lengths = answers.iter().map(Generation::lengths);
            lengths.map(|[_, put_out]| put_out).sum()
        };
        let before = put_out(&self.answers);
        let ended = self.take_logits(tokens, time);
        if is_decode {
            self.costs.observe(rows, verified);
            let put_out = put_out(&self.answers) - before;
            self.rates.decoded(answers, put_out, behind, time.took);
        }
        *locked(&self.shown_rates) = self.rates;
        ended
    }

    /// Gives each answer of a step what it computed for it.
    fn take_logits(&mut self, tokens: &[usize], time: StepTime) -> Vec<(usize, FinishReason)> {
        let (vocabulary, mut ended) = (self.model.vocabulary(), Vec::new());
        let mut prefixes = locked(&self.prefixes);
        let mut logits = self.model.logits();
        for (index, (answer, tokens)) in self.answers.iter_mut().zip(tokens).enumerate() {
            if *tokens == 0 {
                continue;
            }
            let (drafted, decodes) = (answer.draft().len(), answer.view().decoding);
            // The next token of an answer that decodes is in every step anyway.
            let read = tokens - usize::from(decodes);
            self.served.add(answer.caller(), read);
            answer.computed(*tokens, time, &mut prefixes, &self.rope);
            if !answer.pending().is_empty() {
                continue;
            }
            if let Some(reason) = answer.end_prompt(&self.tokenizer) {
                // It puts out nothing that would count its prompt.
                self.load.tokens(answer.lengths(), 0);
                ended.push((index, reason));
                continue;
            }
            // For each that has no more tokens, and for its guesses.
            let (own, of_others) = logits.split_at((1 + drafted) * vocabulary);
            logits = of_others;
            let ([_, before], [_, right]) = (answer.lengths(), answer.guesses());
            let by_model = answer.is_drafted_by_model();
            let reason = answer.take(own, self.model.now(), &self.tokenizer);
            self.load.tokens(answer.lengths(), before);
            let accepted = answer.guesses()[1] - right;
            self.load.guesses(drafted, accepted, by_model);
            ended.extend(reason.map(|reason| (index, reason)));
        }
        ended
    }

    fn finish(&mut self, mut generation: Generation, reason: FinishReason) {
        self.in_hand = Some(generation.reader());
        let [prompt, output] = generation.lengths();
        let computed = prompt - generation.cached_tokens();
        self.lengths.observe([computed, output]);
        let (one, row) = (self.rates.one(), self.rates.row());
        let computed = row.map(|row| row * computed as f64);
        let decoded = self.costs.seconds(&generation.steps(), one, row);
        let drafted = self.seconds_of_drafts(generation.model_work());
        let parts = [computed, decoded, drafted];
        generation.alone(parts.into_iter().sum());
        generation.throttled(self.model.throttled());
        let (now, machine) = (self.model.now(), self.model.machine());
        if let Some(conversation) = generation.conversation() {
            let tokens = generation.tokens();
            self.recalled.keep(conversation, tokens, prompt, now);
        }
        // What is no answer, such as an embedding, nobody goes on from.
        let disk = self.disk.as_ref().filter(|_| generation.is_answer());
        let written = disk.map(|disk| (disk, generation.computed_tokens().to_vec()));
        let mut prefixes = locked(&self.prefixes);
        generation.finish(reason, now, machine, &mut prefixes, &self.rope);
        drop(prefixes);
        self.in_hand = None;
        if let Some((disk, tokens)) = written {
            disk.write(tokens, prompt);
        }
    }

    /// Forgets what those callers have had who want nothing more.
    fn forget_served(&mut self) {
        let Self {
            answers, served, ..
        } = self;
        let waiting = self.waiting.callers();
        let runs = |caller| answers.iter().any(|answer| answer.caller() == caller);
        served.retain(|caller| runs(caller) || waiting.contains(&caller));
    }
}

#[cfg(test)]
mod tests;
