//! Files of a checkpoint, read by place.
//!
//! They are not mapped: whoever truncates a mapped file ends the process that reads it. Here a file that ends early is an
//! error.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::files::positioned::read_at;
use crate::files::{lfs, regular};

/// An open file.
#[derive(Debug)]
pub(crate) struct ModelFile {
    path: PathBuf,
    /// When it was opened.
    len: usize,
    content: Content,
}

#[derive(Debug)]
enum Content {
    File(File),
    #[cfg(any(test, fuzzing))]
    Memory(Vec<u8>),
}

impl ModelFile {
    /// Opens what must be a file, and not a pointer to one.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let failed = |reason| Error::File {
            action: "open",
            path: path.to_owned(),
            reason,
        };
        let file = regular::open(path).map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len();
        let file = Self {
            path: path.to_owned(),
            len: usize::try_from(len).map_err(|why| failed(io::Error::other(why)))?,
            content: Content::File(file),
        };
        let start = file.read(0..file.len.min(lfs::POINTER.len()))?;
        match lfs::refuse_pointer(&start) {
            Err(why) => Err(file.error(why)),
            Ok(()) => Ok(file),
        }
    }

    /// A file that exists in memory only.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn of_bytes(path: &str, bytes: &[u8]) -> Self {
        Self {
            path: path.into(),
            len: bytes.len(),
            content: Content::Memory(bytes.to_vec()),
        }
    }

    /// The file as it was opened, whatever has been put in its place since; none for bytes that are in no file.
    pub(crate) fn opened(&self) -> Option<&File> {
        match &self.content {
            Content::File(file) => Some(file),
            #[cfg(any(test, fuzzing))]
            Content::Memory(_) => None,
        }
    }

    /// Where the file is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes, when it was opened.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The bytes of a place that lay in the file when it was opened.
    ///
    /// # Errors
    /// When the file has become shorter, or the system cannot read it.
    pub(crate) fn read(&self, place: Range<usize>) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; place.len()];
        match &self.content {
            Content::File(file) => {
                let read = read_at(file, &mut bytes, place.start as u64);
                read.map_err(|reason| self.unread(file, reason))?;
            }
            #[cfg(any(test, fuzzing))]
            Content::Memory(memory) => bytes.copy_from_slice(&memory[place]),
        }
        Ok(bytes)
    }

    fn unread(&self, file: &File, reason: io::Error) -> Error {
        match file.metadata().map(|now| now.len()) {
            Ok(now) if now < self.len as u64 => self.error(format!(
                "it must have the {} bytes that it had when it was opened, found {now}",
                self.len
            )),
            _ => Error::File {
                action: "read",
                path: self.path.clone(),
                reason,
            },
        }
    }

    /// An error about this file.
    pub(crate) fn error(&self, reason: impl Into<String>) -> Error {
        Error::Model {
            path: self.path.clone(),
            reason: reason.into(),
        }
    }
}
