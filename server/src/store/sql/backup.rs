//! A copy of a database file while it is in use, and such a copy in its place.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sqlx::Connection;

use super::error::failed;
use super::file::{beside, connected, locked, private, version};
use super::open::Database;
use crate::store::StoreError;

/// Copies a database as it is at this moment, whoever writes to it meanwhile, into a file that is not there yet.
///
/// # Errors
/// When it is no file or not ours, and when the copy cannot be written, of which then nothing stays.
pub async fn backup(database: &Database, to: &Path) -> Result<(), StoreError> {
    let path = file(database)?;
    if to.exists() {
        return Err(StoreError::Failed(format!(
            "`{}` is there already: a backup replaces nothing",
            to.display()
        )));
    }
    copied(path, to).await
}

/// Puts a copy in the place of a database, which is kept under another name; says which.
///
/// # Errors
/// When a server has the database, and when the copy is not one of this program or of a later version.
pub async fn restore(database: &Database, from: &Path) -> Result<Option<PathBuf>, StoreError> {
    let path = file(database)?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| cannot_write(path, &error))?;
    }
    let _lock = locked(path)?;
    let fresh = beside(path, ".restored");
    let cannot = |error: io::Error| cannot_write(path, &error);
    if fresh.exists() {
        fs::remove_file(&fresh).map_err(cannot)?;
    }
    copied(from, &fresh).await?;
    let kept = kept(path).map_err(cannot)?;
    fs::rename(&fresh, path).map_err(cannot)?;
    Ok(kept)
}

fn file(database: &Database) -> Result<&Path, StoreError> {
    let reason = match database {
        Database::File(path) => return Ok(path),
        Database::Memory => "what is kept in `memory` cannot be backed up",
        Database::Postgres(_) => {
            "a database of Postgres is backed up by its own `pg_dump`, and restored by `psql` or `pg_restore`"
        }
    };
    Err(StoreError::Failed(reason.to_owned()))
}

fn cannot_write(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Failed(format!("cannot write `{}`: {error}", path.display()))
}

/// All of it or nothing.
async fn copied(from: &Path, to: &Path) -> Result<(), StoreError> {
    if !from.is_file() {
        let from = from.display();
        return Err(StoreError::Failed(format!("there is no database `{from}`")));
    }
    if version(from).await? == 0 {
        let from = from.display();
        return Err(StoreError::Failed(format!(
            "`{from}` holds no conversations of this program"
        )));
    }
    let partial = beside(to, ".partial");
    let copied = vacuumed(from, &partial).await;
    let copied =
        copied.and_then(|()| fs::rename(&partial, to).map_err(|error| cannot_write(to, &error)));
    if copied.is_err() {
        let _ = fs::remove_file(&partial);
    }
    copied
}

async fn vacuumed(from: &Path, to: &Path) -> Result<(), StoreError> {
    let cannot = |error: io::Error| cannot_write(to, &error);
    let text = to
        .to_str()
        .ok_or_else(|| cannot(io::ErrorKind::InvalidFilename.into()))?;
    let file = private(to).map_err(cannot)?;
    file.set_len(0).map_err(cannot)?;
    let name = from.display().to_string();
    let told = |error: sqlx::Error| failed(&name, &error);
    let mut connection = connected(from, false).await?;
    let vacuum = sqlx::query("VACUUM INTO $1").bind(text);
    vacuum.execute(&mut connection).await.map_err(told)?;
    connection.close().await.map_err(told)?;
    file.sync_all().map_err(cannot)
}

/// Gives a database and what belongs to it another name that is free.
fn kept(path: &Path) -> io::Result<Option<PathBuf>> {
    if !path.exists() {
        return Ok(None);
    }
    let mut names = (1..).map(|n| beside(path, &format!(".before-{n}")));
    let Some(kept) = names.find(|name| !name.exists()) else {
        return Ok(None);
    };
    // What is not in the database itself yet goes first, or it would be taken for the restored one's.
    for ending in ["-wal", "-shm", ""] {
        let part = beside(path, ending);
        if part.exists() {
            fs::rename(part, beside(&kept, ending))?;
        }
    }
    Ok(Some(kept))
}
