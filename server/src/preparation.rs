//! Work that takes a while: before the engine's queue a request is read, its chat template rendered and the prompt
//! tokenised; a page is rendered. It has threads of its own, only a few at once, and few may wait for one.

use std::sync::Arc;
use std::thread;

use nibble_engine::Error;
use tokio::sync::{Semaphore, oneshot};

/// Prompts in work at once: more would take the CPUs from the answers that run.
const AT_ONCE: usize = 2;

/// Requests that may wait, each with its messages in memory.
const WAITING: usize = 64;

/// A place for each prompt in work, and one for each that waits.
pub(crate) struct Preparation {
    at_once: Arc<Semaphore>,
    waiting: Semaphore,
    limit: usize,
}

impl Default for Preparation {
    fn default() -> Self {
        Self::new(AT_ONCE, WAITING)
    }
}

impl Preparation {
    /// Places for so much work at once, and for so much that waits.
    pub(crate) fn new(at_once: usize, waiting: usize) -> Self {
        Self {
            at_once: Arc::new(Semaphore::new(at_once)),
            waiting: Semaphore::new(waiting),
            limit: waiting,
        }
    }

    /// Does `work` on a thread that may block. Work that has begun keeps its place to its end, also when the caller
    /// goes away; the end of the program does not wait for it.
    ///
    /// # Errors
    /// [`Error::Busy`] when too many wait already, [`Error::NoThread`] when the system gives none, [`Error::Broken`] when
    /// `work` panics.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let waiting = self.waiting.try_acquire().map_err(|_| Error::Busy {
            waiting: self.limit,
            limit: self.limit,
            wait: None,
        })?;
        let place = Arc::clone(&self.at_once).acquire_owned().await;
        drop(waiting);
        let (done, outcome) = oneshot::channel();
        let run = move || {
            let _place = place;
            // Whoever has gone away does not hear it.
            let _ = done.send(work());
        };
        let thread = thread::Builder::new().name("preparation".into());
        thread.spawn(run).map_err(Error::NoThread)?;
        outcome.await.map_err(|_| Error::Broken)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::{Receiver, channel};
    use std::sync::{Mutex, PoisonError};

    use futures::future::join_all;

    use super::*;

    #[tokio::test]
    async fn only_a_few_prompts_are_in_work_at_once() {
        let preparation = Preparation::default();
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let jobs = (0..5 * AT_ONCE).map(|_| {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            preparation.run(move || {
                let working = now.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(working, Ordering::SeqCst);
                std::thread::sleep(std::time::Duration::from_millis(5));
                now.fetch_sub(1, Ordering::SeqCst);
            })
        });
        let done = join_all(jobs).await;
        assert!(done.iter().all(Result::is_ok));
        assert_eq!(most.load(Ordering::SeqCst), AT_ONCE);
    }

    #[tokio::test]
    async fn work_that_panics_ends_alone_and_gives_its_place_back() {
        let preparation = Preparation::default();
        for _ in 0..2 * AT_ONCE {
            let ended = preparation.run(|| panic!("a bug")).await;
            assert!(matches!(ended, Err::<(), _>(Error::Broken)));
        }
        assert_eq!(preparation.run(|| 1).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn whoever_comes_when_too_many_wait_is_refused_and_those_who_wait_are_served() {
        let preparation = Preparation::default();
        let (open, gate) = channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let blocked = || {
            let gate: Arc<Mutex<Receiver<()>>> = Arc::clone(&gate);
            preparation.run(move || {
                let _ = gate.lock().unwrap_or_else(PoisonError::into_inner).recv();
            })
        };
        let taken = join_all((0..AT_ONCE + WAITING).map(|_| blocked()));
        let refused = async {
            tokio::task::yield_now().await;
            let refused = blocked().await;
            drop(open);
            refused
        };
        let (taken, refused) = tokio::join!(taken, refused);
        assert!(matches!(refused, Err(Error::Busy { waiting, limit, .. }) if waiting == limit));
        assert!(taken.iter().all(Result::is_ok));
    }
}
