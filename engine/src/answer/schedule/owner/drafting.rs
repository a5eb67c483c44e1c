//! What answers guess ahead in the next step.

use super::Owner;
use crate::answer::generation::Generation;
use crate::answer::schedule::locked;
use crate::answer::schedule::step_model::StepModel;
use crate::answer::speculation::costs::share_out;

impl<M: StepModel> Owner<M> {
    /// Lets answers guess ahead in a step in which each has so many tokens, where that pays and there is room for it. Beside
    /// prompts, and beside what is computed again, nothing is guessed: such a step is limited by multiplication.
    pub(super) fn draft(&mut self, tokens: &[usize]) {
        let lengths = self.draft_lengths(tokens);
        let guess = |answers: &mut [Generation], lengths: &[usize]| {
            let pairs = answers.iter_mut().zip(lengths);
            pairs.for_each(|(answer, length)| answer.guess(*length));
        };
        guess(&mut self.answers, &lengths);
        if lengths.iter().all(|length| *length == 0) {
            return;
        }
        let rows = self.answers.iter().zip(tokens);
        let missing = rows.map(|(answer, tokens)| answer.missing(tokens + answer.draft().len()));
        // Nobody pauses for a guess.
        let missing = missing.sum();
        if !locked(&self.prefixes).make_room(&self.memory, missing) {
            guess(&mut self.answers, &vec![0; tokens.len()]);
        }
    }

    fn draft_lengths(&self, tokens: &[usize]) -> Vec<usize> {
        let none = || vec![0; tokens.len()];
        if !is_decode(&self.answers, tokens) {
            return none();
        }
        let planned = self.answers.iter().zip(tokens);
        let prospects = planned.map(|(answer, tokens)| match tokens {
            0 => None,
            _ => answer.prospect(),
        });
        let prospects: Vec<_> = prospects.collect();
        if prospects.iter().all(Option::is_none) {
            return none();
        }
        let prospects: Vec<_> = prospects
            .into_iter()
            .map(Option::unwrap_or_default)
            .collect();
        let rows = tokens.iter().sum();
        share_out(&prospects, rows, &self.costs, self.rates.row())
    }
}

/// Whether a step has the next token of answers that decode, and nothing else.
pub(super) fn is_decode(answers: &[Generation], tokens: &[usize]) -> bool {
    let mut planned = answers.iter().zip(tokens);
    planned.all(|(answer, tokens)| {
        let view = answer.view();
        *tokens == 0 || view.decoding && view.pending == 1
    })
}
