//! Writes down what running answers have so far, all of them in one go, so that a crash costs at most half a second of
//! words; and what else is done from time to time.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::writing;
use crate::runs::Runs;
use crate::store::{Store, StoreError};

/// How often answers are written down.
const PERIOD: Duration = Duration::from_millis(200);
/// How often it is looked for answers whose process is no more.
const LOOK: Duration = Duration::from_secs(5);
/// How long a conversation that was deleted can be had back.
pub(crate) const KEPT: Duration = Duration::from_secs(10 * 60);

/// Runs until the chat that it serves is gone.
pub(super) async fn keep(store: Arc<dyn Store>, runs: Weak<Runs>) {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut looked: Option<Instant> = None;
    let mut failing = false;
    loop {
        ticks.tick().await;
        let Some(runs) = runs.upgrade() else {
            return;
        };
        let mut outcome = write(store.as_ref(), &runs).await;
        drop(runs);
        if looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
            looked = Some(Instant::now());
            outcome = outcome.and(tidy(store.as_ref()).await);
        }
        match outcome {
            Ok(()) => failing = false,
            // Once is enough: whoever asks is told each time.
            Err(_) if failing => {}
            Err(error) => {
                failing = true;
                tracing::error!("answers are not written down: {error}");
            }
        }
    }
}

/// Writes down what is not yet, and ends what others want to end.
async fn write(store: &dyn Store, runs: &Runs) -> Result<(), StoreError> {
    let answers = runs.unwritten();
    if !answers.is_empty() {
        store
            .checkpoint(&answers)
            .await
            .inspect_err(|_| runs.not_written(&answers))?;
    }
    if !store.is_shared() || runs.is_empty() {
        return Ok(());
    }
    for id in store.stopping().await? {
        if let Some(run) = runs.get(id) {
            writing::stop(store, runs, id, &run).await?;
        }
    }
    Ok(())
}

async fn tidy(store: &dyn Store) -> Result<(), StoreError> {
    store.interrupt_open().await?;
    let kept = i64::try_from(KEPT.as_millis()).unwrap_or(i64::MAX);
    store.purge(crate::store::now() - kept).await?;
    Ok(())
}
