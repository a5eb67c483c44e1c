//! Files of a checkpoint, mapped into memory and only read.

use std::fs::File;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::files::lfs;
use crate::machine::memory::FileMap;

/// A mapped file.
#[derive(Debug)]
pub(crate) struct MappedFile {
    path: PathBuf,
    /// What is mapped, to ask the system about it; none for bytes that are in no file.
    opened: Option<File>,
    map: FileMap,
}

impl Deref for MappedFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map
    }
}

impl MappedFile {
    /// Maps a whole file.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let failed = |action| {
            let path = path.to_owned();
            move |reason| Error::File {
                action,
                path,
                reason,
            }
        };
        let file = File::open(path).map_err(failed("open"))?;
        let map = FileMap::new(&file).map_err(failed("map"))?;
        let file = Self {
            path: path.to_owned(),
            opened: Some(file),
            map,
        };
        match lfs::refuse_pointer(&file) {
            Err(why) => Err(file.error(why)),
            Ok(()) => Ok(file),
        }
    }

    /// A file that exists in memory only.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn of_bytes(path: &str, bytes: &[u8]) -> Self {
        Self {
            path: path.into(),
            opened: None,
            map: FileMap::of(bytes),
        }
    }

    /// The file as it was opened, whatever has been put in its place since.
    pub(crate) fn opened(&self) -> Option<&File> {
        self.opened.as_ref()
    }

    /// Where the file is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// An error about this file.
    pub(crate) fn error(&self, reason: impl Into<String>) -> Error {
        Error::Model {
            path: self.path.clone(),
            reason: reason.into(),
        }
    }

    /// Lets the system take back the memory that holds a part of the file; it is read again when needed.
    pub(crate) fn release(&self, part: &[u8]) {
        let start = part.as_ptr().addr() - self.map.as_ptr().addr();
        self.map.release(start..start + part.len());
    }
}
