//! Models in several files, named `NAME-00001-of-0000N.gguf` and so on.
//!
//! Each file is a whole GGUF file with some of the tensors; the first also has the metadata of the model. Any of them
//! names the model.

use std::path::{Path, PathBuf};

use super::Part;
use super::header::Header;
use super::value::Value;
use crate::Error;
use crate::files::checkpoint::ModelFile;

/// The files of a model, by the name of one of them.
pub(super) struct Split {
    folder: PathBuf,
    /// The part of the name that all share.
    stem: String,
    count: u64,
}

impl Split {
    /// What a file says of its siblings; none when it is alone.
    pub(super) fn of(path: &Path, header: &Header) -> Result<Option<Self>, String> {
        let count = number(header, "split.count")?.unwrap_or(1);
        if count <= 1 {
            return Ok(None);
        }
        let index = number(header, "split.no")?.unwrap_or(0);
        let ending = ending(index, count);
        let name = path.file_name().map(|name| name.to_string_lossy());
        let stem = name.as_deref().and_then(|name| name.strip_suffix(&ending));
        let stem = stem.ok_or_else(|| {
            format!("it is part of a split model, so its name must end in `{ending}`")
        })?;
        Ok(Some(Self {
            folder: path.parent().unwrap_or(Path::new("")).to_owned(),
            stem: stem.to_owned(),
            count,
        }))
    }

    /// Every file in its order; `known` is one of them.
    pub(super) fn open(&self, known: Part) -> Result<Vec<Part>, Error> {
        let mut known = Some(known);
        let mut parts = Vec::new();
        for index in 0..self.count {
            let ending = ending(index, self.count);
            let path = self.folder.join(format!("{}{ending}", self.stem));
            let part = match known.take_if(|known| known.file.path() == path) {
                Some(part) => part,
                None => Part::read(ModelFile::open(&path)?)?,
            };
            self.check(&part.header, index)
                .map_err(|why| part.file.error(why))?;
            parts.push(part);
        }
        let found: usize = parts.iter().map(|part| part.header.tensors.len()).sum();
        let first = &parts[0];
        let expected = number(&first.header, "split.tensors.count");
        match expected.map_err(|why| first.file.error(why))? {
            Some(expected) if expected != found as u64 => Err(first.file.error(format!(
                "`split.tensors.count` is {expected}, but the files have {found} tensors"
            ))),
            _ => Ok(parts),
        }
    }

    fn check(&self, header: &Header, index: u64) -> Result<(), String> {
        for (key, expected) in [("split.no", index), ("split.count", self.count)] {
            let found = number(header, key)?;
            if found != Some(expected) {
                let found = found.map_or("nothing".to_owned(), |found| found.to_string());
                return Err(format!("`{key}` must be {expected}, found {found}"));
            }
        }
        Ok(())
    }
}

fn ending(index: u64, count: u64) -> String {
    format!("-{:05}-of-{count:05}.gguf", index.saturating_add(1))
}

/// A whole number of the metadata; writers differ in its type.
fn number(header: &Header, key: &str) -> Result<Option<u64>, String> {
    match header.metadata.get(key) {
        None => Ok(None),
        Some(&Value::Unsigned(number)) => Ok(Some(number)),
        Some(&Value::Signed(number)) if number >= 0 => Ok(Some(number.unsigned_abs())),
        Some(other) => Err(format!("`{key}` must be a whole number, found {other}")),
    }
}
