//! Work that takes a while: before the engine's queue a request is read, its chat template rendered and the prompt
//! tokenised; a page is rendered. It has threads of its own, only a few at once, and few may wait for one.

use std::sync::{Arc, Mutex};
use std::thread;

use nibble_engine::{Caller, Error};
use tokio::sync::oneshot;

use self::turns::Turns;

mod turns;

/// Prompts in work at once: more would take the CPUs from the answers that run.
const AT_ONCE: usize = 2;

/// Requests that may wait, each with its messages in memory.
const WAITING: usize = 64;

/// A place for each prompt in work, and one for each that waits. Callers take turns.
pub(crate) struct Preparation(Arc<Mutex<Turns>>);

impl Default for Preparation {
    fn default() -> Self {
        Self::new(AT_ONCE, WAITING)
    }
}

impl Preparation {
    /// Places for so much work at once, and for so much that waits.
    pub(crate) fn new(at_once: usize, waiting: usize) -> Self {
        Self(Arc::new(Mutex::new(Turns::new(at_once, waiting))))
    }

    /// Does `work` for a caller on a thread that may block. Work that has begun keeps its place to its end, also when the
    /// caller goes away; the end of the program does not wait for it.
    ///
    /// # Errors
    /// [`Error::Busy`] when too many wait already, [`Error::NoThread`] when the system gives none, [`Error::Broken`] when
    /// `work` panics.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        caller: Caller,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let turn = turns::take(&self.0, caller).await?;
        let (done, outcome) = oneshot::channel();
        let run = move || {
            let _turn = turn;
            // Whoever has gone away does not hear it.
            let _ = done.send(work());
        };
        let thread = thread::Builder::new().name("preparation".into());
        thread.spawn(run).map_err(Error::NoThread)?;
        outcome.await.map_err(|_| Error::Broken)
    }
}

#[cfg(test)]
mod tests;
