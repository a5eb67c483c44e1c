//! What steps of few rows take on this machine, and how many guesses pay by that.
//!
//! Plain functions and measured times: they decide how fast tokens come, never which.

use std::time::Duration;

use crate::answer::policy::STEP;
use crate::model::capacity::ANSWERS;
use crate::sampling::MAX_DRAFT;

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
    pub(crate) fn measured(&self, rows: usize) -> Option<f64> {
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
    /// Whether a draft model guesses them, one after the other.
    pub(crate) by_model: bool,
}

impl Prospect {
    /// How many of its guesses will be right.
    pub(crate) fn right(&self) -> f64 {
        self.chances.iter().sum()
    }
}

/// How many tokens answers guess, and the tokens a second that this comes to where the times of steps are known.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shares {
    pub(crate) lengths: Vec<usize>,
    pub(crate) speed: Option<f64>,
}

/// What was measured of a model's steps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured<'a> {
    pub(crate) steps: &'a StepCosts,
    /// Seconds of a row of a prompt, where that is known.
    pub(crate) row: Option<f64>,
}

impl Measured<'_> {
    /// Seconds of a step of so many rows.
    pub(crate) fn step(self, rows: usize) -> Option<f64> {
        self.steps.expected(rows, self.row)
    }

    /// Seconds of one of many rows.
    pub(crate) fn row(self) -> Option<f64> {
        self.row.or_else(|| Some(self.step(1)? * ROW_PART))
    }
}

/// The steps by which a draft model guesses: the first guess of all answers is made in one, and so is the second.
#[derive(Clone)]
struct DraftSteps<'a> {
    model: Option<Measured<'a>>,
    rows: [usize; MAX_DRAFT],
    seconds: Option<f64>,
}

impl DraftSteps<'_> {
    /// An answer makes a guess behind so many others.
    fn add(&mut self, before: usize) {
        let of_step = |rows| match rows {
            0 => Some(0.0),
            rows => self.model?.step(rows),
        };
        let rows = self.rows[before];
        let more = of_step(rows + 1)
            .zip(of_step(rows))
            .map(|(with, without)| with - without);
        self.seconds = self.seconds.zip(more).map(|(all, more)| all + more);
        self.rows[before] += 1;
    }
}

/// A step that grows by guesses, with the steps of a draft model before it.
#[derive(Clone)]
struct Planned<'a> {
    model: Measured<'a>,
    drafting: DraftSteps<'a>,
    rows: usize,
    /// That it will give.
    tokens: f64,
}

impl Planned<'_> {
    /// One guess more of an answer, behind so many others.
    fn add(&mut self, prospect: &Prospect, before: usize) {
        self.rows += 1;
        self.tokens += prospect.chances[before];
        if prospect.by_model {
            self.drafting.add(before);
        }
    }

    fn seconds(&self) -> Option<f64> {
        Some(self.model.step(self.rows)? + self.drafting.seconds?)
    }
}

/// How many tokens each answer guesses in a step which has so many rows without: as many as give most tokens a second, but no
/// step longer than readers may wait, with the steps of a draft model before it; twice as long as without where that is longer. A
/// fixed number is guessed at any cost where nobody else waits for the step.
pub(crate) fn share_out(
    prospects: &[Prospect],
    rows: usize,
    model: Measured<'_>,
    draft: Option<Measured<'_>>,
) -> Shares {
    let mut planned = Planned {
        model,
        drafting: DraftSteps {
            model: draft,
            rows: [0; MAX_DRAFT],
            seconds: Some(0.0),
        },
        rows,
        tokens: rows as f64,
    };
    let mut lengths = vec![0; prospects.len()];
    let others_wait = rows > 1;
    let longest = planned.seconds().filter(|_| others_wait).map(longest_step);
    let fixed = prospects.iter().zip(&mut lengths);
    for (prospect, length) in fixed.filter(|(prospect, _)| prospect.is_fixed) {
        // As many rows with logits as there is memory for.
        let left = ANSWERS.saturating_sub(planned.rows);
        for before in 0..prospect.chances.len().min(left) {
            let mut with = planned.clone();
            with.add(prospect, before);
            if with
                .seconds()
                .zip(longest)
                .is_some_and(|(seconds, longest)| seconds > longest)
            {
                break;
            }
            planned = with;
            *length += 1;
        }
    }
    // Without guesses it has to be known what a step takes.
    let known = model.steps.measured(planned.rows);
    let Some(seconds) = known.and_then(|_| planned.seconds()) else {
        let speed = None;
        return Shares { lengths, speed };
    };
    let guesses = likeliest(prospects, ANSWERS.saturating_sub(planned.rows));
    let (mut count, mut speed) = (0, planned.tokens / seconds);
    let mut most = LEAST_GAIN * speed;
    let longest = longest_step(seconds);
    for (guessed, (index, before)) in (1..).zip(&guesses) {
        planned.add(&prospects[*index], *before);
        let seconds = planned.seconds();
        let seconds = seconds.filter(|seconds| *seconds <= longest);
        let faster = seconds.map(|seconds| planned.tokens / seconds);
        if let Some(faster) = faster.filter(|faster| *faster > most) {
            (count, most, speed) = (guessed, faster, faster);
        }
    }
    for (index, _) in &guesses[..count] {
        lengths[*index] += 1;
    }
    let speed = Some(speed);
    Shares { lengths, speed }
}

/// How many seconds a step with guesses may take, of so many without.
pub(crate) fn longest_step(seconds: f64) -> f64 {
    if seconds < STEP.as_secs_f64() {
        STEP.as_secs_f64()
    } else {
        2.0 * seconds
    }
}

/// The likeliest so many guesses of answers that are free to make some: which answer makes each, and behind how many.
fn likeliest(prospects: &[Prospect], most: usize) -> Vec<(usize, usize)> {
    let free = prospects.iter().enumerate();
    let free = free.filter(|(_, prospect)| !prospect.is_fixed);
    let guesses = free.flat_map(|(index, prospect)| {
        let chances = prospect.chances.iter().enumerate();
        chances.map(move |(before, chance)| (*chance, index, before))
    });
    let mut guesses: Vec<_> = guesses.collect();
    // Of each answer they are so already.
    guesses.sort_by(|(one, ..), (other, ..)| other.total_cmp(one));
    let guesses = guesses.into_iter().take(most);
    guesses.map(|(_, index, before)| (index, before)).collect()
}

#[cfg(test)]
mod tests;
