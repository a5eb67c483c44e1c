//! An answer that is counted.

use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::{FutureExt, Stream, StreamExt};
use nibble_engine::{Answer, Completion, Error, Event, FinishReason, Stopper};
use tokio::runtime::Handle;

use super::open::{OpenAnswers, Ticket};
use super::tab::Tab;
use crate::models::Lease;
use crate::telemetry::{Outcome, Telemetry};
use crate::traces::{Course, RequestTrace};

/// An [`Answer`] that counts itself when it ends, however it does. One that is dropped while the model works on it is stopped
/// and heard to its end, which comes within a step, as only that tells what it took.
pub(crate) struct MeteredAnswer {
    pub(super) answer: Answer,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) open: Arc<OpenAnswers>,
    pub(super) ticket: Arc<Ticket>,
    /// Keeps the model in memory.
    pub(super) lease: Arc<Lease>,
    pub(super) stage: Stage,
    pub(super) course: Course,
    /// How long its model was brought into memory for it.
    pub(super) loading: Duration,
    pub(super) trace: Option<RequestTrace>,
    pub(super) tab: Tab,
    /// Whether its reader has left.
    pub(super) is_left: bool,
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
            Some(Event::Prefill { .. } | Event::Learned(_)) => {
                self.course.begins();
                self.enter(Stage::Running);
            }
            Some(Event::Thought(_) | Event::Text(_) | Event::Called(_)) => {
                self.course.puts_out();
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
            Some(Event::Failed(Error::WaitedTooLong { .. })) => self.end(Outcome::TimedOut, None),
            Some(Event::Failed(Error::TooLate { spent, .. })) => {
                self.end(Outcome::TimedOut, spent.as_deref());
            }
            Some(Event::Failed(_)) | None => self.end(Outcome::Failed, None),
        }
    }

    /// Counts it, unless it has ended already.
    fn end(&mut self, outcome: Outcome, completion: Option<&Completion>) {
        if !self.enter(Stage::Ended) {
            return;
        }
        let outcome = match self.is_left {
            true => Outcome::Abandoned,
            false => outcome,
        };
        self.tab.pay(completion);
        match completion {
            Some(completion) => self.telemetry.answered(outcome, completion),
            None => self.telemetry.ended(outcome),
        }
        if let Some(trace) = self.trace.take() {
            trace.end(outcome, Some((&self.course, completion)));
        }
    }

    /// Takes in what has come and was not read.
    fn catch_up(&mut self) {
        while self.stage != Stage::Ended && self.next().now_or_never().is_some() {}
    }

    /// The same, and nothing is left of this one.
    fn taken(&mut self) -> Self {
        Self {
            answer: mem::replace(&mut self.answer, Answer::channel().1),
            telemetry: Arc::clone(&self.telemetry),
            open: Arc::clone(&self.open),
            ticket: Arc::clone(&self.ticket),
            lease: Arc::clone(&self.lease),
            stage: mem::replace(&mut self.stage, Stage::Ended),
            course: self.course,
            loading: self.loading,
            trace: self.trace.take(),
            tab: mem::take(&mut self.tab),
            is_left: self.is_left,
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
        let completion = match &mut event {
            Some(Event::Finished(completion)) => Some(completion),
            Some(Event::Failed(Error::TooLate { spent, .. })) => spent.as_deref_mut(),
            _ => None,
        };
        if let Some(completion) = completion {
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
        // Whoever hears the rest has not, where the runtime ends before.
        let was_left = mem::replace(&mut self.is_left, true);
        if !was_left {
            self.catch_up();
        }
        // One that waits has taken nothing yet, and its place is free at once.
        if self.stage == Stage::Running
            && !was_left
            && let Ok(runtime) = Handle::try_current()
        {
            let mut rest = self.taken();
            rest.answer.stopper().stop();
            runtime.spawn(async move {
                while rest.stage != Stage::Ended && rest.next().await.is_some() {}
            });
            return;
        }
        self.end(Outcome::Abandoned, None);
        self.open.leave(&self.ticket);
    }
}
