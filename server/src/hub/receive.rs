//! Bytes from anywhere into a file, trusted only once their number and hash are right.

use std::borrow::Cow;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::Progress;
use super::patience::Trouble;

/// A file that is known before it comes.
#[derive(Clone, Debug)]
pub(super) struct Artefact {
    pub(super) file: Cow<'static, str>,
    pub(super) bytes: u64,
    /// None of small files, whose number of bytes is all that the hub says.
    pub(super) sha256: Option<Cow<'static, str>>,
}

/// A file that is being received.
#[derive(Debug)]
pub(super) struct Receiver<'a> {
    artefact: &'a Artefact,
    place: &'a Path,
    file: File,
    hash: Sha256,
    bytes: u64,
    began_earlier: bool,
}

impl<'a> Receiver<'a> {
    /// Begins from nothing.
    pub(super) fn new(artefact: &'a Artefact, place: &'a Path) -> Result<Self, String> {
        let file = File::create(place).map_err(|error| unwritable(place, &error))?;
        Ok(Self {
            artefact,
            place,
            file,
            hash: Sha256::new(),
            bytes: 0,
            began_earlier: false,
        })
    }

    /// Goes on where an earlier one broke off, which may have been in another process.
    pub(super) fn resume(artefact: &'a Artefact, place: &'a Path) -> Result<Self, String> {
        let begun = fs::metadata(place).map_or(0, |metadata| metadata.len());
        if begun == 0 || begun > artefact.bytes {
            return Self::new(artefact, place);
        }
        let mut hash = Sha256::new();
        let bytes = hash_file(place, &mut hash)
            .map_err(|error| format!("`{}` cannot be read: {error}", place.display()))?;
        let file = OpenOptions::new().append(true).open(place);
        Ok(Self {
            artefact,
            place,
            file: file.map_err(|error| unwritable(place, &error))?,
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
    pub(super) fn restart(&mut self) -> Result<(), Trouble> {
        if self.bytes > 0 {
            *self = Self::new(self.artefact, self.place).map_err(Trouble::Final)?;
        }
        Ok(())
    }

    /// Removes what is there, as it cannot be right.
    pub(super) fn discard(&self) {
        // What cannot be removed takes space, but is checked before it is used.
        let _ = fs::remove_file(self.place);
    }

    /// Appends what comes, until it ends. Never writes more than the artefact's size.
    pub(super) fn take(
        &mut self,
        mut from: impl Read,
        progress: &dyn Progress,
    ) -> Result<(), Trouble> {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Trouble::passing(format!("{}: {error}", self.ended()))),
            };
            if self.bytes + read as u64 > self.artefact.bytes {
                self.discard();
                let expected = self.artefact.bytes;
                return Err(Trouble::Final(format!(
                    "`{}` must have {expected} bytes, found more",
                    self.artefact.file
                )));
            }
            let written = self.file.write_all(&buffer[..read]);
            written.map_err(|error| Trouble::Final(unwritable(self.place, &error)))?;
            self.hash.update(&buffer[..read]);
            self.bytes += read as u64;
            progress.advance(self.bytes);
        }
        match self.bytes < self.artefact.bytes {
            true => Err(Trouble::passing(self.ended())),
            false => Ok(()),
        }
    }

    /// Checks the whole; what is wrong is removed.
    pub(super) fn finish(&mut self) -> Result<(), String> {
        // Before any rename, or a power cut could leave a whole name on half a file.
        let synced = self.file.sync_all();
        synced.map_err(|error| unwritable(self.place, &error))?;
        let found = hex(&self.hash.finalize_reset());
        match &self.artefact.sha256 {
            Some(expected) if **expected != *found => {
                self.discard();
                Err(format!(
                    "`{}` must have the sha256 {expected}, found {found}; it was deleted",
                    self.artefact.file
                ))
            }
            _ => Ok(()),
        }
    }

    fn ended(&self) -> String {
        let Artefact { file, bytes, .. } = self.artefact;
        format!("`{file}` ended after {} of {bytes} bytes", self.bytes)
    }
}

/// Writes exactly the artefact to `place`, or says what is wrong.
pub(super) fn receive(
    artefact: &Artefact,
    from: impl Read,
    place: &Path,
    progress: &dyn Progress,
) -> Result<(), String> {
    let mut receiver = Receiver::new(artefact, place)?;
    let taken = receiver.take(from, progress);
    taken.map_err(Trouble::into_message)?;
    receiver.finish()
}

fn hash_file(place: &Path, hash: &mut Sha256) -> io::Result<u64> {
    let mut file = File::open(place)?;
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

fn unwritable(place: &Path, error: &io::Error) -> String {
    let full = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; make room, and a later try goes on from here"
        }
        _ => "",
    };
    format!("`{}` cannot be written: {error}{full}", place.display())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_fills_up_is_named_and_not_tried_again() {
        let artefact = Artefact {
            file: "model.gguf".into(),
            bytes: 4,
            sha256: None,
        };
        let mut receiver = Receiver::new(&artefact, Path::new("/dev/full")).unwrap();
        match receiver.take(&b"GGUF"[..], &()) {
            Err(Trouble::Final(why)) => {
                assert!(
                    why.contains("`/dev/full`") && why.contains("make room"),
                    "{why}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
}
