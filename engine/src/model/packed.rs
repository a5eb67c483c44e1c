//! Packed weights in a file, so that a large model need not be packed anew at every start.
//!
//! The file is one of safetensors: every matrix under its name, as the bytes of one kernel family's layout. Everything
//! else of a model (configuration, vocabulary, norms) still comes from its own file, whose hash the packed one states; a
//! packed file of another source, kernel family, rounding or layout version is not used.
//!
//! Matrices are read into huge pages, by all threads, rather than mapped and used in place. With the 8b shape (4.5 GB,
//! the file in the page cache, `avx512_vnni`, 2 threads of an AMD EPYC (Zen 4), 2026-11-24 and, loading into huge pages,
//! 2026-11-26, `nibble bench --model FILE --packed FILE --prompt-tokens 0 --output-tokens 24 --repetitions 3`):
//!
//! | | load | decode |
//! |---|---|---|
//! | huge pages | 0.44 to 0.46 s (10 loads) | 10.9 and 11.1 tokens/s |
//! | mapped | 5 ms, and pages come with the first token | 9.4 and 9.0 tokens/s |
//! | mapped, all pages at once | 2.4 s | not measured |
//!
//! Decoding pays for small pages at every step, loading only once. Where a virtual machine's host has to find the memory
//! first, that takes longer than all else: 5.6 s for the 4.5 GB, against 0.2 s once they were found. Every byte is
//! checked, by the thread that has just read it.

mod cached;
mod fingerprint;
mod reading;
mod writing;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

pub use self::cached::{CachedWeights, cached_weights};
pub(crate) use self::fingerprint::SourceFingerprint;
use self::reading::Reader;
use self::writing::Writer;
use crate::Error;
use crate::compute::kernel::{self, Kernel};
use crate::compute::matrix::{PackedMatrices, Packing};
use crate::files::{hex, regular};
use crate::machine::threads::Pool;

/// Changes whenever the meaning of the file does, or what the same source is read as.
const LAYOUT_VERSION: &str = "9";
/// Models whose packed weights take fewer bytes are packed in no time, and not worth a second copy on the disk.
const WORTH_KEEPING: usize = 64 << 20;

/// Where packed weights are kept between starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PackedCache {
    /// Nowhere.
    #[default]
    Off,
    /// In this folder, which is made when it is not there, when there are 64 MiB of them or more.
    Folder(PathBuf),
    /// In this file, which is made when it is not there.
    File(PathBuf),
}

/// What weights are packed from, and how they are rounded.
#[derive(Debug)]
pub(crate) struct Packed<'a> {
    /// The model's file or folder.
    pub(crate) model: &'a Path,
    pub(crate) fingerprint: SourceFingerprint,
    /// Shapes alone do not tell where the rows of a head went.
    pub(crate) head_dim: usize,
    /// Another text for every other rounding.
    pub(crate) rounding: String,
}

/// The packed file of one model for one kernel family, whether it exists or not.
#[derive(Debug)]
pub(crate) struct PackedFile {
    path: PathBuf,
    /// The model that these weights are of; for people, so not part of the identity.
    model: PathBuf,
    /// What the file must say about itself.
    identity: Vec<(&'static str, String)>,
    fingerprint: SourceFingerprint,
    /// Whether it is one of a folder of many, which has only what is worth it.
    automatic: bool,
}

impl PackedFile {
    /// The file that `cache` means for these weights; none when it means none.
    ///
    /// # Errors
    /// [`Error::Option`] when a file was named that holds something else.
    pub(crate) fn new(
        cache: &PackedCache,
        packed: Packed<'_>,
        kernel: &Kernel,
    ) -> Result<Option<Self>, Error> {
        let family = family(kernel);
        let model = packed.model.canonicalize();
        let model = model.unwrap_or_else(|_| packed.model.to_owned());
        let path = match cache {
            PackedCache::Off => return Ok(None),
            PackedCache::File(path) => {
                refuse_other_content(path)?;
                path.clone()
            }
            PackedCache::Folder(folder) => {
                folder.join(file_name(&model, &family, &packed.rounding))
            }
        };
        let identity = vec![
            ("nibble.layout_version", LAYOUT_VERSION.to_owned()),
            ("nibble.kernel_family", family),
            ("nibble.rounding", packed.rounding),
            ("nibble.head_dim", packed.head_dim.to_string()),
        ];
        Ok(Some(Self {
            path,
            model,
            identity,
            fingerprint: packed.fingerprint,
            automatic: matches!(cache, PackedCache::Folder(_)),
        }))
    }

    /// The matrices that were planned, when the file has them; what is wrong with a file that is there is logged.
    pub(crate) fn read(&self, packing: &Packing<'_>, pool: &mut Pool) -> Option<PackedMatrices> {
        let opened = match regular::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            opened => opened.map_err(|error| error.to_string()),
        };
        let matrices = opened
            .and_then(|file| Reader::new(file, self, packing, pool))
            .and_then(|reader| reader.read(packing, pool));
        let path = self.path.display();
        matrices
            .inspect(|_| tracing::info!("packed weights come from `{path}`"))
            .inspect_err(|reason| tracing::warn!("`{path}` is packed anew: {reason}"))
            .ok()
    }

    /// Where it is, or will be.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Begins to write what will be packed.
    ///
    /// # Errors
    /// [`Error::File`] when there is no room.
    pub(crate) fn writer(&self, packing: &Packing<'_>) -> Result<Writer<'_>, Error> {
        Writer::new(self, packing)
    }

    /// Begins to write what will be packed, if it is worth it. A failure is logged: the weights are there without it.
    pub(crate) fn keep(&self, packing: &Packing<'_>) -> Option<Writer<'_>> {
        if self.automatic && packing.bytes() < WORTH_KEEPING {
            return None;
        }
        let warn = |error: &Error| tracing::warn!("{error}; packed weights are not kept");
        Writer::new(self, packing).inspect_err(warn).ok()
    }
}

/// The kernels that share a layout, and that layout.
fn family(kernel: &Kernel) -> String {
    let layout = kernel.spec().tile;
    let members = kernel::all().filter(|other| other.tile == layout);
    let names: Vec<_> = members.map(|kernel| kernel.name).collect();
    format!(
        "{}: {} rows x {} columns, {} rows in a byte",
        names.join(", "),
        layout.rows,
        layout.depth,
        layout.rows_in_byte
    )
}

/// The file in a cache folder: another for each model, kernel family and rounding.
fn file_name(model: &Path, family: &str, rounding: &str) -> String {
    let key = Sha256::digest(format!("{} {family} {rounding}", model.display()));
    let name = model.file_stem().unwrap_or_default().to_string_lossy();
    format!("{name}-{}.safetensors", &hex(&key)[..12])
}

/// A mistyped name must not cost anybody a model.
fn refuse_other_content(path: &Path) -> Result<(), Error> {
    match reading::other_content(path) {
        None => Ok(()),
        Some(content) => Err(Error::Option(format!(
            "`{}` is {content}, not packed weights: name another file for these",
            path.display()
        ))),
    }
}

/// Keeps the failure of one of the threads that work together.
fn note<E>(failure: &Mutex<Option<E>>, error: E) {
    if let Ok(mut failure) = failure.lock() {
        *failure = Some(error);
    }
}

/// What came of the work of all threads.
fn outcome<E>(failure: Mutex<Option<E>>) -> Result<(), E> {
    let failure = failure.into_inner();
    failure
        .unwrap_or_else(PoisonError::into_inner)
        .map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests;
