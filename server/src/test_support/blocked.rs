//! A generator for tests whose prompts take as long to prepare as the test likes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nibble_engine::{Answer, Caller, Error, ModelInfo, Request};

use crate::generator::Generator;
use crate::test_support::held::Held;

/// Prepares one prompt for each message that the test sends, and all once the test has dropped the other end.
pub(crate) struct Blocked {
    pub(crate) held: Held,
    /// Prompts that it was given to prepare.
    pub(crate) given: AtomicUsize,
    goes_on: Mutex<Receiver<()>>,
    /// When the queue, which is full, may have a place.
    wait: Option<Duration>,
}

impl Blocked {
    pub(crate) fn new() -> (Sender<()>, Arc<Self>) {
        Self::with(None)
    }

    /// One whose queue is full, and says when there may be a place.
    pub(crate) fn full_for(wait: Duration) -> (Sender<()>, Arc<Self>) {
        Self::with(Some(wait))
    }

    fn with(wait: Option<Duration>) -> (Sender<()>, Arc<Self>) {
        let (sender, receiver) = channel();
        let blocked = Self {
            held: Held::default(),
            given: AtomicUsize::new(0),
            goes_on: receiver.into(),
            wait,
        };
        (sender, Arc::new(blocked))
    }
}

impl Generator for Blocked {
    fn info(&self) -> &ModelInfo {
        self.held.info()
    }

    fn room(&self, _: Caller) -> Result<(), Error> {
        let full = |wait| Error::Busy {
            waiting: 8,
            limit: 8,
            wait: Some(wait),
        };
        self.wait.map(full).map_or(Ok(()), Err)
    }

    fn submit(&self, request: Request) -> Result<Answer, Error> {
        self.given.fetch_add(1, Ordering::SeqCst);
        let _ = self.goes_on.lock().unwrap().recv();
        self.held.submit(request)
    }
}
