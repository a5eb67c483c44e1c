//! From requests to answers that are counted: the model, a turn to be read and prepared, and a place in the engine's queue.

use std::iter;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use nibble_engine::{Answer, Caller, Error, Request};

use super::answer::Stage;
use super::tab::Tab;
use super::waiters::Gauged;
use super::{Metered, MeteredAnswer};
use crate::generator::Generator;
use crate::keys;
use crate::models::Lease;
use crate::telemetry::Outcome;
use crate::traces::{Course, RequestTrace};

impl Metered {
    /// As [`Generator::submit`], in its turn and off the threads that serve others.
    ///
    /// # Errors
    /// [`Error::Ending`] once the program ends, [`Error::Busy`] when too many wait for their turn, else the engine's.
    pub(crate) async fn submit(&self, request: Request) -> Result<MeteredAnswer, Error> {
        let caller = request.caller;
        let read = move || Ok::<_, Error>((vec![request], ()));
        let (answers, ()) = self.submit_read(caller, read).await?;
        answers.into_iter().next().ok_or(Error::Stopped)
    }

    /// [`Self::submit`] of a caller's requests that are read in the same turn, and what else was read. All are taken, or none
    /// is.
    ///
    /// # Errors
    /// As [`Self::submit`], and those of `read`.
    pub(crate) async fn submit_read<T: Send + 'static, E: From<Error> + Send + 'static>(
        &self,
        caller: Caller,
        read: impl FnOnce() -> Result<(Vec<Request>, T), E> + Send + 'static,
    ) -> Result<(Vec<MeteredAnswer>, T), E> {
        let trace = self.trace();
        let _preparing = self.open.prepare();
        let _waiting = Gauged::by(&self.telemetry.waiting);
        let accepted = SystemTime::now();
        let (lease, answers, rest) = match self.taken(caller, read).await {
            Ok(taken) => taken,
            Err(refused) => {
                let outcome = refused.outcome();
                self.telemetry.ended(outcome);
                if let Some(trace) = trace {
                    trace.end(outcome, Some((&Course::new(accepted), None)));
                }
                return Err(refused.into_error());
            }
        };
        let traces = iter::once(trace).chain(iter::repeat_with(|| self.trace()));
        let answers = answers.into_iter().zip(traces);
        let answers = answers.map(|((answer, shares_prompt, accepted), trace)| {
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
            lease: Arc::clone(lease),
            stage: Stage::Waiting,
            course: Course::new(accepted),
            trace,
            tab,
            is_left: false,
        }
    }

    /// The model, the answers, each with whether an earlier one has its prompt and when it was asked for, and what else was read.
    /// Requests that do not say when they were read were so before the model had to be loaded; how long they may wait counts
    /// from when it is there.
    async fn taken<T: Send + 'static, E: Send + 'static>(
        &self,
        caller: Caller,
        read: impl FnOnce() -> Result<(Vec<Request>, T), E> + Send + 'static,
    ) -> Result<Taken<T>, Refused<E>> {
        let (asked, waiter) = (Instant::now(), self.waiters.enter());
        let lease = self.lease(None).await.map_err(Refused::Untaken)?;
        let lease = Arc::new(lease);
        let (generator, came) = (Arc::clone(lease.generator()), Instant::now());
        let engine = Arc::clone(&generator);
        let taken = self.preparation.run(caller, move || {
            // From now on the engine counts it.
            drop(waiter);
            let (requests, rest) = read().map_err(Refused::Unread)?;
            let mut families = Vec::new();
            let answers = requests.into_iter().map(|mut request| {
                request.came.get_or_insert(came);
                let before = request.accepted.get_or_insert(asked).elapsed();
                let now = SystemTime::now();
                let accepted = now.checked_sub(before).unwrap_or(now);
                let family = request.siblings.clone();
                let shares_prompt = family.is_some() && families.contains(&family);
                families.push(family);
                Ok((generator.submit(request)?, shares_prompt, accepted))
            });
            let answers = answers
                .collect::<Result<_, _>>()
                .map_err(Refused::Untaken)?;
            Ok((lease, answers, rest))
        });
        tokio::select! {
            taken = taken => taken.map_err(|error| Refused::Untaken(or_full(&*engine, caller, error)))?,
            () = self.open.is_cut_off() => Err(Refused::Untaken(Error::Ending)),
        }
    }

    /// Counts tokens of a caller's prompts, in its turn and off the threads that serve others.
    ///
    /// # Errors
    /// [`Error::Busy`] when too many wait for their turn, else those of `count`.
    pub(crate) async fn counted<T: Send + 'static>(
        &self,
        caller: Caller,
        count: impl FnOnce(&dyn Generator) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let lease = self.lease(None).await?;
        let count = move || count(&**lease.generator());
        self.preparation.run(caller, count).await?
    }
}

/// See [`Metered::taken`].
type Taken<T> = (Arc<Lease>, Vec<(Answer, bool, SystemTime)>, T);

/// What the engine says of its queue, where that is full too: it may know when there is a place.
fn or_full(engine: &dyn Generator, caller: Caller, error: Error) -> Error {
    match error {
        Error::Busy { .. } => engine.room(caller).err().unwrap_or(error),
        error => error,
    }
}

pub(super) fn outcome(untaken: &Error) -> Outcome {
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
