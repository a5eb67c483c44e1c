//! What the pages need of a program that computes answers again.

use std::pin::Pin;

use async_trait::async_trait;
use futures::Stream;

use crate::complaint::Complaint;
use crate::domain::{Changed, Id, Replayed};
use crate::visitor::Visitor;

/// An answer that is computed again, or was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// What is another than when it was made.
    pub changed: Vec<Changed>,
    /// Whether it was kept what it was told, so that it is told the same.
    pub is_told_the_same: bool,
    /// Tokens put out so far.
    pub tokens: usize,
    /// What came of it; nothing while it is computed.
    pub outcome: Option<Replayed>,
}

/// Why an answer is not computed again, for the page to tell.
#[derive(Clone, Debug)]
pub struct ReplayRefused(pub Complaint);

/// How it stands now and then, to its end.
pub type Replaying = Pin<Box<dyn Stream<Item = Replay> + Send>>;

/// What a program does with answers that are there already. A visitor's own are nobody else's.
#[async_trait]
pub trait Replays: Send + Sync {
    /// Computes one of the visitor's own answers again, beside what else is computed.
    ///
    /// # Errors
    /// When there is none, it has not ended, or nothing is known of how it was made, or another of the visitor's is computed
    /// again, or too many are. That the model takes no question is an outcome.
    async fn replay(&self, visitor: Visitor, answer: Id) -> Result<(), Complaint>;

    /// What came of it, or comes, where the visitor has had it computed again lately.
    fn replayed(&self, visitor: Visitor, answer: Id) -> Option<Replaying>;
}
