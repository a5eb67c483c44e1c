//! Settings that owners keep under names.

use nibble_app::presets::{PRESETS, Preset};
use nibble_app::visitor::Owner;
use sqlx::Row;

use super::{Dialect, SqlStore, rows};
use crate::store::StoreError;

impl SqlStore {
    pub(super) async fn presets_of(&self, owner: Owner) -> Result<Vec<Preset>, StoreError> {
        let select =
            sqlx::query("SELECT name, settings FROM presets WHERE owner = $1 ORDER BY name")
                .bind(owner.to_string());
        let found = self.told(select.fetch_all(&self.pool).await)?;
        self.read(found, |row| {
            Ok(Preset {
                name: row.try_get("name")?,
                settings: rows::json(row, "settings")?.unwrap_or_default(),
                is_built_in: false,
            })
        })
    }

    pub(super) async fn preset_saved(
        &self,
        owner: Owner,
        preset: &Preset,
    ) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        if self.dialect == Dialect::Postgres {
            // Two processes that both count would otherwise both find room.
            let alone = sqlx::query("LOCK TABLE presets IN SHARE ROW EXCLUSIVE MODE");
            self.told(alone.execute(&mut *writing).await)?;
        }
        let name = rows::plain(&preset.name);
        let count =
            sqlx::query_scalar("SELECT COUNT(*) FROM presets WHERE owner = $1 AND name <> $2")
                .bind(owner.to_string())
                .bind(name.clone());
        let others: i64 = self.told(count.fetch_one(&mut *writing).await)?;
        if usize::try_from(others).unwrap_or(usize::MAX) >= PRESETS {
            return Err(StoreError::Presets);
        }
        let insert = sqlx::query(
            "INSERT INTO presets (owner, name, settings) VALUES ($1, $2, $3)
             ON CONFLICT (owner, name) DO UPDATE SET settings = excluded.settings",
        )
        .bind(owner.to_string())
        .bind(name)
        .bind(self.told(rows::to_json(&preset.settings))?);
        self.told(insert.execute(&mut *writing).await)?;
        self.told(writing.commit().await)
    }

    pub(super) async fn preset_deleted(
        &self,
        owner: Owner,
        name: &str,
    ) -> Result<bool, StoreError> {
        let delete = sqlx::query("DELETE FROM presets WHERE owner = $1 AND name = $2")
            .bind(owner.to_string())
            .bind(rows::plain(name));
        Ok(self.told(delete.execute(&self.pool).await)?.rows_affected() > 0)
    }
}
