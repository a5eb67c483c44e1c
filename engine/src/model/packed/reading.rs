//! Reading a packed file: its header first, then the matrices by all threads, each piece checked while the caches have it.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Mutex;

use ::safetensors::tensor::{Dtype, Metadata};

use super::{PackedFile, note, outcome};
use crate::compute::matrix::{CHUNK_BYTES, MatrixPlan, PackedMatrices, Packing};
use crate::files::positioned::{read_at, write_at};
use crate::files::{regular, safetensors};
use crate::machine::threads::Pool;

/// The key of the source's fingerprint.
pub(super) const FINGERPRINT: &str = "nibble.source_looks";

/// An open file whose header fits the plan.
pub(super) struct Reader {
    file: File,
    /// In the order of the plan.
    matrices: Vec<StoredMatrix>,
}

/// Where one matrix begins in the file, and the checksum of each [`CHUNK_BYTES`] of it.
struct StoredMatrix {
    offset: u64,
    checksums: Vec<u32>,
}

impl Reader {
    /// Checks all that the header says. The error is the reason alone; the caller knows the path.
    pub(super) fn new(
        file: File,
        expected: &PackedFile,
        packing: &Packing<'_>,
        pool: &mut Pool,
    ) -> Result<Self, String> {
        let (data_start, header) = header(&file)?;
        let none = HashMap::new();
        let found = header.metadata().as_ref().unwrap_or(&none);
        for (key, expected) in &expected.identity {
            require(found, key, expected)?;
        }
        let fingerprint = expected.fingerprint.digest();
        if require(found, FINGERPRINT, &fingerprint).is_err() {
            let hash = expected.fingerprint.hash(pool);
            let hash = hash.map_err(|error| format!("its source cannot be read: {error}"))?;
            require(found, "nibble.source", &hash)?;
            if let Some(before) = found.get(FINGERPRINT) {
                // Where the file cannot be written, the next start hashes the source again.
                let _ = replace_fingerprint(&expected.path, before, &fingerprint);
            }
        }
        let matrices = packing
            .plans()
            .map(|plan| stored_matrix(&header, found, data_start, plan));
        let matrices = matrices.collect::<Result<_, String>>()?;
        Ok(Self { file, matrices })
    }

    /// Reads all matrices.
    pub(super) fn read(
        &self,
        packing: &Packing<'_>,
        pool: &mut Pool,
    ) -> Result<PackedMatrices, String> {
        let failure = Mutex::new(None);
        let matrices = packing.fill(pool, |index, piece, bytes| {
            let StoredMatrix { offset, checksums } = &self.matrices[index];
            let offset = offset + (piece * CHUNK_BYTES) as u64;
            if let Err(error) = read_at(&self.file, bytes, offset) {
                note(&failure, error.to_string());
            } else if crc32fast::hash(bytes) != checksums[piece] {
                note(
                    &failure,
                    format!("the {} bytes at {offset} are damaged", bytes.len()),
                );
            }
        });
        outcome(failure)?;
        matrices.map_err(|error| error.to_string())
    }
}

/// Has a file state the fingerprint that its source has now, which takes as many bytes as the one before.
fn replace_fingerprint(path: &Path, before: &str, now: &str) -> io::Result<()> {
    let file = File::options().read(true).write(true).open(path)?;
    let text = bytes_of(&file)
        .and_then(|bytes| safetensors::header_text(bytes, |at, bytes| read(&file, at, bytes)))
        .map_err(io::Error::other)?;
    let before = before.as_bytes();
    let position = text.windows(before.len()).position(|bytes| bytes == before);
    match position {
        Some(position) if before.len() == now.len() => write_at(
            &file,
            now.as_bytes(),
            (safetensors::HEADER_AT + position) as u64,
        ),
        _ => Ok(()),
    }
}

/// Where the data starts, and what the header says.
fn header(file: &File) -> Result<(u64, Metadata), String> {
    let (data_start, header) =
        safetensors::header(bytes_of(file)?, |at, bytes| read(file, at, bytes))?;
    Ok((data_start as u64, header))
}

fn bytes_of(file: &File) -> Result<u64, String> {
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    Ok(metadata.len())
}

fn read(file: &File, at: usize, bytes: usize) -> Result<Vec<u8>, String> {
    let mut read = vec![0; bytes];
    let done = read_at(file, &mut read, at as u64);
    done.map(|()| read).map_err(|error| error.to_string())
}

/// What an existing file holds, if that is known to be something else than packed weights.
pub(super) fn other_content(path: &Path) -> Option<&'static str> {
    let file = regular::open(path).ok()?;
    let mut magic = [0; 4];
    if read_at(&file, &mut magic, 0).is_ok() && &magic == b"GGUF" {
        return Some("a GGUF file");
    }
    let (_, header) = header(&file).ok()?;
    let ours =
        |metadata: &HashMap<String, String>| metadata.keys().any(|key| key.starts_with("nibble."));
    let ours = header.metadata().as_ref().is_some_and(ours);
    (!ours).then_some("a safetensors file of other weights")
}

/// The value of a key of the header's metadata.
pub(super) fn value(file: &File, key: &str) -> Option<String> {
    let (_, header) = header(file).ok()?;
    header.metadata().as_ref()?.get(key).cloned()
}

fn require(metadata: &HashMap<String, String>, key: &str, expected: &str) -> Result<(), String> {
    let found = metadata.get(key).map_or("nothing", String::as_str);
    if found == expected {
        Ok(())
    } else {
        Err(format!("`{key}` must be `{expected}`, found `{found}`"))
    }
}

fn stored_matrix(
    header: &Metadata,
    metadata: &HashMap<String, String>,
    data_start: u64,
    plan: &MatrixPlan<'_>,
) -> Result<StoredMatrix, String> {
    let (name, bytes) = (&plan.name, plan.region.bytes.len());
    let info = header
        .info(name)
        .ok_or_else(|| format!("`{name}` is missing"))?;
    let (start, end) = info.data_offsets;
    if info.dtype != Dtype::U8 || end - start != bytes {
        return Err(format!(
            "`{name}` must have {bytes} bytes, found {} of {:?}",
            end - start,
            info.dtype
        ));
    }
    require(metadata, &format!("format.{name}"), &plan.label())?;
    let checksums = metadata
        .get(&format!("crc32.{name}"))
        .and_then(|text| checksums(text))
        .filter(|checksums| checksums.len() == bytes.div_ceil(CHUNK_BYTES))
        .ok_or_else(|| format!("`{name}` has no checksums"))?;
    Ok(StoredMatrix {
        offset: data_start + start as u64,
        checksums,
    })
}

/// Eight hexadecimal digits each.
fn checksums(text: &str) -> Option<Vec<u32>> {
    let digits = text.as_bytes().chunks(8);
    digits
        .map(|digits| u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok())
        .collect()
}
