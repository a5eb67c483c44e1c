//! An answer that is counted.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use futures::Stream;
use nibble_engine::{Answer, Completion, Event, FinishReason, Stopper};

use super::open::{OpenAnswers, Ticket};
use super::tab::Tab;
use crate::models::Lease;
use crate::telemetry::{Outcome, Telemetry};
use crate::traces::RequestTrace;

/// An [`Answer`] that counts itself when it ends, however it does.
pub(crate) struct MeteredAnswer {
    pub(super) answer: Answer,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) open: Arc<OpenAnswers>,
    pub(super) ticket: Arc<Ticket>,
    /// Keeps the model in memory.
    pub(super) _lease: Arc<Lease>,
    pub(super) stage: Stage,
    pub(super) accepted: SystemTime,
    /// How long its model was brought into memory for it.
    pub(super) loading: Duration,
    pub(super) trace: Option<RequestTrace>,
    pub(super) tab: Tab,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Waiting,
    Running,
    Ended,
}

impl MeteredAnswer {
    /// A handle that ends this answer early and keeps its figures.
    pub(crate) fn stopper(&self) -> Stopper {
        self.answer.stopper()
    }

    /// Whether the end of the program ended it.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.ticket.is_cut_off()
    }

    /// Its model was brought into memory for so long before it was submitted.
    pub(crate) fn was_loaded_for(&mut self, time: Duration) {
        self.loading += time;
    }

    fn observe(&mut self, event: Option<&Event>) {
        if let Some(event) = event {
            self.tab.add(event);
        }
        match event {
            Some(Event::Queued { .. }) => {}
            Some(
                Event::Prefill { .. }
                | Event::Thought(_)
                | Event::Text(_)
                | Event::Called(_)
                | Event::Learned(_),
            ) => {
                self.enter(Stage::Running);
            }
            Some(Event::Finished(completion)) => {
                let outcome = match completion.finish_reason {
                    FinishReason::Stop => Outcome::Complete,
                    FinishReason::Length | FinishReason::Context | FinishReason::Repetition => {
                        Outcome::Length
                    }
                    FinishReason::Cancelled if self.is_cut_off() => Outcome::CutOff,
                    FinishReason::Cancelled => Outcome::Stopped,
                };
                self.end(outcome, Some(completion));
            }
            Some(Event::Failed(_)) | None => self.end(Outcome::Failed, None),
        }
    }

    /// Counts it, unless it has ended already.
    fn end(&mut self, outcome: Outcome, completion: Option<&Completion>) {
        if !self.enter(Stage::Ended) {
            return;
        }
        self.tab.pay(completion);
        match completion {
            Some(completion) => self.telemetry.answered(outcome, completion),
            None => self.telemetry.ended(outcome),
        }
        if let Some(trace) = self.trace.take() {
            trace.end(outcome, completion.map(|answer| (self.accepted, answer)));
        }
    }

    /// Whether the stage is new.
    fn enter(&mut self, stage: Stage) -> bool {
        if self.stage == stage {
            return false;
        }
        match self.stage {
            Stage::Waiting => self.telemetry.waiting.dec(),
            Stage::Running => self.telemetry.running.dec(),
            Stage::Ended => return false,
        }
        if stage == Stage::Running {
            self.telemetry.running.inc();
        }
        self.stage = stage;
        true
    }
}

impl Stream for MeteredAnswer {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        let mut event = ready!(Pin::new(&mut self.answer).poll_next(context));
        if let Some(Event::Finished(completion)) = &mut event {
            let loading = Some(self.loading).filter(|loading| !loading.is_zero());
            completion.metrics.beside_engines = self.ticket.others();
            completion.metrics.loading_s = loading.map(|loading| loading.as_secs_f64());
        }
        self.observe(event.as_ref());
        Poll::Ready(event)
    }
}

impl Drop for MeteredAnswer {
    fn drop(&mut self) {
        self.end(Outcome::Abandoned, None);
        self.open.leave(&self.ticket);
    }
}
