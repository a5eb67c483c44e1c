//! Bytes of a file, one thing after the other, never past its end.

use std::ops::Range;

/// A place in the file. Every method names what it reads, for the error.
pub(super) struct Reader<'a> {
    file: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a [u8]) -> Self {
        Self { file, at: 0 }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// A text that has to be UTF-8: a key or a tensor's name.
    pub(super) fn text(&mut self, what: &str) -> Result<&'a str, String> {
        let range = self.text_range(what)?;
        std::str::from_utf8(&self.file[range]).map_err(|_| format!("`{what}` is not UTF-8"))
    }

    pub(super) fn text_range(&mut self, what: &str) -> Result<Range<usize>, String> {
        let length = self.length(1, what)?;
        let start = self.at;
        self.take(length, what)?;
        Ok(start..self.at)
    }

    /// A count of things of at least `bytes_each` that have to fit into what is left of the file.
    pub(super) fn length(&mut self, bytes_each: usize, what: &str) -> Result<usize, String> {
        let count = self.u64(what)?;
        let left = self.file.len() - self.at;
        usize::try_from(count)
            .ok()
            .filter(|count| {
                count
                    .checked_mul(bytes_each)
                    .is_some_and(|bytes| bytes <= left)
            })
            .ok_or_else(|| {
                format!("`{what}` has the length {count}, but {left} bytes are left in the file")
            })
    }

    pub(super) fn u32(&mut self, what: &str) -> Result<u32, String> {
        Ok(u32::from_le_bytes(self.array_of(what)?))
    }

    pub(super) fn u64(&mut self, what: &str) -> Result<u64, String> {
        Ok(u64::from_le_bytes(self.array_of(what)?))
    }

    pub(super) fn array_of<const N: usize>(&mut self, what: &str) -> Result<[u8; N], String> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N, what)?);
        Ok(bytes)
    }

    pub(super) fn take(&mut self, length: usize, what: &str) -> Result<&'a [u8], String> {
        let left = &self.file[self.at..];
        let taken = left.get(..length).ok_or_else(|| {
            format!(
                "the file ends at byte {} inside `{what}`, which needs {length} bytes at {}",
                self.file.len(),
                self.at
            )
        })?;
        self.at += length;
        Ok(taken)
    }
}
