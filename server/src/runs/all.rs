//! The runs of a server by their answers.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nibble_app::domain::Id;
use nibble_app::visitor::Owner;
use tokio::sync::watch;

use super::Run;
use crate::store::Written;

/// The runs that are not ended, or not yet written down.
#[derive(Default)]
pub(crate) struct Runs {
    by_id: Mutex<HashMap<Id, Arc<Run>>>,
    /// How many there are.
    count: watch::Sender<usize>,
}

impl Runs {
    /// Begins the run of an answer.
    pub(crate) fn begin(&self, id: Id, owner: Owner) -> Arc<Run> {
        let run = Arc::new(Run::new(owner));
        let mut by_id = self.lock();
        by_id.insert(id, Arc::clone(&run));
        self.count.send_replace(by_id.len());
        run
    }

    pub(crate) fn get(&self, id: Id) -> Option<Arc<Run>> {
        self.lock().get(&id).cloned()
    }

    pub(crate) fn remove(&self, id: Id) {
        let mut by_id = self.lock();
        by_id.remove(&id);
        self.count.send_replace(by_id.len());
    }

    /// Removes a run that nobody follows, or is about to; says whether it did. The caller has it, and nobody else who does
    /// not read.
    pub(crate) fn remove_unread(&self, id: Id, run: &Arc<Run>) -> bool {
        let mut by_id = self.lock();
        let is_unread = run.state.receiver_count() == 0 && Arc::strong_count(run) <= 2;
        if is_unread {
            by_id.remove(&id);
        }
        is_unread
    }

    /// What was written since the last time that this was asked, whole texts by their answers.
    pub(crate) fn unwritten(&self) -> Vec<Written> {
        let by_id = self.lock();
        let runs = by_id.iter().filter(|(_, run)| run.has_more());
        let written = runs.map(|(id, run)| {
            let (thought, text) = run.written();
            Written {
                id: *id,
                thought,
                text,
            }
        });
        written.collect()
    }

    /// What was asked for with [`Self::unwritten`] could not be kept.
    pub(crate) fn not_written(&self, answers: &[Written]) {
        let by_id = self.lock();
        for run in answers.iter().filter_map(|answer| by_id.get(&answer.id)) {
            run.written.store(0, Ordering::Relaxed);
        }
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Ready when no run is left.
    pub(crate) async fn all_gone(&self) {
        // The sender lives as long as this.
        let _ = self.count.subscribe().wait_for(|count| *count == 0).await;
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Id, Arc<Run>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
