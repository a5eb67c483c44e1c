//! Comparisons that owners keep.

use nibble_app::domain::{COMPARISONS, Comparison, Id};
use nibble_app::visitor::Owner;
use sqlx::Row;

use super::{Dialect, SqlStore, rows};
use crate::store::StoreError;

impl SqlStore {
    pub(super) async fn comparison_begun(
        &self,
        owner: Owner,
        comparison: &Comparison,
    ) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        if self.dialect == Dialect::Postgres {
            // Two processes that both count would otherwise both find room.
            let alone = sqlx::query("LOCK TABLE comparisons IN SHARE ROW EXCLUSIVE MODE");
            self.told(alone.execute(&mut *writing).await)?;
        }
        let count = sqlx::query_scalar("SELECT COUNT(*) FROM comparisons WHERE owner = $1")
            .bind(owner.to_string());
        let kept: i64 = self.told(count.fetch_one(&mut *writing).await)?;
        if usize::try_from(kept).unwrap_or(usize::MAX) >= COMPARISONS {
            return Err(StoreError::Comparisons);
        }
        let insert = sqlx::query(
            "INSERT INTO comparisons (id, owner, created, content) VALUES ($1, $2, $3, $4)",
        )
        .bind(comparison.id.to_string())
        .bind(owner.to_string())
        .bind(comparison.created)
        .bind(self.told(rows::to_json(comparison))?);
        self.told(insert.execute(&mut *writing).await)?;
        self.told(writing.commit().await)
    }

    pub(super) async fn comparison_ended(&self, comparison: &Comparison) -> Result<(), StoreError> {
        let update = sqlx::query("UPDATE comparisons SET content = $1 WHERE id = $2")
            .bind(self.told(rows::to_json(comparison))?)
            .bind(comparison.id.to_string());
        self.told(update.execute(&self.pool).await)?;
        Ok(())
    }

    pub(super) async fn one_comparison(
        &self,
        owner: Owner,
        id: Id,
    ) -> Result<Option<(Comparison, bool)>, StoreError> {
        let select = sqlx::query("SELECT owner, content FROM comparisons WHERE id = $1")
            .bind(id.to_string());
        let found = self.told(select.fetch_all(&self.pool).await)?;
        let read = self.read(found, |row| {
            let of: String = row.try_get("owner")?;
            let comparison: Option<Comparison> = rows::json(row, "content")?;
            Ok(comparison.map(|comparison| (comparison, of == owner.to_string())))
        })?;
        Ok(read.into_iter().flatten().next())
    }

    pub(super) async fn comparisons_of(&self, owner: Owner) -> Result<Vec<Comparison>, StoreError> {
        let select = sqlx::query(
            "SELECT content FROM comparisons WHERE owner = $1 ORDER BY created DESC, id",
        )
        .bind(owner.to_string());
        let found = self.told(select.fetch_all(&self.pool).await)?;
        let read = self.read(found, |row| rows::json(row, "content"))?;
        Ok(read.into_iter().flatten().collect())
    }

    pub(super) async fn comparison_deleted(
        &self,
        owner: Owner,
        id: Id,
    ) -> Result<bool, StoreError> {
        let delete = sqlx::query("DELETE FROM comparisons WHERE owner = $1 AND id = $2")
            .bind(owner.to_string())
            .bind(id.to_string());
        Ok(self.told(delete.execute(&self.pool).await)?.rows_affected() > 0)
    }
}
