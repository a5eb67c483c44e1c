//! What many answers took, in few bytes of each: the column `figures`, which the database itself keeps beside the metrics.
//!
//! All of them come as one text of a single row: 100,000 rows of a dozen columns take three times as long.

use std::sync::Arc;

use nibble_app::domain::{Expected, MEASURED, Measured, Metrics, Origin};
use nibble_app::visitor::Owner;
use sqlx::{AssertSqlSafe, Row};

use super::{Dialect, SqlStore, rows};
use crate::store::StoreError;

/// How often more answers are read, where those before were made in another way.
const READS: usize = 8;
/// Those that an owner can read, of so many conversations as tell enough.
const OF_OWNER: &str = "hidden IS NULL AND conversation IN
    (SELECT id FROM conversations WHERE owner = $3 AND deleted IS NULL ORDER BY pinned DESC, updated DESC LIMIT 50)";
/// Hardly a line is shorter.
const LINE_BYTES: usize = 64;
/// Digits that any number may have.
const SURE_DIGITS: usize = 18;

impl SqlStore {
    pub(super) async fn answers_measured(&self, owner: Owner) -> Result<Vec<Measured>, StoreError> {
        let (joined, messages) = match self.dialect {
            // Its expression is what is read, and stands in it; the texts of all messages would be read otherwise.
            Dialect::Sqlite => (
                "group_concat(line, char(10))",
                "messages m INDEXED BY messages_lines",
            ),
            Dialect::Postgres => ("string_agg(line, chr(10))", "messages m"),
        };
        let sql = format!(
            "SELECT {joined} AS lines FROM (
                 SELECT (m.created || ',' || coalesce(m.foreseen, ',,') || ',' || m.figures) AS line FROM conversations c JOIN {messages} ON m.conversation = c.id
                 WHERE c.owner = $1 AND c.deleted IS NULL AND m.figures IS NOT NULL AND m.hidden IS NULL
                 AND m.elsewhere = 0
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

    /// Those that are as fast as one of this origin, among the last answers of its model, whoever asked: also what they deleted
    /// was computed.
    pub(super) async fn measured_last(
        &self,
        of: &Origin,
        most: usize,
    ) -> Result<Vec<Metrics>, StoreError> {
        // The expressions of the index `messages_of_model`.
        let of_model = match self.dialect {
            Dialect::Sqlite => "json_extract(origin, '$.model') = json_extract($3, '$.model')",
            Dialect::Postgres => {
                "left(nibble_words(origin, 'model'), 200) = left(nibble_words($3, 'model'), 200)"
            }
        };
        let origin = self.told(rows::to_json(of))?;
        self.last(of, most, of_model, &origin).await
    }

    /// The tokens of those among the last answers of an owner's newest conversations.
    pub(super) async fn lengths_last(
        &self,
        owner: Owner,
        of: &Origin,
        most: usize,
    ) -> Result<Vec<usize>, StoreError> {
        let last = self.last(of, most, OF_OWNER, &owner.to_string()).await?;
        Ok(last.iter().map(|answer| answer.output_tokens).collect())
    }

    /// Those that are as fast as one of this origin, among the last answers of which `is_among` holds with this value as `$3`.
    async fn last(
        &self,
        of: &Origin,
        most: usize,
        is_among: &str,
        value: &str,
    ) -> Result<Vec<Metrics>, StoreError> {
        let sql = format!(
            "SELECT n, metrics, origin FROM messages
             WHERE metrics IS NOT NULL AND elsewhere = 0 AND n < $1 AND {is_among} ORDER BY n DESC LIMIT $2"
        );
        let (mut found, mut before) = (Vec::new(), i64::MAX);
        for _ in 0..READS {
            let select = sqlx::query(AssertSqlSafe(sql.clone()))
                .bind(before)
                .bind(i64::try_from(most).unwrap_or(i64::MAX))
                .bind(value.to_owned());
            let rows = self.told(select.fetch_all(&self.pool).await)?;
            let Some(last) = rows.last() else { break };
            before = self.told(last.try_get("n"))?;
            let alike = self.read(rows, |row| {
                let origin: Option<Origin> = rows::json(row, "origin")?;
                match origin.is_some_and(|origin| origin.is_as_fast_as(of)) {
                    true => rows::metrics(row),
                    false => Ok(None),
                }
            })?;
            found.extend(alike.into_iter().flatten());
            if found.len() >= most {
                break;
            }
        }
        found.truncate(most);
        Ok(found)
    }
}

/// What stands in lines; one that cannot be read is left out.
fn measured(lines: &str) -> Vec<Measured> {
    let mut names = Names::default();
    let mut read = Vec::with_capacity(lines.len() / LINE_BYTES);
    read.extend(lines.lines().filter_map(|line| one(line, &mut names)));
    read
}

fn one(line: &str, names: &mut Names) -> Option<Measured> {
    let mut fields = Fields(line);
    let created = fields.whole()??;
    let [first_s, total_s] = [fields.scaled(1e6)?, fields.scaled(1e6)?];
    let tokens = fields.whole()?.and_then(|tokens| tokens.try_into().ok());
    let expected = first_s.zip(total_s).map(|(first_s, total_s)| Expected {
        first_s,
        total_s,
        tokens,
    });
    Some(Measured {
        created,
        expected,
        time_to_first_token_s: fields.scaled(1e6)?,
        decode_tokens_per_second: fields.scaled(1e3)?,
        prefill_tokens_per_second: fields.scaled(1e3)?,
        queued_s: fields.scaled(1e6)?.unwrap_or(0.0),
        total_s: fields.scaled(1e6)?.unwrap_or(0.0),
        usd_total: fields.scaled(1e9)?.unwrap_or(0.0),
        usd_share: fields.scaled(1e9)?.unwrap_or(0.0),
        beside: fields.scaled(1e3)?.unwrap_or(0.0),
        prompt_tokens: fields.count()?,
        cached_tokens: fields.count()?,
        output_tokens: fields.count()?,
        threads: fields.count()?,
        kernel: names.shared(fields.next()?),
        // It may have commas.
        model: names.shared(fields.0),
    })
}
/// What is left of a line, whose fields are parted by commas. All of these give nothing where the line is at its end.
struct Fields<'a>(&'a str);

impl<'a> Fields<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let (field, rest) = self.0.split_once(',')?;
        self.0 = rest;
        Some(field)
    }

    /// A whole number, where the field is one.
    fn whole(&mut self) -> Option<Option<i64>> {
        let mut value = 0;
        for (at, byte) in self.0.bytes().enumerate() {
            match byte {
                b'0'..=b'9' if at < SURE_DIGITS => value = value * 10 + i64::from(byte - b'0'),
                b',' => {
                    self.0 = &self.0[at + 1..];
                    return Some((at > 0).then_some(value));
                }
                _ => break,
            }
        }
        Some(self.next()?.parse().ok())
    }

    /// A whole number of parts of which so many are one.
    fn scaled(&mut self, scale: f64) -> Option<Option<f64>> {
        #[allow(
            clippy::cast_precision_loss,
            reason = "figures have fewer than 15 digits"
        )]
        let scaled = |value: i64| value as f64 / scale;
        Some(self.whole()?.map(scaled))
    }

    /// How many of something there are; none where the field says nothing.
    fn count(&mut self) -> Option<usize> {
        let count = self.whole()?.and_then(|count| count.try_into().ok());
        Some(count.unwrap_or(0))
    }
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
            "5,300000,1600000,40,250000,,800,0,1500000,123457,61000,500,12,3,,2,avx2,a, b\nnonsense",
        );
        let [read] = &read[..] else {
            panic!("{read:?}");
        };
        assert_eq!(read.created, 5);
        let expected = Expected {
            first_s: 0.3,
            total_s: 1.6,
            tokens: Some(40),
        };
        assert_eq!(read.expected, Some(expected));
        assert_eq!(read.time_to_first_token_s, Some(0.25));
        assert_eq!(read.decode_tokens_per_second, None);
        assert_eq!(read.prefill_tokens_per_second, Some(0.8));
        assert_eq!((read.queued_s, read.total_s), (0.0, 1.5));
        assert_eq!((read.usd_total, read.usd_share), (0.000_123_457, 0.000_061));
        assert_eq!((read.beside, read.threads), (0.5, 2));
        assert_eq!((read.prompt_tokens, read.cached_tokens), (12, 3));
        assert_eq!((&*read.kernel, &*read.model), ("avx2", "a, b"));
    }

    #[test]
    fn a_field_is_a_number_however_long_or_none() {
        let mut fields = Fields("-5,9223372036854775807,99999999999999999999,,x,7,é");
        let read = [(); 6].map(|()| fields.whole().unwrap());
        assert_eq!(read, [Some(-5), Some(i64::MAX), None, None, None, Some(7)]);
        assert_eq!((fields.0, fields.whole()), ("é", None));
    }
}
