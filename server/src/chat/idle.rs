//! Whether the machine works on anything else while it is looked at or measured: answers, lanes of a comparison, and a model that
//! is fetched.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::ChatService;
use crate::compare::{Others, Run};
use crate::management::Fetch;

/// A time that began when the machine worked on nothing.
pub(super) struct Idle {
    asked: watch::Receiver<usize>,
    fetched: Option<watch::Receiver<Option<Fetch>>>,
    compared: watch::Receiver<Option<Arc<Run>>>,
}

impl Idle {
    /// Whether nothing was asked or fetched since, not even what has ended again.
    pub(super) fn lasts(&self) -> bool {
        let asked = self.asked.has_changed();
        let fetched = self.fetched.as_ref().map(watch::Receiver::has_changed);
        let compared = self.compared.has_changed();
        // The senders live as long as the program.
        let has_changed = [Some(asked), fetched, Some(compared)];
        let mut has_changed = has_changed.into_iter().flatten();
        !has_changed.any(|changed| changed.unwrap_or(true))
    }
}

impl ChatService {
    /// What a measurement waits for, and is disturbed by.
    pub(super) fn others(&self) -> Others {
        Others::new(self.writer.models.first().clone(), self.watch_fetch())
    }

    /// Nothing where an answer is open or prepared, a comparison runs, or a model is fetched.
    pub(super) fn idle(&self) -> Option<Idle> {
        let models = &self.writer.models;
        let idle = Idle {
            asked: models.first().watch_open(),
            fetched: self.watch_fetch(),
            compared: self.comparer.watch(),
        };
        let load = models.load();
        let is_idle = self.others().are_idle()
            && load.running + load.waiting == 0
            && self.comparer.running().is_none();
        is_idle.then_some(idle)
    }

    /// Ready when nothing was computed for so long.
    pub(super) async fn idle_for(&self, quiet: Duration) {
        loop {
            let idle = self.idle();
            sleep(quiet).await;
            if idle.is_some_and(|idle| idle.lasts()) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Comparer;

    #[test]
    fn what_comes_and_goes_meanwhile_ends_it() {
        let (comparer, open) = (Comparer::default(), watch::Sender::new(0));
        let fetch = watch::Sender::new(None);
        let idle = || Idle {
            asked: open.subscribe(),
            fetched: Some(fetch.subscribe()),
            compared: comparer.watch(),
        };
        let before = idle();
        assert!(before.lasts());
        open.send_modify(|count| *count += 1);
        open.send_modify(|count| *count -= 1);
        assert!(!before.lasts());
        let before = idle();
        assert!(before.lasts());
        fetch.send_replace(None);
        assert!(!before.lasts());
        assert!(idle().lasts());
    }
}
