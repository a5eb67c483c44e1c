//! The one way from a route to the model, so that an answer counts alike whoever asked for it.
//!
//! It knows which answers are open. When the program ends, it takes no more, waits for these, and cuts off what is not
//! complete in time.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use futures::Stream;
use nibble_engine::{
    Answer, Completion, Error, Event, FinishReason, Load, ModelInfo, Request, Stopper,
};

use crate::generator::Generator;
use crate::preparation::Preparation;
use crate::telemetry::{Outcome, Telemetry};
use crate::traces::{RequestTrace, Traces};

mod open;
#[cfg(test)]
mod tests;

use open::{OpenAnswers, Ticket};

/// A generator whose answers are counted; cheap to clone.
#[derive(Clone)]
pub(crate) struct Metered {
    generator: Arc<dyn Generator>,
    telemetry: Arc<Telemetry>,
    open: Arc<OpenAnswers>,
    preparation: Arc<Preparation>,
    traces: Option<Traces>,
}

impl Metered {
    pub(crate) fn new(generator: Arc<dyn Generator>, telemetry: Arc<Telemetry>) -> Self {
        Self {
            generator,
            telemetry,
            open: Arc::default(),
            preparation: Arc::default(),
            traces: None,
        }
    }

    /// The same, with spans for each request where there are traces.
    pub(crate) fn traced(self, traces: Option<Traces>) -> Self {
        Self { traces, ..self }
    }

    /// Whether requests have spans.
    pub(crate) fn is_traced(&self) -> bool {
        self.traces.is_some()
    }

    pub(crate) fn info(&self) -> &ModelInfo {
        self.generator.info()
    }

    /// What the engine is doing.
    pub(crate) fn load(&self) -> Load {
        self.generator.load()
    }

    /// Whether answers can be had.
    pub(crate) fn is_alive(&self) -> bool {
        self.generator.is_alive()
    }

    /// As [`Generator::submit`], in its turn and off the threads that serve others.
    ///
    /// # Errors
    /// [`Error::Ending`] once the program ends, [`Error::Busy`] when too many wait for their turn, else the engine's.
    pub(crate) async fn submit(&self, request: Request) -> Result<MeteredAnswer, Error> {
        let read = move || Ok::<_, Error>((request, ()));
        Ok(self.submit_read(read).await?.0)
    }

    /// [`Self::submit`] of a request that is read in the same turn, and what else was read.
    ///
    /// # Errors
    /// As [`Self::submit`], and those of `read`.
    pub(crate) async fn submit_read<T: Send + 'static, E: From<Error> + Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<(Request, T), E> + Send + 'static,
    ) -> Result<(MeteredAnswer, T), E> {
        let traces = self.traces.as_ref();
        let trace = traces.map(|traces| traces.begin(&self.info().id));
        let _preparing = self.open.prepare();
        let (accepted, answer, rest) = match self.taken(read).await {
            Ok(taken) => taken,
            Err(refused) => {
                let outcome = refused.outcome();
                self.telemetry.ended(outcome);
                if let Some(trace) = trace {
                    trace.end(outcome, None);
                }
                return Err(refused.into_error());
            }
        };
        self.telemetry.waiting.inc();
        let ticket = self.open.enter(answer.stopper());
        let answer = MeteredAnswer {
            answer,
            telemetry: Arc::clone(&self.telemetry),
            open: Arc::clone(&self.open),
            ticket,
            stage: Stage::Waiting,
            accepted,
            trace,
        };
        Ok((answer, rest))
    }

    /// The answer, when the engine was asked for it, and what else was read.
    async fn taken<T: Send + 'static, E: Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<(Request, T), E> + Send + 'static,
    ) -> Result<(SystemTime, Answer, T), Refused<E>> {
        if self.is_ending() {
            return Err(Refused::Untaken(Error::Ending));
        }
        let generator = Arc::clone(&self.generator);
        let asked = self.preparation.run(move || {
            let (request, rest) = read().map_err(Refused::Unread)?;
            let accepted = SystemTime::now();
            let answer = generator.submit(request).map_err(Refused::Untaken)?;
            Ok((accepted, answer, rest))
        });
        tokio::select! {
            asked = asked => asked.map_err(Refused::Untaken)?,
            () = self.open.is_cut_off() => Err(Refused::Untaken(Error::Ending)),
        }
    }

    /// Whether the program ends, and takes no more requests.
    pub(crate) fn is_ending(&self) -> bool {
        self.open.is_ending()
    }

    /// Takes no more requests.
    pub(crate) fn refuse_from_now_on(&self) {
        self.open.refuse_from_now_on();
    }

    /// Ends every open answer at its next token, and those that are still prepared at once.
    pub(crate) fn cut_off(&self) {
        self.open.cut_off();
    }

    /// Ready when no answer is open or prepared.
    pub(crate) async fn all_ended(&self) {
        self.open.all_ended().await;
    }
}

/// Why there is no answer.
enum Refused<E> {
    /// The request could not be read.
    Unread(E),
    /// It was not taken.
    Untaken(Error),
}

impl<E: From<Error>> Refused<E> {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Untaken(Error::Ending) => Outcome::Ending,
            Self::Untaken(Error::Busy { .. }) => Outcome::Busy,
            Self::Unread(_) | Self::Untaken(Error::Request { .. }) => Outcome::Invalid,
            Self::Untaken(_) => Outcome::Failed,
        }
    }

    fn into_error(self) -> E {
        match self {
            Self::Unread(error) => error,
            Self::Untaken(error) => error.into(),
        }
    }
}

/// An [`Answer`] that counts itself when it ends, however it does.
pub(crate) struct MeteredAnswer {
    answer: Answer,
    telemetry: Arc<Telemetry>,
    open: Arc<OpenAnswers>,
    ticket: Arc<Ticket>,
    stage: Stage,
    accepted: SystemTime,
    trace: Option<RequestTrace>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
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

    fn observe(&mut self, event: Option<&Event>) {
        match event {
            Some(Event::Queued { .. }) => {}
            Some(Event::Prefill { .. } | Event::Text(_) | Event::Called(_)) => {
                self.enter(Stage::Running);
            }
            Some(Event::Finished(completion)) => {
                let outcome = match completion.finish_reason {
                    FinishReason::Stop => Outcome::Complete,
                    FinishReason::Length => Outcome::Length,
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
        let event = ready!(Pin::new(&mut self.answer).poll_next(context));
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
