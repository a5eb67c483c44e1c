use std::io;
use std::path::PathBuf;

/// What can go wrong between a model file and an answer.
///
/// Messages name the thing, what was expected and what was found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be opened, read, mapped or written.
    #[error("cannot {action} `{path}`: {reason}")]
    File {
        /// What was tried: "open", "map", "write".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason; not the error's source, which printing the chain would say twice.
        reason: io::Error,
    },
    /// A model file breaks its format or uses what this engine does not have.
    #[error("`{path}` cannot be used: {reason}")]
    Model {
        /// The file.
        path: PathBuf,
        /// The field, what was expected and what was found.
        reason: String,
    },
    /// A request asks for what the model or this engine cannot do; nothing was generated.
    #[error("{0}")]
    Request(String),
    /// The queue is full: try again later.
    #[error("the queue is full: {waiting} of {limit} requests are waiting")]
    Busy {
        /// Requests waiting now.
        waiting: usize,
        /// The most that may wait.
        limit: usize,
    },
    /// A load option has no meaning on this machine, such as a kernel that its CPU cannot run.
    #[error("{0}")]
    Option(String),
    /// No model could be fetched from any source.
    #[error("{0}")]
    Fetch(String),
    /// The engine's thread has ended.
    #[error("the engine has stopped")]
    Stopped,
}
