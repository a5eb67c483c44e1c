//! What answers took.

use async_trait::async_trait;
use nibble_app::chat::{Chat, Speeds};
use nibble_app::complaint::Complaint;
use nibble_app::domain::{Answer, Id, Measured};
use nibble_app::visitor::Visitor;

use super::ChatService;
use super::complaints::unstored;

#[async_trait]
impl Speeds for ChatService {
    async fn measured(&self, visitor: Visitor) -> Result<Vec<Measured>, Complaint> {
        let measured = self.writer.store.measured(visitor.owner).await;
        measured.map_err(unstored)
    }

    async fn own_answer(
        &self,
        visitor: Visitor,
        answer: Id,
    ) -> Result<Option<(Answer, Id)>, Complaint> {
        let place = self.writer.store.conversation_of(answer).await;
        let Some(conversation) = place.map_err(unstored)? else {
            return Ok(None);
        };
        let found = self.readable(visitor, conversation).await;
        match found.map_err(unstored)? {
            Some((_, true)) => {}
            _ => return Ok(None),
        }
        let found = self.answer(answer).await;
        Ok(found.map(|found| (found, conversation)))
    }
}
