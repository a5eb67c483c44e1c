//! The file of a SQLite database: where it is, whose it is, and that one program has it at a time.

use std::ffi::OsString;
use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};

use super::error::failed;
use super::open::VERSION;
use crate::store::StoreError;

/// A file of another name beside this one.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

pub(super) fn cannot_open(path: &Path, why: impl Display) -> StoreError {
    StoreError::Failed(format!(
        "cannot open the database `{}`: {why}",
        path.display()
    ))
}

/// The address of a file, which is made with its folder if there is none.
pub(super) fn url(path: &Path) -> Result<String, StoreError> {
    let cannot = |error| cannot_open(path, error);
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        std::fs::create_dir_all(folder).map_err(cannot)?;
    }
    private(path).map_err(cannot)?;
    let absolute = std::path::absolute(path).map_err(cannot)?;
    let text = absolute.to_str();
    let text = text.ok_or_else(|| cannot_open(path, "its path is not Unicode"))?;
    let escaped = text
        .replace('%', "%25")
        .replace('?', "%3F")
        .replace('#', "%23");
    Ok(format!("sqlite://{escaped}"))
}

/// Opens a file to write, made if there is none, for nobody else to read: conversations are in clear. SQLite gives the files
/// that it puts beside a database the same rights.
pub(super) fn private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Two programs that write one file would take each other's answers for interrupted.
pub(super) fn locked(path: &Path) -> Result<File, StoreError> {
    let file = private(&beside(path, ".lock")).map_err(|error| cannot_open(path, error))?;
    file.try_lock().map_err(|_| {
        let path = path.display();
        StoreError::Failed(format!(
            "the database `{path}` is in use by another program"
        ))
    })?;
    Ok(file)
}

/// A connection of its own to a file that is there.
pub(super) async fn connected(path: &Path, reads: bool) -> Result<SqliteConnection, StoreError> {
    let options = SqliteConnectOptions::new().filename(path).read_only(reads);
    let connected = options.connect().await;
    connected.map_err(|error| failed(&path.display().to_string(), &error))
}

/// The version of the tables in a file, of which nothing is changed; zero where it has none.
///
/// # Errors
/// When they are another program's, or of a version later than this program knows.
pub(super) async fn version(path: &Path) -> Result<i64, StoreError> {
    let name = path.display().to_string();
    let told = |error: sqlx::Error| failed(&name, &error);
    let mut connection = connected(path, true).await?;
    let tables = sqlx::query_scalar(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name",
    );
    let tables: Vec<String> = tables.fetch_all(&mut connection).await.map_err(told)?;
    let Some(first) = tables.first() else {
        return Ok(0);
    };
    let has = |name: &str| tables.iter().any(|table| table == name);
    if !has("_sqlx_migrations") || !has("conversations") {
        return Err(StoreError::Failed(format!(
            "the database `{name}` holds tables of another program, such as `{first}`"
        )));
    }
    let version = sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _sqlx_migrations");
    let version = version.fetch_one(&mut connection).await.map_err(told)?;
    connection.close().await.map_err(told)?;
    if version > VERSION {
        return Err(later(&name));
    }
    Ok(version)
}

/// A database that this program does not know how to read.
pub(super) fn later(name: &str) -> StoreError {
    StoreError::Failed(format!(
        "the database `{name}` was written by a later version of this program, whose tables it does not know"
    ))
}
