//! What many answers took, as little of each as their charts and tables need, and which of them are wanted.

use std::ops::Range;
use std::sync::Arc;

use form_urlencoded::Serializer;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::foreseen::{NEAR, whole_s};
use super::metrics::ENOUGH_TOKENS;

/// More than any context has; files of chats may say anything.
const MOST_TOKENS: usize = 1 << 40;

/// The most answers that are looked at: a few dozen megabytes.
pub const MEASURED: usize = 250_000;

/// What one answer took, see [`super::Metrics`].
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Milliseconds since 1970.
    pub created: i64,
    /// Seconds from the question to the first token.
    pub time_to_first_token_s: Option<f64>,
    /// Tokens a second after the first.
    pub decode_tokens_per_second: Option<f64>,
    /// Prompt tokens computed a second.
    pub prefill_tokens_per_second: Option<f64>,
    /// Seconds in the queue.
    pub queued_s: f64,
    /// Seconds from the question to the last token.
    pub total_s: f64,
    /// Dollars for the time that it took.
    pub usd_total: f64,
    /// Dollars for its part of the machine's time.
    pub usd_share: f64,
    /// How many others were computed beside it, as a mean.
    pub beside: f64,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Those of them that needed no computing.
    pub cached_tokens: usize,
    /// Tokens put out.
    pub output_tokens: usize,
    /// Threads that computed it.
    pub threads: usize,
    /// What was expected of it.
    pub expected: Option<Expected>,
    /// The matrix kernel.
    pub kernel: Arc<str>,
    /// The model.
    pub model: Arc<str>,
}

/// What was expected of an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    /// Seconds to its first token.
    pub first_s: f64,
    /// Seconds to its last.
    pub total_s: f64,
    /// Tokens that this is for; none where that was not kept.
    pub tokens: Option<usize>,
}

/// Which estimates of an answer were near.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Near {
    /// That of the first token.
    pub(crate) first: bool,
    /// That of the whole answer, as it was told: for as many tokens as were expected.
    pub(crate) whole: bool,
    /// That of the whole answer for as many tokens as came: what the rates are worth.
    pub(crate) by_length: Option<bool>,
}

impl Measured {
    /// Tokens a second after the first, where there are enough to tell.
    #[must_use]
    pub fn decode_speed(&self) -> Option<f64> {
        let decoded = self.output_tokens.saturating_sub(1);
        self.decode_tokens_per_second
            .filter(|_| decoded >= ENOUGH_TOKENS)
    }

    /// Whether there were estimates of which it tells nothing: they are of computing, and its turn came so late that none could
    /// be near.
    #[must_use]
    pub(crate) fn is_late(&self) -> bool {
        let took = self.time_to_first_token_s;
        self.expected.is_some() && took.is_some_and(|took| self.queued_s > NEAR * took)
    }

    /// Whether the estimates were near, where there were some of which it [tells something](Self::is_late).
    #[must_use]
    pub(crate) fn near(&self) -> Option<Near> {
        let Expected {
            first_s,
            total_s,
            tokens,
        } = self.expected?;
        let is_near = |expected: f64, took: f64| (expected - took).abs() <= NEAR * took;
        let took = self.time_to_first_token_s?;
        if self.is_late() {
            return None;
        }
        let by_length =
            tokens.map(|tokens| whole_s([first_s, total_s], tokens, self.output_tokens));
        Some(Near {
            first: is_near(first_s, took),
            whole: is_near(total_s, self.total_s),
            by_length: by_length.map(|whole| is_near(whole, self.total_s)),
        })
    }

    /// Tokens of the context at its end.
    #[must_use]
    pub fn context(&self) -> usize {
        let tokens = self.prompt_tokens.saturating_add(self.output_tokens);
        tokens.min(MOST_TOKENS)
    }

    /// How many answers were computed at once, it included, to the nearest number.
    #[must_use]
    pub fn together(&self) -> usize {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a few at most"
        )]
        let beside = self.beside.round().clamp(0.0, 1e6) as usize;
        beside + 1
    }
}

/// Which answers are wanted, as the address of the page says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Not before this day of the server's calendar.
    pub from: Option<Date>,
    /// Not after this day.
    pub to: Option<Date>,
    /// Of this model; empty for all.
    pub model: String,
    /// By this kernel; empty for all.
    pub kernel: String,
    /// Of so many chats at once, as [`Measured::together`] counts them.
    pub together: Option<usize>,
}

impl Filter {
    /// As the query of an address says. What is no day or no number is none.
    #[must_use]
    pub fn of(query: &str) -> Self {
        let mut filter = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "from" => filter.from = value.parse().ok(),
                "to" => filter.to = value.parse().ok(),
                "model" => filter.model = value.into_owned(),
                "kernel" => filter.kernel = value.into_owned(),
                "together" => filter.together = value.parse().ok(),
                _ => {}
            }
        }
        filter
    }

    /// The query that [`Self::of`] reads.
    #[must_use]
    pub fn query(&self) -> String {
        let mut query = Serializer::new(String::new());
        let day = |day: Option<Date>| day.map(|day| day.to_string()).unwrap_or_default();
        let together = self.together.map(|together| together.to_string());
        for (name, value) in [
            ("from", day(self.from)),
            ("to", day(self.to)),
            ("model", self.model.clone()),
            ("kernel", self.kernel.clone()),
            ("together", together.unwrap_or_default()),
        ] {
            if !value.is_empty() {
                query.append_pair(name, &value);
            }
        }
        query.finish()
    }

    /// The answers that are wanted.
    #[must_use]
    pub fn wanted<'a>(&self, answers: &'a [Measured]) -> Vec<&'a Measured> {
        let times = self.times();
        let is_wanted = |answer: &&Measured| {
            times.contains(&answer.created)
                && (self.model.is_empty() || *self.model == *answer.model)
                && (self.kernel.is_empty() || *self.kernel == *answer.kernel)
                && self
                    .together
                    .is_none_or(|together| together == answer.together())
        };
        answers.iter().filter(is_wanted).collect()
    }

    /// From the beginning of the first day to that of the one after the last, in milliseconds since 1970.
    fn times(&self) -> Range<i64> {
        let begin = |day: Date| {
            let begin = day.to_zoned(TimeZone::system());
            begin.map(|begin| begin.timestamp().as_millisecond()).ok()
        };
        let from = self.from.and_then(begin).unwrap_or(i64::MIN);
        let to = self.to.and_then(|day| day.tomorrow().ok()).and_then(begin);
        from..to.unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An answer of 20 tokens at a time, by a kernel.
    pub(crate) fn measured(created: i64, kernel: &str) -> Measured {
        Measured {
            created,
            time_to_first_token_s: Some(0.25),
            decode_tokens_per_second: Some(40.0),
            prefill_tokens_per_second: Some(800.0),
            queued_s: 0.0,
            total_s: 1.25,
            usd_total: 0.002,
            usd_share: 0.001,
            beside: 0.0,
            prompt_tokens: 100,
            cached_tokens: 10,
            output_tokens: 20,
            threads: 2,
            expected: None,
            kernel: kernel.into(),
            model: "Tiny".into(),
        }
    }

    #[test]
    fn days_begin_where_the_calendar_says_and_the_last_is_whole() {
        let filter = Filter::of("from=2026-03-01&to=2026-03-02&kernel=&model=Tiny");
        let noon = |day: &str| {
            let day: Date = day.parse().unwrap();
            let noon = day.at(12, 0, 0, 0).to_zoned(TimeZone::system()).unwrap();
            noon.timestamp().as_millisecond()
        };
        let days = ["2026-02-28", "2026-03-01", "2026-03-02", "2026-03-03"];
        let answers = days.map(|day| measured(noon(day), "avx2"));
        let wanted = filter.wanted(&answers);
        assert_eq!(wanted, [&answers[1], &answers[2]]);
        assert_eq!(Filter::of(&filter.query()), filter);
        assert_eq!(Filter::default().wanted(&answers).len(), 4);
        assert_eq!(Filter::of("model=Other").wanted(&answers).len(), 0);
        assert_eq!(Filter::of("kernel=scalar").wanted(&answers).len(), 0);
        assert_eq!(
            Filter::of("from=yesterday&to=9999-12-31"),
            Filter::of("to=9999-12-31")
        );
        assert_eq!(Filter::of("to=9999-12-31").wanted(&answers).len(), 4);
    }

    #[test]
    fn answers_can_be_chosen_by_how_many_there_were_at_once() {
        let mut answers = [measured(0, "avx2"), measured(1, "avx2")];
        answers[1].beside = 1.8;
        let filter = Filter::of("together=3&kernel=avx2");
        assert_eq!(filter.wanted(&answers), [&answers[1]]);
        assert_eq!(Filter::of(&filter.query()), filter);
        assert_eq!(Filter::of("together=many").wanted(&answers).len(), 2);
    }

    #[test]
    fn an_estimate_is_near_within_a_quarter() {
        let mut answer = measured(0, "avx2");
        assert_eq!(answer.near(), None);
        // It took 0.25 s and 1.25 s, of 20 tokens.
        let mut near = |first_s, total_s, tokens| {
            answer.expected = Some(Expected {
                first_s,
                total_s,
                tokens,
            });
            let near = answer.near().unwrap();
            (near.first, near.whole, near.by_length)
        };
        assert_eq!(near(0.31, 1.6, None), (true, false, None));
        assert_eq!(near(0.18, 1.0, Some(20)), (false, true, Some(true)));
        assert_eq!(near(0.25, 2.25, Some(39)), (true, false, Some(true)));
        assert_eq!(near(0.25, 1.25, Some(50)), (true, true, Some(false)));
        assert!(!answer.is_late());
        answer.queued_s = 0.2;
        assert_eq!(answer.near(), None);
        assert!(answer.is_late());
        answer.expected = None;
        assert!(!answer.is_late());
    }

    #[test]
    fn few_tokens_make_no_speed() {
        let mut answer = measured(0, "avx2");
        assert_eq!(answer.decode_speed(), Some(40.0));
        answer.output_tokens = 16;
        assert_eq!(answer.decode_speed(), None);
        answer.beside = 1.6;
        assert_eq!((answer.together(), answer.context()), (3, 116));
    }
}
