//! The one way from a route to the model, so that an answer counts alike whoever asked for it.
//!
//! It knows which answers are open. When the program ends, it takes no more, waits for these, and cuts off what is not
//! complete in time.

use std::sync::Arc;
use std::time::Duration;

use nibble_engine::{Caller, Error, Load, ModelInfo};
use prometheus::Result as Figured;
use tokio::sync::{Semaphore, watch};

use crate::generator::{Generator, Known};
use crate::models::{KeepAlive, Lease, Models, Offer, Ready};
use crate::preparation::Preparation;
use crate::telemetry::{Outcome, Telemetry};
use crate::traces::Traces;

mod answer;
mod coming;
mod embeddings;
mod open;
mod reading;
mod tab;
#[cfg(test)]
mod tests;
mod waiters;

pub(crate) use answer::MeteredAnswer;
pub(crate) use embeddings::EmbeddingPlace;
use embeddings::Embeddings;
use open::OpenAnswers;
use reading::outcome;
pub(crate) use reading::{Read, Unread};
use waiters::Waiters;

/// Counts at once, and those that may wait for it. Questions are read apart from them.
const COUNTING: usize = 1;
const COUNTS_WAITING: usize = 16;
/// How many requests that have begun ask for more of their answers at once.
const GOING_ON: usize = 2;

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
    /// Turns of what goes on with a request that has begun.
    going_on: Arc<Semaphore>,
    /// Embeddings that are computed or wait for it.
    embeddings: Arc<Embeddings>,
    waiters: Waiters,
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
            going_on: Arc::new(Semaphore::new(GOING_ON)),
            embeddings: Arc::default(),
            waiters: Waiters::default(),
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
            waiters: self.waiters.beside(),
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
        caller: Caller,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.routing.run(caller, work).await
    }

    /// Does what is no answer, which takes no turns of those who ask for one.
    ///
    /// # Errors
    /// [`Error::Busy`] when too many wait for their turn.
    pub(crate) async fn prepared<T: Send + 'static>(
        &self,
        caller: Caller,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.counting.run(caller, work).await
    }

    /// Reads what is no answer and will ask for some, in the turns of those who ask for one.
    ///
    /// # Errors
    /// As [`Self::prepared`].
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        caller: Caller,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.preparation.run(caller, work).await
    }

    /// A place among the requests for embeddings.
    ///
    /// # Errors
    /// [`Error::Busy`] when too many have one.
    pub(crate) fn embeds(&self, caller: Caller) -> Result<EmbeddingPlace, Error> {
        self.embeddings.enter(caller)
    }

    /// What the engine is doing, and has done since the server started. Who is on the way to its queue waits, too.
    pub(crate) fn load(&self) -> Load {
        let load = self.models.load(self.index);
        Load {
            waiting: load.waiting + self.waiters.of_model(),
            ..load
        }
    }

    /// Brings the figures of the engine up to date.
    pub(crate) fn show_load(&self) {
        self.telemetry.show(&self.load());
    }

    /// Whether answers can be had.
    pub(crate) fn is_alive(&self) -> bool {
        self.models.are_alive()
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
