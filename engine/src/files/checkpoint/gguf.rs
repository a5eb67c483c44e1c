//! GGUF files, version 2 and 3.
//!
//! The header is read and checked once, at opening; after that every tensor and every array is a range that is
//! known to lie inside the file. Asking for a key with the wrong type is an error, not an absence.

mod header;
mod reader;
mod split;
mod value;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod written;

use std::collections::HashMap;
use std::path::Path;

use self::header::{Header, TensorEntry};
use self::value::{Value, ValueType, scalar};
use super::{ModelFile, Tensor};
use crate::Error;

/// An open GGUF file, with the others that it was split into.
#[derive(Debug)]
pub(crate) struct Gguf {
    /// At least one; the metadata is that of the first.
    parts: Vec<Part>,
    /// Which part has a tensor and its place there.
    names: HashMap<String, (usize, usize)>,
}

/// One file.
#[derive(Debug)]
struct Part {
    file: ModelFile,
    header: Header,
}

impl Part {
    fn read(file: ModelFile) -> Result<Self, Error> {
        let header = Header::read(&file)?;
        Ok(Self { file, header })
    }

    fn borrow<'a>(&'a self, entry: &'a TensorEntry) -> Tensor<'a> {
        Tensor {
            name: &entry.name,
            shape: entry.shape.clone(),
            kind: entry.kind,
            place: entry.bytes.clone(),
            file: &self.file,
        }
    }
}

impl Gguf {
    /// Opens the file, and the others where it is one of several, and checks their whole headers.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let part = Part::read(ModelFile::open(path)?)?;
        match split::Split::of(path, &part.header).map_err(|why| part.file.error(why))? {
            None => Self::of_parts(vec![part]),
            Some(split) => Self::of_parts(split.open(part)?),
        }
    }

    /// A file that exists in memory only.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let part = Part::read(ModelFile::of_bytes("written.gguf", bytes))?;
        Self::of_parts(vec![part])
    }

    fn of_parts(parts: Vec<Part>) -> Result<Self, Error> {
        let mut names = HashMap::new();
        for (place, part) in parts.iter().enumerate() {
            for (index, tensor) in part.header.tensors.iter().enumerate() {
                if names.insert(tensor.name.clone(), (place, index)).is_some() {
                    let name = &tensor.name;
                    return Err(part
                        .file
                        .error(format!("the tensor `{name}` appears twice")));
                }
            }
        }
        Ok(Self { parts, names })
    }

    /// All files.
    pub(crate) fn files(&self) -> impl Iterator<Item = &ModelFile> {
        self.parts.iter().map(|part| &part.file)
    }

    fn first(&self) -> &Part {
        &self.parts[0]
    }

    /// Where the file is, or the first of several.
    pub(crate) fn path(&self) -> &Path {
        self.first().file.path()
    }

    /// An error about this file.
    pub(crate) fn error(&self, reason: impl Into<String>) -> Error {
        self.first().file.error(reason)
    }

    /// The tensor of this name.
    pub(crate) fn tensor(&self, name: &str) -> Result<Tensor<'_>, Error> {
        self.find_tensor(name)
            .ok_or_else(|| self.error(format!("the tensor `{name}` is missing")))
    }

    /// The tensor of this name, where a model may do without.
    pub(crate) fn find_tensor(&self, name: &str) -> Option<Tensor<'_>> {
        let (part, index) = *self.names.get(name)?;
        let part = &self.parts[part];
        Some(part.borrow(&part.header.tensors[index]))
    }

    /// All tensors, in the file's order.
    pub(crate) fn tensors(&self) -> impl Iterator<Item = Tensor<'_>> {
        let parts = self.parts.iter();
        parts.flat_map(|part| part.header.tensors.iter().map(|entry| part.borrow(entry)))
    }

    /// A text.
    pub(crate) fn text(&self, key: &str) -> Result<Option<&str>, Error> {
        self.value(key, "a text", |value| match value {
            Value::Text(range) => {
                std::str::from_utf8(&self.first().header.bytes[range.clone()]).ok()
            }
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

    /// An array of texts, borrowed from the header.
    pub(crate) fn texts(&self, key: &str) -> Result<Option<Vec<&str>>, Error> {
        self.value(key, "an array of UTF-8 texts", |value| match value {
            Value::Array {
                kind: ValueType::Text,
                count,
                bytes,
            } => texts(&self.first().header.bytes[bytes.clone()], *count),
            _ => None,
        })
    }

    /// An array of whole numbers.
    pub(crate) fn integers(&self, key: &str) -> Result<Option<Vec<i64>>, Error> {
        self.value(key, "an array of whole numbers", |value| match value {
            Value::Array { kind, bytes, .. } => {
                integers(&self.first().header.bytes[bytes.clone()], *kind)
            }
            _ => None,
        })
    }

    /// An array of floating-point numbers.
    pub(crate) fn floats(&self, key: &str) -> Result<Option<Vec<f64>>, Error> {
        let expected = "an array of floating-point numbers";
        self.value(key, expected, |value| match value {
            Value::Array { kind, bytes, .. } => {
                floats(&self.first().header.bytes[bytes.clone()], *kind)
            }
            _ => None,
        })
    }

    /// The number of entries of an array of any type, without reading them.
    pub(crate) fn array_len(&self, key: &str) -> Option<usize> {
        match self.first().header.metadata.get(key)? {
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
        let Some(value) = self.first().header.metadata.get(key) else {
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

fn floats(bytes: &[u8], kind: ValueType) -> Option<Vec<f64>> {
    let numbers = bytes.chunks_exact(kind.bytes()?);
    numbers
        .map(|bytes| match scalar(kind, bytes)? {
            Value::Float(number) => Some(number),
            _ => None,
        })
        .collect()
}
