//! The thread that reads and writes blocks, and what it shares with that of the model.
//!
//! Readings come first, as somebody waits for them; between two blocks that it writes it looks for one.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::folder::Folder;
use super::reading::Reading;
use crate::answer::prefix::PrefixCache;
use crate::answer::waiting::WaitingList;
use crate::compute::kernel::span::KEY_BLOCK;
use crate::compute::kv::KvMemory;
use crate::model::rope::Rope;

/// Readings, and ended answers, that may wait for the thread.
pub(super) const MOST_JOBS: usize = 64;
/// Bytes that are read and not in the tree yet, but for one block.
const AHEAD: usize = 32 << 20;
/// What is not written yet when the engine ends has so long.
const LAST_WRITES: Duration = Duration::from_secs(2);

/// The blocks of a prompt that are to be read.
#[derive(Debug)]
pub(super) struct ReadJob {
    pub(super) reading: Arc<Reading>,
    /// The full blocks of the prompt that the disk has.
    pub(super) tokens: Arc<[u32]>,
    /// The length of the whole prompt.
    pub(super) prompt: usize,
    /// Of each block.
    pub(super) names: Vec<String>,
}

/// The blocks of an ended answer that are to be written.
#[derive(Debug)]
pub(super) struct WriteJob {
    tokens: Vec<u32>,
    prompt: usize,
    ended: SystemTime,
    /// Of each block, once it has begun.
    names: Vec<String>,
    /// The next of them.
    next: usize,
}

impl WriteJob {
    pub(super) fn new(tokens: Vec<u32>, prompt: usize) -> Self {
        Self {
            tokens,
            prompt,
            ended: SystemTime::now(),
            names: Vec::new(),
            next: 0,
        }
    }

    /// When its next block counts as used: what lies before it is of more use.
    fn used(&self) -> SystemTime {
        self.ended - Duration::from_millis(self.next as u64)
    }
}

/// Read for the model's thread.
#[derive(Debug)]
struct Arrived {
    reading: Arc<Reading>,
    tokens: Arc<[u32]>,
    prompt: usize,
    /// Its place and its bytes; none at the end.
    block: Option<(usize, Vec<u8>)>,
}

#[derive(Debug, Default)]
struct Work {
    reads: VecDeque<ReadJob>,
    writes: VecDeque<WriteJob>,
    arrived: VecDeque<Arrived>,
    /// From when on nothing more is written.
    end: Option<Instant>,
}

#[derive(Debug)]
enum Job {
    Read(ReadJob),
    Write(WriteJob),
}

#[derive(Debug)]
pub(super) struct Worker {
    pub(super) folder: Folder,
    rope: Arc<Rope>,
    memory: KvMemory,
    prefixes: Arc<Mutex<PrefixCache>>,
    waiting: Arc<WaitingList>,
    work: Mutex<Work>,
    changed: Condvar,
    /// Whether the last block could not be written, of which one line in the log is enough.
    fails: AtomicBool,
}

impl Worker {
    pub(super) fn new(
        folder: Folder,
        rope: Arc<Rope>,
        memory: KvMemory,
        prefixes: Arc<Mutex<PrefixCache>>,
        waiting: Arc<WaitingList>,
    ) -> Self {
        Self {
            folder,
            rope,
            memory,
            prefixes,
            waiting,
            work: Mutex::default(),
            changed: Condvar::new(),
            fails: AtomicBool::new(false),
        }
    }

    /// The names of the full blocks of a sequence that begins with a prompt of so many tokens.
    pub(super) fn names(&self, tokens: &[u32], prompt: usize) -> impl Iterator<Item = String> {
        self.folder
            .names(tokens, move |at| self.rope.length(prompt, at))
    }

    /// Puts a reading into the queue; false when that is full.
    pub(super) fn ask(&self, job: ReadJob) -> bool {
        let mut work = self.lock();
        let has_room = work.reads.len() < MOST_JOBS;
        if has_room {
            work.reads.push_back(job);
            self.changed.notify_all();
        }
        has_room
    }

    /// Puts an ended answer into the queue, unless that is full.
    pub(super) fn tell(&self, job: WriteJob) {
        let mut work = self.lock();
        if work.writes.len() < MOST_JOBS {
            work.writes.push_back(job);
            self.changed.notify_all();
        }
    }

    /// Lets the thread end soon.
    pub(super) fn close(&self) {
        let mut work = self.lock();
        work.end = Some(Instant::now() + LAST_WRITES);
        work.reads.clear();
        self.changed.notify_all();
    }

    /// Takes what was read into the tree; on the model's thread.
    pub(super) fn take_in(&self) {
        let arrived = std::mem::take(&mut self.lock().arrived);
        if arrived.is_empty() {
            return;
        }
        self.changed.notify_all();
        let mut prefixes = locked(&self.prefixes);
        for Arrived {
            reading,
            tokens,
            prompt,
            block,
        } in arrived
        {
            let Some((index, bytes)) = block.filter(|_| !reading.is_over()) else {
                reading.end();
                continue;
            };
            let rotation = |at| self.rope.length(prompt, at);
            let tokens = &tokens[..(index + 1) * KEY_BLOCK];
            match prefixes.insert(tokens, rotation, &self.memory, &bytes) {
                true => reading.count_block(),
                false => reading.end(),
            }
        }
    }

    /// The thread.
    pub(super) fn run(&self) {
        while let Some(job) = self.next() {
            match job {
                Job::Read(job) => self.read(&job),
                Job::Write(job) => self.write(job),
            }
        }
    }

    fn next(&self) -> Option<Job> {
        let mut work = self.lock();
        loop {
            if let Some(read) = work.reads.pop_front() {
                return Some(Job::Read(read));
            }
            if work.end.is_some_and(|end| Instant::now() >= end) {
                return None;
            }
            if let Some(write) = work.writes.pop_front() {
                return Some(Job::Write(write));
            }
            if work.end.is_some() {
                return None;
            }
            work = self
                .changed
                .wait(work)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Reads what is not there yet, until something is missing.
    fn read(&self, job: &ReadJob) {
        let missing = job.names.iter().enumerate();
        for (index, name) in missing.skip(job.reading.known / KEY_BLOCK) {
            if job.reading.is_over() {
                break;
            }
            let tokens = &job.tokens[..(index + 1) * KEY_BLOCK];
            let rotation = |at| self.rope.length(job.prompt, at);
            if locked(&self.prefixes).is_whole(tokens, rotation) {
                // Somebody else with the same beginning had it read meanwhile.
                continue;
            }
            let Some(bytes) = self.folder.read(name) else {
                break;
            };
            if !self.hand_over(job, Some((index, bytes))) {
                break;
            }
        }
        self.hand_over(job, None);
    }

    /// Gives the model's thread a block, or the end, when it has taken enough of those before; false where nobody waits.
    fn hand_over(&self, job: &ReadJob, block: Option<(usize, Vec<u8>)>) -> bool {
        let ahead = (AHEAD / self.memory.block_bytes()).max(1);
        let mut work = self.lock();
        while block.is_some() && (work.end.is_some() || work.arrived.len() >= ahead) {
            if work.end.is_some() || job.reading.is_over() {
                return false;
            }
            let left = job.reading.until.saturating_duration_since(Instant::now());
            let waited = self.changed.wait_timeout(work, left);
            (work, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        work.arrived.push_back(Arrived {
            reading: Arc::clone(&job.reading),
            tokens: Arc::clone(&job.tokens),
            prompt: job.prompt,
            block,
        });
        drop(work);
        self.waiting.wake();
        true
    }

    /// Writes the next block of an answer, and lets the rest of it wait behind readings.
    fn write(&self, mut job: WriteJob) {
        if job.names.is_empty() {
            // Other programs may have the folder too.
            self.folder.look();
            job.names = self.names(&job.tokens, job.prompt).collect();
        }
        match self.write_next(&job) {
            Ok(true) => {
                job.next += 1;
                if job.next < job.names.len() {
                    self.lock().writes.push_front(job);
                }
            }
            Ok(false) => {}
            Err(error) => {
                let folder = self.folder.path().display();
                if !self.fails.swap(true, Ordering::Relaxed) {
                    tracing::warn!("keys and values are not kept in `{folder}`: {error}");
                }
            }
        }
    }

    /// False where the tree does not have the next block any more, or there is no room for it.
    fn write_next(&self, job: &WriteJob) -> io::Result<bool> {
        let (name, used) = (&job.names[job.next], job.used());
        if self.folder.touch(name, used) {
            return Ok(true);
        }
        let tokens = &job.tokens[..(job.next + 1) * KEY_BLOCK];
        let rotation = |at| self.rope.length(job.prompt, at);
        // Copied while nobody can evict it: a block that somebody holds could make no room for an answer.
        let bytes = {
            let prefixes = locked(&self.prefixes);
            let stretch = prefixes.stretch(tokens, rotation);
            stretch.and_then(|stretch| self.memory.bytes_of(stretch))
        };
        let Some(bytes) = bytes else {
            return Ok(false);
        };
        let is_written = self.folder.write(name, &bytes, used)?;
        self.fails.store(false, Ordering::Relaxed);
        Ok(is_written)
    }

    fn lock(&self) -> MutexGuard<'_, Work> {
        locked(&self.work)
    }
}

/// No panic leaves what is behind the locks half-written.
fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
