use std::io;
use std::path::{Path, PathBuf};

/// What keeps a model from being had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What was named is not known, or not here.
    #[error("{0}")]
    Usage(String),
    /// It cannot be done now: models are fetched, or what is to come back is here again.
    #[error("{0}")]
    Conflict(String),
    /// What is to be had back is not kept any more.
    #[error("it is not kept any more")]
    Gone,
    /// No source has it.
    #[error("{0}")]
    Fetch(String),
    /// The cache folder could not be read or written.
    #[error("cannot {action} `{path}`: {reason}")]
    File {
        /// What was tried: "create", "write".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason; not named `source`, or whoever prints the chain would say it twice.
        reason: io::Error,
    },
}

pub(super) fn failed(action: &'static str, path: &Path) -> impl Fn(io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |reason| Error::File {
        action,
        path: path.clone(),
        reason,
    }
}
