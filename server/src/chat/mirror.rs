//! Answers that other processes write, as readers of this one follow them: what is in the store, read twice a second.

use std::sync::Arc;
use std::time::Duration;

use nibble_app::domain::{End, Id};
use nibble_app::visitor::Owner;

use crate::runs::{Run, Runs};
use crate::store::Store;

const LOOK: Duration = Duration::from_millis(500);

/// The answers of other processes that somebody follows here.
pub(super) struct Mirrors {
    store: Arc<dyn Store>,
    runs: Arc<Runs>,
}

impl Mirrors {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            runs: Arc::default(),
        }
    }

    /// What follows an answer that is not written here; nothing where no other process can write it.
    pub(super) fn run(&self, id: Id) -> Option<Arc<Run>> {
        if !self.store.is_shared() {
            return None;
        }
        if let Some(run) = self.runs.get(id) {
            return Some(run);
        }
        // Nobody asks a mirror whose it is.
        let run = self.runs.begin(id, Owner::default());
        let (store, runs) = (Arc::clone(&self.store), Arc::clone(&self.runs));
        tokio::spawn(mirror(store, runs, id, Arc::clone(&run)));
        Some(run)
    }
}

/// Until the answer has ended, or nobody follows it any more.
async fn mirror(store: Arc<dyn Store>, runs: Arc<Runs>, id: Id, run: Arc<Run>) {
    loop {
        let end = match store.answer(id).await {
            Ok(Some(answer)) => {
                run.mirror(&answer.thought, &answer.text);
                answer.end
            }
            Ok(None) => Some(End::failed("it was deleted")),
            // It is there again when the database is.
            Err(_) => None,
        };
        if let Some(end) = end {
            run.end(end);
            return runs.remove(id);
        }
        tokio::time::sleep(LOOK).await;
        if runs.remove_unread(id, &run) {
            return;
        }
    }
}
