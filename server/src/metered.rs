//! The one way from a route to the model, so that an answer counts alike whoever asked for it.
//!
//! It knows which answers are open. When the program ends, it takes no more, waits for these, and cuts off what is not
//! complete in time.

use std::iter;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nibble_engine::{Answer, Error, Load, ModelInfo, Request};
use prometheus::Result as Figured;
use tokio::sync::watch;

use crate::generator::{Generator, Known};
use crate::keys;
use crate::models::{KeepAlive, Lease, Models, Offer, Ready};
use crate::preparation::Preparation;
use crate::telemetry::{Outcome, Telemetry};
use crate::traces::{RequestTrace, Traces};

mod answer;
mod coming;
mod open;
mod tab;
#[cfg(test)]
mod tests;

pub(crate) use answer::MeteredAnswer;
use answer::Stage;
use open::OpenAnswers;
use tab::Tab;

/// Counts at once, and those that may wait for it. Questions are read apart from them.
const COUNTING: usize = 1;
const COUNTS_WAITING: usize = 16;

/// A model whose answers are counted; cheap to clone.
#[derive(Clone)]
pub(crate) struct Metered {
    models: Arc<Models>,
    /// Which of them.
    index: usize,
    offer: Arc<Offer>,
    telemetry: Arc<Telemetry>,
    open: Arc<OpenAnswers>,
    preparation: Arc<Preparation>,
    counting: Arc<Preparation>,
    /// Requests whose model is found out.
    routing: Arc<Preparation>,
    traces: Option<Traces>,
}

impl Metered {
    /// The first of some models.
    pub(crate) fn new(models: Arc<Models>, telemetry: Arc<Telemetry>) -> Self {
        Self {
            offer: models.offer(0),
            models,
            index: 0,
            telemetry,
            open: Arc::default(),
            preparation: Arc::default(),
            counting: Arc::new(Preparation::new(COUNTING, COUNTS_WAITING)),
            routing: Arc::default(),
            traces: None,
        }
    }

    /// Another of the same models, which ends with this one and shares its turns.
    ///
    /// # Errors
    /// When a figure of it has the name of another's.
    pub(crate) fn beside(&self, index: usize) -> Figured<Self> {
        let offer = self.models.offer(index);
        let telemetry = self.telemetry.of_another(&offer)?;
        Ok(Self {
            index,
            offer,
            telemetry: Arc::new(telemetry),
            ..self.clone()
        })
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
        &self.offer.info
    }

    /// Bytes of memory that it takes when it is loaded.
    pub(crate) fn bytes(&self) -> u64 {
        self.offer.bytes
    }

    /// As [`Models::free`].
    pub(crate) fn free(&self) -> Option<u64> {
        self.models.free()
    }

    /// Whether models come and go here.
    pub(crate) fn is_managed(&self) -> bool {
        self.models.is_managed()
    }

    /// The model where it is in memory, without keeping it there.
    pub(crate) fn loaded(&self) -> Option<Arc<dyn Generator>> {
        self.models.loaded(self.index)
    }

    /// The model, or what is known of it while it is not in memory.
    pub(crate) fn at_hand(&self) -> Arc<dyn Generator> {
        let known = || Arc::new(Known(self.info().clone())) as Arc<dyn Generator>;
        self.loaded().unwrap_or_else(known)
    }

    /// How long it stays unless a request says otherwise.
    pub(crate) fn keep(&self) -> KeepAlive {
        self.offer.keep
    }

    /// Whether it is neither in memory nor on its way there.
    pub(crate) fn is_out(&self) -> bool {
        self.models.is_out(self.index)
    }

    /// As [`Models::stays`].
    pub(crate) fn stays(&self) -> Option<Option<Duration>> {
        self.models.stays(self.index)
    }

    /// As [`Models::ask`].
    ///
    /// # Errors
    /// As it, and [`Error::Ending`] once the program ends.
    pub(crate) fn ask(&self, keep: Option<KeepAlive>) -> Result<Ready, Error> {
        if self.is_ending() {
            return Err(Error::Ending);
        }
        self.models.ask(self.index, keep)
    }

    /// What counts and lays out, as soon as it is in memory; answers come by [`Self::submit`]. Who waits for it counts as
    /// one that is prepared.
    ///
    /// # Errors
    /// As [`Models::lease`], and [`Error::Ending`] once the program ends.
    pub(crate) async fn lease(&self, keep: Option<KeepAlive>) -> Result<Lease, Error> {
        if self.is_ending() {
            return Err(Error::Ending);
        }
        let _preparing = self.open.prepare();
        tokio::select! {
            lease = self.models.lease(self.index, keep) => lease,
            () = self.open.is_cut_off() => Err(Error::Ending),
        }
    }

    /// Counts a request that got no model.
    pub(crate) fn count_refused(&self, error: &Error) {
        self.telemetry.ended(outcome(error));
    }

    /// Counts a request that could not be read.
    pub(crate) fn count_invalid(&self) {
        self.telemetry.ended(Outcome::Invalid);
    }

    /// Finds out what a request asks, which takes no turns of any other work.
    ///
    /// # Errors
    /// [`Error::Busy`] when too many wait for their turn.
    pub(crate) async fn routed<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.routing.run(work).await
    }

    /// Does what is no answer, which takes no turns of those who ask for one.
    ///
    /// # Errors
    /// [`Error::Busy`] when too many wait for their turn.
    pub(crate) async fn prepared<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.counting.run(work).await
    }

    /// What the engine is doing, and has done since the server started.
    pub(crate) fn load(&self) -> Load {
        self.models.load(self.index)
    }

    /// Brings the figures of the engine up to date.
    pub(crate) fn show_load(&self) {
        self.telemetry.show(&self.load());
    }

    /// Whether answers can be had.
    pub(crate) fn is_alive(&self) -> bool {
        self.models.are_alive()
    }

    /// As [`Generator::submit`], in its turn and off the threads that serve others.
    ///
    /// # Errors
    /// [`Error::Ending`] once the program ends, [`Error::Busy`] when too many wait for their turn, else the engine's.
    pub(crate) async fn submit(&self, request: Request) -> Result<MeteredAnswer, Error> {
        let read = move || Ok::<_, Error>((vec![request], ()));
        let (answers, ()) = self.submit_read(read).await?;
        answers.into_iter().next().ok_or(Error::Stopped)
    }

    /// [`Self::submit`] of requests that are read in the same turn, and what else was read. All are taken, or none is.
    ///
    /// # Errors
    /// As [`Self::submit`], and those of `read`.
    pub(crate) async fn submit_read<T: Send + 'static, E: From<Error> + Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<(Vec<Request>, T), E> + Send + 'static,
    ) -> Result<(Vec<MeteredAnswer>, T), E> {
        let trace = self.trace();
        let _preparing = self.open.prepare();
        let (lease, accepted, answers, rest) = match self.taken(read).await {
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
        let traces = iter::once(trace).chain(iter::repeat_with(|| self.trace()));
        let answers = answers.into_iter().zip(traces);
        let answers = answers.map(|((answer, shares_prompt), trace)| {
            let tab = Tab::of(keys::current(), shares_prompt);
            self.metered(answer, &lease, accepted, trace, tab)
        });
        Ok((answers.collect(), rest))
    }

    fn trace(&self) -> Option<RequestTrace> {
        let traces = self.traces.as_ref();
        traces.map(|traces| traces.begin(&self.info().id))
    }

    fn metered(
        &self,
        answer: Answer,
        lease: &Arc<Lease>,
        accepted: SystemTime,
        trace: Option<RequestTrace>,
        tab: Tab,
    ) -> MeteredAnswer {
        self.telemetry.waiting.inc();
        let ticket = self.open.enter(answer.stopper());
        MeteredAnswer {
            answer,
            telemetry: Arc::clone(&self.telemetry),
            open: Arc::clone(&self.open),
            ticket,
            _lease: Arc::clone(lease),
            stage: Stage::Waiting,
            accepted,
            trace,
            tab,
        }
    }

    /// The model, the answers, each with whether an earlier one has its prompt, when the engine was asked for them, and what
    /// else was read.
    async fn taken<T: Send + 'static, E: Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<(Vec<Request>, T), E> + Send + 'static,
    ) -> Result<Taken<T>, Refused<E>> {
        let lease = self.lease(None).await.map_err(Refused::Untaken)?;
        let lease = Arc::new(lease);
        let generator = Arc::clone(lease.generator());
        let asked = self.preparation.run(move || {
            let (requests, rest) = read().map_err(Refused::Unread)?;
            let accepted = SystemTime::now();
            let mut families = Vec::new();
            let answers = requests.into_iter().map(|request| {
                let family = request.siblings.clone();
                let shares_prompt = family.is_some() && families.contains(&family);
                families.push(family);
                Ok((generator.submit(request)?, shares_prompt))
            });
            let answers = answers
                .collect::<Result<_, _>>()
                .map_err(Refused::Untaken)?;
            Ok((lease, accepted, answers, rest))
        });
        tokio::select! {
            asked = asked => asked.map_err(Refused::Untaken)?,
            () = self.open.is_cut_off() => Err(Refused::Untaken(Error::Ending)),
        }
    }

    /// Counts tokens of prompts, in its turn and off the threads that serve others.
    ///
    /// # Errors
    /// [`Error::Busy`] when too many wait for their turn, else those of `count`.
    pub(crate) async fn counted<T: Send + 'static>(
        &self,
        count: impl FnOnce(&dyn Generator) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let lease = self.lease(None).await?;
        let counted = self.preparation.run(move || count(&**lease.generator()));
        counted.await?
    }

    /// Whether no answer is open or prepared.
    pub(crate) fn is_idle(&self) -> bool {
        self.open.is_empty()
    }

    /// How many answers are open or prepared, and when it changes.
    pub(crate) fn watch_open(&self) -> watch::Receiver<usize> {
        self.open.watch()
    }

    /// Ready when an answer is open or prepared.
    pub(crate) async fn is_asked(&self) {
        self.open.is_asked().await;
    }

    /// Whether the program ends, and takes no more requests.
    pub(crate) fn is_ending(&self) -> bool {
        self.open.is_ending()
    }

    /// Ready when the program ends.
    pub(crate) async fn ends(&self) {
        self.open.ends().await;
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

/// See [`Metered::taken`].
type Taken<T> = (Arc<Lease>, SystemTime, Vec<(Answer, bool)>, T);

fn outcome(untaken: &Error) -> Outcome {
    match untaken {
        Error::Ending => Outcome::Ending,
        Error::Busy { .. } | Error::Occupied { .. } => Outcome::Busy,
        Error::Request { .. } | Error::TooLong { .. } | Error::Withdrawn { .. } => Outcome::Invalid,
        _ => Outcome::Failed,
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
            Self::Unread(_) => Outcome::Invalid,
            Self::Untaken(error) => outcome(error),
        }
    }

    fn into_error(self) -> E {
        match self {
            Self::Unread(error) => error,
            Self::Untaken(error) => error.into(),
        }
    }
}
