//! Conversations in SQLite or Postgres: the same statements for both, where the two differ a line beside the other.

use std::fs::File;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use nibble_app::chat::{Change, List, ListQuery};
use nibble_app::domain::{
    Answer, Comparison, Conversation, End, Id, Measured, Message, Metrics, Origin, Piece, Question,
    Transcript, Tree,
};
use nibble_app::presets::Preset;
use nibble_app::settings::Settings;
use nibble_app::visitor::Owner;
use sqlx::any::AnyRow;
use sqlx::{Any, AnyConnection, AnyPool, Transaction};

use super::{Ask, Begun, Copied, Part, Place, Store, StoreError, Window, Written};

mod asking;
mod backup;
mod branches;
mod comparisons;
mod conversations;
mod error;
mod file;
mod listing;
mod measured;
mod open;
mod presets;
mod questions;
mod reading;
mod reopening;
mod rows;
mod transfer;
mod withdrawing;
mod writing;

pub use self::backup::{backup, restore};
pub use self::open::Database;

/// Which database speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Sqlite,
    Postgres,
}

type Writing = Transaction<'static, Any>;

/// A store behind a pool of connections.
pub struct SqlStore {
    pool: AnyPool,
    dialect: Dialect,
    /// How errors call it.
    name: String,
    /// This process, as it signs the answers that it writes.
    writer: String,
    /// Nobody else opens the file while this is held.
    _lock: Option<File>,
    /// A database in memory ends with its last connection, and that of a request may be closed when its client leaves.
    _kept: Option<Mutex<AnyConnection>>,
}

impl SqlStore {
    /// A transaction that may write.
    async fn write(&self) -> Result<Writing, StoreError> {
        // SQLite would otherwise find out at the first change that another writes, too late to wait for it.
        let begin = match self.dialect {
            Dialect::Sqlite => "BEGIN IMMEDIATE",
            Dialect::Postgres => "BEGIN",
        };
        self.told(self.pool.begin_with(begin).await)
    }

    /// A result with an error in words for whoever runs the program.
    fn told<T>(&self, result: Result<T, sqlx::Error>) -> Result<T, StoreError> {
        result.map_err(|error| error::failed(&self.name, &error))
    }

    /// The same database for a test, beside the server that has it.
    #[cfg(test)]
    pub(crate) fn twin(&self) -> Self {
        Self {
            pool: self.pool.clone(),
            dialect: self.dialect,
            name: self.name.clone(),
            writer: self.writer.clone(),
            _lock: None,
            _kept: None,
        }
    }

    /// Does to the database what tests need.
    #[cfg(test)]
    pub(crate) async fn execute(&self, sql: &str) {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        sqlx::raw_sql(sql).execute(&self.pool).await.unwrap();
    }

    /// Rows with an error in such words.
    fn read<T>(
        &self,
        rows: Vec<AnyRow>,
        read: impl Fn(&AnyRow) -> Result<T, sqlx::Error>,
    ) -> Result<Vec<T>, StoreError> {
        self.told(rows.iter().map(read).collect())
    }
}

/// Milliseconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

#[async_trait]
impl Store for SqlStore {
    async fn begin(&self, owner: Owner, ask: Ask, origin: Origin) -> Result<Begun, StoreError> {
        self.begin_asking(owner, ask, origin).await
    }

    async fn begin_memory(&self, question: Id) -> Result<(), StoreError> {
        self.memory_begun(question).await
    }

    async fn add_piece(&self, answer: Id, piece: Piece) -> Result<(), StoreError> {
        self.piece_added(answer, piece).await
    }

    async fn reopen(&self, owner: Owner, answer: Id) -> Result<Begun, StoreError> {
        self.open_again(owner, answer).await
    }

    async fn withdraw(&self, answer: Id) -> Result<(), StoreError> {
        self.take_back(answer).await
    }

    async fn checkpoint(&self, answers: &[Written]) -> Result<(), StoreError> {
        self.write_down(answers).await
    }

    async fn finish(&self, answer: &Written, end: &End) -> Result<(), StoreError> {
        self.end(answer, end).await
    }

    fn is_shared(&self) -> bool {
        self.dialect == Dialect::Postgres
    }

    async fn stop(&self, answer: Id) -> Result<(), StoreError> {
        self.mark_stopping(answer).await
    }

    async fn stopping(&self) -> Result<Vec<Id>, StoreError> {
        self.marked_stopping().await
    }

    async fn interrupt_open(&self) -> Result<u64, StoreError> {
        self.interrupt().await
    }

    async fn conversation(&self, id: Id) -> Result<Option<(Conversation, Owner)>, StoreError> {
        self.one_conversation(id).await
    }

    async fn tree(&self, conversation: Id) -> Result<Tree, StoreError> {
        self.places(conversation).await
    }

    async fn window(
        &self,
        conversation: Id,
        tip: Option<Id>,
        part: Part,
    ) -> Result<Window, StoreError> {
        self.part_of_branch(conversation, tip, part).await
    }

    async fn answer(&self, id: Id) -> Result<Option<Answer>, StoreError> {
        self.one_answer(id).await
    }

    async fn question(&self, id: Id) -> Result<Option<Question>, StoreError> {
        self.one_question(id).await
    }

    async fn conversation_of(&self, message: Id) -> Result<Option<Id>, StoreError> {
        self.place_of(message).await
    }

    async fn list(&self, owner: Owner, query: &ListQuery, most: usize) -> Result<List, StoreError> {
        self.listed(owner, query, most).await
    }

    async fn measured(&self, owner: Owner) -> Result<Vec<Measured>, StoreError> {
        self.answers_measured(owner).await
    }

    async fn last_measured(&self, of: &Origin, most: usize) -> Result<Vec<Metrics>, StoreError> {
        self.measured_last(of, most).await
    }

    async fn last_lengths(
        &self,
        owner: Owner,
        of: &Origin,
        most: usize,
    ) -> Result<Vec<usize>, StoreError> {
        self.lengths_last(owner, of, most).await
    }

    async fn settings(&self, owner: Owner) -> Result<Option<Settings>, StoreError> {
        self.kept_settings(owner).await
    }

    async fn keep_settings(&self, owner: Owner, settings: &Settings) -> Result<(), StoreError> {
        self.store_settings(&self.pool, owner, settings).await
    }

    async fn presets(&self, owner: Owner) -> Result<Vec<Preset>, StoreError> {
        self.presets_of(owner).await
    }

    async fn save_preset(&self, owner: Owner, preset: &Preset) -> Result<(), StoreError> {
        self.preset_saved(owner, preset).await
    }

    async fn delete_preset(&self, owner: Owner, name: &str) -> Result<bool, StoreError> {
        self.preset_deleted(owner, name).await
    }

    async fn begin_comparison(
        &self,
        owner: Owner,
        comparison: &Comparison,
    ) -> Result<(), StoreError> {
        self.comparison_begun(owner, comparison).await
    }

    async fn end_comparison(&self, comparison: &Comparison) -> Result<(), StoreError> {
        self.comparison_ended(comparison).await
    }

    async fn comparison(
        &self,
        owner: Owner,
        id: Id,
    ) -> Result<Option<(Comparison, bool)>, StoreError> {
        self.one_comparison(owner, id).await
    }

    async fn comparisons(&self, owner: Owner) -> Result<Vec<Comparison>, StoreError> {
        self.comparisons_of(owner).await
    }

    async fn delete_comparison(&self, owner: Owner, id: Id) -> Result<bool, StoreError> {
        self.comparison_deleted(owner, id).await
    }

    async fn change(&self, owner: Owner, id: Id, change: Change) -> Result<bool, StoreError> {
        self.changed(owner, id, change).await
    }

    async fn copy(&self, owner: Owner, answer: Id, part: Copied) -> Result<Id, StoreError> {
        self.copied(owner, answer, part).await
    }

    async fn hide(&self, owner: Owner, question: Id, hidden: bool) -> Result<Id, StoreError> {
        self.hidden(owner, question, hidden).await
    }

    async fn names(&self, owner: Owner) -> Result<Vec<Id>, StoreError> {
        self.names_of(owner).await
    }

    async fn messages(
        &self,
        conversation: Id,
        after: Place,
        most: usize,
    ) -> Result<Vec<(Place, Message)>, StoreError> {
        self.messages_after(conversation, after, most).await
    }

    async fn import(&self, owner: Owner, transcript: &Transcript) -> Result<Id, StoreError> {
        self.imported(owner, transcript).await
    }

    async fn delete_all(&self, owner: Owner, at: i64) -> Result<u64, StoreError> {
        self.deleted_all(owner, at).await
    }

    async fn restore_all(&self, owner: Owner, at: i64) -> Result<u64, StoreError> {
        self.restored_all(owner, at).await
    }

    async fn purge(&self, before: i64) -> Result<u64, StoreError> {
        self.purged(before).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        let left = self.leave().await;
        self.pool.close().await;
        left
    }
}
