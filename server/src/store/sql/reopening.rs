//! Opening an answer again that was cut off.

use nibble_app::domain::{Id, Turn};
use nibble_app::visitor::Owner;

use super::{SqlStore, rows};
use crate::store::{Begun, StoreError};

impl SqlStore {
    pub(super) async fn open_again(&self, owner: Owner, id: Id) -> Result<Begun, StoreError> {
        let mut writing = self.write().await?;
        let asked = self.parent(&mut writing, id).await?;
        let asked = asked.ok_or(StoreError::Gone)?;
        let (conversation, question, _) = self.question(&mut writing, owner, asked).await?;
        let select = sqlx::query(
            "SELECT id, thought, text, state, reason, origin, metrics, elsewhere FROM messages
             WHERE id = $1 AND hidden IS NULL AND state NOT IN ('queued', 'running')
             AND NOT EXISTS (SELECT 1 FROM messages after WHERE after.conversation = $2 AND after.parent = $1 AND after.hidden IS NULL)",
        )
        .bind(id.to_string())
        .bind(conversation.id.to_string());
        let row = self.told(select.fetch_optional(&mut *writing).await)?;
        let row = row.ok_or(StoreError::Gone)?;
        let answer = self.told(rows::answer(&row))?;
        let is_of_here = !self.told(rows::is_elsewhere(&row))?;
        let end = answer.end.as_ref().filter(|_| is_of_here);
        let before = end.and_then(|end| end.metrics.clone());
        let update = sqlx::query(
            "UPDATE messages SET state = 'running', writer = $2, stopping = 0 WHERE id = $1",
        )
        .bind(id.to_string())
        .bind(self.writer.clone());
        self.told(update.execute(&mut *writing).await)?;
        let update = sqlx::query("UPDATE conversations SET tip = $2 WHERE id = $1")
            .bind(conversation.id.to_string())
            .bind(id.to_string());
        self.told(update.execute(&mut *writing).await)?;
        self.told(writing.commit().await)?;
        Ok(Begun {
            conversation,
            turn: Turn { question, answer },
            after: None,
            before,
        })
    }
}
