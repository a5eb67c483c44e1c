//! Where the time of one answer went, and the most of it in a word.

use super::Figures;
use super::buckets::context_up_to;
use crate::domain::{ENOUGH_TOKENS, Measured, Metrics};

/// Beside so many others, as a mean, an answer is as good as alone.
const ALONE: f64 = 0.05;

/// The fewest answers whose median says what is usual.
const USUAL: usize = 5;

/// The least part of an answer's time that may explain why its tokens came slower.
const TELLING: f64 = 0.05;

/// What time went into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Its model was brought into memory.
    Loading,
    /// Others were served first.
    Waiting,
    /// Nothing: tokens of the prompt were in the cache.
    Cached,
    /// The rest of the prompt was computed.
    Reading,
    /// The thought was put out.
    Thinking,
    /// The rest was put out.
    Writing,
    /// Of these: its memory was lent to others.
    Paused,
    /// Of these: steps computed guesses beside the next token.
    Guessing,
    /// Of these: others were computed beside it.
    Sharing,
    /// Of these: a quota of CPU had run out, as a mean over the threads.
    Throttled,
}

/// A part of an answer's time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Part {
    pub(crate) what: What,
    /// Seconds since the question; nothing for what lies here and there.
    pub(crate) from: Option<f64>,
    /// Seconds.
    pub(crate) took: f64,
}

/// The parts one after another, and then what is within them. None that is not measured or less than a millisecond, but for
/// cached tokens, whose part is that they took none.
pub(crate) fn parts(metrics: &Metrics, threads: usize) -> Vec<Part> {
    let total = metrics.total_s.max(0.0);
    let begin = metrics.queued_s.clamp(0.0, total);
    let loaded = metrics.loading_s.clamp(0.0, begin);
    let first = metrics.time_to_first_token_s.unwrap_or(total);
    let first = metrics
        .prefill_s
        .map_or(first, |prefill| begin + prefill)
        .clamp(begin, total);
    let said = metrics
        .thought_s
        .map_or(first, |thought| (first + thought).clamp(first, total));
    let in_order = [
        (What::Loading, 0.0, loaded),
        (What::Waiting, loaded, begin),
        (What::Cached, begin, begin),
        (What::Reading, begin, first),
        (What::Thinking, first, said),
        (What::Writing, said, total),
    ];
    let in_order = in_order.map(|(what, from, to)| (what, Some(from), to - from));
    let throttled = metrics.throttled_s.unwrap_or(0.0) / threads.max(1) as f64;
    let within = [
        (What::Paused, metrics.paused_s),
        (What::Guessing, metrics.guesses_s.unwrap_or(0.0)),
        (What::Sharing, sharing(metrics)),
        (What::Throttled, throttled),
    ];
    let within = within.map(|(what, took)| (what, None, took.min(total - begin)));
    let parts = in_order.into_iter().chain(within);
    parts
        .map(|(what, from, took)| Part { what, from, took })
        .filter(|part| match part.what {
            What::Cached => metrics.cached_tokens > 0,
            _ => part.took >= 0.001,
        })
        .collect()
}

/// Seconds of its steps that went into others: all of them but its part, by which its share of the cost is known. Where time
/// costs nothing, as if each that was computed had an equal part.
fn sharing(metrics: &Metrics) -> f64 {
    if metrics.beside < ALONE {
        return 0.0;
    }
    let computed_s = metrics.total_s - metrics.queued_s - metrics.paused_s;
    let others_s = if metrics.usd_total > 0.0 {
        computed_s - metrics.usd_share / metrics.usd_total * metrics.total_s
    } else {
        computed_s * metrics.beside / (1.0 + metrics.beside)
    };
    others_s.max(0.0)
}

/// How much of an answer's time its largest part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Much {
    /// Over half.
    Most,
    /// Less, but no other is larger.
    Largest,
}

/// What took the most time of an answer, or made it slow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Why {
    /// Its model was brought into memory for so many seconds.
    Loaded(Much, f64),
    /// It waited for so many seconds.
    Waited(Much, f64),
    /// Threads waited for their quota for so many seconds, summed over CPUs.
    Throttled(f64),
    /// Its memory was lent for so many seconds.
    Paused(f64),
    /// So many others ran beside it, as a mean.
    Shared(f64),
    /// So many tokens of prompt were computed.
    Read(Much, usize),
    /// So many tokens were thought.
    Thought(Much, usize),
    /// Tokens came slower than usual.
    Slower {
        /// This share of the median speed.
        of_usual: f64,
        /// What held it up the most of all that is measured, and for how many seconds.
        held_up: Option<(What, f64)>,
    },
    /// So many tokens were written.
    Wrote {
        much: Much,
        tokens: usize,
        /// About as fast as the median.
        as_usual: bool,
    },
    /// Nothing came out.
    Nothing,
}

/// The median speed of decode of the answers among these that are as long as one, by doubling lengths of context, and were
/// computed alone; nothing where they are too few to tell.
pub(crate) fn usual(metrics: &Metrics, alike: &[&Measured]) -> Option<f64> {
    let up_to = context_up_to(metrics.prompt_tokens.saturating_add(metrics.output_tokens));
    let is_like =
        |other: &&Measured| other.beside < ALONE && context_up_to(other.context()) == up_to;
    let alike: Vec<_> = alike.iter().copied().filter(is_like).collect();
    let decode = Figures::of(&alike).decode;
    decode.median.filter(|_| decode.count >= USUAL)
}

/// What an answer's time says; `usual` is the median speed of decode, where there are others to compare with.
pub(crate) fn why(metrics: &Metrics, threads: usize, usual: Option<f64>) -> Why {
    let parts = parts(metrics, threads);
    let took = |what| {
        let part = parts.iter().find(|part| part.what == what);
        part.map_or(0.0, |part| part.took)
    };
    let share = |what| took(what) / metrics.total_s.max(f64::MIN_POSITIVE);
    let in_order = parts.iter().filter(|part| part.from.is_some());
    let largest = in_order.max_by(|one, other| one.took.total_cmp(&other.took));
    let largest = largest.map_or(What::Writing, |part| part.what);
    let much = match share(largest) > 0.5 {
        true => Much::Most,
        false => Much::Largest,
    };
    match metrics.throttled_s {
        _ if share(What::Loading) > 0.5 => Why::Loaded(much, took(What::Loading)),
        _ if share(What::Waiting) > 0.5 => Why::Waited(much, took(What::Waiting)),
        Some(throttled) if share(What::Throttled) > 0.2 => Why::Throttled(throttled),
        _ if share(What::Paused) > 0.25 => Why::Paused(took(What::Paused)),
        _ if share(What::Sharing) > 0.4 => Why::Shared(metrics.beside),
        _ => match largest {
            What::Loading => Why::Loaded(much, took(What::Loading)),
            What::Waiting => Why::Waited(much, took(What::Waiting)),
            What::Reading => {
                let computed = metrics.prompt_tokens.saturating_sub(metrics.cached_tokens);
                Why::Read(much, computed)
            }
            What::Thinking => Why::Thought(much, metrics.thought_tokens),
            _ => {
                let within = parts.iter().filter(|part| part.from.is_none());
                let held_up = within.max_by(|one, other| one.took.total_cmp(&other.took));
                let held_up = held_up.filter(|part| share(part.what) >= TELLING);
                let held_up = held_up.map(|part| (part.what, part.took));
                written(metrics, much, usual, held_up)
            }
        },
    }
}

/// What is said of an answer that took its time to be written.
fn written(metrics: &Metrics, much: Much, usual: Option<f64>, held_up: Option<(What, f64)>) -> Why {
    let tokens = metrics.output_tokens;
    if tokens == 0 {
        return Why::Nothing;
    }
    let speed = metrics.decode_tokens_per_second;
    let speed = speed.filter(|_| tokens > ENOUGH_TOKENS).zip(usual);
    match speed.map(|(speed, usual)| speed / usual) {
        Some(of_usual) if of_usual < 0.8 => Why::Slower { of_usual, held_up },
        of_usual => Why::Wrote {
            much,
            tokens: tokens.saturating_sub(metrics.thought_tokens),
            as_usual: of_usual.is_some_and(|of_usual| of_usual <= 1.25),
        },
    }
}

#[cfg(test)]
mod tests;
