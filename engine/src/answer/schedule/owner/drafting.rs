//! What answers guess ahead in the next step.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Owner;
use crate::answer::clock::Drafting;
use crate::answer::generation::Generation;
use crate::answer::schedule::locked;
use crate::answer::schedule::step_model::StepModel;
use crate::answer::speculation::costs::{Measured, Prospect, Shares, longest_step, share_out};

/// What an answer is to guess.
#[derive(Clone, Copy, Debug, Default)]
struct Guesses {
    count: usize,
    /// Whether the draft model guesses them.
    by_model: bool,
}

impl<M: StepModel> Owner<M> {
    /// Lets answers guess ahead in a step in which each has so many tokens, where that pays and there is room for it. Beside
    /// prompts, and beside what is computed again, nothing is guessed: such a step is limited by multiplication.
    pub(super) fn draft(&mut self, tokens: &[usize]) {
        self.drafting = Drafting::default();
        self.answers.iter_mut().for_each(Generation::begin_guesses);
        if let Some(draft) = &self.draft_model {
            let answers = self.answers.iter_mut();
            answers.for_each(|answer| answer.end_model_beyond(draft.context));
        }
        if !is_decode(&self.answers, tokens) {
            return;
        }
        let guesses = self.planned_guesses(tokens);
        if guesses.iter().all(|guesses| guesses.count == 0) {
            return;
        }
        let planned = self.answers.iter().zip(tokens).zip(&guesses);
        let missing =
            planned.map(|((answer, tokens), guesses)| answer.missing(tokens + guesses.count));
        // Nobody pauses for a guess.
        let missing = missing.sum();
        if !locked(&self.prefixes).make_room(&self.memory, missing) {
            return;
        }
        for (answer, Guesses { count, by_model }) in self.answers.iter_mut().zip(&guesses) {
            if !by_model {
                answer.guess(*count);
            }
        }
        self.guess_by_model(tokens, &guesses);
    }

    fn planned_guesses(&mut self, tokens: &[usize]) -> Vec<Guesses> {
        let planned = self.answers.iter().zip(tokens);
        let prospects = planned.map(|(answer, tokens)| match tokens {
            0 => None,
            _ => answer.prospect(),
        });
        let prospects: Vec<_> = prospects.collect();
        if prospects.iter().all(Option::is_none) {
            return Vec::new();
        }
        self.measure_draft_model();
        let own = prospects.into_iter().map(Option::unwrap_or_default);
        let own: Vec<Prospect> = own.collect();
        let rows = tokens.iter().sum();
        let model = Measured {
            steps: &self.costs,
            row: self.rates.row(),
        };
        let shares = share_out(&own, rows, model, None);
        let Some(draft) = &self.draft_model else {
            return guesses(&shares, &own);
        };
        let step = model.step(rows).unwrap_or_default();
        let planned = self.answers.iter().zip(tokens).zip(&own);
        let likelier = planned.map(|((answer, tokens), own)| {
            let by_model = (*tokens > 0).then(|| draft.prospect(answer, own, step));
            by_model.flatten().unwrap_or_else(|| own.clone())
        });
        let likelier: Vec<Prospect> = likelier.collect();
        let with_model = share_out(&likelier, rows, model, Some(draft.measured()));
        let mut by_model = likelier.iter().filter(|prospect| prospect.by_model);
        let is_asked = by_model.any(|prospect| prospect.is_fixed);
        match is_asked || with_model.speed > shares.speed {
            true => guesses(&with_model, &likelier),
            false => guesses(&shares, &own),
        }
    }

    /// Knows what a step of the draft model takes, as far as that is not known.
    fn measure_draft_model(&mut self) {
        if let Some(draft) = &mut self.draft_model {
            let measured = draft.measure(&mut self.model);
            self.drafted(measured);
        }
    }

    fn guess_by_model(&mut self, tokens: &[usize], guesses: &[Guesses]) {
        let Some(draft) = &mut self.draft_model else {
            return;
        };
        let wanted = self.answers.iter_mut().zip(guesses);
        let wanted = wanted.filter(|(_, guesses)| guesses.by_model && guesses.count > 0);
        let followed = wanted.filter_map(|(answer, guesses)| answer.followed(guesses.count));
        let followed: Vec<_> = followed.collect();
        if followed.is_empty() {
            return;
        }
        let step = self.costs.measured(tokens.iter().sum());
        let step = step.unwrap_or_default();
        let spare = Duration::from_secs_f64(longest_step(step) - step);
        let drafting = draft.guess(&mut self.model, followed, spare);
        self.drafted(drafting);
    }

    /// Seconds of so many steps of the draft model that guess, and of so many rows of others, for one answer.
    pub(super) fn seconds_of_drafts(&self, [steps, rows]: [usize; 2]) -> Option<f64> {
        let Some(draft) = self.draft_model.as_ref().filter(|_| steps + rows > 0) else {
            return Some(0.0);
        };
        let (step, row) = (draft.measured().step(1)?, draft.measured().row()?);
        Some(step * steps as f64 + row * rows as f64)
    }

    /// Accounts for steps of the draft model; where they panicked it guesses no more, and answers go on without it.
    fn drafted(&mut self, drafting: Option<Drafting>) {
        if let Some(drafting) = drafting {
            self.drafting = self.drafting.and(drafting);
            return;
        }
        tracing::error!("the draft model failed: answers go on without its guesses");
        self.load.panics.fetch_add(1, Ordering::Relaxed);
        self.draft_model = None;
        for answer in &mut self.answers {
            answer.begin_guesses();
            answer.end_model();
        }
    }
}

fn guesses(shares: &Shares, prospects: &[Prospect]) -> Vec<Guesses> {
    let pairs = shares.lengths.iter().zip(prospects);
    let guesses = pairs.map(|(count, prospect)| Guesses {
        count: *count,
        by_model: prospect.by_model,
    });
    guesses.collect()
}

/// Whether a step has the next token of answers that decode, and nothing else.
pub(super) fn is_decode(answers: &[Generation], tokens: &[usize]) -> bool {
    let mut planned = answers.iter().zip(tokens);
    planned.all(|(answer, tokens)| {
        let view = answer.view();
        *tokens == 0 || view.decoding && view.pending == 1
    })
}
