//! What the pages need of a program that measures one prompt in several lanes.

use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use futures::Stream;

use super::ModelServed;
use crate::complaint::Complaint;
use crate::domain::{Comparison, Id, Measurement, Plan, Timestamp, Weights};
use crate::visitor::Visitor;

/// What may be compared here, and what is there already.
#[derive(Clone, Debug, Default)]
pub struct Comparing {
    /// Whether the visitor may begin one.
    pub is_allowed: bool,
    /// Kernels that this CPU runs, slowest first.
    pub kernels: Vec<String>,
    /// Ways in which weights may be held, in the order in which the page offers them.
    pub weights: Vec<Weights>,
    /// The kernel that the chats are answered with.
    pub kernel: String,
    /// Threads that the chats are answered with, and the most of a lane.
    pub threads: usize,
    /// See [`Comparing::threads`].
    pub most_threads: usize,
    /// The models that a lane may have, the first of which is meant where none is named.
    pub models: Vec<ModelServed>,
    /// The price of the machine.
    pub usd_per_hour: f64,
    /// The comparison that runs, and whether it is the visitor's own.
    pub running: Option<(Id, bool)>,
    /// The visitor's own, newest first.
    pub own: Vec<ComparisonEntry>,
}

/// A comparison in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComparisonEntry {
    /// Its name.
    pub id: Id,
    /// When it began.
    pub created: Timestamp,
    /// What was asked.
    pub prompt: String,
    /// Its lanes in words.
    pub lanes: Vec<String>,
}

/// A comparison, and what its reader may do.
#[derive(Clone, Debug)]
pub struct ComparisonOf {
    /// What there is of it.
    pub comparison: Comparison,
    /// Whether it is the visitor's own.
    pub own: bool,
    /// Whether this program measures it now.
    pub is_running: bool,
}

/// What a lane is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Answers of chats are computed first.
    Waiting,
    /// The model is loaded; so many bytes of weights are packed, of so many, where they have to be.
    Loading {
        /// Bytes packed.
        done: u64,
        /// All of them; 0 where none has to be.
        total: u64,
    },
    /// This round is measured, counted from 1.
    Measuring {
        /// The round.
        round: usize,
    },
}

/// One step in following a comparison.
#[derive(Clone, Debug)]
pub struct LaneStep {
    /// The lane, counted from 0.
    pub lane: usize,
    /// What it is at.
    pub stage: Stage,
    /// Since the comparison began.
    pub elapsed: Duration,
    /// Text of the lane's first round since the step before.
    pub text: String,
    /// Lanes that came to their end since the step before.
    pub ended: Vec<Measurement>,
}

/// The steps of a comparison to its end. Dropping it stops nothing.
pub type LaneSteps = Pin<Box<dyn Stream<Item = LaneStep> + Send>>;

/// What a program does with comparisons. Who has the name of one may read it.
#[async_trait]
pub trait Comparisons: Send + Sync {
    /// What may be compared, and the visitor's own.
    ///
    /// # Errors
    /// When they cannot be read.
    async fn comparing(&self, visitor: Visitor) -> Result<Comparing, Complaint>;

    /// One of them, whosever it is.
    ///
    /// # Errors
    /// When it cannot be read.
    async fn comparison(&self, visitor: Visitor, id: Id)
    -> Result<Option<ComparisonOf>, Complaint>;

    /// Begins one.
    ///
    /// # Errors
    /// When the visitor may not, another runs, too many are kept, or it cannot be written down.
    async fn compare(&self, visitor: Visitor, plan: Plan) -> Result<Id, Complaint>;

    /// Ends one of the visitor's own that runs; what was measured stays. Says whether there is one.
    fn stop_comparison(&self, visitor: Visitor, id: Id) -> bool;

    /// Forgets one of the visitor's own.
    ///
    /// # Errors
    /// When there is none, or it cannot be forgotten.
    async fn delete_comparison(&self, visitor: Visitor, id: Id) -> Result<(), Complaint>;

    /// Follows one that runs from its start; nothing where it has ended, or so many follow it that there is no room.
    fn follow_comparison(&self, id: Id) -> Option<LaneSteps>;
}
