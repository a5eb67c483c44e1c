//! Which files weights were packed from.
//!
//! The truth is a hash of all their bytes, but hashing gigabytes at every start would take longer than reading the packed
//! weights. A file with the same fingerprint as when it was hashed (length, times, inode) is taken to be the same; one
//! that was copied or touched is hashed again, once. No program can set the time at which the system last changed a file.

use std::fs::{File, Metadata};
use std::io;
use std::sync::Mutex;

use sha2::{Digest, Sha256};

use crate::files::checkpoint::ModelFile;
use crate::files::hex;
use crate::files::positioned::read_at;
use crate::machine::threads::{Pool, SliceRows};

/// Bytes that one thread hashes at a time; part of what the hash means.
const CHUNK: usize = 1 << 20;

/// The open files of a model's weights, and what the system said of them when they were opened.
#[derive(Debug)]
pub(crate) struct SourceFingerprint {
    files: Vec<(File, Metadata)>,
}

impl SourceFingerprint {
    /// None of weights that are in no file.
    pub(crate) fn of<'a>(files: impl Iterator<Item = &'a ModelFile>) -> Option<Self> {
        let files = files.map(|file| {
            let file = file.opened()?.try_clone().ok()?;
            let seen = file.metadata().ok()?;
            Some((file, seen))
        });
        Some(Self {
            files: files.collect::<Option<_>>()?,
        })
    }

    /// What changes when a file does; of the same length for any files, so that it can be written over.
    pub(crate) fn digest(&self) -> String {
        let all = self.files.iter().map(|(_, seen)| fingerprint(seen));
        hex(&Sha256::digest(all.collect::<Vec<_>>().join("; ")))
    }

    /// Whether no file has changed since it was opened.
    pub(super) fn is_unchanged(&self) -> io::Result<bool> {
        for (file, seen) in &self.files {
            if fingerprint(&file.metadata()?) != fingerprint(seen) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// SHA-256 of the SHA-256 of every mebibyte of every file, so that all threads can work on it. The files are read,
    /// not mapped, and so take no memory.
    pub(super) fn hash(&self, pool: &mut Pool) -> io::Result<String> {
        let mut all = Sha256::new();
        for (file, seen) in &self.files {
            all.update(hash(file, seen.len() as usize, pool)?.as_flattened());
        }
        Ok(hex(&all.finalize()))
    }
}

/// SHA-256 of every mebibyte of a file.
fn hash(file: &File, bytes: usize, pool: &mut Pool) -> io::Result<Vec<[u8; 32]>> {
    let chunks = bytes.div_ceil(CHUNK);
    let mut digests = vec![[0; 32]; chunks];
    let failure = Mutex::new(None);
    pool.for_each_chunk_mut(SliceRows::new(&mut digests, 1), 16, |range, digests| {
        let mut buffer = vec![0; CHUNK];
        for (chunk, digest) in range.zip(digests) {
            let start = chunk * CHUNK;
            let buffer = &mut buffer[..CHUNK.min(bytes - start)];
            match read_at(file, buffer, start as u64) {
                Ok(()) => *digest = Sha256::digest(buffer).into(),
                Err(error) => super::note(&failure, error),
            }
        }
    });
    super::outcome(failure)?;
    Ok(digests)
}

#[cfg(unix)]
fn fingerprint(file: &Metadata) -> String {
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
fn fingerprint(file: &Metadata) -> String {
    format!("{} bytes, written {:?}", file.len(), file.modified().ok())
}
