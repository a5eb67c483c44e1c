//! The clock of one answer and the formulas of its figures, nothing else.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// What one answer took and cost. A figure that could not be measured is absent, never zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// First token out - request accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_to_first_token_s: Option<f64>,
    /// Work on the request began - request accepted.
    pub queued_s: f64,
    /// Time spent computing the prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefill_s: Option<f64>,
    /// Prompt tokens computed / prefill time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefill_tokens_per_second: Option<f64>,
    /// (Output tokens - 1) / (last token - first token).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decode_tokens_per_second: Option<f64>,
    /// 1000 / decode speed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_per_output_token_ms: Option<f64>,
    /// Last token out - request accepted; without any token, end - accepted.
    pub total_s: f64,
    /// Price per hour / 3600 / decode speed * 1e6.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_million_tokens: Option<f64>,
    /// Price per hour / 3600 * total time.
    pub usd_total: f64,
    /// The machine's time that the answer took: of each step the part of its tokens. Over all answers this adds up to the time
    /// that the machine computed.
    pub machine_s: f64,
    /// Price per hour / 3600 * the machine's time.
    pub usd_share: f64,
    /// About what it would have cost without others beside it, at the speeds of the steps that there were; absent before a
    /// single answer was computed by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_alone: Option<f64>,
    /// How many other answers were computed beside it, as a mean over its time.
    pub beside: f64,
    /// Output tokens, the end-of-turn token included.
    pub completion_tokens: usize,
    /// Each token after the first: token out - the token before it, a pause in between included. Too many for JSON.
    #[serde(skip)]
    pub token_gaps_s: Vec<f32>,
    /// The matrix kernel that computed it.
    pub kernel: String,
    /// Threads that computed it.
    pub threads: usize,
}

/// The times of one answer; whoever computes it says what has just happened and when.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    accepted: Instant,
    began: Option<Instant>,
    prefill: Option<(usize, Duration)>,
    first_token: Option<Instant>,
    last_token: Option<Instant>,
    tokens: usize,
    /// Seconds between tokens.
    gaps: Vec<f32>,
    /// Of all its steps: how long they took, the answer's part of that, and both times the other answers.
    steps: Duration,
    share: Duration,
    beside: f64,
    /// Seconds of the machine that it would have taken by itself.
    alone_s: Option<f64>,
}

impl Clock {
    /// The request was accepted.
    pub(crate) fn accept(now: Instant) -> Self {
        Self {
            accepted: now,
            began: None,
            prefill: None,
            first_token: None,
            last_token: None,
            tokens: 0,
            gaps: Vec::new(),
            steps: Duration::ZERO,
            share: Duration::ZERO,
            beside: 0.0,
            alone_s: None,
        }
    }

    /// Work began.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.began = Some(now);
    }

    /// The whole prompt is in the cache; `computed` of its tokens were not there before.
    pub(crate) fn prefilled(&mut self, now: Instant, computed: usize) {
        self.prefill = Some((computed, now - self.began.unwrap_or(self.accepted)));
    }

    /// A step took so long, of which `share` is the answer's part, and computed so many answers.
    pub(crate) fn step(&mut self, took: Duration, share: Duration, answers: usize) {
        self.steps += took;
        self.share += share;
        self.beside += took.as_secs_f64() * answers.saturating_sub(1) as f64;
    }

    /// By itself it would have taken the machine about so many seconds.
    pub(crate) fn alone(&mut self, seconds: Option<f64>) {
        self.alone_s = seconds;
    }

    /// How long ago the request was accepted.
    pub(crate) fn since_accepted(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.accepted)
    }

    /// A token came out.
    pub(crate) fn token(&mut self, now: Instant) {
        self.first_token.get_or_insert(now);
        if let Some(before) = self.last_token.replace(now) {
            self.gaps.push((now - before).as_secs_f32());
        }
        self.tokens += 1;
    }

    /// The figures of an answer that ended.
    pub(crate) fn metrics(
        &self,
        now: Instant,
        usd_per_hour: f64,
        kernel: &str,
        threads: usize,
    ) -> Metrics {
        let since_accepted = |t: Instant| (t - self.accepted).as_secs_f64();
        let usd_per_second = usd_per_hour / 3600.0;
        let total_s = since_accepted(self.last_token.unwrap_or(now));
        let decode = self
            .first_token
            .zip(self.last_token)
            .and_then(|(first, last)| rate(self.tokens.saturating_sub(1), last - first));
        Metrics {
            time_to_first_token_s: self.first_token.map(since_accepted),
            queued_s: since_accepted(self.began.unwrap_or(now)),
            prefill_s: self.prefill.map(|(_, time)| time.as_secs_f64()),
            prefill_tokens_per_second: self
                .prefill
                .and_then(|(computed, time)| rate(computed, time)),
            decode_tokens_per_second: decode,
            time_per_output_token_ms: decode.map(|decode| 1000.0 / decode),
            total_s,
            usd_per_million_tokens: decode.map(|decode| usd_per_second / decode * 1e6),
            usd_total: usd_per_second * total_s,
            machine_s: self.share.as_secs_f64(),
            usd_share: usd_per_second * self.share.as_secs_f64(),
            usd_alone: self.alone_s.map(|seconds| usd_per_second * seconds),
            beside: self.beside / self.steps.as_secs_f64().max(f64::MIN_POSITIVE),
            completion_tokens: self.tokens,
            token_gaps_s: self.gaps.clone(),
            kernel: kernel.to_owned(),
            threads,
        }
    }
}

/// Tokens per second; none where nothing was counted or no time went by.
fn rate(tokens: usize, time: Duration) -> Option<f64> {
    (tokens > 0 && !time.is_zero()).then(|| tokens as f64 / time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: Option<f64>, expected: f64) {
        let found = found.unwrap();
        assert!(
            (found - expected).abs() <= 1e-9 * expected.abs(),
            "{found} instead of {expected}"
        );
    }

    #[test]
    fn figures_follow_the_formulas() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut clock = Clock::accept(start);
        clock.begin(at(100));
        clock.prefilled(at(300), 50);
        for ms in [350, 400, 430, 500, 550] {
            clock.token(at(ms));
        }
        let ms = Duration::from_millis;
        clock.step(ms(300), ms(100), 3);
        clock.step(ms(100), ms(100), 1);
        clock.alone(Some(0.25));
        let metrics = clock.metrics(at(900), 3.6, "scalar", 2);
        close(metrics.time_to_first_token_s, 0.35);
        close(Some(metrics.queued_s), 0.1);
        close(metrics.prefill_s, 0.2);
        close(metrics.prefill_tokens_per_second, 250.0);
        // Four intervals, 50 ms on average, between five tokens.
        close(metrics.decode_tokens_per_second, 20.0);
        close(metrics.time_per_output_token_ms, 50.0);
        close(Some(metrics.total_s), 0.55);
        // 0.001 dollars a second.
        close(metrics.usd_per_million_tokens, 50.0);
        close(Some(metrics.usd_total), 0.00055);
        close(Some(metrics.machine_s), 0.2);
        close(Some(metrics.usd_share), 0.0002);
        close(metrics.usd_alone, 0.00025);
        close(Some(metrics.beside), 1.5);
        assert_eq!(metrics.completion_tokens, 5);
        assert_eq!(metrics.token_gaps_s, [0.05, 0.03, 0.07, 0.05]);
    }

    #[test]
    fn a_single_token_has_no_decode_speed() {
        let start = Instant::now();
        let mut clock = Clock::accept(start);
        clock.begin(start);
        clock.token(start + Duration::from_millis(10));
        let metrics = clock.metrics(start + Duration::from_millis(20), 1.0, "scalar", 1);
        assert_eq!(metrics.decode_tokens_per_second, None);
        assert_eq!(metrics.usd_per_million_tokens, None);
        assert_eq!(metrics.prefill_tokens_per_second, None);
        close(Some(metrics.total_s), 0.01);
    }

    #[test]
    fn an_answer_without_tokens_still_took_time() {
        let start = Instant::now();
        let clock = Clock::accept(start);
        let metrics = clock.metrics(start + Duration::from_secs(2), 3600.0, "scalar", 1);
        assert_eq!(metrics.time_to_first_token_s, None);
        assert_eq!(
            (metrics.queued_s, metrics.total_s, metrics.usd_total),
            (2.0, 2.0, 2.0)
        );
    }

    #[test]
    fn absent_figures_are_left_out_of_json() {
        let start = Instant::now();
        let metrics = Clock::accept(start).metrics(start, 1.0, "scalar", 1);
        let json = serde_json::to_string(&metrics).unwrap();
        assert!(
            !json.contains("first_token") && json.contains("total_s"),
            "{json}"
        );
    }
}
