//! What many answers took, in few bytes of each: the column `figures`, which the database itself keeps beside the metrics.
//!
//! All of them come as one text of a single row: 100,000 rows of a dozen columns take three times as long.

use std::str::FromStr;
use std::sync::Arc;

use nibble_app::domain::{MEASURED, Measured, Metrics, Origin};
use nibble_app::visitor::Owner;
use sqlx::{AssertSqlSafe, Row};

use super::{Dialect, SqlStore, rows};
use crate::store::StoreError;

impl SqlStore {
    pub(super) async fn answers_measured(&self, owner: Owner) -> Result<Vec<Measured>, StoreError> {
        let (joined, messages) = match self.dialect {
            // It would otherwise read the texts of all messages on its way.
            Dialect::Sqlite => (
                "group_concat(line, char(10))",
                "messages m INDEXED BY messages_figures",
            ),
            Dialect::Postgres => ("string_agg(line, chr(10))", "messages m"),
        };
        // What a chat began with is a copy of another's answers.
        let sql = format!(
            "SELECT {joined} AS lines FROM (
                 SELECT m.created || ',' || coalesce(m.foreseen, ',') || ',' || m.figures AS line FROM conversations c JOIN {messages} ON m.conversation = c.id
                 WHERE c.owner = $1 AND c.deleted IS NULL AND m.figures IS NOT NULL AND m.hidden IS NULL
                 AND m.created >= c.created
                 ORDER BY c.pinned DESC, c.updated DESC LIMIT {MEASURED}) found"
        );
        let select = sqlx::query(AssertSqlSafe(sql)).bind(owner.to_string());
        let row = self.told(select.fetch_one(&self.pool).await)?;
        let lines: Option<String> = self.told(row.try_get("lines"))?;
        let Some(lines) = lines else {
            return Ok(Vec::new());
        };
        let read = tokio::task::spawn_blocking(move || measured(&lines)).await;
        Ok(read.expect("reading lines does not panic"))
    }

    /// Those of a model among the last answers of this database, whoever asked; what came by a file or as a copy was written
    /// by none of its programs.
    pub(super) async fn measured_last(
        &self,
        model: &str,
        most: usize,
    ) -> Result<Vec<Metrics>, StoreError> {
        let select = sqlx::query(
            "SELECT metrics, origin FROM messages WHERE metrics IS NOT NULL AND writer IS NOT NULL ORDER BY n DESC LIMIT $1",
        )
        .bind(i64::try_from(most).unwrap_or(i64::MAX));
        let rows = self.told(select.fetch_all(&self.pool).await)?;
        let read = self.read(rows, |row| {
            let origin: Option<Origin> = rows::json(row, "origin")?;
            let is_of = origin.is_some_and(|origin| origin.model == model);
            Ok(rows::metrics(row)?.filter(|_| is_of))
        })?;
        Ok(read.into_iter().flatten().collect())
    }
}

/// What stands in lines; one that cannot be read is left out.
fn measured(lines: &str) -> Vec<Measured> {
    let mut names = Names::default();
    let read = lines.lines().filter_map(|line| one(line, &mut names));
    read.collect()
}

fn one(line: &str, names: &mut Names) -> Option<Measured> {
    let mut fields = line.splitn(17, ',');
    let mut next = || fields.next();
    let created = whole(next()?)?;
    let foreseen = [scaled(next()?, 1e6), scaled(next()?, 1e6)];
    Some(Measured {
        created,
        foreseen_s: foreseen[0]
            .zip(foreseen[1])
            .map(|(first, all)| [first, all]),
        time_to_first_token_s: scaled(next()?, 1e6),
        decode_tokens_per_second: scaled(next()?, 1e3),
        prefill_tokens_per_second: scaled(next()?, 1e3),
        queued_s: scaled(next()?, 1e6).unwrap_or(0.0),
        total_s: scaled(next()?, 1e6).unwrap_or(0.0),
        usd_total: scaled(next()?, 1e9).unwrap_or(0.0),
        usd_share: scaled(next()?, 1e9).unwrap_or(0.0),
        beside: scaled(next()?, 1e3).unwrap_or(0.0),
        prompt_tokens: whole(next()?).unwrap_or(0),
        cached_tokens: whole(next()?).unwrap_or(0),
        output_tokens: whole(next()?).unwrap_or(0),
        threads: whole(next()?).unwrap_or(0),
        kernel: names.shared(next()?),
        model: names.shared(next()?),
    })
}

fn whole<T: FromStr>(field: &str) -> Option<T> {
    field.parse().ok()
}

fn scaled(field: &str, scale: f64) -> Option<f64> {
    let value: i64 = whole(field)?;
    #[allow(
        clippy::cast_precision_loss,
        reason = "figures have fewer than 15 digits"
    )]
    Some(value as f64 / scale)
}

/// Names that many answers have, each once in memory.
#[derive(Default)]
struct Names(Vec<Arc<str>>);

impl Names {
    fn shared(&mut self, name: &str) -> Arc<str> {
        // Few models and kernels: those that were found last come first.
        if let Some(at) = self.0.iter().rposition(|known| &**known == name) {
            return Arc::clone(&self.0[at]);
        }
        let known: Arc<str> = name.into();
        if self.0.len() < 64 {
            self.0.push(Arc::clone(&known));
        }
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_and_what_was_not_measured_is_absent() {
        let read = measured(
            "5,300000,1600000,250000,,800,0,1500000,123457,61000,500,12,3,,2,avx2,a, b\nnonsense",
        );
        let [read] = &read[..] else {
            panic!("{read:?}");
        };
        assert_eq!(read.created, 5);
        assert_eq!(read.foreseen_s, Some([0.3, 1.6]));
        assert_eq!(read.time_to_first_token_s, Some(0.25));
        assert_eq!(read.decode_tokens_per_second, None);
        assert_eq!(read.prefill_tokens_per_second, Some(0.8));
        assert_eq!((read.queued_s, read.total_s), (0.0, 1.5));
        assert_eq!((read.usd_total, read.usd_share), (0.000_123_457, 0.000_061));
        assert_eq!((read.beside, read.threads), (0.5, 2));
        assert_eq!((read.prompt_tokens, read.cached_tokens), (12, 3));
        assert_eq!((&*read.kernel, &*read.model), ("avx2", "a, b"));
    }
}
