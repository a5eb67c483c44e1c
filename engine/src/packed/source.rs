//! Which file weights were packed from.
//!
//! The truth is a hash of the whole file, but hashing gigabytes at every start would take longer than reading the packed
//! weights. A file that looks as it did when it was hashed (length, times, place on the disk) is taken to be the same;
//! one that was copied or touched is hashed again. No program can set the time at which the system last changed a file.

use std::fs::{File, Metadata};
use std::io;
use std::sync::Mutex;

use sha2::{Digest, Sha256};

use super::reading::read_at;
use crate::threads::{Parts, Pool};

/// Bytes that one thread hashes at a time; part of what the hash means.
const CHUNK: usize = 1 << 20;

/// The open file of a model.
#[derive(Debug)]
pub(super) struct Source {
    file: File,
    /// What it looked like when it was opened.
    seen: Metadata,
}

impl Source {
    pub(super) fn new(file: &File) -> io::Result<Self> {
        let file = file.try_clone()?;
        let seen = file.metadata()?;
        Ok(Self { file, seen })
    }

    /// What changes when the file does.
    pub(super) fn looks(&self) -> String {
        looks(&self.seen)
    }

    /// Whether it still looks as it did when it was opened.
    pub(super) fn is_unchanged(&self) -> io::Result<bool> {
        Ok(looks(&self.file.metadata()?) == self.looks())
    }

    /// SHA-256 of the SHA-256 of every mebibyte, so that all threads can work on it. The file is read, not mapped, and
    /// so takes no memory.
    pub(super) fn hash(&self, pool: &mut Pool) -> io::Result<String> {
        let bytes = self.seen.len() as usize;
        let chunks = bytes.div_ceil(CHUNK);
        let mut digests = vec![[0; 32]; chunks];
        let (parts, failure) = (Parts::new(&mut digests), Mutex::new(None));
        pool.for_each(chunks, 16, |range, _| {
            let mut buffer = vec![0; CHUNK];
            for chunk in range {
                let start = chunk * CHUNK;
                let buffer = &mut buffer[..CHUNK.min(bytes - start)];
                // SAFETY: every chunk is hashed by one thread.
                let digest = unsafe { parts.part(chunk..chunk + 1) };
                match read_at(&self.file, buffer, start as u64) {
                    Ok(()) => digest[0] = Sha256::digest(buffer).into(),
                    Err(error) => super::note(&failure, error),
                }
            }
        });
        super::outcome(failure)?;
        Ok(hex(&Sha256::digest(digests.as_flattened())))
    }
}

#[cfg(unix)]
fn looks(file: &Metadata) -> String {
    use std::os::unix::fs::MetadataExt;
    format!(
        "{} bytes, written {}.{:09}, changed {}.{:09}, inode {} of {}",
        file.len(),
        file.mtime(),
        file.mtime_nsec(),
        file.ctime(),
        file.ctime_nsec(),
        file.ino(),
        file.dev()
    )
}

#[cfg(not(unix))]
fn looks(file: &Metadata) -> String {
    format!("{} bytes, written {:?}", file.len(), file.modified().ok())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
