//! What the pages need of a program that knows what answers took.

use std::sync::Arc;

use async_trait::async_trait;

use crate::complaint::Complaint;
use crate::domain::{Answer, Filter, Id, Measured};
use crate::visitor::Visitor;

/// What a visitor's answers took.
#[derive(Clone, Debug, Default)]
pub struct SpeedOf {
    /// All of them.
    pub answers: Arc<Vec<Measured>>,
    /// Which of them the address wants.
    pub filter: Filter,
    /// By which name the model is asked that it wants, empty for the first; nothing of one that is not served.
    pub model: Option<String>,
    /// The one that it names, and the conversation that it is in.
    pub one: Option<(Answer, Id)>,
}

/// What a program knows of answers. A visitor's own are nobody else's.
#[async_trait]
pub trait Speeds: Send + Sync {
    /// What the visitor's answers took that have ended.
    ///
    /// # Errors
    /// When they cannot be read.
    async fn measured(&self, visitor: Visitor) -> Result<Vec<Measured>, Complaint>;

    /// One of the visitor's own answers, and the conversation that it is in.
    ///
    /// # Errors
    /// When it cannot be read.
    async fn own_answer(
        &self,
        visitor: Visitor,
        answer: Id,
    ) -> Result<Option<(Answer, Id)>, Complaint>;
}
