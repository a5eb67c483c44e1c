//! Measures one prompt in several lanes, one after the other, each by an engine of its own that is loaded for it.
//!
//! Figures are of a machine that does nothing else, and chats and fetches go first: a lane waits until no answer is open and no
//! model is fetched, and one that begins meanwhile ends the round, which is measured again behind it. There is one comparison at a
//! time.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use nibble_app::domain::{Comparison, ComparisonEnd, Id};
use nibble_app::visitor::Owner;
use nibble_app::{COMPARED_FOR_MINUTES, COMPARISON_WAITS_MINUTES};
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep;

use crate::lanes::Lanes;
use crate::served::Served;
use crate::store::Store;

mod measuring;
mod others;
mod run;

use self::measuring::Bench;
pub(crate) use self::others::Others;
pub(crate) use self::run::Run;

/// The longest that it may take, while it does not wait for others.
const LONGEST: Duration = Duration::from_secs(COMPARED_FOR_MINUTES * 60);
/// The longest that it may wait for them.
const PATIENCE: Duration = Duration::from_secs(COMPARISON_WAITS_MINUTES * 60);

/// How often it is tried again to write one down.
const AGAIN: Duration = Duration::from_secs(2);

/// What compares, and the comparison that runs.
pub(crate) struct Comparer {
    lanes: OnceLock<Arc<dyn Lanes>>,
    current: watch::Sender<Option<Arc<Run>>>,
    /// Held by an engine until it is gone from memory.
    place: Arc<Semaphore>,
}

/// The only place for a comparison, which is given back when this is gone.
pub(crate) struct Entered {
    pub(crate) run: Arc<Run>,
    comparer: Arc<Comparer>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.comparer.current.send_replace(None);
        self.run.release();
    }
}

impl Default for Comparer {
    fn default() -> Self {
        Self {
            lanes: OnceLock::new(),
            current: watch::Sender::new(None),
            place: Arc::new(Semaphore::new(1)),
        }
    }
}

impl Comparer {
    /// From now on visitors may compare.
    pub(crate) fn allow(&self, lanes: Arc<dyn Lanes>) {
        // A second time it would be the same.
        let _ = self.lanes.set(lanes);
    }

    /// What loads lanes, where visitors may compare.
    pub(crate) fn lanes(&self) -> Option<&Arc<dyn Lanes>> {
        self.lanes.get()
    }

    /// The comparison that runs.
    pub(crate) fn running(&self) -> Option<Arc<Run>> {
        self.current.borrow().clone()
    }

    /// The same, and when it is another.
    pub(crate) fn watch(&self) -> watch::Receiver<Option<Arc<Run>>> {
        self.current.subscribe()
    }

    /// The same where it has this name.
    pub(crate) fn run(&self, id: Id) -> Option<Arc<Run>> {
        self.running().filter(|run| run.id == id)
    }

    /// Takes the only place for a comparison that is about to begin; nothing where another has it.
    pub(crate) fn enter(self: &Arc<Self>, owner: Owner, comparison: Comparison) -> Option<Entered> {
        let run = Arc::new(Run::new(owner, comparison));
        let is_free = self.current.send_if_modified(|current| {
            let is_free = current.is_none();
            if is_free {
                *current = Some(Arc::clone(&run));
            }
            is_free
        });
        is_free.then(|| Entered {
            run,
            comparer: Arc::clone(self),
        })
    }

    /// Ready when no comparison runs, and the last one is written down.
    pub(crate) async fn ended(&self) {
        // The sender lives as long as `self`.
        let _ = self.current.subscribe().wait_for(Option::is_none).await;
    }
}

impl Entered {
    /// Measures all lanes, whoever reads them, and writes down what came of it.
    pub(crate) async fn measure(
        self,
        lanes: Arc<dyn Lanes>,
        models: Served,
        others: Others,
        store: &dyn Store,
    ) {
        let run = &self.run;
        let bench = Bench {
            run,
            lanes,
            models: &models,
            others: &others,
            place: &self.comparer.place,
        };
        let end = tokio::select! {
            biased;
            () = run.stopped() => ComparisonEnd::Stopped,
            () = models.first().ends() => ComparisonEnd::CutOff,
            end = run.is_over(LONGEST, PATIENCE) => end,
            () = bench.measure() => ComparisonEnd::Complete,
        };
        let comparison = run.end(end);
        let mut failed = None;
        while let Err(error) = store.end_comparison(&comparison).await {
            let reason = error.to_string();
            if failed.as_ref() != Some(&reason) {
                tracing::error!("a comparison waits to be written down: {reason}");
                failed = Some(reason);
            }
            sleep(AGAIN).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use nibble_app::domain::Plan;

    use super::*;

    fn comparison() -> Comparison {
        Comparison {
            id: Id(1),
            created: 0,
            plan: Plan::default(),
            model: String::new(),
            cpu: None,
            version: String::new(),
            lanes: Vec::new(),
            end: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_spent_on_chats_is_none_of_the_time_that_it_may_take() {
        let second = Duration::from_secs(1);
        let run = Run::new(Owner::default(), comparison());
        let began = tokio::time::Instant::now();
        {
            let _waiting = run.wait();
            sleep(PATIENCE / 2).await;
        }
        run.lose(100 * second);
        assert_eq!(run.is_over(LONGEST, PATIENCE).await, ComparisonEnd::TooLong);
        let over = began.elapsed().saturating_sub(LONGEST + PATIENCE / 2);
        assert!((100..102).contains(&over.as_secs()), "{over:?}");

        let run = Run::new(Owner::default(), comparison());
        let began = tokio::time::Instant::now();
        let _waiting = run.wait();
        assert_eq!(run.is_over(LONGEST, PATIENCE).await, ComparisonEnd::NoTime);
        let over = began.elapsed().saturating_sub(PATIENCE);
        assert!(began.elapsed() >= PATIENCE && over < 2 * second, "{over:?}");
    }

    #[tokio::test]
    async fn the_place_is_given_back_however_a_comparison_ends() {
        let comparer = Arc::new(Comparer::default());
        comparer.ended().await;
        let entered = comparer.enter(Owner::default(), comparison()).unwrap();
        assert!(comparer.enter(Owner::default(), comparison()).is_none());
        assert!(comparer.run(Id(1)).is_some());
        assert!(comparer.ended().now_or_never().is_none());
        drop(entered);
        comparer.ended().await;
        assert!(comparer.running().is_none());
    }
}
