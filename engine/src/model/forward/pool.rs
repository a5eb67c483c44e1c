//! The threads of a model: who lends them, and how many take part in a step.

use std::mem;

use super::Model;
use crate::Error;
use crate::machine::threads::{Pool, Traffic};
use crate::model::weights::Weights;

impl Model {
    pub(crate) fn threads(&self) -> usize {
        self.pool.all_threads()
    }

    /// Threads that take part in a step of one row.
    pub(crate) fn decode_threads(&self) -> usize {
        self.decode_threads
    }

    /// Lets so many threads take part in steps of one row, at most all: these read all weights for little to multiply.
    pub(crate) fn set_decode_threads(&mut self, threads: usize) {
        self.decode_threads = threads.clamp(1, self.threads());
    }

    /// Stages so far, and what was written in them.
    pub(crate) fn traffic(&self) -> Traffic {
        self.pool.traffic()
    }

    /// Has the threads of another model from now on, which has those of this one.
    pub(crate) fn swap_threads(&mut self, other: &mut Self) {
        mem::swap(&mut self.pool, &mut other.pool);
    }

    /// Gives its threads away, and computes on the caller's alone.
    ///
    /// # Errors
    /// Those of [`Pool::new`].
    pub(crate) fn take_threads(&mut self) -> Result<Pool, Error> {
        self.all_take_part();
        let alone = Pool::new(1).map_err(Error::NoThread)?;
        Ok(mem::replace(&mut self.pool, alone))
    }

    fn all_take_part(&mut self) {
        self.pool.take_part(self.pool.all_threads());
    }

    /// For what is measured beside the model.
    pub(crate) fn pool_and_weights(&mut self) -> (&mut Pool, &Weights) {
        self.all_take_part();
        (&mut self.pool, &self.weights)
    }

    /// Makes the calling thread the one that runs the model.
    pub(crate) fn pin_caller(&self) {
        self.pool.pin_caller();
    }
}
