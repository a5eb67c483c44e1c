//! The thread that owns the model, and the queue in front of it.

use std::path::PathBuf;

use crate::{Answer, Error, ModelInfo, Request};

/// How to load a model; `None` leaves the choice to the engine.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// A GGUF file.
    pub model: PathBuf,
    /// Threads that compute; by default what affinity and the cgroup quota allow.
    pub threads: Option<usize>,
    /// Matrix kernel by name; by default the fastest that this CPU runs.
    pub kernel: Option<String>,
    /// The longest sequence, in tokens; by default the model's own, at most 8,192.
    pub context: Option<usize>,
    /// Requests that may wait; by default 64.
    pub queue: Option<usize>,
}

/// A loaded model and the thread that owns it. Dropping it ends the thread after the current step.
#[derive(Debug)]
pub struct Engine {
    info: ModelInfo,
}

impl Engine {
    /// Reads the model, packs its weights for this CPU and starts the owner thread.
    ///
    /// # Errors
    /// [`Error::File`] and [`Error::Model`] for the file, [`Error::Option`] for the other options.
    pub fn load(_options: &LoadOptions) -> Result<Self, Error> {
        Err(Error::Stopped)
    }

    /// What is loaded.
    #[must_use]
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// Puts a request into the queue.
    ///
    /// # Errors
    /// [`Error::Busy`] when the queue is full, [`Error::Request`] for values out of range or a prompt that the
    /// context cannot hold.
    pub fn submit(&self, _request: Request) -> Result<Answer, Error> {
        Err(Error::Stopped)
    }

    /// The token ids of a text, for `nibble tokenize` and for counting. Control tokens written in the text are
    /// plain text.
    #[must_use]
    pub fn tokenize(&self, _text: &str) -> Vec<u32> {
        Vec::new()
    }
}
