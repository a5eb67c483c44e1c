//! Requests on their way from a body to answers that are counted: the model, a turn to be read and prepared, and a place in
//! the engine's queue.

use std::iter;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use axum::http::StatusCode;
use nibble_engine::{Answer, Caller, Error, Request};

use super::answer::Stage;
use super::tab::Tab;
use super::waiters::Gauged;
use super::{Metered, MeteredAnswer};
use crate::error::ApiError;
use crate::generator::Generator;
use crate::keys::Held;
use crate::models::Lease;
use crate::telemetry::Outcome;
use crate::traces::{Course, RequestTrace};

/// What was read of a body.
pub(crate) struct Read<T> {
    pub(crate) requests: Vec<Request>,
    /// What is kept of a key's limit for them.
    pub(crate) held: Option<Held>,
    /// What else was read.
    pub(crate) rest: T,
}

/// Why a body comes to no request.
pub(crate) trait Unread: From<Error> + Send + 'static {
    /// How it is counted.
    fn outcome(&self) -> Outcome;
}

impl Unread for Error {
    fn outcome(&self) -> Outcome {
        outcome(self)
    }
}

impl Unread for ApiError {
    fn outcome(&self) -> Outcome {
        match self.status() {
            StatusCode::TOO_MANY_REQUESTS => Outcome::Busy,
            _ => Outcome::Invalid,
        }
    }
}

impl Metered {
    /// As [`submit`](crate::generator::Generator::submit), in its turn and off the threads that serve others.
    ///
    /// # Errors
    /// [`Error::Ending`] once the program ends, [`Error::Busy`] when too many wait for their turn, else the engine's.
    pub(crate) async fn submit(&self, request: Request) -> Result<MeteredAnswer, Error> {
        let caller = request.caller;
        let read = move || {
            Ok::<_, Error>(Read {
                requests: vec![request],
                held: None,
                rest: (),
            })
        };
        let (answers, ()) = self.submit_read(caller, read).await?;
        answers.into_iter().next().ok_or(Error::Stopped)
    }

    /// [`Self::submit`] of a caller's requests that are read in the same turn, and what else was read. All are taken, or none is.
    ///
    /// # Errors
    /// As [`Self::submit`], and those of `read`.
    pub(crate) async fn submit_read<T: Send + 'static, E: Unread>(
        &self,
        caller: Caller,
        read: impl FnOnce() -> Result<Read<T>, E> + Send + 'static,
    ) -> Result<(Vec<MeteredAnswer>, T), E> {
        let trace = self.trace();
        let _preparing = self.open.prepare();
        let _waiting = Gauged::by(&self.telemetry.waiting);
        let accepted = SystemTime::now();
        let refused = match self.taken(caller, read).await {
            Ok(taken) => return Ok(self.answers(taken, trace)),
            Err(refused) => refused,
        };
        let outcome = refused.outcome();
        self.telemetry.ended(outcome);
        if let Some(trace) = trace {
            trace.end(outcome, Some((&Course::new(accepted), None)));
        }
        Err(refused.into_error())
    }

    /// [`Self::submit_read`] of what goes on with a request that has begun: nothing where there is no place for all of them
    /// now. Few are read at a time, so that turns are left for those who come.
    ///
    /// # Errors
    /// As [`Self::submit_read`].
    pub(crate) async fn submit_more<E: Unread>(
        &self,
        caller: Caller,
        read: impl FnOnce() -> Result<Read<()>, E> + Send + 'static,
    ) -> Result<Option<Vec<MeteredAnswer>>, E> {
        let _preparing = self.open.prepare();
        // Nobody closes it.
        let _turn = self.going_on.acquire().await;
        match self.taken(caller, read).await {
            Ok(taken) => Ok(Some(self.answers(taken, self.trace()).0)),
            Err(Refused::Untaken(Error::Busy { .. })) => Ok(None),
            Err(refused) => {
                self.telemetry.ended(refused.outcome());
                Err(refused.into_error())
            }
        }
    }

    /// Answers with their figures, to the first of which a trace belongs; what is kept for all of them is each one's part.
    fn answers<T>(&self, taken: Taken<T>, trace: Option<RequestTrace>) -> (Vec<MeteredAnswer>, T) {
        let Taken {
            lease,
            answers,
            mut held,
            rest,
        } = taken;
        let prompts = answers.iter().filter(|taken| !taken.shares_prompt).count();
        let most: u64 = answers.iter().map(|taken| taken.most as u64).sum();
        let kept = held.as_ref().map_or(0, Held::kept);
        let of_prompt = kept.saturating_sub(most) / prompts.max(1) as u64;
        let traces = iter::once(trace).chain(iter::repeat_with(|| self.trace()));
        let answers = answers.into_iter().zip(traces).map(|(taken, trace)| {
            let of_prompt = if taken.shares_prompt { 0 } else { of_prompt };
            let held = held.as_mut();
            let part = held.map(|held| held.part(of_prompt + taken.most as u64));
            let tab = Tab::of(part, taken.shares_prompt, taken.most);
            self.metered(taken.answer, &lease, taken.accepted, trace, tab)
        });
        (answers.collect(), rest)
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
        let ticket = self.open.enter(answer.stopper(), self.index);
        MeteredAnswer {
            answer,
            telemetry: Arc::clone(&self.telemetry),
            open: Arc::clone(&self.open),
            ticket,
            lease: Arc::clone(lease),
            stage: Stage::Waiting,
            course: Course::new(accepted),
            loading: lease.waited(),
            trace,
            tab,
            is_left: false,
        }
    }

    /// What the engine was asked for, once it was read. Requests that do not say when they were read were so before the model
    /// had to be loaded; how long they may wait counts from when it is there.
    async fn taken<T: Send + 'static, E: Send + 'static>(
        &self,
        caller: Caller,
        read: impl FnOnce() -> Result<Read<T>, E> + Send + 'static,
    ) -> Result<Taken<T>, Refused<E>> {
        let (asked, waiter) = (Instant::now(), self.waiters.enter());
        let lease = self.lease(None).await.map_err(Refused::Untaken)?;
        let lease = Arc::new(lease);
        let (generator, came) = (Arc::clone(lease.generator()), Instant::now());
        let engine = Arc::clone(&generator);
        let taken = self.preparation.run(caller, move || {
            // From now on the engine counts it.
            drop(waiter);
            let Read {
                requests,
                held,
                rest,
            } = read().map_err(Refused::Unread)?;
            let mut families = Vec::new();
            let answers = requests.into_iter().map(|mut request| {
                request.came.get_or_insert(came);
                let before = request.accepted.get_or_insert(asked).elapsed();
                let now = SystemTime::now();
                let family = request.siblings.clone();
                let shares_prompt = family.is_some() && families.contains(&family);
                families.push(family);
                Ok(TakenAnswer {
                    most: request.max_tokens,
                    answer: generator.submit(request)?,
                    shares_prompt,
                    accepted: now.checked_sub(before).unwrap_or(now),
                })
            });
            let answers = answers
                .collect::<Result<_, _>>()
                .map_err(Refused::Untaken)?;
            Ok(Taken {
                lease,
                answers,
                held,
                rest,
            })
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

/// See [`Metered::taken`].
struct Taken<T> {
    lease: Arc<Lease>,
    answers: Vec<TakenAnswer>,
    held: Option<Held>,
    rest: T,
}

struct TakenAnswer {
    answer: Answer,
    /// The most tokens that it may put out.
    most: usize,
    /// Whether an earlier one has its prompt.
    shares_prompt: bool,
    /// When it was asked for.
    accepted: SystemTime,
}

/// Why there is no answer.
enum Refused<E> {
    /// The request could not be read.
    Unread(E),
    /// It was not taken.
    Untaken(Error),
}

impl<E: Unread> Refused<E> {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Unread(error) => error.outcome(),
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
