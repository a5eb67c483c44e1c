//! Questions, with the files beside them.

use nibble_app::domain::{Content, Id, Question};

use super::{SqlStore, Writing, now, rows};
use crate::store::StoreError;

impl SqlStore {
    pub(super) async fn asked(
        &self,
        writing: &mut Writing,
        conversation: Id,
        before: Option<Id>,
        content: Content,
    ) -> Result<Question, StoreError> {
        let question = Question {
            id: Id(rand::random()),
            text: rows::plain(&content.text),
            attachments: content.attachments,
            siblings: Vec::new(),
        };
        let insert = sqlx::query(
            "INSERT INTO messages (id, conversation, parent, role, created, text, attachments)
             VALUES ($1, $2, $3, 'question', $4, $5, $6)",
        )
        .bind(question.id.to_string())
        .bind(conversation.to_string())
        .bind(before.map(|id| id.to_string()))
        .bind(now())
        .bind(question.text.clone())
        .bind(self.told(rows::attachments_json(&question.attachments))?);
        self.told(insert.execute(&mut **writing).await)?;
        Ok(question)
    }

    pub(super) async fn one_question(&self, id: Id) -> Result<Option<Question>, StoreError> {
        let select = sqlx::query(
            "SELECT id, text, attachments FROM messages WHERE id = $1 AND role = 'question'",
        )
        .bind(id.to_string());
        let row = self.told(select.fetch_optional(&self.pool).await)?;
        self.told(row.map(|row| rows::question(&row)).transpose())
    }
}
