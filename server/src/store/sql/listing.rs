//! An owner's conversations: all of them, or those in which some words stand.

use nibble_app::chat::{List, ListQuery};
use nibble_app::visitor::Owner;
use sqlx::AssertSqlSafe;

use super::{Dialect, SqlStore, rows};
use crate::store::StoreError;

/// The most words that are searched for.
const WORDS: usize = 8;

/// As few characters as trigrams find.
const TRIGRAM: usize = 3;

/// No word is longer; Postgres has at most 2,046 bytes in one.
const WORD: usize = 100;

/// Of what stands in more messages of an owner, the newest are found.
const HITS: usize = 2_000;

impl SqlStore {
    pub(super) async fn listed(
        &self,
        owner: Owner,
        query: &ListQuery,
        most: usize,
    ) -> Result<List, StoreError> {
        let search = rows::plain(&query.search);
        let words: Vec<_> = search
            .split_whitespace()
            .take(WORDS)
            .map(shortened)
            .collect();
        let Condition { sql, binds } = match self.dialect {
            _ if words.is_empty() => Condition {
                sql: "TRUE".to_owned(),
                binds: Vec::new(),
            },
            Dialect::Sqlite => in_sqlite(&words),
            Dialect::Postgres => in_postgres(&words),
        };
        let sql = format!(
            "SELECT {} FROM conversations c WHERE owner = $1 AND deleted IS NULL AND {sql}
             ORDER BY pinned DESC, updated DESC, id LIMIT {} OFFSET {}",
            rows::CONVERSATION,
            most + 1,
            i64::try_from(query.from).unwrap_or(i64::MAX),
        );
        let mut select = sqlx::query(AssertSqlSafe(sql)).bind(owner.to_string());
        for bind in binds {
            select = select.bind(bind);
        }
        let found = self.told(select.fetch_all(&self.pool).await)?;
        let mut conversations = self.read(found, rows::conversation)?;
        let next = (conversations.len() > most).then(|| query.from + most);
        conversations.truncate(most);
        Ok(List {
            conversations,
            next,
        })
    }
}

/// The beginning of a word that is longer than any.
fn shortened(word: &str) -> &str {
    let end = word.char_indices().nth(WORD);
    end.map_or(word, |(end, _)| &word[..end])
}

/// A condition with what is bound in it from `$2` on.
#[derive(Default)]
struct Condition {
    sql: String,
    binds: Vec<String>,
}

impl Condition {
    fn bind(&mut self, text: String) -> String {
        self.binds.push(text);
        format!("${}", self.binds.len() + 1)
    }
}

/// That each word stands in the title, or all in one message.
fn in_sqlite(words: &[&str]) -> Condition {
    let mut condition = Condition::default();
    let title = all(&mut condition, words, "c.title", like);
    let (long, short): (Vec<&str>, Vec<&str>) = words
        .iter()
        .partition(|word| word.chars().count() >= TRIGRAM);
    let short = all(&mut condition, &short, "m.text", like);
    let message = if long.is_empty() {
        format!(
            "EXISTS (SELECT 1 FROM messages m WHERE m.conversation = c.id AND m.hidden IS NULL AND {short})"
        )
    } else {
        let quoted = long
            .iter()
            .map(|word| format!("\"{}\"", word.replace('"', "\"\"")));
        let found = condition.bind(quoted.collect::<Vec<_>>().join(" AND "));
        // The words come first: SQLite would otherwise ask for them in each message of the owner.
        format!(
            "c.id IN (SELECT m.conversation FROM found CROSS JOIN messages m ON m.n = found.rowid
                 CROSS JOIN conversations o ON o.id = m.conversation
             WHERE found MATCH {found} AND {short} AND m.hidden IS NULL AND o.owner = $1 ORDER BY found.rowid DESC LIMIT {HITS})"
        )
    };
    condition.sql = format!("({title} OR {message})");
    condition
}

/// As [`in_sqlite`], in messages by words and their beginnings. Quoted they may hold anything: what has no letter in it
/// finds nothing.
fn in_postgres(words: &[&str]) -> Condition {
    let mut condition = Condition::default();
    let title = all(&mut condition, words, "c.title", strpos);
    let quoted = words.iter().map(|word| {
        let word = word.replace('\\', r"\\").replace('\'', "''");
        format!("'{word}':*")
    });
    let wanted = condition.bind(quoted.collect::<Vec<_>>().join(" & "));
    condition.sql = format!(
        "({title} OR c.id IN (SELECT m.conversation FROM messages m JOIN conversations o ON o.id = m.conversation
             WHERE m.words @@ to_tsquery('simple', {wanted}) AND m.hidden IS NULL AND o.owner = $1 ORDER BY m.n DESC LIMIT {HITS}))"
    );
    condition
}

/// That all words stand in a column, by how the database says it of one.
fn all(
    condition: &mut Condition,
    words: &[&str],
    column: &str,
    stands: fn(&mut Condition, &str, &str) -> String,
) -> String {
    let each = words.iter().map(|word| {
        let word = word.to_lowercase();
        stands(condition, column, &word)
    });
    let each: Vec<_> = each.collect();
    if each.is_empty() {
        "TRUE".to_owned()
    } else {
        each.join(" AND ")
    }
}

/// To SQLite, ASCII's letters are alike here, capital or small. It takes half of the time that `instr` does in a copy of
/// small letters.
fn like(condition: &mut Condition, column: &str, word: &str) -> String {
    let mut pattern = word.replace('\\', r"\\");
    for sign in ["%", "_"] {
        pattern = pattern.replace(sign, &format!("\\{sign}"));
    }
    let place = condition.bind(format!("%{pattern}%"));
    format!(r"{column} LIKE {place} ESCAPE '\'")
}

fn strpos(condition: &mut Condition, column: &str, word: &str) -> String {
    let place = condition.bind(word.to_owned());
    format!("strpos(lower({column}), {place}) > 0")
}
