//! Keys and values of ended answers on the disk, found again after a restart or when they have left the memory.
//!
//! The model's thread neither reads nor writes: it says which tokens an answer had, and which a prompt lacks, and goes on.
//! A thread of its own copies blocks out of the tree, one at a time, and reads others ahead, a bounded number of bytes; as
//! only the model's thread takes memory for keys and values, it takes them into the tree between two steps. What fails,
//! comes late or finds no place in the queue is computed as it would be without.

mod folder;
mod reading;
#[cfg(test)]
mod tests;
mod worker;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use self::folder::Folder;
pub(crate) use self::reading::Reading;
use self::worker::{ReadJob, Worker, WriteJob};
use crate::Error;
use crate::answer::prefix::PrefixCache;
use crate::answer::waiting::WaitingList;
use crate::compute::kernel::span::KEY_BLOCK;
use crate::compute::kv::KvMemory;
use crate::model::rope::Rope;

/// A folder for keys and values of prompts to come, which outlast the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixFolder {
    /// It is made when it is not there, and may be that of several models and programs.
    pub path: PathBuf,
    /// The most bytes of all its files; the longest unused go first.
    pub bytes: u64,
}

/// The folder, what is known of it, and the thread that reads and writes. Dropping it writes what still waits, for a moment.
#[derive(Debug)]
pub(crate) struct Disk {
    worker: Arc<Worker>,
    thread: Option<JoinHandle<()>>,
}

impl Disk {
    /// Opens the folder and starts the thread. `identity` is all that keys and values depend on beside tokens and their
    /// positions.
    ///
    /// # Errors
    /// [`Error::File`] when the folder cannot be made or read, [`Error::Option`] when it has no room for a block,
    /// [`Error::NoThread`].
    pub(crate) fn start(
        folder: &PrefixFolder,
        identity: &str,
        rope: Arc<Rope>,
        memory: KvMemory,
        prefixes: Arc<Mutex<PrefixCache>>,
        waiting: Arc<WaitingList>,
    ) -> Result<Self, Error> {
        let folder = Folder::open(folder, identity, memory.block_bytes())?;
        let worker = Arc::new(Worker::new(folder, rope, memory, prefixes, waiting));
        let of_thread = Arc::clone(&worker);
        let thread = thread::Builder::new()
            .name("prefixes".into())
            .spawn(move || of_thread.run());
        Ok(Self {
            worker,
            thread: Some(thread.map_err(Error::NoThread)?),
        })
    }

    /// How many tokens of a prompt there are on the disk, from its first on.
    pub(crate) fn known(&self, prompt: &[u32]) -> usize {
        let most = prompt.len().saturating_sub(1);
        let names = self.worker.names(prompt, prompt.len());
        (self.worker.folder.leading(names).len() * KEY_BLOCK).min(most)
    }

    /// Has what there is read of a prompt of `prompt` tokens, of which `tokens` may come from elsewhere, all but the last,
    /// and `known` are there; none where that is no more.
    pub(crate) fn read(&self, tokens: &[u32], prompt: usize, known: usize) -> Option<Arc<Reading>> {
        if self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
            return None;
        }
        let most = tokens.len().saturating_sub(1);
        if known >= (tokens.len() / KEY_BLOCK * KEY_BLOCK).min(most) {
            return None;
        }
        let names = self.worker.names(tokens, prompt);
        let names = self.worker.folder.leading(names);
        let found = (names.len() * KEY_BLOCK).min(most);
        if found <= known {
            return None;
        }
        let reading = Arc::new(Reading::new(known, Instant::now()));
        let tokens = tokens[..names.len() * KEY_BLOCK].into();
        let job = ReadJob {
            reading: Arc::clone(&reading),
            tokens,
            prompt,
            names,
        };
        self.worker.ask(job).then_some(reading)
    }

    /// Takes what was read into the tree.
    pub(crate) fn take_in(&self) {
        self.worker.take_in();
    }

    /// Has the full blocks written that the tree keeps of the tokens of an ended answer to a prompt of so many.
    pub(crate) fn write(&self, mut tokens: Vec<u32>, prompt: usize) {
        tokens.truncate(tokens.len() / KEY_BLOCK * KEY_BLOCK);
        if !tokens.is_empty() {
            self.worker.tell(WriteJob::new(tokens, prompt));
        }
    }

    /// Bytes of this model's files.
    pub(crate) fn bytes(&self) -> u64 {
        self.worker.folder.own_bytes()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.worker.close();
        if let Some(thread) = self.thread.take() {
            // What a panic left unwritten is computed again.
            let _ = thread.join();
        }
    }
}
