//! Requests on their way to the queue of an engine, which does not know of them yet: those whose model is loaded, or whose
//! prompts wait for their turn to be prepared.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use prometheus::IntGauge;

/// How many there are; cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Waiters {
    of_model: Arc<AtomicUsize>,
    of_all: Arc<AtomicUsize>,
}

impl Waiters {
    /// Those of another model.
    pub(super) fn beside(&self) -> Self {
        Self {
            of_model: Arc::default(),
            of_all: Arc::clone(&self.of_all),
        }
    }

    /// One more.
    pub(super) fn enter(&self) -> Waiter {
        for count in [&self.of_model, &self.of_all] {
            count.fetch_add(1, Ordering::Relaxed);
        }
        Waiter(self.clone())
    }

    pub(super) fn of_model(&self) -> usize {
        self.of_model.load(Ordering::Relaxed)
    }

    pub(super) fn of_all(&self) -> usize {
        self.of_all.load(Ordering::Relaxed)
    }
}

/// A request on its way to the queue.
pub(super) struct Waiter(Waiters);

impl Drop for Waiter {
    fn drop(&mut self) {
        for count in [&self.0.of_model, &self.0.of_all] {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// A request that is counted by a gauge until this is dropped.
pub(super) struct Gauged(IntGauge);

impl Gauged {
    pub(super) fn by(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Gauged {
    fn drop(&mut self) {
        self.0.dec();
    }
}
