//! The clock of one answer and the formulas of its figures, nothing else.

use std::time::{Duration, Instant};

use crate::completion::metrics::Metrics;

/// The times of one answer; whoever computes it says what has just happened and when.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    accepted: Instant,
    submitted: Instant,
    began: Option<Instant>,
    prefill: Option<(usize, Duration)>,
    first_token: Option<Instant>,
    last_token: Option<Instant>,
    /// Of the thought: the number of its tokens, and when the last came out.
    thought: Option<(usize, Instant)>,
    first_answer_token: Option<Instant>,
    tokens: usize,
    /// Seconds between tokens.
    gaps: Vec<f32>,
    /// Of all its steps: how long they took, the answer's part of that, and both times the other answers.
    steps: Duration,
    share: Duration,
    beside: f64,
    /// Seconds of the machine that it would have taken by itself.
    alone_s: Option<f64>,
    /// Since when it is paused, and for how long it was before.
    paused_since: Option<Instant>,
    paused: Duration,
    /// How long the program was throttled so far, when work began, and since then.
    throttled_before: Option<Duration>,
    throttled: Option<Duration>,
    /// Guesses that were computed, and those that were right.
    guesses: [usize; 2],
    /// Steps that had some, in all.
    verified: Duration,
}

impl Clock {
    /// The request was accepted.
    pub(crate) fn accept(now: Instant) -> Self {
        Self {
            accepted: now,
            submitted: now,
            began: None,
            prefill: None,
            first_token: None,
            last_token: None,
            thought: None,
            first_answer_token: None,
            tokens: 0,
            gaps: Vec::new(),
            steps: Duration::ZERO,
            share: Duration::ZERO,
            beside: 0.0,
            alone_s: None,
            paused_since: None,
            paused: Duration::ZERO,
            throttled_before: None,
            throttled: None,
            guesses: [0; 2],
            verified: Duration::ZERO,
        }
    }

    /// It began to wait for its turn, which is when limits of its time begin; without this, when it was accepted.
    pub(crate) fn submitted(self, now: Instant) -> Self {
        Self {
            submitted: now,
            ..self
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

    /// Nothing more of it is computed until it goes on.
    pub(crate) fn pause(&mut self, now: Instant) {
        self.paused_since.get_or_insert(now);
    }

    /// A step that computes some of it began.
    pub(crate) fn go_on(&mut self, began: Instant) {
        if let Some(since) = self.paused_since.take() {
            self.paused += began.saturating_duration_since(since);
        }
    }

    /// The program was throttled for so long since it began; told when work begins and at its end.
    pub(crate) fn throttled(&mut self, throttled: Option<Duration>) {
        let before = *self
            .throttled_before
            .get_or_insert(throttled.unwrap_or_default());
        self.throttled = throttled.map(|throttled| throttled.saturating_sub(before));
    }

    /// So many guesses were computed, and so many of them right.
    pub(crate) fn guessed(&mut self, guesses: [usize; 2]) {
        self.guesses = guesses;
    }

    /// A step with guesses took so long.
    pub(crate) fn verified(&mut self, took: Duration) {
        self.verified += took;
    }

    /// How long ago the request began to wait for its turn.
    pub(crate) fn since_submitted(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.submitted)
    }

    /// A token came out.
    pub(crate) fn token(&mut self, now: Instant) {
        self.first_token.get_or_insert(now);
        // What ends a thought is put out with the token before it.
        if let Some(before) = self.last_token.replace(now)
            && before < now
        {
            self.gaps.push((now - before).as_secs_f32());
        }
        self.tokens += 1;
    }

    /// All tokens so far, the last of which came out now, are the thought.
    pub(crate) fn thinks(&mut self, now: Instant) {
        self.thought = Some((self.tokens, now));
    }

    /// The token that came out now belongs to what is said.
    pub(crate) fn answers(&mut self, now: Instant) {
        self.first_answer_token.get_or_insert(now);
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
        let thought_s = self
            .first_token
            .zip(self.thought)
            .map(|(first, (_, last))| (last - first).as_secs_f64());
        let first_answer_token = match self.thought {
            Some(_) => self.first_answer_token,
            None => self.first_token,
        };
        let pause = self
            .paused_since
            .map(|since| now.saturating_duration_since(since));
        let paused = self.paused + pause.unwrap_or_default();
        Metrics {
            time_to_first_token_s: self.first_token.map(since_accepted),
            time_to_first_answer_token_s: first_answer_token.map(since_accepted),
            thought_s,
            queued_s: since_accepted(self.began.unwrap_or(now)),
            loading_s: None,
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
            beside_engines: 0,
            paused_s: (!paused.is_zero()).then_some(paused.as_secs_f64()),
            throttled_s: self.throttled.map(|throttled| throttled.as_secs_f64()),
            completion_tokens: self.tokens,
            thought_tokens: self.thought.map_or(0, |(tokens, _)| tokens),
            drafted_tokens: self.guesses[0],
            accepted_tokens: self.guesses[1],
            guesses_s: (self.guesses[0] > 0).then_some(self.verified.as_secs_f64()),
            token_gaps_s: self.gaps.clone(),
            kernel: kernel.to_owned(),
            threads,
        }
    }
}

/// A step as its answers account for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StepTime {
    pub(crate) end: Instant,
    /// Since the step before, where that was just before.
    pub(crate) took: Duration,
    /// Tokens of all its answers, with those that they guessed.
    pub(crate) rows: usize,
    /// Its answers.
    pub(crate) answers: usize,
    /// Steps of a draft model that are part of it.
    pub(crate) drafting: Drafting,
}

/// Steps of a draft model.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Drafting {
    pub(crate) took: Duration,
    /// Tokens that they computed, none where they were only to be measured.
    pub(crate) rows: usize,
}

impl Drafting {
    /// Both, one after the other.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            took: self.took + other.took,
            rows: self.rows + other.rows,
        }
    }
}

impl StepTime {
    /// The part of an answer with so many of the rows, and of the draft model's.
    pub(crate) fn share(self, rows: usize, drafted: usize) -> Duration {
        let part = |time: Duration, rows, all| time.mul_f64(rows as f64 / all as f64);
        match self.drafting {
            Drafting { rows: 0, .. } => part(self.took, rows, self.rows),
            drafting => {
                let verified = self.took.saturating_sub(drafting.took);
                part(verified, rows, self.rows) + part(drafting.took, drafted, drafting.rows)
            }
        }
    }
}

/// Tokens per second; none where nothing was counted or no time went by.
fn rate(tokens: usize, time: Duration) -> Option<f64> {
    (tokens > 0 && !time.is_zero()).then(|| tokens as f64 / time.as_secs_f64())
}

#[cfg(test)]
mod tests;
