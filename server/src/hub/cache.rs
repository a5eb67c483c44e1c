//! The cache folder, and whose turn it is to fetch into it.

use std::env;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nibble_app::language::{Language, Told};
use serde::Serialize;

use super::cancel::{CANCELLED, Cancel};
use super::error::{Error, failed};
use super::progress::Progress;

/// How often whoever waits for its turn looks whether it has come.
const POLL: Duration = Duration::from_millis(100);

/// The turn of whoever changes the cache folder, which ends when it is dropped.
pub(super) type Turn = File;

/// The folder that holds fetched models: `$NIBBLE_HOME`, else `nibble` in the platform's cache folder.
///
/// # Errors
/// [`Error::Usage`] when neither is known.
pub fn cache_folder() -> Result<PathBuf, Error> {
    match env::var_os("NIBBLE_HOME").filter(|home| !home.is_empty()) {
        Some(home) => Ok(home.into()),
        None => dirs::cache_dir()
            .map(|folder| folder.join("nibble"))
            .ok_or_else(|| {
                let message = "no cache folder is known: set `NIBBLE_HOME` to a folder for models";
                Error::Usage(message.into())
            }),
    }
}

/// Where packed weights are in the cache folder.
#[must_use]
pub fn packed_folder(cache: &Path) -> PathBuf {
    cache.join("packed")
}

/// Waits until no other process fetches into this folder, and no other thread.
pub(super) fn take_turn(
    folder: &Path,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Turn, Error> {
    if let Some(turn) = free_turn(folder)? {
        return Ok(turn);
    }
    progress.start(&Told::new(Language::fetch_waits), None);
    let taken = loop {
        cancel.sleep(POLL);
        if cancel.is_cancelled() {
            break Err(Error::Fetch(CANCELLED.to_owned()));
        }
        match free_turn(folder) {
            Ok(None) => {}
            Ok(Some(turn)) => break Ok(turn),
            Err(error) => break Err(error),
        }
    };
    progress.finish();
    taken
}

/// The turn, where nobody fetches now.
///
/// # Errors
/// [`Error::Conflict`] where somebody does.
pub(super) fn take_free_turn(folder: &Path) -> Result<Turn, Error> {
    free_turn(folder)?.ok_or_else(|| {
        Error::Conflict("models are being fetched: try again when that has ended".to_owned())
    })
}

fn free_turn(folder: &Path) -> Result<Option<Turn>, Error> {
    let path = folder.join("fetching.lock");
    let lock = File::create(&path).map_err(failed("write", &path))?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::Error(error)) => Err(failed("lock", &path)(error)),
        Err(TryLockError::WouldBlock) => Ok(None),
    }
}

/// Writes down what is known of what lies beside it, so that it is on the disk when this is over.
pub(super) fn write_record(path: &Path, record: &impl Serialize) -> Result<(), Error> {
    let write = || -> io::Result<()> {
        let file = File::create(path)?;
        serde_json::to_writer_pretty(&file, record)?;
        file.sync_all()
    };
    write().map_err(failed("write", path))
}

/// A disk that is too full shows before anything comes.
pub(super) fn find_room(folder: &Path, needed: u64) -> Result<(), String> {
    match room(folder) {
        Some(available) if available < needed => Err(format!(
            "it needs {} MB, and `{}` has room for {} MB; `NIBBLE_HOME` names another folder",
            needed.div_ceil(1_000_000),
            folder.display(),
            available / 1_000_000
        )),
        _ => Ok(()),
    }
}

/// Bytes that may be written; not known everywhere.
fn room(folder: &Path) -> Option<u64> {
    #[cfg(target_os = "linux")]
    {
        let system = rustix::fs::statvfs(folder).ok()?;
        Some(system.f_bavail.saturating_mul(system.f_frsize))
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = folder;
        None
    }
}
