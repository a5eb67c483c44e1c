//! Bytes of a file, one thing after the other, never past its end, and read from the disk as they are needed.

use std::ops::Range;

use crate::Error;
use crate::files::checkpoint::ModelFile;

/// Far above every published file: vocabularies have some ten megabytes.
const MAX_HEADER_BYTES: usize = 256 << 20;
/// What is read at a time, at least.
const PIECE_BYTES: usize = 1 << 20;

/// A place in the file. Every method names what it reads, for the error.
pub(super) struct Reader<'a> {
    file: &'a ModelFile,
    /// The file as far as it was read.
    bytes: Vec<u8>,
    at: usize,
}

/// Why something is not read.
pub(super) enum Unread {
    /// The system does not give the file's bytes.
    File(Error),
    /// The reason alone: what is wrong with them.
    Broken(String),
}

impl From<String> for Unread {
    fn from(reason: String) -> Self {
        Self::Broken(reason)
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a ModelFile) -> Self {
        Self {
            file,
            bytes: Vec::new(),
            at: 0,
        }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// The file up to the position, which the reader no longer has.
    pub(super) fn read_so_far(&mut self) -> Vec<u8> {
        self.bytes.truncate(self.at);
        std::mem::take(&mut self.bytes)
    }

    /// A text that has to be UTF-8: a key or a tensor's name.
    pub(super) fn text(&mut self, what: &str) -> Result<String, Unread> {
        let range = self.text_range(what)?;
        let text = std::str::from_utf8(&self.bytes[range]);
        let text = text.map_err(|_| format!("`{what}` is not UTF-8"))?;
        Ok(text.to_owned())
    }

    pub(super) fn text_range(&mut self, what: &str) -> Result<Range<usize>, Unread> {
        let length = self.length(1, what)?;
        let start = self.at;
        self.take(length, what)?;
        Ok(start..self.at)
    }

    /// A count of things of at least `bytes_each` that have to fit into what is left of the file.
    pub(super) fn length(&mut self, bytes_each: usize, what: &str) -> Result<usize, Unread> {
        let count = self.u64(what)?;
        let left = self.file.len() - self.at;
        let count_of_bytes = |count: &usize| count.checked_mul(bytes_each);
        let fits = |count: &usize| count_of_bytes(count).is_some_and(|bytes| bytes <= left);
        let found = usize::try_from(count).ok().filter(fits);
        Ok(found.ok_or_else(|| {
            format!("`{what}` has the length {count}, but {left} bytes are left in the file")
        })?)
    }

    pub(super) fn u32(&mut self, what: &str) -> Result<u32, Unread> {
        Ok(u32::from_le_bytes(self.array_of(what)?))
    }

    pub(super) fn u64(&mut self, what: &str) -> Result<u64, Unread> {
        Ok(u64::from_le_bytes(self.array_of(what)?))
    }

    pub(super) fn array_of<const N: usize>(&mut self, what: &str) -> Result<[u8; N], Unread> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N, what)?);
        Ok(bytes)
    }

    pub(super) fn take(&mut self, length: usize, what: &str) -> Result<&[u8], Unread> {
        let (at, file_len) = (self.at, self.file.len());
        let end = at.checked_add(length).filter(|end| *end <= file_len);
        let end = end.ok_or_else(|| {
            format!("the file ends at byte {file_len} inside `{what}`, which needs {length} bytes at {at}")
        })?;
        if end > MAX_HEADER_BYTES {
            let reason = format!(
                "its header must have at most {MAX_HEADER_BYTES} bytes, found `{what}` up to byte {end}"
            );
            return Err(Unread::Broken(reason));
        }
        if end > self.bytes.len() {
            let known = self.bytes.len();
            let next = end.max(2 * known).max(PIECE_BYTES).min(file_len);
            let read = self.file.read(known..next);
            self.bytes.extend(read.map_err(Unread::File)?);
        }
        self.at = end;
        Ok(&self.bytes[at..end])
    }
}
