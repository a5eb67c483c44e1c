//! Where the time of one answer went, and the most of it in a word.

use crate::domain::{ENOUGH_TOKENS, Metrics};

/// What time went into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Others were served first.
    Waiting,
    /// The prompt was computed.
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

/// The parts one after another, and then what is within them. None that is not measured or less than a millisecond.
pub(crate) fn parts(metrics: &Metrics, threads: usize) -> Vec<Part> {
    let total = metrics.total_s.max(0.0);
    let begin = metrics.queued_s.clamp(0.0, total);
    let first = metrics.time_to_first_token_s.unwrap_or(total);
    let first = metrics
        .prefill_s
        .map_or(first, |prefill| begin + prefill)
        .clamp(begin, total);
    let said = metrics
        .thought_s
        .map_or(first, |thought| (first + thought).clamp(first, total));
    let in_order = [
        (What::Waiting, 0.0, begin),
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
        .filter(|part| part.took >= 0.001)
        .collect()
}

/// Seconds of its steps that went into others: all of them but its part, by which its share of the cost is known.
fn sharing(metrics: &Metrics) -> f64 {
    if metrics.beside < 0.05 || metrics.usd_total <= 0.0 {
        return 0.0;
    }
    let own_s = metrics.usd_share / metrics.usd_total * metrics.total_s;
    (metrics.total_s - metrics.queued_s - metrics.paused_s - own_s).max(0.0)
}

/// What took the most time of an answer, or made it slow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Why {
    /// It waited for so many seconds.
    Waited(f64),
    /// Threads waited for their quota for so many seconds, summed over CPUs.
    Throttled(f64),
    /// Its memory was lent for so many seconds.
    Paused(f64),
    /// So many others ran beside it, as a mean.
    Shared(f64),
    /// So many tokens of prompt were computed.
    Read(usize),
    /// So many tokens were thought.
    Thought(usize),
    /// Tokens came at this share of the median speed.
    Slower(f64),
    /// So many tokens were written.
    Wrote(usize),
    /// Nothing came out.
    Nothing,
}

/// What an answer's time says; `usual` is the median speed of decode.
pub(crate) fn why(metrics: &Metrics, threads: usize, usual: Option<f64>) -> Why {
    let parts = parts(metrics, threads);
    let took = |what| {
        let part = parts.iter().find(|part| part.what == what);
        part.map_or(0.0, |part| part.took)
    };
    let share = |what| took(what) / metrics.total_s.max(f64::MIN_POSITIVE);
    let enough = metrics.output_tokens > ENOUGH_TOKENS;
    let slower = metrics
        .decode_tokens_per_second
        .filter(|_| enough)
        .zip(usual);
    let slower = slower.map(|(speed, usual)| speed / usual);
    let computed = metrics.prompt_tokens.saturating_sub(metrics.cached_tokens);
    match metrics.throttled_s {
        _ if share(What::Waiting) > 0.4 => Why::Waited(took(What::Waiting)),
        Some(throttled) if share(What::Throttled) > 0.2 => Why::Throttled(throttled),
        _ if share(What::Paused) > 0.25 => Why::Paused(took(What::Paused)),
        _ if share(What::Sharing) > 0.4 => Why::Shared(metrics.beside),
        _ if share(What::Reading) > 0.5 => Why::Read(computed),
        _ if share(What::Thinking) > 0.5 => Why::Thought(metrics.thought_tokens),
        _ if metrics.output_tokens == 0 => Why::Nothing,
        _ => match slower {
            Some(slower) if slower < 0.8 => Why::Slower(slower),
            _ => Why::Wrote(metrics.output_tokens),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four seconds: one in the queue, two of the prompt, one of 41 tokens.
    fn metrics() -> Metrics {
        Metrics {
            queued_s: 1.0,
            prefill_s: Some(2.0),
            time_to_first_token_s: Some(3.0),
            decode_tokens_per_second: Some(40.0),
            total_s: 4.0,
            usd_total: 0.004,
            usd_share: 0.001,
            prompt_tokens: 4300,
            cached_tokens: 27,
            output_tokens: 41,
            ..Metrics::default()
        }
    }

    #[test]
    fn parts_follow_each_other_and_fill_the_time() {
        let parts = parts(&metrics(), 2);
        let told: Vec<_> = parts
            .iter()
            .map(|part| (part.what, part.from, part.took))
            .collect();
        assert_eq!(
            told,
            [
                (What::Waiting, Some(0.0), 1.0),
                (What::Reading, Some(1.0), 2.0),
                (What::Writing, Some(3.0), 1.0),
            ]
        );
    }

    #[test]
    fn what_lies_within_is_told_beside() {
        let metrics = Metrics {
            beside: 1.5,
            paused_s: 0.5,
            throttled_s: Some(0.8),
            thought_s: Some(0.4),
            guesses_s: Some(0.3),
            ..metrics()
        };
        let parts = parts(&metrics, 2);
        let took = |what| parts.iter().find(|part| part.what == what).unwrap().took;
        // Of three seconds half a one was lent, and one was its own.
        assert_eq!(took(What::Sharing), 1.5);
        assert_eq!((took(What::Paused), took(What::Throttled)), (0.5, 0.4));
        assert_eq!(took(What::Guessing), 0.3);
        assert!((took(What::Thinking) - 0.4).abs() < 1e-9);
        assert!((took(What::Writing) - 0.6).abs() < 1e-9);
    }

    #[test]
    fn strange_figures_stay_within_the_time() {
        let metrics = Metrics {
            queued_s: 9.0,
            thought_s: Some(-3.0),
            guesses_s: Some(7.0),
            total_s: 2.0,
            ..metrics()
        };
        for part in parts(&metrics, 0) {
            assert!(part.took <= 2.0, "{part:?}");
        }
        assert_eq!(parts(&Metrics::default(), 1), []);
        let backwards = Metrics {
            total_s: -1.0,
            ..metrics
        };
        assert_eq!(parts(&backwards, 1), []);
    }

    #[test]
    fn the_largest_part_is_the_reason() {
        let usual = Some(41.0);
        let of = |metrics: Metrics| why(&metrics, 2, usual);
        let base = || Metrics {
            queued_s: 0.0,
            ..metrics()
        };
        let quick = || Metrics {
            prefill_s: Some(0.5),
            ..base()
        };
        assert_eq!(
            of(Metrics {
                queued_s: 2.0,
                ..metrics()
            }),
            Why::Waited(2.0)
        );
        assert_eq!(
            of(Metrics {
                prefill_s: Some(2.5),
                ..base()
            }),
            Why::Read(4273)
        );
        assert_eq!(
            of(Metrics {
                throttled_s: Some(2.1),
                ..quick()
            }),
            Why::Throttled(2.1)
        );
        assert_eq!(
            of(Metrics {
                paused_s: 1.5,
                ..quick()
            }),
            Why::Paused(1.5)
        );
        assert_eq!(
            of(Metrics {
                beside: 3.0,
                ..quick()
            }),
            Why::Shared(3.0)
        );
        assert_eq!(
            of(Metrics {
                thought_s: Some(3.0),
                thought_tokens: 30,
                ..quick()
            }),
            Why::Thought(30)
        );
        assert_eq!(
            of(Metrics {
                decode_tokens_per_second: Some(20.5),
                ..quick()
            }),
            Why::Slower(0.5)
        );
        assert_eq!(of(quick()), Why::Wrote(41));
        assert_eq!(
            of(Metrics {
                output_tokens: 0,
                ..quick()
            }),
            Why::Nothing
        );
    }
}
