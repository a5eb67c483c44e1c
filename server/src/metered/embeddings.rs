//! Requests for embeddings, each of which may have thousands of texts: they wait here and not in the model's queue, of which
//! they take a few places at a time, so that it is never full of them.
//!
//! A caller's requests go on in turn, a group of texts each. Callers take turns in the queue.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nibble_engine::{Caller, Error};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Requests that have begun or wait to; some more for callers who have none.
const LIMIT: usize = 64;
/// Groups of texts that one caller has in the queue.
const GROUPS: usize = 2;

#[derive(Default)]
pub(super) struct Embeddings(Mutex<HashMap<Caller, Line>>);

/// A caller's requests.
struct Line {
    open: usize,
    groups: Arc<Semaphore>,
}

/// A place for a request until it is done.
pub(crate) struct EmbeddingPlace {
    list: Arc<Embeddings>,
    caller: Caller,
    groups: Arc<Semaphore>,
}

impl Embeddings {
    /// # Errors
    /// [`Error::Busy`] when too many are there.
    pub(super) fn enter(self: &Arc<Self>, caller: Caller) -> Result<EmbeddingPlace, Error> {
        let mut lines = self.lock();
        let waiting: usize = lines.values().map(|line| line.open).sum();
        let own = lines.get(&caller).map_or(0, |line| line.open);
        let limit = Caller::places(own, LIMIT);
        if waiting >= limit {
            return Err(Error::Busy {
                waiting,
                limit,
                wait: None,
            });
        }
        let line = lines.entry(caller).or_insert_with(|| Line {
            open: 0,
            groups: Arc::new(Semaphore::new(GROUPS)),
        });
        line.open += 1;
        Ok(EmbeddingPlace {
            groups: Arc::clone(&line.groups),
            list: Arc::clone(self),
            caller,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Caller, Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EmbeddingPlace {
    /// The turn of a group, which ends when this is dropped.
    pub(crate) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        // Nobody closes it.
        Arc::clone(&self.groups).acquire_owned().await.ok()
    }
}

impl Drop for EmbeddingPlace {
    fn drop(&mut self) {
        let mut lines = self.list.lock();
        if let Some(line) = lines.get_mut(&self.caller) {
            line.open -= 1;
            if line.open == 0 {
                lines.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn places_are_bounded_and_some_are_for_callers_who_have_none() {
        let list = Arc::new(Embeddings::default());
        let own: Vec<_> = (0..LIMIT).map(|_| list.enter(Caller(1)).unwrap()).collect();
        let refused = list.enter(Caller(1)).err();
        assert!(matches!(refused, Some(Error::Busy { limit: LIMIT, .. })));
        let others = (2..).take(16).map(|caller| list.enter(Caller(caller)));
        let others: Vec<_> = others.map(Result::unwrap).collect();
        assert!(list.enter(Caller(99)).is_err() && list.enter(Caller(2)).is_err());
        drop((own, others));
        assert!(list.lock().is_empty());
        assert!(list.enter(Caller(1)).is_ok());
    }

    #[tokio::test]
    async fn a_callers_requests_go_on_in_turn_and_hold_up_no_other() {
        let list = Arc::new(Embeddings::default());
        let place = |caller| list.enter(Caller(caller)).unwrap();
        let (first, second, other) = (place(1), place(1), place(2));
        let turns = (first.turn().await, first.turn().await);
        let waits = second.turn();
        tokio::pin!(waits);
        assert!(futures::poll!(waits.as_mut()).is_pending());
        assert!(other.turn().await.is_some());
        drop(turns.0);
        assert!(futures::poll!(waits.as_mut()).is_ready());
    }
}
