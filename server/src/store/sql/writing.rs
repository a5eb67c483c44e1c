//! Answers while they are written, at their end, and when nobody writes them any more.

use nibble_app::domain::{End, EndReason, Id, Metrics, Origin, Piece};

use super::{Dialect, SqlStore, now, rows};
use crate::store::{StoreError, Written};

/// A process of Postgres that has not said for so long that it writes is no more, in milliseconds.
const SILENCE: i64 = 15_000;

const POSTGRES_NOW: &str = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";

impl SqlStore {
    pub(super) async fn write_down(&self, answers: &[Written]) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        for Written { id, thought, text } in answers {
            let update = sqlx::query(
                "UPDATE messages SET thought = $3, text = $2, state = 'running'
                 WHERE id = $1 AND state IN ('queued', 'running')",
            )
            .bind(id.to_string())
            .bind(rows::plain(text))
            .bind(rows::plain(thought));
            self.told(update.execute(&mut *writing).await)?;
        }
        self.told(writing.commit().await)
    }

    pub(super) async fn end(&self, answer: &Written, end: &End) -> Result<(), StoreError> {
        let Written { id, thought, text } = answer;
        let mut writing = self.write().await?;
        let reason = match &end.reason {
            EndReason::Failed(reason) => Some(rows::plain(reason)),
            _ => None,
        };
        let foreseen = end.metrics.as_ref().and_then(foreseen);
        let metrics = end.metrics.as_ref().map(rows::to_json).transpose();
        let select = sqlx::query("SELECT metrics, elsewhere FROM messages WHERE id = $1")
            .bind(id.to_string());
        let row = self.told(select.fetch_optional(&mut *writing).await)?;
        let before = self
            .told(row.as_ref().map(rows::metrics).transpose())?
            .flatten();
        let was_elsewhere = self.told(row.as_ref().map(rows::is_elsewhere).transpose())?;
        // Where it was not gone on with after all, its figures are the old ones.
        let is_new = end.metrics.is_some() && end.metrics != before;
        let is_elsewhere = was_elsewhere == Some(true) && !is_new;
        // Another process may have taken it for interrupted.
        let update = sqlx::query(
            "UPDATE messages SET thought = $6, text = $2, state = $3, reason = $4, metrics = COALESCE($5, metrics), foreseen = $7, elsewhere = $8
             WHERE id = $1 AND state IN ('queued', 'running', 'interrupted')",
        )
        .bind(id.to_string())
        .bind(rows::plain(text))
        .bind(rows::state(&end.reason))
        .bind(reason)
        .bind(self.told(metrics)?)
        .bind(rows::plain(thought))
        .bind(foreseen)
        .bind(i64::from(is_elsewhere));
        let updated = self.told(update.execute(&mut *writing).await)?;
        if updated.rows_affected() > 0 {
            // An answer that went on has figures from before, unless these are of elsewhere.
            let before = before.filter(|_| is_elsewhere == (was_elsewhere == Some(true)));
            let before = before.map_or(0.0, |metrics| metrics.usd_share);
            let metrics = end.metrics.as_ref();
            let usd = metrics.map_or(0.0, |metrics| metrics.usd_share - before);
            let update = sqlx::query(
                "UPDATE conversations SET usd = usd + $2, updated = $3
                 WHERE id = (SELECT conversation FROM messages WHERE id = $1)",
            )
            .bind(id.to_string())
            .bind(usd)
            .bind(now());
            self.told(update.execute(&mut *writing).await)?;
        }
        self.told(writing.commit().await)
    }

    pub(super) async fn piece_added(&self, answer: Id, piece: Piece) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        let select =
            sqlx::query("SELECT origin FROM messages WHERE id = $1").bind(answer.to_string());
        let row = self.told(select.fetch_optional(&mut *writing).await)?;
        let origin = row.as_ref().map(|row| rows::json::<Origin>(row, "origin"));
        let Some(mut origin) = self.told(origin.transpose())?.flatten() else {
            return Ok(());
        };
        origin.pieces.push(piece);
        let update = sqlx::query("UPDATE messages SET origin = $2 WHERE id = $1")
            .bind(answer.to_string())
            .bind(self.told(rows::to_json(&origin))?);
        self.told(update.execute(&mut *writing).await)?;
        self.told(writing.commit().await)
    }

    pub(super) async fn mark_stopping(&self, answer: Id) -> Result<(), StoreError> {
        let update =
            sqlx::query("UPDATE messages SET stopping = 1 WHERE id = $1").bind(answer.to_string());
        self.told(update.execute(&self.pool).await)?;
        Ok(())
    }

    pub(super) async fn marked_stopping(&self) -> Result<Vec<Id>, StoreError> {
        let select = sqlx::query(
            "SELECT id FROM messages
             WHERE writer = $1 AND state IN ('queued', 'running') AND stopping = 1",
        )
        .bind(self.writer.clone());
        let marked = self.told(select.fetch_all(&self.pool).await)?;
        self.read(marked, |row| rows::id(row, "id"))
    }

    /// This process writes nothing any more.
    pub(super) async fn leave(&self) -> Result<(), StoreError> {
        if self.dialect == Dialect::Postgres {
            let delete = sqlx::query("DELETE FROM writers WHERE id = $1").bind(self.writer.clone());
            self.told(delete.execute(&self.pool).await)?;
        }
        Ok(())
    }

    pub(super) async fn interrupt(&self) -> Result<u64, StoreError> {
        let open = "UPDATE messages SET state = 'interrupted' WHERE state IN ('queued', 'running') AND writer <> $1";
        if self.dialect == Dialect::Sqlite {
            // The lock says that there is no other process.
            let update = sqlx::query(open).bind(self.writer.clone());
            return Ok(self.told(update.execute(&self.pool).await)?.rows_affected());
        }
        let alive = format!(
            "INSERT INTO writers (id, seen) VALUES ($1, {POSTGRES_NOW}) ON CONFLICT (id) DO UPDATE SET seen = {POSTGRES_NOW}"
        );
        let alive = sqlx::query(sqlx::AssertSqlSafe(alive)).bind(self.writer.clone());
        self.told(alive.execute(&self.pool).await)?;
        let silent = format!("DELETE FROM writers WHERE seen < {POSTGRES_NOW} - {SILENCE}");
        self.told(
            sqlx::query(sqlx::AssertSqlSafe(silent))
                .execute(&self.pool)
                .await,
        )?;
        let update = format!("{open} AND writer NOT IN (SELECT id FROM writers)");
        let update = sqlx::query(sqlx::AssertSqlSafe(update)).bind(self.writer.clone());
        Ok(self.told(update.execute(&self.pool).await)?.rows_affected())
    }
}

/// Microseconds to the first token and to the last as they were expected, and the tokens that this is for, beside the column
/// `figures`.
fn foreseen(metrics: &Metrics) -> Option<String> {
    let foreseen = metrics.foreseen?;
    let [first, total] =
        [foreseen.first_s, foreseen.total_s].map(|seconds| (seconds * 1e6).round());
    let is_time = |time: f64| (0.0..9e15).contains(&time);
    (is_time(first) && is_time(total))
        .then(|| format!("{first:.0},{total:.0},{}", foreseen.output_tokens))
}
