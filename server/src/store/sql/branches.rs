//! Branches of conversations: copied into one of their own, hidden and shown again.

use nibble_app::domain::{Content, Conversation, Id, Tree, title};
use nibble_app::visitor::Owner;
use sqlx::Row;

use super::reading::PLACES;
use super::{SqlStore, Writing, now, rows};
use crate::store::{Copied, StoreError};

impl SqlStore {
    pub(super) async fn memory_begun(&self, question: Id) -> Result<(), StoreError> {
        let update =
            sqlx::query("UPDATE messages SET memory = 1 WHERE id = $1 AND role = 'question'")
                .bind(question.to_string());
        self.told(update.execute(&self.pool).await)?;
        Ok(())
    }

    pub(super) async fn copied(
        &self,
        owner: Owner,
        answer: Id,
        part: Copied,
    ) -> Result<Id, StoreError> {
        let mut writing = self.write().await?;
        let asked = self.parent(&mut writing, answer).await?;
        let asked = asked.ok_or(StoreError::Gone)?;
        let (from, question, _) = self.question(&mut writing, owner, asked).await?;
        let (path, title) = match part {
            Copied::Whole => {
                let tree = self.tree_of(&mut writing, from.id).await?;
                (tree.path(answer), from.title.clone())
            }
            Copied::LastTurn => {
                let path = vec![question.id, answer];
                let content = Content {
                    text: question.text,
                    attachments: question.attachments,
                };
                (path, title(content.heading()))
            }
        };
        let copy = Conversation {
            id: Id(rand::random()),
            ..from
        };
        let insert = sqlx::query(
            "INSERT INTO conversations (id, owner, title, created, updated, settings)
             SELECT $2, owner, $4, $3, $3, settings FROM conversations WHERE id = $1",
        )
        .bind(from.id.to_string())
        .bind(copy.id.to_string())
        .bind(now())
        .bind(title);
        self.told(insert.execute(&mut *writing).await)?;
        let mut parent = None;
        for message in path {
            let id = Id(rand::random());
            self.copy_message(&mut writing, message, id, &copy, parent)
                .await?;
            parent = Some(id);
        }
        let update = sqlx::query("UPDATE conversations SET tip = $2 WHERE id = $1")
            .bind(copy.id.to_string())
            .bind(parent.map(|tip| tip.to_string()));
        self.told(update.execute(&mut *writing).await)?;
        self.told(writing.commit().await)?;
        Ok(copy.id)
    }

    /// What an answer that is still written has so far counts as interrupted in the copy.
    async fn copy_message(
        &self,
        writing: &mut Writing,
        message: Id,
        copy: Id,
        conversation: &Conversation,
        parent: Option<Id>,
    ) -> Result<(), StoreError> {
        let insert = sqlx::query(
            "INSERT INTO messages (id, conversation, parent, role, created, thought, text, attachments, state, reason, origin, metrics, elsewhere, memory)
             SELECT $2, $3, $4, role, created, thought, text, attachments,
             CASE WHEN state IN ('queued', 'running') THEN 'interrupted' ELSE state END, reason, origin, metrics, 1,
             CASE WHEN CAST($4 AS TEXT) IS NULL THEN 0 ELSE memory END
             FROM messages WHERE id = $1",
        )
        .bind(message.to_string())
        .bind(copy.to_string())
        .bind(conversation.id.to_string())
        .bind(parent.map(|parent| parent.to_string()));
        self.told(insert.execute(&mut **writing).await)?;
        Ok(())
    }

    pub(super) async fn hidden(
        &self,
        owner: Owner,
        question: Id,
        hidden: bool,
    ) -> Result<Id, StoreError> {
        let mut writing = self.write().await?;
        let select = sqlx::query(
            "SELECT conversation, hidden FROM messages WHERE id = $1 AND role = 'question'",
        )
        .bind(question.to_string());
        let row = self.told(select.fetch_optional(&mut *writing).await)?;
        let row = row.ok_or(StoreError::Gone)?;
        let conversation = self.told(rows::id(&row, "conversation"))?;
        let conversation = self.own(&mut writing, owner, conversation).await?.id;
        let since: Option<i64> = self.told(row.try_get("hidden"))?;
        match (hidden, since) {
            (true, None) => {
                self.hide_below(&mut writing, conversation, question)
                    .await?
            }
            (false, Some(since)) => self.show_hidden(&mut writing, conversation, since).await?,
            _ => return Ok(conversation),
        }
        let tree = self.tree_of(&mut writing, conversation).await?;
        let tip = if hidden {
            let parent = self.told(self.parent_of(&mut writing, question).await)?;
            let beside = tree.after(parent).last();
            beside.map(|other| tree.newest_leaf(*other)).or(parent)
        } else {
            Some(tree.newest_leaf(question))
        };
        let update = sqlx::query("UPDATE conversations SET tip = $2 WHERE id = $1")
            .bind(conversation.to_string())
            .bind(tip.map(|tip| tip.to_string()));
        self.told(update.execute(&mut *writing).await)?;
        self.told(writing.commit().await)?;
        Ok(conversation)
    }

    async fn hide_below(
        &self,
        writing: &mut Writing,
        conversation: Id,
        question: Id,
    ) -> Result<(), StoreError> {
        let time = now();
        let tree = self.tree_of(writing, conversation).await?;
        for message in tree.below(question) {
            let update = sqlx::query("UPDATE messages SET hidden = $2 WHERE id = $1")
                .bind(message.to_string())
                .bind(time);
            self.told(update.execute(&mut **writing).await)?;
        }
        Ok(())
    }

    /// What was hidden in one go was hidden at one time.
    async fn show_hidden(
        &self,
        writing: &mut Writing,
        conversation: Id,
        since: i64,
    ) -> Result<(), StoreError> {
        let update = sqlx::query(
            "UPDATE messages SET hidden = NULL WHERE conversation = $1 AND hidden = $2",
        )
        .bind(conversation.to_string())
        .bind(since);
        self.told(update.execute(&mut **writing).await)?;
        Ok(())
    }

    async fn parent_of(
        &self,
        writing: &mut Writing,
        message: Id,
    ) -> Result<Option<Id>, sqlx::Error> {
        let select =
            sqlx::query("SELECT parent FROM messages WHERE id = $1").bind(message.to_string());
        rows::optional_id(&select.fetch_one(&mut **writing).await?, "parent")
    }

    async fn tree_of(&self, writing: &mut Writing, conversation: Id) -> Result<Tree, StoreError> {
        let select = sqlx::query(PLACES).bind(conversation.to_string());
        let nodes = self.told(select.fetch_all(&mut **writing).await)?;
        Ok(Tree::new(&self.read(nodes, rows::node)?))
    }
}
