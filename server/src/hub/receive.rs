//! Bytes from anywhere into a file, trusted only once their number and hash are right.

use std::borrow::Cow;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::progress::Progress;
use super::retry::AttemptError;
use crate::hex::hex;

/// A file that is known before it comes.
#[derive(Clone, Debug)]
pub(super) struct Download {
    pub(super) file: Cow<'static, str>,
    pub(super) bytes: u64,
    /// None of small files, whose number of bytes is all that the hub says.
    pub(super) sha256: Option<Cow<'static, str>>,
}

/// A file that is being received.
#[derive(Debug)]
pub(super) struct Receiver<'a> {
    download: &'a Download,
    path: &'a Path,
    file: File,
    hash: Sha256,
    bytes: u64,
    began_earlier: bool,
}

impl<'a> Receiver<'a> {
    /// Begins from nothing.
    pub(super) fn new(download: &'a Download, path: &'a Path) -> Result<Self, String> {
        let file = File::create(path).map_err(|error| unwritable(path, &error))?;
        Ok(Self {
            download,
            path,
            file,
            hash: Sha256::new(),
            bytes: 0,
            began_earlier: false,
        })
    }

    /// Goes on where an earlier one broke off, which may have been in another process.
    pub(super) fn resume(download: &'a Download, path: &'a Path) -> Result<Self, String> {
        let begun = fs::metadata(path).map_or(0, |metadata| metadata.len());
        if begun == 0 || begun > download.bytes {
            return Self::new(download, path);
        }
        let mut hash = Sha256::new();
        let bytes = hash_file(path, &mut hash)
            .map_err(|error| format!("`{}` cannot be read: {error}", path.display()))?;
        let file = OpenOptions::new().append(true).open(path);
        Ok(Self {
            download,
            path,
            file: file.map_err(|error| unwritable(path, &error))?,
            hash,
            bytes,
            began_earlier: true,
        })
    }

    /// Bytes that are there.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn began_earlier(&self) -> bool {
        self.began_earlier
    }

    /// Forgets what is there.
    pub(super) fn restart(&mut self) -> Result<(), AttemptError> {
        if self.bytes > 0 {
            *self = Self::new(self.download, self.path).map_err(AttemptError::Permanent)?;
        }
        Ok(())
    }

    /// Removes what is there, as it cannot be right.
    pub(super) fn discard(&self) {
        // What cannot be removed takes space, but is checked before it is used.
        let _ = fs::remove_file(self.path);
    }

    /// Appends what comes, until it ends. Never writes more than the download's size.
    pub(super) fn take(
        &mut self,
        mut from: impl Read,
        progress: &dyn Progress,
    ) -> Result<(), AttemptError> {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    return Err(AttemptError::transient(format!(
                        "{}: {error}",
                        self.ended()
                    )));
                }
            };
            if self.bytes + read as u64 > self.download.bytes {
                self.discard();
                let expected = self.download.bytes;
                return Err(AttemptError::Permanent(format!(
                    "`{}` must have {expected} bytes, found more",
                    self.download.file
                )));
            }
            let written = self.file.write_all(&buffer[..read]);
            written.map_err(|error| AttemptError::Permanent(unwritable(self.path, &error)))?;
            self.hash.update(&buffer[..read]);
            self.bytes += read as u64;
            progress.advance(self.bytes);
        }
        match self.bytes < self.download.bytes {
            true => Err(AttemptError::transient(self.ended())),
            false => Ok(()),
        }
    }

    /// Checks the whole; what is wrong is removed.
    pub(super) fn finish(&mut self) -> Result<(), String> {
        // Before any rename, or a power cut could leave a whole name on half a file.
        let synced = self.file.sync_all();
        synced.map_err(|error| unwritable(self.path, &error))?;
        let found = hex(&self.hash.finalize_reset());
        match &self.download.sha256 {
            Some(expected) if **expected != *found => {
                self.discard();
                Err(format!(
                    "`{}` must have the sha256 {expected}, found {found}; it was deleted",
                    self.download.file
                ))
            }
            _ => Ok(()),
        }
    }

    fn ended(&self) -> String {
        let Download { file, bytes, .. } = self.download;
        format!("`{file}` ended after {} of {bytes} bytes", self.bytes)
    }
}

/// Writes exactly the download to `path`, or says what is wrong.
pub(super) fn receive(
    download: &Download,
    from: impl Read,
    path: &Path,
    progress: &dyn Progress,
) -> Result<(), String> {
    let mut receiver = Receiver::new(download, path)?;
    let taken = receiver.take(from, progress);
    taken.map_err(AttemptError::into_reason)?;
    receiver.finish()
}

fn hash_file(path: &Path, hash: &mut Sha256) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(bytes),
            read => {
                hash.update(&buffer[..read]);
                bytes += read as u64;
            }
        }
    }
}

fn unwritable(path: &Path, error: &io::Error) -> String {
    let full = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; make room, and a later try goes on from here"
        }
        _ => "",
    };
    format!("`{}` cannot be written: {error}{full}", path.display())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_fills_up_is_named_and_not_tried_again() {
        let download = Download {
            file: "model.gguf".into(),
            bytes: 4,
            sha256: None,
        };
        let mut receiver = Receiver::new(&download, Path::new("/dev/full")).unwrap();
        match receiver.take(&b"GGUF"[..], &()) {
            Err(AttemptError::Permanent(why)) => {
                assert!(
                    why.contains("`/dev/full`") && why.contains("make room"),
                    "{why}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
}
