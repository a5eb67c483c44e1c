//! Which tokens go into the next step: plain functions over what is known of the answers.
//!
//! An answer that decodes has a token in every step. A part of a step's rows goes to the oldest prompt, so that it ends whoever
//! comes; the others to prompts of the caller first whom the model has served least, and of one caller in the order they came. So
//! a caller with many prompts does not hold up one with a single one, and a long prompt takes turns with short ones instead of
//! stopping them.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::answer::pace::{Pace, Times};
use crate::compute::kernel::span::KEY_BLOCK;
use crate::model::capacity::ANSWERS;
use crate::model::forward::PREFILL_CHUNK;

/// Who asks. Answers of one caller share its turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Caller(pub u64);

impl Caller {
    /// The most places that may be taken on a list of `limit` for a caller to get one who has `own`. Those who have none find
    /// some when others, or a single one, have taken all.
    pub fn places(own: usize, limit: usize) -> usize {
        match own {
            0 => limit + limit / PLACES_PER_SPARE,
            _ => limit,
        }
    }
}

/// Answers that run before any step was measured.
const FIRST_RUNNING: usize = 4;
/// Prompts go on by so many rows however slow the machine is.
const LEAST_PREFILL_ROWS: usize = 16;
/// Of so many places on a list of those who wait there is one more for a caller who has none.
const PLACES_PER_SPARE: usize = 4;
/// What a step with answers that decode may take: their readers see a pause of that length.
pub(crate) const STEP: Duration = Duration::from_millis(400);
/// What it is planned to take with rows of a prompt, whose pace is that of the steps before: behind a longer context they take longer.
const STEP_WITH_PROMPT: Duration = Duration::from_millis(320);

/// What decides about an answer that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) caller: Caller,
    /// Tokens whose keys and values are not computed yet, at least one; 0 while it is paused.
    pub(crate) pending: usize,
    /// Whether its prompt is computed.
    pub(crate) decoding: bool,
    /// Whether it has got somewhere since it began, or went on after a pause.
    pub(crate) got_on: bool,
}

impl View {
    fn is_paused(&self) -> bool {
        self.pending == 0
    }

    fn has_prompt(&self) -> bool {
        !self.decoding && !self.is_paused()
    }

    /// Whether it takes rows that are for prompts: for its own, or for more than a block of what a pause took from it.
    fn reads(&self) -> bool {
        self.has_prompt() || self.pending > KEY_BLOCK
    }
}

/// How many run, those that are paused not among them.
pub(crate) fn running(answers: &[View]) -> usize {
    answers.iter().filter(|view| !view.is_paused()).count()
}

/// How many of those that run decode.
pub(crate) fn decoding(answers: &[View]) -> usize {
    let running = answers.iter().filter(|view| !view.is_paused());
    running.filter(|view| view.decoding).count()
}

/// How many tokens each answer gets in the next step, in the order of `answers`, which is that of their arrival; 0 for one
/// that has to wait. `rows` is what a step may have beside the tokens of answers that decode.
pub(crate) fn plan(answers: &[View], served: &Served, rows: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..answers.len()).collect();
    // Stable: of one caller the first comes first.
    order.sort_by_key(|index| served.by(answers[*index].caller));
    let mut left = rows;
    let mut tokens = vec![0; answers.len()];
    if let Some(oldest) = answers.iter().position(View::has_prompt) {
        let prompts = answers.iter().filter(|view| view.has_prompt());
        let callers: HashSet<Caller> = prompts.map(|view| view.caller).collect();
        let share = (rows / (2 * callers.len())).max(1);
        tokens[oldest] = share.min(left).min(answers[oldest].pending);
        left -= tokens[oldest];
    }
    for index in order {
        let View {
            pending, decoding, ..
        } = answers[index];
        if decoding {
            // More than one where it was paused and has to be computed again, or its thought was ended.
            tokens[index] = pending.min(left.max(1));
            left -= tokens[index].saturating_sub(1).min(left);
        } else {
            let more = (pending - tokens[index]).min(left);
            tokens[index] += more;
            left -= more;
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

/// The answers that pause for one of a caller who has none: at `least` so many, and as many as lend the memory that is `missing`.
/// Each is the youngest of the caller with the most that still run, of whom others go on. Not one that has just gone on after a
/// pause, or pauses would be all that comes of many who come. None where these do not suffice, so that nobody pauses in vain.
pub(crate) fn to_make_way(
    answers: &[View],
    least: usize,
    missing: usize,
    lends: impl Fn(usize) -> usize,
) -> Option<Vec<usize>> {
    let (mut views, mut making_way, mut lent) = (answers.to_vec(), Vec::new(), 0);
    while making_way.len() < least || lent < missing {
        let index = youngest_of_many(&views)?;
        views[index].pending = 0;
        lent += lends(index);
        making_way.push(index);
    }
    Some(making_way)
}

fn youngest_of_many(answers: &[View]) -> Option<usize> {
    let mut youngest = HashMap::<Caller, usize>::new();
    let running = answers.iter().enumerate();
    youngest.extend(
        running
            .filter(|(_, view)| !view.is_paused())
            .map(|(index, view)| (view.caller, index)),
    );
    let may = youngest.into_values().filter_map(|index| {
        let running = running_of(answers[index].caller, answers);
        (running > 1 && answers[index].got_on).then_some((running, index))
    });
    may.max().map(|(_, index)| index)
}

/// The answer that goes on before all others that are paused: the oldest of the caller with the fewest that run, and of several
/// such callers of the one served least, or one with many that are older would go before another again and again.
pub(crate) fn to_resume(answers: &[View], served: &Served) -> Option<usize> {
    let paused = (0..answers.len()).filter(|index| answers[*index].is_paused());
    paused.min_by_key(|index| {
        let caller = answers[*index].caller;
        (running_of(caller, answers), served.by(caller), *index)
    })
}

/// Whether a caller may begin an answer. While some are paused that is for one who has none yet, and only where each caller of those
/// has others that run.
pub(crate) fn may_begin(caller: Caller, answers: &[View]) -> bool {
    let mut paused = answers.iter().filter(|view| view.is_paused()).peekable();
    paused.peek().is_none()
        || has_none(caller, answers) && paused.all(|view| running_of(view.caller, answers) > 0)
}

/// Whether a caller has no answer, not even one that is paused.
pub(crate) fn has_none(caller: Caller, answers: &[View]) -> bool {
    answers.iter().all(|view| view.caller != caller)
}

/// How many answers of a caller run.
pub(crate) fn running_of(caller: Caller, answers: &[View]) -> usize {
    let running = answers.iter().filter(|view| !view.is_paused());
    running.filter(|view| view.caller == caller).count()
}

/// The order in which those who wait will be taken, as indices into their order of arrival: callers in turn, whoever's turn it
/// has been the longest first. `waiting` says since when it is.
pub(crate) fn order(waiting: impl Iterator<Item = (Caller, u64)>) -> Vec<usize> {
    let mut counts = HashMap::<Caller, usize>::new();
    let mut turns: Vec<_> = waiting
        .enumerate()
        .map(|(index, (caller, since))| {
            let count = counts.entry(caller).or_default();
            *count += 1;
            (*count, since, index)
        })
        .collect();
    turns.sort_unstable();
    turns.into_iter().map(|(.., index)| index).collect()
}

/// What callers have had of the rows that are for prompts. A caller who comes, or comes back, starts between the least and the
/// most served of those who have prompts: nobody saves up turns, and nobody pays for what was had while no other wanted it.
#[derive(Debug, Default)]
pub(crate) struct Served {
    rows: HashMap<Caller, u64>,
}

impl Served {
    pub(crate) fn by(&self, caller: Caller) -> u64 {
        self.rows.get(&caller).copied().unwrap_or(0)
    }

    /// A caller has something to read, beside what `answers` have.
    pub(crate) fn enter(&mut self, caller: Caller, answers: &[View]) {
        let reading = answers.iter().filter(|view| view.reads());
        let (mut least, mut most) = (None, 0);
        for other in reading.map(|view| view.caller) {
            if other == caller {
                return;
            }
            let rows = self.by(other);
            least = Some(least.map_or(rows, |least: u64| least.min(rows)));
            most = most.max(rows);
        }
        if let Some(least) = least {
            let rows = self.by(caller).clamp(least, most);
            self.rows.insert(caller, rows);
        }
    }

    /// So many rows for prompts went to a caller.
    pub(crate) fn add(&mut self, caller: Caller, rows: usize) {
        *self.rows.entry(caller).or_default() += rows as u64;
    }

    /// Forgets those of whom nothing is left to compute.
    pub(crate) fn retain(&mut self, has_work: impl Fn(Caller) -> bool) {
        self.rows.retain(|caller, _| has_work(*caller));
    }
}

/// How fast steps are on this machine, from those that there were.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rates {
    /// Of a step with many rows and a prompt among them, the time of each.
    row: Option<f64>,
    /// The same of whatever steps have many rows.
    many: Option<f64>,
    /// The same of steps that have few, of which each takes longer.
    few: Option<f64>,
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

    /// A step of so many rows, none of them a guess, took so long; `is_decode` where none is of a prompt either: such rows look back
    /// on a whole sequence each, and are no measure of what a prompt takes.
    pub(crate) fn observe(&mut self, rows: usize, is_decode: bool, took: Duration) {
        let took = took.as_secs_f64();
        let row = took / rows.max(1) as f64;
        if rows == 1 {
            follow(&mut self.one, took);
        }
        if rows < LEAST_PREFILL_ROWS {
            return follow(&mut self.few, row);
        }
        follow(&mut self.many, row);
        if !is_decode {
            follow(&mut self.row, row);
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

    /// Seconds of a row of a prompt where there are many, once that was measured.
    pub(crate) fn row(&self) -> Option<f64> {
        self.row
    }

    /// Rows for prompts in a step in which so many answers decode.
    pub(crate) fn prefill_rows(&self, decoding: usize) -> usize {
        if decoding == 0 {
            return PREFILL_CHUNK;
        }
        let rows = self.rows_within(STEP_WITH_PROMPT).saturating_sub(decoding);
        rows.clamp(LEAST_PREFILL_ROWS, PREFILL_CHUNK)
    }

    /// Answers that may run: as many as decode together within the time of a step. Steps of few rows tell how many those are at
    /// least, and before there was any step a few may: nobody knows yet how slow the machine is.
    pub(crate) fn running(&self) -> usize {
        let within = |row: f64| (STEP.as_secs_f64() / row) as usize;
        let running = match (self.many, self.few) {
            (Some(many), _) => within(many),
            (None, few) => few.map_or(0, within).max(FIRST_RUNNING),
        };
        running.clamp(1, ANSWERS)
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
