//! Who follows a run, step after step.

use std::sync::Arc;
use std::time::Duration;

use nibble_app::chat::{Phase, Progress};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::{PACE, PACED, READERS, State};

pub(super) struct Reader {
    pub(super) state: watch::Receiver<State>,
    /// Bytes of text.
    pub(super) read: usize,
    /// Bytes of the thought.
    pub(super) thought: usize,
    /// The phase of the step before.
    pub(super) begun: Option<Phase>,
    pub(super) places: Arc<Semaphore>,
    pub(super) _place: OwnedSemaphorePermit,
}

impl Reader {
    pub(super) async fn next(&mut self) -> Option<Progress> {
        if matches!(self.begun, Some(Phase::Thinking | Phase::Decode)) {
            tokio::time::sleep(self.pace()).await;
        }
        if self.begun.is_some() && self.state.borrow().end.is_none() {
            // A sender that is gone leaves a state that says nothing new.
            self.state.changed().await.ok()?;
        }
        let state = self.state.borrow_and_update();
        let text = state.text.get(self.read..).unwrap_or_default();
        let thought = state.thought.get(self.thought..).unwrap_or_default();
        let is_all = text.is_empty() && thought.is_empty();
        if self.begun.is_some() && state.end.is_some() && is_all {
            return None;
        }
        self.begun = Some(state.phase);
        self.read += text.len();
        self.thought += thought.len();
        Some(Progress {
            phase: state.phase,
            elapsed: state.started.elapsed(),
            thought: thought.to_owned(),
            text: text.to_owned(),
            tokens: state.tokens,
            first_token: state.first_token,
        })
    }

    fn pace(&self) -> Duration {
        let readers = READERS.saturating_sub(self.places.available_permits());
        PACE * (1 + readers / PACED) as u32
    }
}
