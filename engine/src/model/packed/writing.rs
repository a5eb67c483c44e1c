//! Writing a packed file beside its place, and moving it there when it is whole.
//!
//! Processes that start at once each write their own; the last one moved into place stays, and all are the same. What a
//! process left that was ended while it wrote is known by its lock, which the system released: the next one removes it.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Mutex;

use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use tempfile::NamedTempFile;

use super::cached::MODEL;
use super::reading::FINGERPRINT;
use super::{PackedFile, note, outcome};
use crate::Error;
use crate::compute::matrix::{CHUNK_BYTES, MatrixPlan, PackedMatrices, Packing};
use crate::files::positioned::write_at;
use crate::files::regular;
use crate::machine::threads::{Pool, SliceRows};

/// Where the data of the file may start: a cache line, for whoever maps it.
const ALIGNMENT: usize = 64;
const PART: &str = ".part";

/// A file in the making.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    target: &'a PackedFile,
    file: NamedTempFile,
    matrices: Vec<Entry>,
    /// Bytes before the data.
    header: usize,
}

#[derive(Debug)]
struct Entry {
    name: String,
    label: String,
    bytes: usize,
}

impl<'a> Writer<'a> {
    /// Finds room for the file.
    ///
    /// # Errors
    /// [`Error::File`] when there is none.
    pub(super) fn new(target: &'a PackedFile, packing: &Packing<'_>) -> Result<Self, Error> {
        let failed = |reason| failed(target, reason);
        let entry = |plan: &MatrixPlan<'_>| Entry {
            name: plan.name.clone(),
            label: plan.label(),
            bytes: plan.region.bytes.len(),
        };
        let file = create(target).map_err(failed)?;
        let mut writer = Self {
            target,
            file,
            matrices: packing.plans().map(entry).collect(),
            header: 0,
        };
        // Neither checksums nor the hash change the length.
        let unknown: Vec<_> = writer.matrices.iter().map(Entry::no_checksums).collect();
        writer.header = writer
            .header(&"0".repeat(64), &unknown)
            .map_err(failed)?
            .len();
        let bytes = writer
            .matrices
            .iter()
            .map(|entry| entry.bytes)
            .sum::<usize>()
            + writer.header;
        reserve(writer.file.as_file(), bytes as u64).map_err(failed)?;
        Ok(writer)
    }

    /// Writes the matrices, in the order in which they were planned, and moves the file into place; `progress` gets
    /// the bytes written so far.
    ///
    /// # Errors
    /// [`Error::File`].
    pub(crate) fn finish(
        self,
        matrices: &PackedMatrices,
        pool: &mut Pool,
        progress: &dyn Fn(u64),
    ) -> Result<(), Error> {
        let target = self.target;
        self.write(matrices, pool, progress)
            .map_err(|reason| failed(target, reason))
    }

    /// [`Writer::finish`] for weights that are there without the file: a failure is logged.
    pub(crate) fn keep(self, matrices: &PackedMatrices, pool: &mut Pool) {
        let path = self.target.path.display();
        match self.finish(matrices, pool, &|_| {}) {
            Ok(()) => tracing::info!("packed weights are kept in `{path}`"),
            Err(error) => tracing::warn!("{error}; packed weights are not kept"),
        }
    }

    fn write(
        self,
        matrices: &PackedMatrices,
        pool: &mut Pool,
        progress: &dyn Fn(u64),
    ) -> io::Result<()> {
        let mut offset = self.header;
        let mut checksums = Vec::with_capacity(matrices.len());
        for entry in &self.matrices {
            let bytes = matrices[&entry.name].packed_bytes();
            checksums.push(write_checked(
                self.file.as_file(),
                bytes,
                offset as u64,
                pool,
            )?);
            offset += bytes.len();
            progress((offset - self.header) as u64);
        }
        let source = &self.target.fingerprint;
        let hash = source.hash(pool)?;
        if !source.is_unchanged()? {
            return Err(io::Error::other("the model has changed meanwhile"));
        }
        let header = self.header(&hash, &checksums)?;
        write_at(self.file.as_file(), &header, 0)?;
        self.file
            .persist(&self.target.path)
            .map_err(|error| error.error)?;
        Ok(())
    }

    /// Everything before the data.
    fn header(&self, source: &str, checksums: &[Vec<u32>]) -> io::Result<Vec<u8>> {
        let identity = self.target.identity.iter();
        let mut metadata: HashMap<_, _> = identity
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .collect();
        let model = self.target.model.display().to_string();
        metadata.insert(MODEL.into(), model);
        metadata.insert("nibble.source".into(), source.into());
        metadata.insert(FINGERPRINT.into(), self.target.fingerprint.digest());
        let mut tensors = Vec::with_capacity(self.matrices.len());
        let mut start = 0;
        for (Entry { name, label, bytes }, checksums) in self.matrices.iter().zip(checksums) {
            metadata.insert(format!("format.{name}"), label.clone());
            let digits = checksums.iter().map(|checksum| format!("{checksum:08x}"));
            metadata.insert(format!("crc32.{name}"), digits.collect());
            let (dtype, shape) = (Dtype::U8, vec![*bytes]);
            let data_offsets = (start, start + bytes);
            let info = TensorInfo {
                dtype,
                shape,
                data_offsets,
            };
            tensors.push((name.clone(), info));
            start += bytes;
        }
        let header = Metadata::new(Some(metadata), tensors).map_err(io::Error::other)?;
        let mut text = serde_json::to_vec(&header)?;
        text.resize((8 + text.len()).next_multiple_of(ALIGNMENT) - 8, b' ');
        Ok([&(text.len() as u64).to_le_bytes(), &*text].concat())
    }
}

impl Entry {
    /// Placeholders.
    fn no_checksums(&self) -> Vec<u32> {
        vec![0; self.bytes.div_ceil(CHUNK_BYTES)]
    }
}

fn failed(target: &PackedFile, reason: io::Error) -> Error {
    Error::File {
        action: "write",
        path: target.path.clone(),
        reason,
    }
}

/// A new file beside the place, locked while this process has it.
fn create(target: &PackedFile) -> io::Result<NamedTempFile> {
    let folder = match target.path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if target.automatic {
        fs::create_dir_all(folder)?;
    } else if !folder.is_dir() {
        let reason = format!("there is no folder `{}`", folder.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, reason));
    } else if target.path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let name = target.path.file_name().unwrap_or_default();
    let prefix = format!(".{}-", name.to_string_lossy());
    sweep(folder, &prefix);
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(PART);
    #[cfg(unix)]
    // As of any file that a program makes; the process's mask still counts.
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = builder.tempfile_in(folder)?;
    // Where files cannot be locked, one that is not may be swept away: then the weights are packed again.
    let _ = file.as_file().try_lock();
    Ok(file)
}

/// Removes what ended processes left.
fn sweep(folder: &Path, prefix: &str) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let left = name.starts_with(prefix)
            && name.ends_with(PART)
            && regular::open(&entry.path()).is_ok_and(|file| file.try_lock().is_ok());
        if left {
            // What cannot be removed takes space, but does no harm.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Takes room on the disk, so that a full one shows at once.
fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    #[cfg(all(target_os = "linux", not(miri)))]
    {
        use rustix::fs::{FallocateFlags, fallocate};
        use rustix::io::Errno;
        match fallocate(file, FallocateFlags::empty(), 0, bytes) {
            Err(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => {
                let reason = format!("there is no room for {} MB", bytes.div_ceil(1_000_000));
                Err(io::Error::new(io::ErrorKind::StorageFull, reason))
            }
            // Not every file system can.
            _ => Ok(()),
        }
    }
    #[cfg(not(all(target_os = "linux", not(miri))))]
    file.set_len(bytes)
}

/// Writes bytes by all threads; returns the checksum of each [`CHUNK_BYTES`].
fn write_checked(file: &File, bytes: &[u8], offset: u64, pool: &mut Pool) -> io::Result<Vec<u32>> {
    let pieces: Vec<_> = bytes.chunks(CHUNK_BYTES).collect();
    let mut checksums = vec![0; pieces.len()];
    let failure = Mutex::new(None);
    pool.for_each_chunk_mut(SliceRows::new(&mut checksums, 1), 1, |range, checksums| {
        for (index, checksum) in range.zip(checksums) {
            let piece = pieces[index];
            *checksum = crc32fast::hash(piece);
            if let Err(error) = write_at(file, piece, offset + (index * CHUNK_BYTES) as u64) {
                note(&failure, error);
            }
        }
    });
    outcome(failure)?;
    Ok(checksums)
}
