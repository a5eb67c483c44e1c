//! The one way from a route to the model, so that an answer counts alike whoever asked for it.
//!
//! It knows which answers are open. When the program ends, it takes no more, waits for these, and cuts off what is not
//! complete in time.

use std::iter;
use std::sync::Arc;
use std::time::SystemTime;

use nibble_engine::{Answer, Error, Load, ModelInfo, Reading, Request};

use crate::generator::Generator;
use crate::keys;
use crate::preparation::Preparation;
use crate::telemetry::{Outcome, Telemetry};
use crate::traces::{RequestTrace, Traces};

mod answer;
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

/// A generator whose answers are counted; cheap to clone.
#[derive(Clone)]
pub(crate) struct Metered {
    generator: Arc<dyn Generator>,
    telemetry: Arc<Telemetry>,
    open: Arc<OpenAnswers>,
    preparation: Arc<Preparation>,
    counting: Arc<Preparation>,
    traces: Option<Traces>,
}

impl Metered {
    pub(crate) fn new(generator: Arc<dyn Generator>, telemetry: Arc<Telemetry>) -> Self {
        Self {
            generator,
            telemetry,
            open: Arc::default(),
            preparation: Arc::default(),
            counting: Arc::new(Preparation::new(COUNTING, COUNTS_WAITING)),
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

    /// What counts and lays out; answers come by [`Self::submit`].
    pub(crate) fn generator(&self) -> Arc<dyn Generator> {
        Arc::clone(&self.generator)
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

    /// What the engine is doing.
    pub(crate) fn load(&self) -> Load {
        self.generator.load()
    }

    /// How many tokens a text has within a prompt, or at most may have where nobody knows; it takes its time.
    pub(crate) fn tokens(&self, text: &str) -> usize {
        let reading = Reading {
            control_tokens: false,
            first_token: false,
        };
        let tokens = self.generator.text_tokens(text, reading);
        tokens.map_or(text.len(), |tokens| tokens.len())
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
        let (accepted, answers, rest) = match self.taken(read).await {
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
            self.metered(answer, accepted, trace, tab)
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
            stage: Stage::Waiting,
            accepted,
            trace,
            tab,
        }
    }

    /// The answers, each with whether an earlier one has its prompt, when the engine was asked for them, and what else was
    /// read.
    async fn taken<T: Send + 'static, E: Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<(Vec<Request>, T), E> + Send + 'static,
    ) -> Result<(SystemTime, Vec<(Answer, bool)>, T), Refused<E>> {
        if self.is_ending() {
            return Err(Refused::Untaken(Error::Ending));
        }
        let generator = Arc::clone(&self.generator);
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
            Ok((accepted, answers, rest))
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
        let generator = Arc::clone(&self.generator);
        let counted = self.preparation.run(move || count(&*generator));
        counted.await?
    }

    /// Whether no answer is open or prepared.
    pub(crate) fn is_idle(&self) -> bool {
        self.open.is_empty()
    }

    /// Ready when an answer is open or prepared.
    pub(crate) async fn is_asked(&self) {
        self.open.is_asked().await;
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
            Self::Unread(_) | Self::Untaken(Error::Request { .. } | Error::TooLong { .. }) => {
                Outcome::Invalid
            }
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
