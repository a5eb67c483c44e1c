//! Measures one prompt in several lanes, one after the other, each by an engine of its own that is loaded for it.
//!
//! Figures are of a machine that does nothing else, and chats go first: a lane waits until no answer is open, and an answer
//! that is asked for meanwhile ends the round, which is measured again behind it. There is one comparison at a time.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use nibble_app::COMPARED_FOR_MINUTES;
use nibble_app::domain::{Comparison, ComparisonEnd, Id};
use nibble_app::visitor::Owner;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::lanes::Lanes;
use crate::metered::Metered;
use crate::store::Store;

mod measuring;
mod run;

use self::measuring::Bench;
pub(crate) use self::run::Run;

/// The longest that it may take.
const LONGEST: Duration = Duration::from_secs(COMPARED_FOR_MINUTES * 60);

/// How often it is looked whether the program ends.
const LOOK: Duration = Duration::from_millis(250);

/// What compares, and the comparison that runs.
pub(crate) struct Comparer {
    lanes: OnceLock<Arc<dyn Lanes>>,
    current: Mutex<Option<Arc<Run>>>,
    /// Held by an engine until it is gone from memory.
    place: Arc<Semaphore>,
}

impl Default for Comparer {
    fn default() -> Self {
        Self {
            lanes: OnceLock::new(),
            current: Mutex::default(),
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
        self.current().clone()
    }

    /// The same where it has this name.
    pub(crate) fn run(&self, id: Id) -> Option<Arc<Run>> {
        self.running().filter(|run| run.id == id)
    }

    /// Takes the only place for a comparison that is about to begin; nothing where another has it.
    pub(crate) fn enter(&self, owner: Owner, comparison: Comparison) -> Option<Arc<Run>> {
        let mut current = self.current();
        if current.is_some() {
            return None;
        }
        let run = Arc::new(Run::new(owner, comparison));
        *current = Some(Arc::clone(&run));
        Some(run)
    }

    /// Gives the place back.
    pub(crate) fn leave(&self) {
        *self.current() = None;
    }

    fn current(&self) -> MutexGuard<'_, Option<Arc<Run>>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Measures all lanes, whoever reads them, and writes down what came of it.
    pub(crate) async fn measure(
        &self,
        run: Arc<Run>,
        lanes: Arc<dyn Lanes>,
        model: Metered,
        store: &dyn Store,
    ) {
        let bench = Bench {
            run: &run,
            lanes,
            model: &model,
            place: &self.place,
        };
        let end = tokio::select! {
            biased;
            () = run.stopped() => ComparisonEnd::Stopped,
            () = ending(&model) => ComparisonEnd::CutOff,
            () = sleep(LONGEST) => ComparisonEnd::TooLong,
            () = bench.measure() => ComparisonEnd::Complete,
        };
        let comparison = run.end(end);
        if let Err(error) = store.end_comparison(&comparison).await {
            tracing::error!("a comparison is not written down: {error}");
        }
        self.leave();
        run.release();
    }
}

/// Ready when the program takes no more requests.
async fn ending(model: &Metered) {
    while !model.is_ending() {
        sleep(LOOK).await;
    }
}
