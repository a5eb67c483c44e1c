//! Whole conversations on their way out of the database and into it.

use std::collections::HashMap;

use nibble_app::domain::{
    Attachment, Conversation, End, EndReason, Id, Message, Origin, Said, Transcript,
};
use nibble_app::visitor::Owner;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::{SqlStore, Writing, rows};
use crate::store::{Place, StoreError};

impl SqlStore {
    pub(super) async fn names_of(&self, owner: Owner) -> Result<Vec<Id>, StoreError> {
        let select = sqlx::query(
            "SELECT id FROM conversations WHERE owner = $1 AND deleted IS NULL
             ORDER BY pinned DESC, updated DESC, id",
        )
        .bind(owner.to_string());
        let found = self.told(select.fetch_all(&self.pool).await)?;
        self.read(found, |row| rows::id(row, "id"))
    }

    pub(super) async fn messages_after(
        &self,
        conversation: Id,
        after: Place,
        most: usize,
    ) -> Result<Vec<(Place, Message)>, StoreError> {
        let select = sqlx::query(
            "SELECT n, id, parent, role, created, thought, text, attachments, state, reason, origin, metrics, memory FROM messages
             WHERE conversation = $1 AND hidden IS NULL AND n > $2 ORDER BY n LIMIT $3",
        )
        .bind(conversation.to_string())
        .bind(after.0)
        .bind(i64::try_from(most).unwrap_or(i64::MAX));
        let found = self.told(select.fetch_all(&self.pool).await)?;
        self.read(found, |row| Ok((Place(row.try_get("n")?), message(row)?)))
    }

    pub(super) async fn imported(
        &self,
        owner: Owner,
        transcript: &Transcript,
    ) -> Result<Id, StoreError> {
        let mut names: HashMap<Id, Id> = HashMap::new();
        let messages = &transcript.messages;
        names.extend(
            messages
                .iter()
                .map(|message| (message.id, Id(rand::random()))),
        );
        let conversation = Conversation {
            id: Id(rand::random()),
            tip: transcript
                .conversation
                .tip
                .and_then(|tip| names.get(&tip).copied()),
            ..transcript.conversation.clone()
        };
        let mut writing = self.write().await?;
        self.insert(&mut writing, owner, &conversation).await?;
        for message in messages {
            let placed = Message {
                id: names[&message.id],
                parent: message
                    .parent
                    .and_then(|parent| names.get(&parent).copied()),
                ..message.clone()
            };
            self.insert_message(&mut writing, conversation.id, placed)
                .await?;
        }
        self.told(writing.commit().await)?;
        Ok(conversation.id)
    }

    async fn insert(
        &self,
        writing: &mut Writing,
        owner: Owner,
        conversation: &Conversation,
    ) -> Result<(), StoreError> {
        let insert = sqlx::query(
            "INSERT INTO conversations (id, owner, title, created, updated, pinned, settings, tip, usd)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(conversation.id.to_string())
        .bind(owner.to_string())
        .bind(conversation.title.clone())
        .bind(conversation.created)
        .bind(conversation.updated)
        .bind(i64::from(conversation.pinned))
        .bind(self.told(rows::to_json(&conversation.settings))?)
        .bind(conversation.tip.map(|tip| tip.to_string()))
        .bind(conversation.usd);
        self.told(insert.execute(&mut **writing).await)?;
        Ok(())
    }

    async fn insert_message(
        &self,
        writing: &mut Writing,
        conversation: Id,
        message: Message,
    ) -> Result<(), StoreError> {
        let mut files: &[Attachment] = &[];
        let mut begins = false;
        let (role, thought, [state, reason, origin, metrics]) = match &message.said {
            Said::Question {
                attachments,
                begins_memory,
                ..
            } => {
                files = attachments;
                begins = *begins_memory;
                ("question", "", [const { None }; 4])
            }
            Said::Answer {
                thought,
                end,
                origin,
                ..
            } => {
                let columns = self.told(columns(end.as_ref(), origin))?;
                ("answer", thought.as_str(), columns)
            }
        };
        let insert = sqlx::query(
            "INSERT INTO messages (id, conversation, parent, created, role, thought, text, state, reason, origin, metrics, attachments, memory, elsewhere)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 1)",
        )
        .bind(message.id.to_string())
        .bind(conversation.to_string())
        .bind(message.parent.map(|parent| parent.to_string()))
        .bind(message.created)
        .bind(role)
        .bind(thought.to_owned())
        .bind(message.text().to_owned())
        .bind(state)
        .bind(reason)
        .bind(origin)
        .bind(metrics)
        .bind(self.told(rows::attachments_json(files))?)
        .bind(i64::from(begins));
        self.told(insert.execute(&mut **writing).await)?;
        Ok(())
    }
}

/// The columns of an answer after its text.
fn columns(end: Option<&End>, origin: &Origin) -> Result<[Option<String>; 4], sqlx::Error> {
    let reason = end.map_or(&EndReason::Interrupted, |end| &end.reason);
    let metrics = end.and_then(|end| end.metrics.as_ref());
    Ok([
        Some(rows::state(reason).to_owned()),
        match reason {
            EndReason::Failed(reason) => Some(reason.clone()),
            _ => None,
        },
        Some(rows::to_json(origin)?),
        metrics.map(rows::to_json).transpose()?,
    ])
}

fn message(row: &AnyRow) -> Result<Message, sqlx::Error> {
    let role: String = row.try_get("role")?;
    let said = if role == "question" {
        let question = rows::question(row)?;
        Said::Question {
            text: question.text,
            attachments: question.attachments,
            begins_memory: rows::begins_memory(row)?,
        }
    } else {
        let answer = rows::answer(row)?;
        Said::Answer {
            thought: answer.thought,
            text: answer.text,
            end: answer.end,
            origin: answer.origin,
        }
    };
    Ok(Message {
        id: rows::id(row, "id")?,
        parent: rows::optional_id(row, "parent")?,
        created: row.try_get("created")?,
        said,
    })
}
