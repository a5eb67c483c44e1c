//! Where models come from and where they are cached.
//!
//! A model is received beside its place, checked against its size and sha256 and only then moved into place, so what is
//! there is whole. Processes that fetch at the same time take turns by a file lock, which the system releases however a
//! process ends; what has arrived of a file from the hub stays, and the next one goes on from there.

mod cache;
mod cached;
mod cancel;
mod client;
mod default_model;
mod environment;
mod error;
mod fetching;
mod hugging_face;
mod model_folders;
mod names;
mod pip;
mod progress;
mod receive;
mod reference;
mod removed;
mod responses;
mod retry;
mod selection;
mod shelf;
mod source;

#[cfg(test)]
pub(crate) mod tests;

use std::path::{Path, PathBuf};

pub use self::cache::{cache_folder, packed_folder};
pub use self::cached::{CacheContents, CachedModel, Removal};
pub use self::cancel::Cancel;
pub use self::error::Error;
pub use self::names::{DEFAULT_NAME, KNOWN_MODELS, KnownModel};
pub use self::progress::Progress;
use self::reference::Reference;
pub use self::removed::Removed;
use self::shelf::unfetched_offline;
pub use self::shelf::{HubName, Shelf};

/// The path of the model that was named: a path that exists, a short name of [`KNOWN_MODELS`], or a repository on the hub
/// as `owner/name`, with `@revision` or `:file.gguf` behind it; nothing means the default model. What is not here is
/// fetched.
///
/// # Errors
/// [`Error::Usage`] for what is none of these, [`Error::Fetch`] when no source has it, with each one's
/// reason and what to put where, [`Error::File`] when the cache folder cannot be written.
pub fn model(named: &Path, progress: &dyn Progress) -> Result<PathBuf, Error> {
    get(named, false, progress)
}

/// Like [`model`], but asks the hub whether there is a newer one, and fetches what has changed.
///
/// # Errors
/// As [`model`]; [`Error::Usage`] also for a path.
pub fn download(named: &Path, progress: &dyn Progress) -> Result<PathBuf, Error> {
    get(named, true, progress)
}

fn get(named: &Path, newest: bool, progress: &dyn Progress) -> Result<PathBuf, Error> {
    match Reference::parse(named)? {
        Reference::Path(path) if newest => Err(Error::Usage(format!(
            "`{}` is a path: what is downloaded is a short name or a repository (`owner/name`)",
            path.display()
        ))),
        Reference::Path(path) => Ok(path),
        reference => {
            let (shelf, cancel) = (Shelf::from_env()?, Cancel::default());
            if shelf.is_offline() {
                let found = shelf.find_reference(&reference);
                return found.ok_or_else(|| unfetched_offline(&spelled(named)));
            }
            match reference {
                Reference::Hub(model) => shelf.fetch_hub(&model, newest, progress, &cancel),
                _ => shelf.fetch_default(progress, &cancel),
            }
        }
    }
}

/// Where a model is on this disk, without fetching it.
///
/// # Errors
/// [`Error::Usage`] when it is not there.
pub fn find(named: &Path) -> Result<PathBuf, Error> {
    let reference = Reference::parse(named)?;
    let path = match &reference {
        Reference::Path(path) => Some(path.clone()).filter(|path| path.exists()),
        _ => Shelf::from_env()?.find_reference(&reference),
    };
    path.ok_or_else(|| {
        Error::Usage(format!(
            "`{}` is not on this disk; `nibble download` fetches short names and repositories",
            spelled(named)
        ))
    })
}

/// As it is typed; nothing means the default model.
fn spelled(named: &Path) -> String {
    match named.display().to_string() {
        name if name.is_empty() => DEFAULT_NAME.to_owned(),
        name => name,
    }
}

/// What is in the cache folder.
///
/// # Errors
/// As [`cache_folder`].
pub fn cached() -> Result<CacheContents, Error> {
    Ok(Shelf::from_env()?.contents())
}

/// What removing a model, or the packed weights of a file, would remove; nothing is removed yet.
///
/// # Errors
/// [`Error::Usage`] when there is nothing of it.
pub fn removal(named: &Path) -> Result<Removal, Error> {
    cached::removal(named, Shelf::from_env()?.folder())
}
