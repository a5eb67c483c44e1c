//! What the loop asks of a model, so that tests can simulate one and its clock.

use std::time::{Duration, Instant};

use crate::compute::kernel::Kernel;
use crate::machine::cgroup::Cgroup;
use crate::model::forward::{Model, NewTokens};

/// What computes steps, and tells the time.
pub(super) trait StepModel {
    /// As [`Model::forward`]; the logits are then those of [`Self::logits`].
    fn forward(
        &mut self,
        batch: &mut [NewTokens<'_>],
        cancelled: &dyn Fn() -> bool,
    ) -> Option<&[f32]>;

    /// Those of the last step.
    fn logits(&self) -> &[f32];

    /// Numbers of a sequence's logits.
    fn vocabulary(&self) -> usize;

    /// Its kernel, and the threads that compute.
    fn machine(&self) -> (&'static Kernel, usize);

    /// Has the threads of another model from now on, which has those of this one.
    fn swap_threads(&mut self, other: &mut Self);

    fn now(&self) -> Instant;

    /// How long the program's threads were throttled so far, where that is counted.
    fn throttled(&self) -> Option<Duration>;
}

impl StepModel for Model {
    fn forward(
        &mut self,
        batch: &mut [NewTokens<'_>],
        cancelled: &dyn Fn() -> bool,
    ) -> Option<&[f32]> {
        self.forward(batch, cancelled)
    }

    fn logits(&self) -> &[f32] {
        self.logits()
    }

    fn vocabulary(&self) -> usize {
        self.config().vocabulary
    }

    fn machine(&self) -> (&'static Kernel, usize) {
        (self.kernel(), self.threads())
    }

    fn swap_threads(&mut self, other: &mut Self) {
        self.swap_threads(other);
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn throttled(&self) -> Option<Duration> {
        let throttling = Cgroup::of_this_process().throttling()?;
        Some(throttling.throttled)
    }
}
