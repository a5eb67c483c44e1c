use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::completion::Completion;

/// What can go wrong between a model file and an answer.
///
/// Messages name the thing, what was expected and what was found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be opened, read or written.
    #[error("cannot {action} `{path}`: {reason}")]
    File {
        /// What was tried: "open", "map", "write".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason; not named `source`, or whoever prints the chain would say it twice.
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
    #[error("{reason}")]
    Request {
        /// The part of the request that is to be changed, such as "temperature" or "messages".
        field: &'static str,
        /// The field, its range and the value.
        reason: String,
    },
    /// A prompt that leaves the context no room for an answer; nothing was generated.
    #[error(
        "the prompt has {}{tokens} tokens, and the context of {context} must leave room for an answer",
        if *.is_exact { "" } else { "at least " }
    )]
    TooLong {
        /// The part of the request that is to be changed, `messages` or `prompt`.
        field: &'static str,
        /// The tokens of the prompt.
        tokens: usize,
        /// Whether these are all: of a prompt that is far too long only the beginning is read.
        is_exact: bool,
        /// The context, in tokens.
        context: usize,
    },
    /// The queue is full: try again later.
    #[error("the queue is full: {waiting} of {limit} requests are waiting")]
    Busy {
        /// Requests waiting now.
        waiting: usize,
        /// The most that may wait.
        limit: usize,
        /// When there may be a place, where that can be said.
        wait: Option<Duration>,
    },
    /// A request waited longer for its turn than allowed.
    #[error("the request waited longer than the {} s of `--max-wait`", .limit.as_secs_f64())]
    WaitedTooLong {
        /// The limit.
        limit: Duration,
    },
    /// An answer took longer than allowed, from its request on.
    #[error("the answer took longer than the {} s of `--max-time`", .limit.as_secs_f64())]
    TooLate {
        /// The limit.
        limit: Duration,
        /// What it came to and took until then, cancelled; none where it had not begun.
        spent: Option<Box<Completion>>,
    },
    /// The step that computed an answer failed; others are not concerned.
    #[error("the engine failed while it computed this answer")]
    Broken,
    /// An answer alone needs more keys and values than there is memory for, as the system gave less than was planned for.
    #[error(
        "the answer needs memory for keys and values of {tokens} tokens, and the system gave it for {room}"
    )]
    TooLittleMemory {
        /// The tokens of its prompt and what it has put out.
        tokens: usize,
        /// The tokens that there is memory for.
        room: usize,
    },
    /// A load option has no meaning on this machine, such as a kernel that its CPU cannot run.
    #[error("{0}")]
    Option(String),
    /// The model does not fit the memory that is left.
    #[error(
        "too little memory: the model {}with a context of {context} tokens needs {}, and {} are available; a smaller \
         model, or a shorter context by `--context`, needs less",
        if *.with_draft { "and its draft " } else { "" },
        megabytes(.needed),
        megabytes(.available)
    )]
    Memory {
        /// Bytes that it would use.
        needed: u64,
        /// The context that this is for, in tokens.
        context: usize,
        /// Whether a draft model beside it is counted.
        with_draft: bool,
        /// Bytes that are left, by the system or by the control group.
        available: u64,
    },
    /// A model that is to be loaded does not fit beside others that are answering: try again later.
    #[error(
        "the model `{model}` needs {}, and {} are available beside the models that answer now",
        megabytes(.needed),
        megabytes(.available)
    )]
    Occupied {
        /// The model's name in requests.
        model: String,
        /// Bytes that it would use.
        needed: u64,
        /// Bytes that are left for it.
        available: u64,
    },
    /// The model was one that could be asked, and is none any more.
    #[error("the model `{model}` is not here any more")]
    Withdrawn {
        /// The model's name in requests.
        model: String,
    },
    /// The system gives no memory.
    #[error("no memory for {bytes} bytes of weights: {reason}")]
    NoMemory {
        /// Bytes that were asked for.
        bytes: usize,
        /// The system's reason.
        reason: io::Error,
    },
    /// The system gives no thread.
    #[error("cannot start a thread: {0}")]
    NoThread(io::Error),
    /// The engine takes no more requests, as its program ends: ask again when it was started anew.
    #[error("the engine is ending")]
    Ending,
    /// The engine's thread has died.
    #[error("the engine has stopped")]
    Stopped,
}

impl Error {
    /// A request of which `field` cannot be served.
    pub(crate) fn request(field: &'static str, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self::Request { field, reason }
    }
}

/// For people; what is less than one is shown in bytes.
fn megabytes(bytes: &u64) -> String {
    match bytes / 1_000_000 {
        0 => format!("{bytes} bytes"),
        megabytes => format!("{megabytes} MB"),
    }
}
