//! The files of blocks: their names, what they hold, and how many there may be.
//!
//! A name is a digest of all that the bits depend on, so a file that is there under it is the block. A file is written
//! beside its place and moved there, and holds its own name and a checksum of all its bytes; one that is not what it should
//! be is removed. When a file was last used is when the system says that it was modified, so that several programs agree
//! on which goes first; one that another has removed is not there, and no more than that.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use super::PrefixFolder;
use crate::Error;
use crate::compute::kernel::span::KEY_BLOCK;
use crate::files::{hex, regular};

/// Changes whenever the meaning of a file does, or what is computed from the same tokens.
const VERSION: &str = "1";
/// Files lie in a folder of their own, which nobody else may read, within the one that was named.
const SUBFOLDER: &str = "nibble-prefixes";
const MAGIC: &[u8; 8] = b"nibblekv";
const END: &str = ".kv";
/// Digits that tell models apart.
const MODEL_DIGITS: usize = 16;
const NAME: usize = MODEL_DIGITS + 1 + 64 + END.len();
/// What it is, its name, and a checksum.
const HEADER: usize = MAGIC.len() + NAME + size_of::<u32>();
const PART: &str = ".part-";
/// What was being written so long ago will not be moved into place.
const ABANDONED: Duration = Duration::from_hours(1);

#[derive(Clone, Copy, Debug)]
struct Entry {
    bytes: u64,
    used: SystemTime,
}

/// The folder, as it was when it was last looked at, with what was done since.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    most: u64,
    identity: [u8; 32],
    /// Begins the names of this model's files.
    model: String,
    /// Bytes of a file.
    file: usize,
    files: Mutex<HashMap<String, Entry>>,
}

impl Folder {
    /// Makes the folder where it is not there; a block has so many bytes.
    ///
    /// # Errors
    /// [`Error::File`] when that fails, [`Error::Option`] when there may not be a single block in it.
    pub(super) fn open(folder: &PrefixFolder, identity: &str, block: usize) -> Result<Self, Error> {
        let (most, file) = (folder.bytes, HEADER + block);
        if most < file as u64 {
            return Err(Error::Option(format!(
                "`prefix-cache-size` must be at least the {file} bytes of a block of this model, found {most}"
            )));
        }
        let path = folder.path.join(SUBFOLDER);
        let failed = |action| {
            let path = path.clone();
            move |reason| Error::File {
                action,
                path,
                reason,
            }
        };
        make_private(&path).map_err(failed("make the folder"))?;
        fs::read_dir(&path).map_err(failed("read"))?;
        let endian = if cfg!(target_endian = "big") {
            "big"
        } else {
            "little"
        };
        let program = env!("CARGO_PKG_VERSION");
        let all = format!("{VERSION}; {program}; {endian}; {block} bytes; {identity}");
        let identity: [u8; 32] = Sha256::digest(all).into();
        let folder = Self {
            model: format!("{}-", &hex(&identity)[..MODEL_DIGITS]),
            path,
            most,
            identity,
            file,
            files: Mutex::default(),
        };
        folder.look();
        // What an earlier start had more room for. What cannot be removed can still be read.
        if let Err(error) = folder.make_room(0, SystemTime::now()) {
            tracing::warn!("cannot make room in `{}`: {error}", folder.path.display());
        }
        Ok(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    #[cfg(test)]
    pub(super) fn file_bytes(&self) -> u64 {
        self.file as u64
    }

    /// The names of all full blocks of some tokens, of which `rotation` says how a position is rotated.
    pub(super) fn names(
        &self,
        tokens: &[u32],
        rotation: impl Fn(usize) -> usize,
    ) -> impl Iterator<Item = String> {
        let blocks = tokens.as_chunks::<KEY_BLOCK>().0.iter().enumerate();
        blocks.scan(self.identity, move |digest, (index, block)| {
            let mut hash = Sha256::new();
            hash.update(*digest);
            hash.update((rotation(index * KEY_BLOCK) as u64).to_le_bytes());
            for token in block {
                hash.update(token.to_le_bytes());
            }
            *digest = hash.finalize().into();
            Some(format!("{}{}{END}", self.model, hex(&*digest)))
        })
    }

    /// The first of some names, up to one that is not there.
    pub(super) fn leading(&self, names: impl Iterator<Item = String>) -> Vec<String> {
        // A name takes a while, and the model's thread asks too.
        names
            .take_while(|name| self.lock().contains_key(name))
            .collect()
    }

    /// Bytes of this model's files.
    pub(super) fn own_bytes(&self) -> u64 {
        let files = self.lock();
        let own = files.iter().filter(|(name, _)| self.is_own(name));
        own.map(|(_, entry)| entry.bytes).sum()
    }

    /// Looks at what there is. Files that nobody here has written are left alone.
    pub(super) fn look(&self) {
        let Ok(entries) = fs::read_dir(&self.path) else {
            self.lock().clear();
            return;
        };
        let mut files = HashMap::new();
        for entry in entries.flatten() {
            let (Ok(name), Ok(seen)) = (entry.file_name().into_string(), entry.metadata()) else {
                continue;
            };
            let Ok(used) = seen.modified() else {
                continue;
            };
            if is_block(&name) {
                let bytes = seen.len();
                files.insert(name, Entry { bytes, used });
            } else if name.starts_with(PART) && used.elapsed().is_ok_and(|age| age > ABANDONED) {
                // What cannot be removed takes space, but does no harm.
                let _ = fs::remove_file(entry.path());
            }
        }
        *self.lock() = files;
    }

    /// The bytes of a block; one that is not what it should be is removed.
    pub(super) fn read(&self, name: &str) -> Option<Vec<u8>> {
        let path = self.path.join(name);
        let read = regular::open(&path).and_then(|file| self.checked(file, name));
        match read {
            Ok(bytes) => return Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                tracing::warn!("`{}` is removed: {error}", path.display());
                // What cannot be removed is not asked for again.
                let _ = fs::remove_file(&path);
            }
            Err(error) => tracing::warn!("cannot read `{}`: {error}", path.display()),
        }
        self.lock().remove(name);
        None
    }

    fn checked(&self, mut file: File, name: &str) -> io::Result<Vec<u8>> {
        let wrong = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
        let found = file.metadata()?.len();
        if found != self.file as u64 {
            let expected = self.file;
            return Err(wrong(format!("expected {expected} bytes, found {found}")));
        }
        let mut header = [0; HEADER];
        file.read_exact(&mut header)?;
        let mut block = vec![0; self.file - HEADER];
        file.read_exact(&mut block)?;
        match header == self::header(name, &block) {
            true => Ok(block),
            false => Err(wrong("its bytes are not those that were written".into())),
        }
    }

    /// Says that a file was used; false where there is none.
    pub(super) fn touch(&self, name: &str, used: SystemTime) -> bool {
        let Some(entry) = self.lock().get(name).copied() else {
            return false;
        };
        let file = File::options().write(true).open(self.path.join(name));
        let is_touched = file.and_then(|file| file.set_modified(used)).is_ok();
        let mut files = self.lock();
        match is_touched {
            true => files.insert(name.to_owned(), Entry { used, ..entry }),
            false => files.remove(name),
        };
        is_touched
    }

    /// Writes a block; false where only what was used later could make room for it.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn write(&self, name: &str, block: &[u8], used: SystemTime) -> io::Result<bool> {
        if !self.make_room(self.file as u64, used)? {
            return Ok(false);
        }
        // For its owner alone, as temporary files are.
        let mut file = tempfile::Builder::new()
            .prefix(PART)
            .tempfile_in(&self.path)?;
        file.write_all(&header(name, block))?;
        file.write_all(block)?;
        file.as_file().set_modified(used)?;
        let bytes = self.file as u64;
        file.persist(self.path.join(name))
            .map_err(|error| error.error)?;
        self.lock().insert(name.to_owned(), Entry { bytes, used });
        Ok(true)
    }

    /// Makes room for so many more bytes, longest unused first; false, and nothing is removed, where what was used before
    /// `used` is not enough.
    fn make_room(&self, more: u64, used: SystemTime) -> io::Result<bool> {
        let mut removed = Vec::new();
        let mut files = self.lock();
        let all: u64 = files.values().map(|entry| entry.bytes).sum();
        let mut excess = (all + more).saturating_sub(self.most);
        if excess > 0 {
            let earlier = files.iter().filter(|(_, entry)| entry.used < used);
            let mut earlier: Vec<_> = earlier
                .map(|(name, entry)| (entry.used, entry.bytes, name.clone()))
                .collect();
            earlier.sort_unstable();
            for (_, bytes, name) in earlier {
                if excess == 0 {
                    break;
                }
                excess = excess.saturating_sub(bytes);
                removed.push(name);
            }
            if excess > 0 {
                return Ok(false);
            }
            for name in &removed {
                files.remove(name);
            }
        }
        drop(files);
        for name in removed {
            match fs::remove_file(self.path.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(true)
    }

    fn is_own(&self, name: &str) -> bool {
        name.starts_with(&self.model)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        // No panic leaves it half-written.
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a file has a name as blocks have, of whatever model.
fn is_block(name: &str) -> bool {
    let Some((model, digest)) = name.strip_suffix(END).and_then(|name| name.split_once('-')) else {
        return false;
    };
    let is_hex = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    model.len() == MODEL_DIGITS && name.len() == NAME && is_hex(model) && is_hex(digest)
}

/// What stands before a block's bytes.
fn header(name: &str, block: &[u8]) -> [u8; HEADER] {
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(name.as_bytes());
    checksum.update(block);
    let mut header = [0; HEADER];
    let (magic, rest) = header.split_at_mut(MAGIC.len());
    let (named, checked) = rest.split_at_mut(NAME);
    magic.copy_from_slice(MAGIC);
    named.copy_from_slice(name.as_bytes());
    checked.copy_from_slice(&checksum.finalize().to_le_bytes());
    header
}

/// Makes a folder that only its owner may read.
fn make_private(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    Ok(())
}
