//! Files of a checkpoint, mapped into memory and only read.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use crate::Error;

/// A mapped file.
#[derive(Debug)]
pub(crate) struct MappedFile {
    path: PathBuf,
    map: Mmap,
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
            move |source: io::Error| Error::File {
                action,
                path,
                source,
            }
        };
        let file = File::open(path).map_err(failed("open"))?;
        // SAFETY: The map is only ever read. A model file is written once and then moved into place, so nobody
        // writes to the mapped bytes; whoever truncates one in use ends this process, and nothing else.
        let map = unsafe { Mmap::map(&file) }.map_err(failed("map"))?;
        let path = path.to_owned();
        Ok(Self { path, map })
    }

    /// A file that exists in memory only.
    #[cfg(test)]
    pub(crate) fn of_bytes(path: &str, bytes: &[u8]) -> Self {
        let mut map = memmap2::MmapMut::map_anon(bytes.len().max(1)).unwrap();
        map[..bytes.len()].copy_from_slice(bytes);
        let map = map.make_read_only().unwrap();
        Self {
            path: path.into(),
            map,
        }
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
        let offset = part.as_ptr().addr() - self.map.as_ptr().addr();
        #[cfg(target_os = "linux")]
        {
            let advice = memmap2::UncheckedAdvice::DontNeed;
            // SAFETY: the pages are a private map of a file that nobody writes: what they held comes back unchanged. A
            // refusal only costs memory.
            let _ = unsafe { self.map.unchecked_advise_range(advice, offset, part.len()) };
        }
        #[cfg(not(target_os = "linux"))]
        let _ = offset;
    }
}
