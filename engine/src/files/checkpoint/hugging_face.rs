//! Folders in the layout of the Hugging Face hub: `config.json`, safetensors, and what describes the text side.
//!
//! Every header is checked, so that a tensor is a range that is known to lie inside its file. Files in JSON are read whole,
//! up to a limit.

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod written;

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use safetensors::tensor::{Dtype, Metadata};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{ModelFile, Tensor, TensorType};
use crate::Error;
use crate::files::{self, json, lfs, regular};

/// Far above every published file: tokenizers have some ten megabytes.
const MAX_TEXT_BYTES: u64 = 256 << 20;
const INDEX: &str = "model.safetensors.index.json";
const SINGLE: &str = "model.safetensors";

/// An open folder.
#[derive(Debug)]
pub(crate) struct HfFolder {
    path: PathBuf,
    files: Vec<Weights>,
    /// Which file has a tensor.
    names: HashMap<String, usize>,
}

#[derive(Debug)]
struct Weights {
    file: ModelFile,
    header: Metadata,
    data_start: usize,
}

/// Which file has which tensor; what else it says is not needed.
#[derive(Deserialize)]
struct Index {
    weight_map: HashMap<String, String>,
}

/// A tensor of numbers of any type.
#[derive(Clone, Debug)]
pub(crate) struct Stored<'a> {
    pub(crate) name: &'a str,
    pub(crate) dtype: Dtype,
    pub(crate) place: Range<usize>,
    pub(crate) file: &'a ModelFile,
}

impl Stored<'_> {
    /// Every byte.
    pub(crate) fn read(&self) -> Result<Vec<u8>, Error> {
        self.file.read(self.place.clone())
    }

    /// An error about its type.
    pub(crate) fn other_type(&self, known: &str) -> Error {
        let (name, found) = (self.name, self.dtype);
        self.file
            .error(format!("`{name}` must be {known}, found {found:?}"))
    }
}

impl HfFolder {
    /// Opens the weights and checks their headers.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let mut folder = Self {
            path: path.to_owned(),
            files: Vec::new(),
            names: HashMap::new(),
        };
        // An index beside the one file is of weights that were there before it.
        if path.join(SINGLE).exists() {
            folder.add(SINGLE)?;
        } else if let Some(index) = folder.json::<Index>(INDEX)? {
            folder.add_all(&index)?;
        } else {
            return Err(folder.without_weights());
        }
        Ok(folder)
    }

    /// The files of an index, which must not lie.
    fn add_all(&mut self, index: &Index) -> Result<(), Error> {
        for name in index.weight_map.values().collect::<BTreeSet<_>>() {
            self.check_name(name)?;
            self.add(name)?;
        }
        for (tensor, name) in &index.weight_map {
            let found = self.names.get(tensor).map(|file| &self.files[*file].file);
            if found.is_none_or(|file| file.path() != self.path.join(name)) {
                return Err(self.error(
                    INDEX,
                    format!("`{tensor}` must be in `{name}`, which does not have it"),
                ));
            }
        }
        Ok(())
    }

    /// An error that says what is there instead.
    fn without_weights(&self) -> Error {
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        let ends_in = |kinds: &[&str]| {
            names.iter().find(|name| {
                let extension = Path::new(name).extension();
                extension.is_some_and(|found| kinds.iter().any(|kind| found == *kind))
            })
        };
        let instead = if let Some(name) = ends_in(&["gguf"]) {
            format!(", but `{name}`, which can be named itself")
        } else if let Some(name) = ends_in(&["safetensors"]) {
            format!(
                ", but `{name}`; adapters and files in other layouts are not read: look for the whole model in the \
                 layout of `transformers`"
            )
        } else if let Some(name) = ends_in(&["bin", "pt", "pth", "ckpt"]) {
            format!(
                ", but `{name}`, whose format can hold programs and is not read: look for the same model in \
                 safetensors or GGUF"
            )
        } else {
            String::new()
        };
        let reason = format!("it has neither `{SINGLE}` nor `{INDEX}`{instead}");
        Error::Model {
            path: self.path.clone(),
            reason,
        }
    }

    /// A name in an index must not lead out of the folder.
    fn check_name(&self, name: &str) -> Result<(), Error> {
        let mut parts = Path::new(name).components();
        match (parts.next(), parts.next()) {
            (Some(Component::Normal(_)), None) => Ok(()),
            _ => Err(self.error(
                INDEX,
                format!("it names `{name}`, which is no plain file name"),
            )),
        }
    }

    fn add(&mut self, name: &str) -> Result<(), Error> {
        let file = ModelFile::open(&self.path.join(name))?;
        let read = |at, bytes| {
            let read = file.read(at..at + bytes);
            read.map_err(|why| why.to_string())
        };
        let header = files::safetensors::header(file.len() as u64, read);
        let (data_start, header) = header.map_err(|why| file.error(why))?;
        for tensor in header.tensors().into_keys() {
            if self.names.contains_key(&tensor) {
                return Err(file.error(format!("another file has the tensor `{tensor}` too")));
            }
            self.names.insert(tensor, self.files.len());
        }
        self.files.push(Weights {
            file,
            header,
            data_start,
        });
        Ok(())
    }

    /// Where the folder is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// An error about a file of this folder.
    pub(crate) fn error(&self, file: &str, reason: impl Into<String>) -> Error {
        Error::Model {
            path: self.path.join(file),
            reason: reason.into(),
        }
    }

    /// The files of weights.
    pub(crate) fn files(&self) -> impl Iterator<Item = &ModelFile> {
        self.files.iter().map(|weights| &weights.file)
    }

    /// The names of all tensors.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }

    /// Whether there is a tensor of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// The tensor of floats of this name and shape.
    pub(crate) fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor<'_>, Error> {
        let stored = self.stored(name, shape)?;
        let kind = match stored.dtype {
            Dtype::F32 => TensorType::F32,
            Dtype::F16 => TensorType::F16,
            Dtype::BF16 => TensorType::BF16,
            _ => return Err(stored.other_type("F32, F16 or BF16")),
        };
        let Stored {
            name, place, file, ..
        } = stored;
        Ok(Tensor {
            name,
            shape: shape.to_owned(),
            kind,
            place,
            file,
        })
    }

    /// The vector of floats of this name, however long it is.
    pub(crate) fn vector(&self, name: &str) -> Result<Tensor<'_>, Error> {
        let file = self.names.get(name).map(|file| &self.files[*file]);
        let shape = file.and_then(|weights| Some(weights.header.info(name)?.shape.clone()));
        self.tensor(name, &shape.unwrap_or_default())
    }

    /// The tensor of this name and shape, whatever its numbers are.
    pub(crate) fn stored(&self, name: &str, shape: &[usize]) -> Result<Stored<'_>, Error> {
        let place = self.names.get_key_value(name);
        let found = place.and_then(|(name, file)| {
            let weights = &self.files[*file];
            Some((name, weights, weights.header.info(name)?))
        });
        let Some((name, weights, info)) = found else {
            let path = self.path.clone();
            let reason = format!("the tensor `{name}` is missing");
            return Err(Error::Model { path, reason });
        };
        let file = &weights.file;
        if info.shape != shape {
            return Err(file.error(format!(
                "`{name}` must have the shape {shape:?}, found {:?}",
                info.shape
            )));
        }
        let (start, end) = info.data_offsets;
        Ok(Stored {
            name,
            dtype: info.dtype,
            place: weights.data_start + start..weights.data_start + end,
            file,
        })
    }

    /// The bytes of a file; none where there is no such file.
    pub(crate) fn bytes(&self, file: &str) -> Result<Option<Vec<u8>>, Error> {
        let path = self.path.join(file);
        let mut bytes = Vec::new();
        let read = |bytes: &mut Vec<u8>| {
            regular::open(&path)?
                .take(MAX_TEXT_BYTES + 1)
                .read_to_end(bytes)
        };
        match read(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(reason) => Err(Error::File {
                action: "read",
                path,
                reason,
            }),
            Ok(_) if bytes.len() as u64 > MAX_TEXT_BYTES => {
                Err(self.error(file, format!("it has more than {MAX_TEXT_BYTES} bytes")))
            }
            Ok(_) => match lfs::refuse_pointer(&bytes) {
                Err(why) => Err(self.error(file, why)),
                Ok(()) => Ok(Some(bytes)),
            },
        }
    }

    /// What a file in JSON holds; none where there is no such file.
    pub(crate) fn json<T: DeserializeOwned>(&self, file: &str) -> Result<Option<T>, Error> {
        let Some(bytes) = self.bytes(file)? else {
            return Ok(None);
        };
        let read = json::read(&bytes);
        read.map(Some).map_err(|why| self.error(file, why))
    }
}
