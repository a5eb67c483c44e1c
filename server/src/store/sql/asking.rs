//! Writing a question with its empty answer.

use nibble_app::domain::{Answer, Content, Conversation, Id, Origin, Question, Turn, title};
use nibble_app::settings::Settings;
use nibble_app::visitor::Owner;
use sqlx::AssertSqlSafe;

use super::{Dialect, SqlStore, Writing, now, rows};
use crate::store::{Ask, Begun, MESSAGES, StoreError};

/// Where an answer goes.
struct Place {
    conversation: Conversation,
    /// What the question follows.
    before: Option<Id>,
    question: Asked,
    /// An open answer that it waits for.
    after: Option<Id>,
}

/// The question of an answer.
enum Asked {
    /// It is there already.
    Before(Question),
    /// It is to be written.
    Now(Content),
}

impl SqlStore {
    pub(super) async fn begin_asking(
        &self,
        owner: Owner,
        ask: Ask,
        origin: Origin,
    ) -> Result<Begun, StoreError> {
        let mut writing = self.write().await?;
        let place = match ask {
            Ask::First(content) => {
                let (settings, heading) = (&origin.settings, rows::plain(content.heading()));
                let conversation = self
                    .created(&mut writing, owner, &heading, settings)
                    .await?;
                self.store_settings(&mut *writing, owner, settings).await?;
                Place {
                    conversation,
                    before: None,
                    question: Asked::Now(content),
                    after: None,
                }
            }
            Ask::Next(id, content) => self.next(&mut writing, owner, id, content).await?,
            Ask::Instead(id, content) => {
                let (conversation, _, before) = self.question(&mut writing, owner, id).await?;
                Place {
                    conversation,
                    before,
                    question: Asked::Now(content),
                    after: None,
                }
            }
            Ask::Again(id) => {
                let asked = self
                    .parent(&mut writing, id)
                    .await?
                    .ok_or(StoreError::Gone)?;
                let (conversation, question, before) =
                    self.question(&mut writing, owner, asked).await?;
                Place {
                    conversation,
                    before,
                    question: Asked::Before(question),
                    after: None,
                }
            }
        };
        let begun = self.written(&mut writing, place, origin).await?;
        self.told(writing.commit().await)?;
        Ok(begun)
    }

    async fn created(
        &self,
        writing: &mut Writing,
        owner: Owner,
        heading: &str,
        settings: &Settings,
    ) -> Result<Conversation, StoreError> {
        let now = now();
        let conversation = Conversation {
            id: Id(rand::random()),
            title: title(heading),
            created: now,
            updated: now,
            pinned: false,
            shared: false,
            settings: settings.clone(),
            tip: None,
            usd: 0.0,
        };
        let insert = sqlx::query(
            "INSERT INTO conversations (id, owner, title, created, updated, settings) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(conversation.id.to_string())
        .bind(owner.to_string())
        .bind(conversation.title.clone())
        .bind(now)
        .bind(now)
        .bind(self.told(rows::to_json(settings))?);
        self.told(insert.execute(&mut **writing).await)?;
        Ok(conversation)
    }

    async fn next(
        &self,
        writing: &mut Writing,
        owner: Owner,
        id: Id,
        content: Content,
    ) -> Result<Place, StoreError> {
        let conversation = self.own(writing, owner, id).await?;
        let tip = conversation.tip;
        let is_open = match tip {
            Some(tip) => self.is_open(writing, tip).await?,
            None => false,
        };
        Ok(Place {
            conversation,
            before: tip,
            question: Asked::Now(content),
            after: tip.filter(|_| is_open),
        })
    }

    pub(super) async fn own(
        &self,
        writing: &mut Writing,
        owner: Owner,
        id: Id,
    ) -> Result<Conversation, StoreError> {
        // Two processes that both ask at its end would otherwise make a branch of it.
        let alone = match self.dialect {
            Dialect::Sqlite => "",
            Dialect::Postgres => " FOR UPDATE",
        };
        let sql = format!(
            "SELECT {} FROM conversations WHERE id = $1 AND owner = $2 AND deleted IS NULL{alone}",
            rows::CONVERSATION
        );
        let select = sqlx::query(AssertSqlSafe(sql))
            .bind(id.to_string())
            .bind(owner.to_string());
        let row = self.told(select.fetch_optional(&mut **writing).await)?;
        self.told(rows::conversation(&row.ok_or(StoreError::Gone)?))
    }

    async fn is_open(&self, writing: &mut Writing, answer: Id) -> Result<bool, StoreError> {
        let select =
            sqlx::query("SELECT id FROM messages WHERE id = $1 AND state IN ('queued', 'running')")
                .bind(answer.to_string());
        let row = self.told(select.fetch_optional(&mut **writing).await)?;
        Ok(row.is_some())
    }

    pub(super) async fn parent(
        &self,
        writing: &mut Writing,
        answer: Id,
    ) -> Result<Option<Id>, StoreError> {
        let select = sqlx::query("SELECT parent FROM messages WHERE id = $1 AND role = 'answer'")
            .bind(answer.to_string());
        let row = self.told(select.fetch_optional(&mut **writing).await)?;
        let parent = row.map(|row| rows::optional_id(&row, "parent")).transpose();
        Ok(self.told(parent)?.flatten())
    }

    /// A question of this owner, with its conversation and what it follows.
    pub(super) async fn question(
        &self,
        writing: &mut Writing,
        owner: Owner,
        id: Id,
    ) -> Result<(Conversation, Question, Option<Id>), StoreError> {
        let select = sqlx::query(
            "SELECT id, conversation, parent, text, attachments FROM messages
             WHERE id = $1 AND role = 'question' AND hidden IS NULL",
        )
        .bind(id.to_string());
        let row = self.told(select.fetch_optional(&mut **writing).await)?;
        let row = row.ok_or(StoreError::Gone)?;
        let conversation = self.told(rows::id(&row, "conversation"))?;
        let conversation = self.own(writing, owner, conversation).await?;
        let before = self.told(rows::optional_id(&row, "parent"))?;
        Ok((conversation, self.told(rows::question(&row))?, before))
    }

    async fn written(
        &self,
        writing: &mut Writing,
        place: Place,
        origin: Origin,
    ) -> Result<Begun, StoreError> {
        let Place {
            mut conversation,
            before,
            question,
            after,
        } = place;
        self.has_room(writing, conversation.id).await?;
        let question = match question {
            Asked::Before(question) => question,
            Asked::Now(content) => {
                self.asked(writing, conversation.id, before, content)
                    .await?
            }
        };
        let answer = Answer {
            id: Id(rand::random()),
            thought: String::new(),
            text: String::new(),
            end: None,
            siblings: Vec::new(),
            is_told_alone: false,
            origin,
        };
        self.opened(writing, conversation.id, question.id, &answer, after)
            .await?;
        conversation.tip = Some(answer.id);
        conversation.settings = answer.origin.settings.clone();
        self.moved(writing, &conversation).await?;
        Ok(Begun {
            conversation,
            turn: Turn { question, answer },
            after,
            before: None,
        })
    }

    async fn has_room(&self, writing: &mut Writing, conversation: Id) -> Result<(), StoreError> {
        let count = sqlx::query_scalar("SELECT COUNT(*) FROM messages WHERE conversation = $1")
            .bind(conversation.to_string());
        let count: i64 = self.told(count.fetch_one(&mut **writing).await)?;
        if usize::try_from(count).unwrap_or(usize::MAX) + 2 > MESSAGES {
            return Err(StoreError::Full);
        }
        Ok(())
    }

    async fn opened(
        &self,
        writing: &mut Writing,
        conversation: Id,
        question: Id,
        answer: &Answer,
        after: Option<Id>,
    ) -> Result<(), StoreError> {
        let state = if after.is_some() { "queued" } else { "running" };
        let insert = sqlx::query(
            "INSERT INTO messages (id, conversation, parent, role, created, text, state, origin, writer)
             VALUES ($1, $2, $3, 'answer', $4, '', $5, $6, $7)",
        )
        .bind(answer.id.to_string())
        .bind(conversation.to_string())
        .bind(question.to_string())
        .bind(now())
        .bind(state)
        .bind(self.told(rows::to_json(&answer.origin))?)
        .bind(self.writer.clone());
        self.told(insert.execute(&mut **writing).await)?;
        Ok(())
    }

    async fn moved(
        &self,
        writing: &mut Writing,
        conversation: &Conversation,
    ) -> Result<(), StoreError> {
        let update = sqlx::query(
            "UPDATE conversations SET tip = $2, settings = $3, updated = $4 WHERE id = $1",
        )
        .bind(conversation.id.to_string())
        .bind(conversation.tip.map(|tip| tip.to_string()))
        .bind(self.told(rows::to_json(&conversation.settings))?)
        .bind(now());
        self.told(update.execute(&mut **writing).await)?;
        Ok(())
    }
}
