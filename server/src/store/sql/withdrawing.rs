//! Taking a question back whose answer is not to be written.

use nibble_app::domain::{Id, Node, Tree};

use super::reading::PLACES;
use super::{SqlStore, Writing, rows};
use crate::store::StoreError;

impl SqlStore {
    /// Takes an answer back, its question where it has no other answer, and the conversation where that was all.
    pub(super) async fn take_back(&self, answer: Id) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        let Some(question) = self.parent(&mut writing, answer).await? else {
            return Ok(());
        };
        let select = sqlx::query("SELECT conversation, parent FROM messages WHERE id = $1")
            .bind(question.to_string());
        let row = self.told(select.fetch_one(&mut *writing).await)?;
        let conversation = self.told(rows::id(&row, "conversation"))?;
        let mut before = self.told(rows::optional_id(&row, "parent"))?;
        self.remove(&mut writing, answer).await?;
        match self
            .newest_answer(&mut writing, conversation, question)
            .await?
        {
            Some(other) => before = Some(other),
            None => self.remove(&mut writing, question).await?,
        }
        // What was asked meanwhile, and waits too, goes on from there.
        let update =
            sqlx::query("UPDATE messages SET parent = $3 WHERE conversation = $1 AND parent = $2")
                .bind(conversation.to_string())
                .bind(answer.to_string())
                .bind(before.map(|id| id.to_string()));
        self.told(update.execute(&mut *writing).await)?;
        self.show_another(&mut writing, conversation, answer, before)
            .await?;
        let delete = sqlx::query(
            "DELETE FROM conversations WHERE id = $1
             AND NOT EXISTS (SELECT 1 FROM messages WHERE conversation = $1)",
        )
        .bind(conversation.to_string());
        self.told(delete.execute(&mut *writing).await)?;
        self.told(writing.commit().await)
    }

    async fn newest_answer(
        &self,
        writing: &mut Writing,
        conversation: Id,
        question: Id,
    ) -> Result<Option<Id>, StoreError> {
        let select = sqlx::query(
            "SELECT id FROM messages WHERE conversation = $1 AND parent = $2 ORDER BY n DESC LIMIT 1",
        )
        .bind(conversation.to_string())
        .bind(question.to_string());
        let row = self.told(select.fetch_optional(&mut **writing).await)?;
        self.told(row.map(|row| rows::id(&row, "id")).transpose())
    }

    async fn remove(&self, writing: &mut Writing, message: Id) -> Result<(), StoreError> {
        let delete = sqlx::query("DELETE FROM messages WHERE id = $1").bind(message.to_string());
        self.told(delete.execute(&mut **writing).await)?;
        Ok(())
    }

    /// Where the conversation showed the branch that ended with `gone`, it shows the newest that goes on after `before`.
    async fn show_another(
        &self,
        writing: &mut Writing,
        conversation: Id,
        gone: Id,
        before: Option<Id>,
    ) -> Result<(), StoreError> {
        let select = sqlx::query(PLACES).bind(conversation.to_string());
        let nodes = self.told(select.fetch_all(&mut **writing).await)?;
        let nodes = self.read(nodes, rows::node)?;
        let roots = nodes.iter().filter(|node: &&Node| node.parent.is_none());
        let from = before.or_else(|| roots.map(|node| node.id).next_back());
        let tip = from.map(|from| Tree::new(&nodes).newest_leaf(from));
        let update = sqlx::query("UPDATE conversations SET tip = $2 WHERE id = $1 AND tip = $3")
            .bind(conversation.to_string())
            .bind(tip.map(|tip| tip.to_string()))
            .bind(gone.to_string());
        self.told(update.execute(&mut **writing).await)?;
        Ok(())
    }
}
