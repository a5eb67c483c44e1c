//! Opening a database: where it is, how it is to behave, and that its tables are those of this program.

use std::borrow::Cow;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Mutex;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions, install_default_drivers};
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AnyConnection, AnyPool, Connection, SqlSafeStr};

use super::{Dialect, SqlStore, file};
use crate::store::StoreError;

/// Where conversations are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// A file of SQLite.
    File(PathBuf),
    /// Nowhere: they end with the program.
    Memory,
    /// A Postgres database by its address, which may hold a password.
    Postgres(String),
}

impl FromStr for Database {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "memory" => Ok(Self::Memory),
            "" => Err("a database is a path, `memory` or `postgres://…`".to_owned()),
            _ if text.starts_with("postgres://") || text.starts_with("postgresql://") => {
                Ok(Self::Postgres(text.to_owned()))
            }
            _ if text.contains("://") => Err(format!(
                "a database is a path, `memory` or `postgres://…`, found `{}://…`",
                text.split("://").next().unwrap_or_default()
            )),
            _ => Ok(Self::File(text.into())),
        }
    }
}

impl Database {
    /// How errors call it.
    fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Memory => "memory".to_owned(),
            Self::Postgres(url) => without_password(url),
        }
    }
}

/// Connections to a file: one writes at a time, the others read.
const FILE_CONNECTIONS: u32 = 4;
const POSTGRES_CONNECTIONS: u32 = 8;

/// How long it is waited for a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// The most that a file may hold: 4 GiB in pages of 4 KiB.
const PRAGMAS: &str = "
    PRAGMA busy_timeout = 5000;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA secure_delete = ON;
    PRAGMA max_page_count = 1048576;
";

impl SqlStore {
    /// Opens a database, makes it if there is none, and brings its tables up to date.
    ///
    /// # Errors
    /// When it cannot be opened, is another program's, or was written by a later version of this one.
    pub async fn open(database: &Database) -> Result<Self, StoreError> {
        let opened = Self::opened_at(database).await;
        opened.map_err(|error| {
            StoreError::Failed(format!(
                "{error}; `--database PLACE` names another, `--database memory` keeps conversations until the program ends"
            ))
        })
    }

    async fn opened_at(database: &Database) -> Result<Self, StoreError> {
        install_default_drivers();
        let name = database.name();
        let (url, dialect, connections, lock) = match database {
            Database::File(path) => {
                let url = file::url(path)?;
                let lock = file::locked(path)?;
                file::version(path).await?;
                (url, Dialect::Sqlite, FILE_CONNECTIONS, Some(lock))
            }
            Database::Memory => {
                let url = format!("sqlite:file:{:032x}?mode=memory", rand::random::<u128>());
                (url, Dialect::Sqlite, 1, None)
            }
            Database::Postgres(url) => (url.clone(), Dialect::Postgres, POSTGRES_CONNECTIONS, None),
        };
        let told = |error: sqlx::Error| super::error::failed(&name, &error);
        let pool = connected(&url, dialect, connections).await.map_err(told)?;
        let kept = match database {
            Database::Memory => Some(Mutex::new(
                AnyConnection::connect(&url).await.map_err(told)?,
            )),
            _ => None,
        };
        let migrated = migrations(dialect).run(&pool).await;
        migrated.map_err(|error| unmigrated(&name, error))?;
        let store = Self {
            pool,
            dialect,
            name,
            writer: format!("{:032x}", rand::random::<u128>()),
            _lock: lock,
            _kept: kept,
        };
        store.interrupt().await?;
        Ok(store)
    }
}

fn unmigrated(name: &str, error: MigrateError) -> StoreError {
    match error {
        MigrateError::VersionMissing(_) => file::later(name),
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            super::error::failed(name, &error)
        }
        error => StoreError::Failed(format!(
            "the tables of the database `{name}` are not those of this program: {error}"
        )),
    }
}

async fn connected(url: &str, dialect: Dialect, connections: u32) -> Result<AnyPool, sqlx::Error> {
    let mut options = AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(PATIENCE);
    if dialect == Dialect::Sqlite {
        options = options
            .after_connect(|connection, _| {
                Box::pin(async move {
                    sqlx::raw_sql(PRAGMAS).execute(connection).await?;
                    Ok(())
                })
            })
            .after_release(|connection, _| Box::pin(is_usable(connection)));
    }
    options
        .connect_with(AnyConnectOptions::from_str(url)?)
        .await
}

/// Whether a connection can be used again. SQLite ends a transaction by itself when the disk is full, after which sqlx cannot
/// end it and begins no other.
async fn is_usable(connection: &mut AnyConnection) -> Result<bool, sqlx::Error> {
    // What is to be rolled back is by then.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

/// The version of the tables: how many changes of them there are.
pub(super) const VERSION: i64 = 10;

/// Changes of the tables, oldest first: one that was released stays as it is.
fn migrations(dialect: Dialect) -> Migrator {
    let all = match dialect {
        Dialect::Sqlite => [
            include_str!("../migrations/sqlite/1_conversations.sql"),
            include_str!("../migrations/sqlite/2_processes.sql"),
            include_str!("../migrations/sqlite/3_memory_and_presets.sql"),
            include_str!("../migrations/sqlite/4_attachments.sql"),
            include_str!("../migrations/sqlite/5_figures.sql"),
            include_str!("../migrations/sqlite/6_comparisons.sql"),
            include_str!("../migrations/sqlite/7_foreseen.sql"),
            include_str!("../migrations/sqlite/8_lines.sql"),
            include_str!("../migrations/sqlite/9_elsewhere.sql"),
            include_str!("../migrations/sqlite/10_of_model.sql"),
        ],
        Dialect::Postgres => [
            include_str!("../migrations/postgres/1_conversations.sql"),
            include_str!("../migrations/postgres/2_processes.sql"),
            include_str!("../migrations/postgres/3_memory_and_presets.sql"),
            include_str!("../migrations/postgres/4_attachments.sql"),
            include_str!("../migrations/postgres/5_figures.sql"),
            include_str!("../migrations/postgres/6_comparisons.sql"),
            include_str!("../migrations/postgres/7_foreseen.sql"),
            include_str!("../migrations/postgres/8_lines.sql"),
            include_str!("../migrations/postgres/9_elsewhere.sql"),
            include_str!("../migrations/postgres/10_of_model.sql"),
        ],
    };
    let migrations = (1..).zip(all).map(|(version, sql)| {
        let (description, sql) = (Cow::Borrowed("conversations"), sql.into_sql_str());
        Migration::new(version, description, MigrationType::Simple, sql, false)
    });
    Migrator::with_migrations(migrations.collect())
}

fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let rest = rest.split('?').next().unwrap_or_default();
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    format!("{scheme}://{place}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_a_path_memory_or_postgres() {
        assert_eq!("memory".parse(), Ok(Database::Memory));
        assert_eq!("a/b.db".parse(), Ok(Database::File("a/b.db".into())));
        let url = "postgres://me:secret@db/chats";
        assert_eq!(url.parse(), Ok(Database::Postgres(url.into())));
        let refused = "mysql://a".parse::<Database>().unwrap_err();
        assert!(refused.ends_with("found `mysql://…`"), "{refused}");
        assert!("".parse::<Database>().is_err());
    }

    #[tokio::test]
    async fn a_connection_whose_transaction_the_database_ended_is_not_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = Database::File(folder.path().join("a.db"));
        let store = SqlStore::open(&file).await.unwrap();
        for _ in 0..2 * FILE_CONNECTIONS {
            let mut writing = store.write().await.unwrap();
            let ended = sqlx::raw_sql("ROLLBACK").execute(&mut *writing).await;
            ended.unwrap();
        }
    }

    #[tokio::test]
    async fn memory_outlasts_a_connection_that_is_closed() {
        let store = SqlStore::open(&Database::Memory).await.unwrap();
        for _ in 0..3 {
            let connection = store.pool.acquire().await.unwrap();
            connection.close().await.unwrap();
            store.purged(0).await.unwrap();
        }
    }

    #[test]
    fn the_name_of_a_database_holds_no_password() {
        let name = without_password("postgres://me:p@ss@db:5432/chats?password=x");
        assert_eq!(name, "postgres://db:5432/chats");
    }
}
