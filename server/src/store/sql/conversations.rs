//! Conversations as wholes, and what their owners do to them.

use nibble_app::chat::Change;
use nibble_app::domain::{Conversation, Id};
use nibble_app::settings::Settings;
use nibble_app::visitor::Owner;
use sqlx::{Any, AssertSqlSafe, Executor, Row};

use super::{SqlStore, now, rows};
use crate::store::StoreError;

impl SqlStore {
    pub(super) async fn one_conversation(
        &self,
        id: Id,
    ) -> Result<Option<(Conversation, Owner)>, StoreError> {
        let sql = format!(
            "SELECT {}, owner FROM conversations WHERE id = $1 AND deleted IS NULL",
            rows::CONVERSATION
        );
        let select = sqlx::query(AssertSqlSafe(sql)).bind(id.to_string());
        let row = self.told(select.fetch_optional(&self.pool).await)?;
        let read = row.map(|row| {
            let owner = rows::id(&row, "owner")?;
            Ok((rows::conversation(&row)?, Owner(owner.0.to_be_bytes())))
        });
        self.told(read.transpose())
    }

    pub(super) async fn kept_settings(&self, owner: Owner) -> Result<Option<Settings>, StoreError> {
        let select =
            sqlx::query("SELECT settings FROM owners WHERE id = $1").bind(owner.to_string());
        let row = self.told(select.fetch_optional(&self.pool).await)?;
        let text: Option<String> = self.told(row.map(|row| row.try_get("settings")).transpose())?;
        // Settings of another version are as good as none.
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    pub(super) async fn store_settings<'e>(
        &self,
        database: impl Executor<'e, Database = Any>,
        owner: Owner,
        settings: &Settings,
    ) -> Result<(), StoreError> {
        let insert = sqlx::query(
            "INSERT INTO owners (id, settings) VALUES ($1, $2)
             ON CONFLICT (id) DO UPDATE SET settings = excluded.settings",
        )
        .bind(owner.to_string())
        .bind(self.told(rows::to_json(settings))?);
        self.told(insert.execute(database).await)?;
        Ok(())
    }

    pub(super) async fn changed(
        &self,
        owner: Owner,
        id: Id,
        change: Change,
    ) -> Result<bool, StoreError> {
        let deleted = if change == Change::Restore {
            "IS NOT NULL"
        } else {
            "IS NULL"
        };
        let (set, value) = match change {
            Change::Rename(title) => ("title = $3", Ok(rows::plain(&title))),
            Change::Settings(settings) => {
                ("settings = $3", Ok(self.told(rows::to_json(&settings))?))
            }
            Change::Show(tip) => ("tip = $3", Ok(tip.to_string())),
            Change::Pin(pinned) => ("pinned = $3", Err(Some(i64::from(pinned)))),
            Change::Share(shared) => ("shared = $3", Err(Some(i64::from(shared)))),
            Change::Delete => ("deleted = $3", Err(Some(now()))),
            Change::Restore => ("deleted = $3", Err(None::<i64>)),
        };
        let sql = format!(
            "UPDATE conversations SET {set} WHERE id = $1 AND owner = $2 AND deleted {deleted}"
        );
        let update = sqlx::query(AssertSqlSafe(sql))
            .bind(id.to_string())
            .bind(owner.to_string());
        let update = match value {
            Ok(text) => update.bind(text),
            Err(number) => update.bind(number),
        };
        Ok(self.told(update.execute(&self.pool).await)?.rows_affected() > 0)
    }

    pub(super) async fn deleted_all(&self, owner: Owner, at: i64) -> Result<u64, StoreError> {
        let update = sqlx::query(
            "UPDATE conversations SET deleted = $2 WHERE owner = $1 AND deleted IS NULL",
        )
        .bind(owner.to_string())
        .bind(at);
        Ok(self.told(update.execute(&self.pool).await)?.rows_affected())
    }

    pub(super) async fn restored_all(&self, owner: Owner, at: i64) -> Result<u64, StoreError> {
        let update = sqlx::query(
            "UPDATE conversations SET deleted = NULL WHERE owner = $1 AND deleted = $2",
        )
        .bind(owner.to_string())
        .bind(at);
        Ok(self.told(update.execute(&self.pool).await)?.rows_affected())
    }

    pub(super) async fn purged(&self, before: i64) -> Result<u64, StoreError> {
        let messages = sqlx::query("DELETE FROM messages WHERE hidden < $1").bind(before);
        let messages = self.told(messages.execute(&self.pool).await)?;
        let delete = sqlx::query("DELETE FROM conversations WHERE deleted < $1").bind(before);
        let conversations = self.told(delete.execute(&self.pool).await)?;
        Ok(messages.rows_affected() + conversations.rows_affected())
    }
}
