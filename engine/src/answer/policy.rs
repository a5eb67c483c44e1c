//! Which tokens go into the next step: plain functions over what is known of the answers.
//!
//! An answer that decodes has a token in every step. What is left of a step's rows goes to prompts, those of the caller
//! first whom the model has served least, and of one caller in the order they came. So a caller with many prompts does not
//! hold up one with a single one, and a long prompt takes turns with short ones instead of stopping them.

use std::collections::HashMap;
use std::time::Duration;

use crate::answer::pace::{Pace, Times};
use crate::model::capacity::ANSWERS;
use crate::model::forward::PREFILL_CHUNK;

/// Who asks. Answers of one caller share its turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Caller(pub u64);

/// Prompts go on by so many rows however slow the machine is.
const LEAST_PREFILL_ROWS: usize = 16;
/// Of so many places on the waiting list there is one more for a caller who has none.
const PLACES_PER_SPARE: usize = 4;
/// What a step with answers that decode may take: their readers see a pause of that length.
pub(crate) const STEP: Duration = Duration::from_millis(400);

/// What decides about an answer that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) caller: Caller,
    /// Tokens whose keys and values are not computed yet, at least one; 0 while it is paused.
    pub(crate) pending: usize,
    /// Whether its prompt is computed.
    pub(crate) decoding: bool,
}

impl View {
    fn is_paused(&self) -> bool {
        self.pending == 0
    }
}

/// How many tokens each answer gets in the next step, in the order of `answers`, which is that of their arrival; 0 for one
/// that has to wait. `rows` is what a step may have beside the tokens of answers that decode.
pub(crate) fn plan(answers: &[View], served: &Served, rows: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..answers.len()).collect();
    // Stable: of one caller the first comes first.
    order.sort_by_key(|index| served.by(answers[*index].caller));
    let mut left = rows;
    let mut tokens = vec![0; answers.len()];
    for index in order {
        let View {
            pending, decoding, ..
        } = answers[index];
        if decoding {
            // More than one where it was paused and has to be computed again, or its thought was ended.
            tokens[index] = pending.min(left.max(1));
            left -= tokens[index].saturating_sub(1).min(left);
        } else {
            tokens[index] = pending.min(left);
            left -= tokens[index];
        }
    }
    tokens
}

/// The answer that pauses where there is not room for all that run: the youngest of the caller with the most of them, so that one
/// with many holds up nobody with few. None where a single one runs. The oldest of all never pauses beside others.
pub(crate) fn to_pause(answers: &[View]) -> Option<usize> {
    let running = || (0..answers.len()).filter(|index| !answers[*index].is_paused());
    let youngest =
        running().max_by_key(|index| (running_of(answers[*index].caller, answers), *index));
    youngest.filter(|_| running().count() > 1)
}

/// The answer that goes on before all others that are paused: the oldest of the caller with the fewest that run.
pub(crate) fn to_resume(answers: &[View]) -> Option<usize> {
    let paused = (0..answers.len()).filter(|index| answers[*index].is_paused());
    paused.min_by_key(|index| (running_of(answers[*index].caller, answers), *index))
}

/// Whether a caller may begin an answer. While some are paused that is for one who has none yet, and only where each caller of those
/// has others that run.
pub(crate) fn may_begin(caller: Caller, answers: &[View]) -> bool {
    let mut paused = answers.iter().filter(|view| view.is_paused()).peekable();
    paused.peek().is_none()
        || answers.iter().all(|view| view.caller != caller)
            && paused.all(|view| running_of(view.caller, answers) > 0)
}

fn running_of(caller: Caller, answers: &[View]) -> usize {
    let running = answers.iter().filter(|view| !view.is_paused());
    running.filter(|view| view.caller == caller).count()
}

/// The order in which those who wait will be taken, as indices into their order of arrival: callers in turn, the one served
/// least first.
pub(crate) fn order(waiting: impl Iterator<Item = Caller>, served: &Served) -> Vec<usize> {
    let mut counts = HashMap::<Caller, usize>::new();
    let mut turns: Vec<_> = waiting
        .enumerate()
        .map(|(index, caller)| {
            let count = counts.entry(caller).or_default();
            *count += 1;
            (*count, served.by(caller), index)
        })
        .collect();
    turns.sort_unstable();
    turns.into_iter().map(|(.., index)| index).collect()
}

/// The most places that may be taken on a list of `limit` for a caller to get one who has `own`. Those who have none find some
/// when others, or a single one, have taken all.
pub(crate) fn places(own: usize, limit: usize) -> usize {
    match own {
        0 => limit + limit / PLACES_PER_SPARE,
        _ => limit,
    }
}

/// What callers have had of the model, in tokens computed. A caller who comes, or comes back, starts where the least served
/// one stands: nobody saves up turns.
#[derive(Debug, Default)]
pub(crate) struct Served {
    tokens: HashMap<Caller, u64>,
}

impl Served {
    pub(crate) fn by(&self, caller: Caller) -> u64 {
        self.tokens.get(&caller).copied().unwrap_or(0)
    }

    /// A caller has something to compute.
    pub(crate) fn enter(&mut self, caller: Caller) {
        let least = self.tokens.values().copied().min().unwrap_or(0);
        self.tokens.entry(caller).or_insert(least);
    }

    /// So many tokens were computed for a caller.
    pub(crate) fn add(&mut self, caller: Caller, tokens: usize) {
        *self.tokens.entry(caller).or_default() += tokens as u64;
    }

    /// Forgets those of whom nothing is left to compute.
    pub(crate) fn retain(&mut self, has_work: impl Fn(Caller) -> bool) {
        self.tokens.retain(|caller, _| has_work(*caller));
    }
}

/// How fast steps are on this machine, from those that there were.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rates {
    /// Of a step with many rows, the time of each.
    row: Option<f64>,
    /// Of a step with one, without a guess.
    one: Option<f64>,
    /// Of steps in which answers decode and no prompt is read.
    decode: Option<Decode>,
    /// Of an answer by itself.
    alone: Times,
}

/// Steps in which answers decode, as means that forget.
#[derive(Clone, Copy, Debug)]
struct Decode {
    /// Seconds of a step.
    step_s: f64,
    /// Tokens that an answer put out in it: one, and the guesses that were right.
    tokens: f64,
}

impl Decode {
    fn token_s(self) -> f64 {
        self.step_s / self.tokens
    }
}

impl Rates {
    /// What is known, for those who plan with it.
    pub(crate) fn pace(&self) -> Pace {
        Pace {
            prompt: self.alone.prompt(),
            alone: self.alone.token(),
            token_beside_s: self.decode.map(Decode::token_s),
        }
    }

    /// A step read so many rows of a single prompt behind so many positions, and nothing else.
    pub(crate) fn read(&mut self, rows: usize, behind: usize, took: Duration) {
        self.alone.read(rows, behind, took);
    }

    /// A step of so many rows, none of them a guess, took so long.
    pub(crate) fn observe(&mut self, rows: usize, took: Duration) {
        let took = took.as_secs_f64();
        if rows == 1 {
            follow(&mut self.one, took);
        }
        if rows >= LEAST_PREFILL_ROWS {
            follow(&mut self.row, took / rows as f64);
        }
    }

    /// A step in which so many answers decoded and no prompt was read, a single one behind so many positions, took so long, and
    /// gave so many tokens of all of them.
    pub(crate) fn decoded(&mut self, answers: usize, tokens: usize, behind: usize, took: Duration) {
        if answers == 0 || tokens == 0 {
            return;
        }
        if answers == 1 {
            self.alone.decoded(tokens, behind, took);
        }
        let (took, tokens) = (took.as_secs_f64(), tokens as f64 / answers as f64);
        let before = self.decode.unwrap_or(Decode {
            step_s: took,
            tokens,
        });
        self.decode = Some(Decode {
            step_s: moved(before.step_s, took),
            tokens: moved(before.tokens, tokens),
        });
    }

    /// Seconds of a step with one row, once there was one.
    pub(crate) fn one(&self) -> Option<f64> {
        self.one
    }

    /// Seconds of a row where there are many, once that was measured.
    pub(crate) fn row(&self) -> Option<f64> {
        self.row
    }

    /// Rows for prompts in a step in which so many answers decode.
    pub(crate) fn prefill_rows(&self, decoding: usize) -> usize {
        if decoding == 0 {
            return PREFILL_CHUNK;
        }
        let rows = self.rows_within(STEP).saturating_sub(decoding);
        rows.clamp(LEAST_PREFILL_ROWS, PREFILL_CHUNK)
    }

    /// Answers that may run: as many as decode together within the time of a step.
    pub(crate) fn running(&self) -> usize {
        self.rows_within(STEP).clamp(1, ANSWERS)
    }

    /// Rows of prompts that are read within so long, and as few as tell how long they take before that is known.
    pub(crate) fn prefill_within(&self, time: Duration) -> usize {
        let rows = self.row.map(|_| self.rows_within(time));
        rows.unwrap_or_default()
            .clamp(LEAST_PREFILL_ROWS, PREFILL_CHUNK)
    }

    fn rows_within(&self, time: Duration) -> usize {
        match self.row {
            Some(row) => (time.as_secs_f64() / row) as usize,
            None => PREFILL_CHUNK,
        }
    }

    /// Seconds until an answer of so many tokens in all is computed behind a prompt of so many; none before anything was
    /// measured.
    pub(crate) fn seconds(&self, prompt: usize, output: usize) -> Option<f64> {
        Some(self.row? * prompt as f64 + self.decode?.token_s() * output as f64)
    }
}

/// Moves a mean that forgets towards a new value.
fn follow(mean: &mut Option<f64>, value: f64) {
    *mean = Some(mean.map_or(value, |mean| moved(mean, value)));
}

fn moved(mean: f64, value: f64) -> f64 {
    mean + (value - mean) / 8.0
}

#[cfg(test)]
mod tests;
