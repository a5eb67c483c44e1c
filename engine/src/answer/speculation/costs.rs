//! What steps of few rows take on this machine, and how many guesses pay by that.
//!
//! Plain functions and measured times: they decide how fast tokens come, never which.

use std::time::Duration;

use crate::answer::policy::STEP;
use crate::model::capacity::ANSWERS;

/// What was measured so many steps ago is measured again: it was another length of context, or somebody else's noise.
const FRESH: usize = 512;
/// Guesses that gain less are not worth the risk.
const LEAST_GAIN: f64 = 1.02;
/// Before a prompt was measured a row more takes this part of a step.
const ROW_PART: f64 = 0.125;

/// Times of steps without prompts, by their rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct StepCosts {
    /// Seconds, and in which step they were measured last.
    times: Vec<Option<(f64, usize)>>,
    /// Steps that were measured.
    steps: usize,
}

impl StepCosts {
    /// A step without prompts of so many rows took so long.
    pub(crate) fn observe(&mut self, rows: usize, took: Duration) {
        self.steps += 1;
        if rows > ANSWERS {
            return;
        }
        let (took, before) = (took.as_secs_f64(), self.measured(rows));
        self.times.resize(ANSWERS + 1, None);
        let mean = before.map_or(took, |mean| mean + (took - mean) / 4.0);
        self.times[rows] = Some((mean, self.steps));
    }

    /// What such a step took, unless that is long ago.
    fn measured(&self, rows: usize) -> Option<f64> {
        let (time, step) = (*self.times.get(rows)?)?;
        (self.steps - step < FRESH).then_some(time)
    }

    /// About how many seconds steps take of which each has one token of an answer and its guesses: `steps` counts them by these.
    /// One without a guess takes `one`; none where nothing like them was measured.
    pub(crate) fn seconds(
        &self,
        steps: &[usize],
        one: Option<f64>,
        row: Option<f64>,
    ) -> Option<f64> {
        let counted = steps.iter().enumerate().filter(|(_, count)| **count > 0);
        let seconds = counted.map(|(guesses, count)| {
            let step = match guesses {
                0 => one,
                _ => self.expected(1 + guesses, row),
            };
            Some(step? * *count as f64)
        });
        seconds.sum()
    }

    /// What such a step would take: between two that were measured in proportion, and above all as with rows of a prompt,
    /// which is no more than it will be. So it is tried where it might pay. Nothing before any was measured.
    fn expected(&self, rows: usize, row: Option<f64>) -> Option<f64> {
        let known = |rows: usize| Some((rows, self.measured(rows)?));
        let below = (1..=rows).rev().find_map(known);
        let above = (rows..self.times.len()).find_map(known);
        match (below, above) {
            (Some((low, time)), Some((high, most))) if low < high => {
                let part = (rows - low) as f64 / (high - low) as f64;
                Some(time + (most - time) * part)
            }
            (Some((low, time)), None) => {
                let row = row.unwrap_or(time * ROW_PART);
                Some(time + row * (rows - low) as f64)
            }
            (below, above) => below.or(above).map(|(_, time)| time),
        }
    }
}

/// What an answer could guess.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Prospect {
    /// For each token that it could guess how likely this one and all before it are right, so never more than before.
    pub(crate) chances: Vec<f64>,
    /// Whether all are guessed, whether that pays or not.
    pub(crate) is_fixed: bool,
}

/// How many tokens each answer guesses in a step which has so many rows without: as many as give most tokens a second, but no
/// step longer than readers may wait. A row of a prompt takes `row` seconds, where that is known.
pub(crate) fn share_out(
    prospects: &[Prospect],
    rows: usize,
    costs: &StepCosts,
    row: Option<f64>,
) -> Vec<usize> {
    let mut lengths = vec![0; prospects.len()];
    // As many rows with logits as there is memory for.
    let mut left = ANSWERS.saturating_sub(rows);
    let mut tokens = rows as f64;
    let (fixed, free): (Vec<_>, Vec<_>) = prospects
        .iter()
        .enumerate()
        .partition(|(_, prospect)| prospect.is_fixed);
    for (index, Prospect { chances, .. }) in fixed {
        lengths[index] = chances.len().min(left);
        left -= lengths[index];
        tokens += chances[..lengths[index]].iter().sum::<f64>();
    }
    let rows = rows + lengths.iter().sum::<usize>();
    // Without guesses it has to be known what a step takes.
    let Some(time) = costs.measured(rows) else {
        return lengths;
    };
    let guesses = free.iter().flat_map(|(index, prospect)| {
        let chances = prospect.chances.iter();
        chances.map(|chance| (*chance, *index))
    });
    let mut guesses: Vec<(f64, usize)> = guesses.collect();
    // The likeliest first; of each answer they are so already.
    guesses.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    guesses.truncate(left);
    let (mut count, mut most) = (0, LEAST_GAIN * tokens / time);
    for (guessed, (chance, _)) in (1..).zip(&guesses) {
        tokens += chance;
        let expected = costs.expected(rows + guessed, row);
        let time = expected.filter(|time| *time <= STEP.as_secs_f64());
        if let Some(speed) = time.map(|time| tokens / time).filter(|speed| *speed > most) {
            (count, most) = (guessed, speed);
        }
    }
    for (_, index) in &guesses[..count] {
        lengths[*index] += 1;
    }
    lengths
}

#[cfg(test)]
mod tests;
