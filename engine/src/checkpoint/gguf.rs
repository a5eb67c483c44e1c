//! GGUF files, version 2 and 3, over a memory map.
//!
//! The header is parsed and checked once, at opening; after that every tensor and every array is a range that is
//! known to lie inside the file. Asking for a key with the wrong type is an error, not an absence.

mod header;
mod reader;
mod value;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod written;

use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use self::header::{Header, TensorEntry};
use self::value::{Value, ValueType, scalar};
use super::Tensor;
use crate::Error;

/// An open GGUF file.
#[derive(Debug)]
pub(crate) struct Gguf {
    path: PathBuf,
    file: Mmap,
    header: Header,
}

impl Gguf {
    /// Maps the file and checks its whole header.
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
        // SAFETY: The map is only ever read. A model file is written once and then moved into place, so nobody
        // writes to the mapped bytes; whoever truncates one in use ends this process, and nothing else.
        let map = unsafe { Mmap::map(&file) }.map_err(failed("map"))?;
        Self::from_map(path, map)
    }

    fn from_map(path: &Path, file: Mmap) -> Result<Self, Error> {
        let path = path.to_owned();
        match Header::parse(&file) {
            Ok(header) => Ok(Self { path, file, header }),
            Err(reason) => Err(Error::Model { path, reason }),
        }
    }

    /// Where the file is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Everything before the first tensor.
    pub(crate) fn header_bytes(&self) -> &[u8] {
        let starts = self.header.tensors.iter().map(|tensor| tensor.bytes.start);
        &self.file[..starts.min().unwrap_or(self.file.len())]
    }

    /// Lets the system take back the memory that holds a tensor's part of the file; it is read again when needed.
    pub(crate) fn release(&self, tensor: &Tensor<'_>) {
        let offset = tensor.bytes.as_ptr().addr() - self.file.as_ptr().addr();
        #[cfg(target_os = "linux")]
        {
            let advice = memmap2::UncheckedAdvice::DontNeed;
            // SAFETY: the pages are a private map of a file that nobody writes: what they held comes back unchanged. A
            // refusal only costs memory.
            let _ = unsafe {
                self.file
                    .unchecked_advise_range(advice, offset, tensor.bytes.len())
            };
        }
        #[cfg(not(target_os = "linux"))]
        let _ = offset;
    }

    /// An error about this file.
    pub(crate) fn error(&self, reason: impl Into<String>) -> Error {
        Error::Model {
            path: self.path.clone(),
            reason: reason.into(),
        }
    }

    /// The tensor of this name.
    pub(crate) fn tensor(&self, name: &str) -> Result<Tensor<'_>, Error> {
        self.find_tensor(name)
            .ok_or_else(|| self.error(format!("the tensor `{name}` is missing")))
    }

    /// The tensor of this name, where a model may do without.
    pub(crate) fn find_tensor(&self, name: &str) -> Option<Tensor<'_>> {
        let index = *self.header.names.get(name)?;
        Some(self.borrow(&self.header.tensors[index]))
    }

    /// All tensors, in the file's order.
    pub(crate) fn tensors(&self) -> impl Iterator<Item = Tensor<'_>> {
        self.header.tensors.iter().map(|entry| self.borrow(entry))
    }

    fn borrow<'a>(&'a self, entry: &'a TensorEntry) -> Tensor<'a> {
        Tensor {
            name: &entry.name,
            shape: entry.shape.clone(),
            kind: entry.kind,
            bytes: &self.file[entry.bytes.clone()],
        }
    }

    /// A text.
    pub(crate) fn text(&self, key: &str) -> Result<Option<&str>, Error> {
        self.value(key, "a text", |value| match value {
            Value::Text(range) => std::str::from_utf8(&self.file[range.clone()]).ok(),
            _ => None,
        })
    }

    /// A whole number that is not negative.
    pub(crate) fn integer(&self, key: &str) -> Result<Option<u64>, Error> {
        self.value(key, "a whole number", |value| match value {
            Value::Unsigned(number) => Some(*number),
            Value::Signed(number) => u64::try_from(*number).ok(),
            _ => None,
        })
    }

    /// A floating-point number.
    pub(crate) fn float(&self, key: &str) -> Result<Option<f64>, Error> {
        self.value(key, "a floating-point number", |value| match value {
            Value::Float(number) => Some(*number),
            _ => None,
        })
    }

    /// True or false.
    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>, Error> {
        self.value(key, "a flag", |value| match value {
            Value::Flag(flag) => Some(*flag),
            _ => None,
        })
    }

    /// An array of texts, borrowed from the file.
    pub(crate) fn texts(&self, key: &str) -> Result<Option<Vec<&str>>, Error> {
        self.value(key, "an array of UTF-8 texts", |value| match value {
            Value::Array {
                kind: ValueType::Text,
                count,
                bytes,
            } => texts(&self.file[bytes.clone()], *count),
            _ => None,
        })
    }

    /// An array of whole numbers.
    pub(crate) fn integers(&self, key: &str) -> Result<Option<Vec<i64>>, Error> {
        self.value(key, "an array of whole numbers", |value| match value {
            Value::Array { kind, bytes, .. } => integers(&self.file[bytes.clone()], *kind),
            _ => None,
        })
    }

    /// The number of entries of an array of any type, without reading them.
    pub(crate) fn array_len(&self, key: &str) -> Option<usize> {
        match self.header.metadata.get(key)? {
            Value::Array { count, .. } => Some(*count),
            _ => None,
        }
    }

    /// [`Self::text`] that has to be there.
    pub(crate) fn required_text(&self, key: &str) -> Result<&str, Error> {
        self.text(key)?.ok_or_else(|| self.missing(key, "a text"))
    }

    /// [`Self::integer`] that has to be there.
    pub(crate) fn required_integer(&self, key: &str) -> Result<u64, Error> {
        self.integer(key)?
            .ok_or_else(|| self.missing(key, "a whole number"))
    }

    /// [`Self::float`] that has to be there.
    pub(crate) fn required_float(&self, key: &str) -> Result<f64, Error> {
        self.float(key)?
            .ok_or_else(|| self.missing(key, "a floating-point number"))
    }

    /// [`Self::texts`] that have to be there.
    pub(crate) fn required_texts(&self, key: &str) -> Result<Vec<&str>, Error> {
        self.texts(key)?
            .ok_or_else(|| self.missing(key, "an array of UTF-8 texts"))
    }

    fn missing(&self, key: &str, expected: &str) -> Error {
        self.error(format!("the key `{key}`, {expected}, is missing"))
    }

    fn value<'a, T>(
        &'a self,
        key: &str,
        expected: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let Some(value) = self.header.metadata.get(key) else {
            return Ok(None);
        };
        match read(value) {
            Some(read) => Ok(Some(read)),
            None => Err(self.error(format!("`{key}` must be {expected}, found {value}"))),
        }
    }
}

/// The texts of an array whose extent was checked at opening; nothing when one is not UTF-8.
fn texts(mut bytes: &[u8], count: usize) -> Option<Vec<&str>> {
    let mut texts = Vec::with_capacity(count);
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let (text, rest) =
            rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        texts.push(std::str::from_utf8(text).ok()?);
        bytes = rest;
    }
    Some(texts)
}

fn integers(bytes: &[u8], kind: ValueType) -> Option<Vec<i64>> {
    let numbers = bytes.chunks_exact(kind.bytes()?);
    numbers
        .map(|bytes| match scalar(kind, bytes)? {
            Value::Unsigned(number) => i64::try_from(number).ok(),
            Value::Signed(number) => Some(number),
            _ => None,
        })
        .collect()
}
