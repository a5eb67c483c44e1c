//! Whether anything else is computed while the machine is looked at or measured: answers, and lanes of a comparison.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::ChatService;
use crate::compare::Run;

/// A time that began when nothing was computed.
pub(super) struct Idle {
    asked: watch::Receiver<usize>,
    compared: watch::Receiver<Option<Arc<Run>>>,
}

impl Idle {
    /// Whether nothing was asked since, not even what has ended again.
    pub(super) fn lasts(&self) -> bool {
        let asked = self.asked.has_changed();
        let compared = self.compared.has_changed();
        // The senders live as long as the program.
        !asked.unwrap_or(true) && !compared.unwrap_or(true)
    }
}

impl ChatService {
    /// Nothing where an answer is open or prepared, or a comparison runs.
    pub(super) fn idle(&self) -> Option<Idle> {
        let models = &self.writer.models;
        let idle = Idle {
            asked: models.first().watch_open(),
            compared: self.comparer.watch(),
        };
        let load = models.load();
        let is_idle = models.first().is_idle()
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
        let idle = || Idle {
            asked: open.subscribe(),
            compared: comparer.watch(),
        };
        let before = idle();
        assert!(before.lasts());
        open.send_modify(|count| *count += 1);
        open.send_modify(|count| *count -= 1);
        assert!(!before.lasts());
        assert!(idle().lasts());
    }
}
