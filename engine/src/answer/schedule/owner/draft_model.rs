//! A smaller model of the same tokenizer, which guesses what the model will say.
//!
//! It computes on the threads of the model, between two of its steps: one step for the first guess of all answers, one for
//! the second, each the token that it holds likeliest. What it has of an answer is in memory of its own
//! ([`DraftState`](crate::answer::speculation::draft_state::DraftState)), and an answer for which there is none left goes without.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::answer::clock::Drafting;
use crate::answer::generation::Generation;
use crate::answer::generation::guesses::Followed;
use crate::answer::policy::Rates;
use crate::answer::sample::likeliest;
use crate::answer::schedule::step_model::StepModel;
use crate::answer::speculation::costs::{Measured, Prospect, StepCosts};
use crate::compute::kv::KvMemory;
use crate::model::forward::NewTokens;

/// An answer of which it has to read no more guesses at once, whatever else there is to read.
const NEAR: usize = 2;
/// After so many steps of the model a step of this one is measured again though it guesses nothing.
const MEASURED_EVERY: usize = 512;
/// How long it reads what it has missed, beside a step of the model.
const READING: Duration = Duration::from_millis(100);

/// A model that guesses.
pub(in crate::answer::schedule) struct DraftModel<M> {
    pub(super) model: M,
    pub(super) memory: KvMemory,
    /// The longest sequence that it computes.
    pub(super) context: usize,
    costs: StepCosts,
    rates: Rates,
    /// Steps of the model since the last of this one.
    idle: usize,
}

impl<M: StepModel> DraftModel<M> {
    pub(in crate::answer::schedule) fn new(model: M, memory: KvMemory, context: usize) -> Self {
        Self {
            model,
            memory,
            context,
            costs: StepCosts::default(),
            rates: Rates::default(),
            idle: MEASURED_EVERY,
        }
    }

    /// What its steps take.
    pub(super) fn measured(&self) -> Measured<'_> {
        Measured {
            steps: &self.costs,
            row: self.rates.row(),
        }
    }

    /// What it could guess for an answer, where that is likelier right than what the answer could guess by itself, and where it
    /// is time to read what it has not read; a step of the model takes so many seconds.
    pub(super) fn prospect(
        &self,
        answer: &Generation,
        own: &Prospect,
        step: f64,
    ) -> Option<Prospect> {
        let prospect = answer.model_prospect(self.context)?;
        let ([_, put_out], unread) = (answer.lengths(), answer.unread());
        let pays = || prospect.is_fixed || self.pays_reading(unread.len(), step * put_out as f64);
        let is_likelier = prospect.right() > own.right();
        (is_likelier && pays() && self.knows(unread)).then_some(prospect)
    }

    fn knows(&self, tokens: &[u32]) -> bool {
        let vocabulary = self.model.vocabulary();
        tokens.iter().all(|token| (*token as usize) < vocabulary)
    }

    /// Whether to read so many tokens of an answer for which the model has computed for so many seconds. As nobody knows how
    /// long the answer becomes, that is when guesses from its beginning on would have saved as much, had they halved the time.
    fn pays_reading(&self, unread: usize, computed: f64) -> bool {
        let reading = self.measured().row().map(|row| row * unread as f64);
        unread <= NEAR || reading.is_some_and(|reading| reading <= computed / 2.0)
    }

    /// Measures a step, where none was for long, on the threads of another model; none where that panicked.
    pub(super) fn measure(&mut self, lender: &mut M) -> Option<Drafting> {
        self.idle += 1;
        if self.idle < MEASURED_EVERY {
            return Some(Drafting::default());
        }
        let mut cache = self.memory.new_cache();
        if cache.missing(2) > self.memory.available() {
            return Some(Drafting::default());
        }
        self.on_threads_of(lender, |draft| {
            // The first after a while finds nothing in the processor's caches.
            for _ in 0..2 {
                let began = draft.model.now();
                let next = NewTokens {
                    tokens: &[0],
                    draft: &[],
                    cache: &mut cache,
                    wants_logits: true,
                    reader: None,
                };
                draft.model.forward(&mut [next], &|| false);
                let took = draft.model.now() - began;
                if cache.len() > 1 {
                    draft.costs.observe(1, took);
                }
            }
            // They are of no answer.
            0
        })
    }

    /// Guesses for answers, on the threads of another model, for about as long as `spare` at most; of those of which there is more
    /// to read it reads as much as it can. None where that panicked.
    pub(super) fn guess(
        &mut self,
        lender: &mut M,
        mut answers: Vec<Followed<'_>>,
        spare: Duration,
    ) -> Option<Drafting> {
        self.make_room(&mut answers);
        let known = lender.vocabulary().min(self.model.vocabulary());
        self.on_threads_of(lender, |draft| {
            let began = draft.model.now();
            let first = draft.first_rows(&answers, spare);
            let mut rows = draft.round(&mut answers, &first, known);
            for round in 1.. {
                // However many were asked for: all answers wait for them.
                if draft.model.now() - began > spare {
                    break;
                }
                let next = answers.iter().map(|answer| {
                    let goes_on = answer.drafter.draft().len() == round && answer.wanted > round;
                    usize::from(goes_on)
                });
                let next: Vec<usize> = next.collect();
                match draft.round(&mut answers, &next, known) {
                    0 => break,
                    more => rows += more,
                }
            }
            rows
        })
    }

    /// How many tokens of each answer it computes before it guesses, so that this is no longer than a chunk of a prompt.
    fn first_rows(&self, answers: &[Followed<'_>], spare: Duration) -> Vec<usize> {
        let unread = |answer: &Followed<'_>| answer.tokens.len() - answer.drafter.state().read();
        let near = answers.iter().map(unread).filter(|unread| *unread <= NEAR);
        let most = self.rates.prefill_within(spare.min(READING));
        let mut left = most.saturating_sub(near.sum());
        let rows = answers.iter().map(unread).map(|unread| {
            if unread <= NEAR {
                return unread;
            }
            let rows = unread.min(left);
            left -= rows;
            rows
        });
        rows.collect()
    }

    /// Leaves answers out for which there is no room.
    fn make_room(&self, answers: &mut Vec<Followed<'_>>) {
        let mut promised = 0;
        answers.retain_mut(|answer| {
            let len = answer.tokens.len() + answer.wanted - 1;
            let state = answer.drafter.state_mut();
            let missing = state.missing(&self.memory, answer.prompt, len);
            // Those left out before it may have made room.
            match promised + missing <= self.memory.available() {
                true => promised += missing,
                false => state.end(),
            }
            !state.is_over()
        });
    }

    /// One step: of each answer at most so many tokens, and a guess where these are all; gives back how many there were.
    fn round(&mut self, answers: &mut [Followed<'_>], most: &[usize], known: usize) -> usize {
        let began = self.model.now();
        let (mut batch, mut guessing) = (Vec::new(), Vec::new());
        let with_rows = answers.iter_mut().zip(most).enumerate();
        for (index, (answer, most)) in with_rows.filter(|(_, (_, most))| **most > 0) {
            let next = answer.drafter.next_of_state(answer.tokens, *most);
            guessing.extend(next.wants_logits.then_some(index));
            batch.push(next);
        }
        let rows: usize = batch.iter().map(NewTokens::rows).sum();
        // It is short, and so nobody has to cancel it.
        if rows == 0 || self.model.forward(&mut batch, &|| false).is_none() {
            return 0;
        }
        let vocabulary = self.model.vocabulary();
        let logits = self.model.logits().chunks_exact(vocabulary);
        for (index, logits) in guessing.into_iter().zip(logits) {
            answers[index]
                .drafter
                .push_guess(likeliest(&logits[..known]));
        }
        let took = self.model.now() - began;
        self.costs.observe(rows, took);
        self.rates.observe(rows, false, took);
        rows
    }

    /// Runs what gives back how many rows of answers it had.
    fn on_threads_of(
        &mut self,
        lender: &mut M,
        run: impl FnOnce(&mut Self) -> usize,
    ) -> Option<Drafting> {
        self.idle = 0;
        lender.swap_threads(&mut self.model);
        let began = self.model.now();
        let rows = catch_unwind(AssertUnwindSafe(|| run(self)));
        let took = self.model.now() - began;
        lender.swap_threads(&mut self.model);
        let rows = rows.ok()?;
        Some(Drafting { took, rows })
    }
}
