//! What the holder of a key has used of the limits.
//!
//! A limit of a minute is a bucket that holds as much and fills at that rate. A request is taken out of it when it comes; tokens
//! as they are read and put out. What answers may still take of those is kept for them, so that of requests at once none is let
//! in to what others may need. One is let in where a token is left, whatever it may take, so the bucket may owe that much: then
//! it is waited until it holds some again.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Limits;

const MINUTE_S: f64 = 60.0;

/// By the name of a key.
#[derive(Debug)]
pub(super) struct Spent {
    number: u64,
    buckets: Mutex<Buckets>,
    open: AtomicU32,
}

#[derive(Debug, Default)]
struct Buckets {
    requests: Bucket,
    tokens: Bucket,
    /// Tokens that open answers may still take.
    kept: u64,
}

/// What was taken out, and has not flowed back by then.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    missing: f64,
    at: Option<Instant>,
}

/// Why there is no answer now, and when there may be one where that is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Exhausted {
    Requests { limit: u32, wait: Duration },
    Tokens { limit: u32, wait: Option<Duration> },
    Chats { limit: u32 },
}

/// What a limit still gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Left {
    pub(super) limit: u32,
    pub(super) remaining: u32,
    /// Until all of the limit is there again.
    pub(super) reset: Duration,
}

/// What both limits of a minute still give, where there are some.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct AllLeft {
    pub(super) requests: Option<Left>,
    pub(super) tokens: Option<Left>,
}

/// A place among the requests that are answered at once, until it is dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<Spent>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Spent {
    pub(super) fn new(number: u64) -> Self {
        Self {
            number,
            buckets: Mutex::default(),
            open: AtomicU32::new(0),
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Takes a request at a time, and a place among those at once.
    ///
    /// # Errors
    /// The limit that has nothing left; then nothing is taken of any.
    pub(super) fn admit(
        self: &Arc<Self>,
        limits: Limits,
        now: Instant,
    ) -> Result<Place, Exhausted> {
        let mut buckets = self.lock();
        buckets.check_tokens(limits, now)?;
        if let Some(limit) = limits.requests_per_minute {
            let wait = buckets.requests.wait(limit, now);
            if !wait.is_zero() {
                return Err(Exhausted::Requests { limit, wait });
            }
        }
        // Nobody else adds to it meanwhile, for that takes the lock.
        let open = self.open.load(Ordering::Relaxed);
        if let Some(limit) = limits.chats.filter(|limit| open >= *limit) {
            return Err(Exhausted::Chats { limit });
        }
        self.open.fetch_add(1, Ordering::Relaxed);
        if let Some(limit) = limits.requests_per_minute {
            buckets.requests.take(1.0, limit, now);
        }
        Ok(Place(Arc::clone(self)))
    }

    /// What the limits of a minute still give.
    pub(super) fn left(&self, limits: Limits, now: Instant) -> AllLeft {
        let buckets = self.lock();
        let requests = limits.requests_per_minute;
        let tokens = limits.tokens_per_minute;
        AllLeft {
            requests: requests.map(|limit| buckets.requests.left(limit, now)),
            tokens: tokens.map(|limit| {
                let mut tokens = buckets.tokens;
                tokens.take(buckets.kept as f64, limit, now);
                tokens.left(limit, now)
            }),
        }
    }

    /// Keeps tokens for a request that was admitted.
    ///
    /// # Errors
    /// That none are left; then what admitting it took is given back.
    pub(super) fn hold(&self, tokens: u64, limits: Limits, now: Instant) -> Result<(), Exhausted> {
        let mut buckets = self.lock();
        if let Err(exhausted) = buckets.check_tokens(limits, now) {
            if let Some(limit) = limits.requests_per_minute {
                buckets.requests.take(-1.0, limit, now);
            }
            return Err(exhausted);
        }
        if limits.tokens_per_minute.is_some() {
            buckets.kept = buckets.kept.saturating_add(tokens);
        }
        Ok(())
    }

    /// Keeps so many tokens for an answer, which had so many before.
    pub(super) fn keep(&self, tokens: u64, before: u64, limits: Limits) {
        if limits.tokens_per_minute.is_some() {
            let mut buckets = self.lock();
            let others = buckets.kept.saturating_sub(before);
            buckets.kept = others.saturating_add(tokens);
        }
    }

    /// Takes back that so many tokens were taken.
    pub(super) fn give_back(&self, tokens: u64, limits: Limits, now: Instant) {
        if let Some(limit) = limits.tokens_per_minute {
            self.lock().tokens.take(-(tokens as f64), limit, now);
        }
    }

    /// Takes tokens.
    pub(super) fn charge(&self, tokens: u64, limits: Limits, now: Instant) {
        if let Some(limit) = limits.tokens_per_minute {
            self.lock().tokens.take(tokens as f64, limit, now);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Buckets> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Buckets {
    /// # Errors
    /// That no token is left beside those that are kept for answers.
    fn check_tokens(&self, limits: Limits, now: Instant) -> Result<(), Exhausted> {
        let Some(limit) = limits.tokens_per_minute else {
            return Ok(());
        };
        let wait = self.tokens.wait(limit, now);
        let mut all = self.tokens;
        all.take(self.kept as f64, limit, now);
        match all.wait(limit, now).is_zero() {
            true => Ok(()),
            // Nobody knows when answers end.
            false if wait.is_zero() => Err(Exhausted::Tokens { limit, wait: None }),
            false => Err(Exhausted::Tokens {
                limit,
                wait: Some(wait),
            }),
        }
    }
}

impl Bucket {
    fn missing_at(&self, limit: u32, now: Instant) -> f64 {
        let passed = self.at.map_or(Duration::ZERO, |at| now.duration_since(at));
        (self.missing - passed.as_secs_f64() * per_second(limit)).max(0.0)
    }

    fn take(&mut self, amount: f64, limit: u32, now: Instant) {
        *self = Self {
            missing: (self.missing_at(limit, now) + amount).max(0.0),
            at: Some(now),
        };
    }

    /// How long until there is one to take.
    fn wait(&self, limit: u32, now: Instant) -> Duration {
        let over = self.missing_at(limit, now) + 1.0 - f64::from(limit);
        seconds(over.max(0.0) / per_second(limit))
    }

    fn left(&self, limit: u32, now: Instant) -> Left {
        let missing = self.missing_at(limit, now);
        Left {
            limit,
            remaining: (f64::from(limit) - missing).max(0.0) as u32,
            reset: seconds(missing / per_second(limit)),
        }
    }
}

/// What is too long for a time is as good as for ever.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

fn per_second(limit: u32) -> f64 {
    f64::from(limit) / MINUTE_S
}
