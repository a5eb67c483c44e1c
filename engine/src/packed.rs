//! Packed weights in a file, so that a large model need not be packed anew at every start.
//!
//! The file is one of safetensors: every matrix under its name, as the bytes of one kernel family's layout. Everything
//! else of a model (configuration, vocabulary, norms) still comes from its own file, which the packed one names; a
//! packed file of another source, layout, rounding or version is not used. Matrices are read into memory of huge pages,
//! all at once by several threads, and their checksums compared on the way: mapped in place they would lie in small
//! pages, which costs every decode step more than reading costs once.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, UNIX_EPOCH};

use memmap2::Mmap;
use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorView};
use sha2::{Digest, Sha256};

use crate::checkpoint::Gguf;
use crate::config::ModelConfig;
use crate::hub::cache_folder;
use crate::kernel::{self, Kernel};
use crate::matrix::{PackedMatrix, Packing};
use crate::schedule::pool;
use crate::threads::Pool;
use crate::weights::{self, Rounding};
use crate::{Error, LoadOptions};

/// Changes whenever the meaning of the bytes does.
const VERSION: &str = "1";
/// Packing that took less is not worth a second copy of the weights on the disk.
const WORTH_KEEPING: Duration = Duration::from_secs(2);

/// Where packed weights are kept between starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PackedCache {
    /// In the cache folder, when packing takes noticeable time.
    #[default]
    Automatic,
    /// Nowhere.
    Off,
    /// In this file, which is made when it is not there.
    File(PathBuf),
}

/// The packed file of one model for one kernel family, whether it exists or not.
#[derive(Debug)]
pub(crate) struct PackedFile {
    path: PathBuf,
    /// What the file must say about itself.
    identity: Vec<(&'static str, String)>,
    worth_keeping: Duration,
}

impl PackedFile {
    /// The file that `cache` means for this model; none when it means none, or the source cannot be identified.
    pub(crate) fn of(
        cache: &PackedCache,
        gguf: &Gguf,
        rounding: Rounding,
        kernel: &Kernel,
    ) -> Option<Self> {
        let (layout, source) = (kernel.layout, source(gguf).ok()?);
        let rounding = format!(
            "{}, {}",
            if rounding.channelwise {
                "channelwise"
            } else {
                "groups as stored"
            },
            if rounding.int4_head {
                "head in int4"
            } else {
                "head as stored"
            },
        );
        let layout = format!("{} rows x {} columns", layout.rows, layout.depth);
        let (path, worth_keeping) = match cache {
            PackedCache::Off => return None,
            PackedCache::File(path) => (path.clone(), Duration::ZERO),
            PackedCache::Automatic => {
                let place = gguf.path().canonicalize().ok()?;
                let key = Sha256::digest(format!("{} {layout} {rounding}", place.display()));
                let name = gguf.path().file_stem()?.to_string_lossy();
                let file = format!("{name}-{}.safetensors", &hex(&key)[..12]);
                (
                    cache_folder().ok()?.join("packed").join(file),
                    WORTH_KEEPING,
                )
            }
        };
        let identity = vec![
            ("nibble.version", VERSION.to_owned()),
            ("nibble.layout", layout),
            ("nibble.rounding", rounding),
            ("nibble.source", source),
        ];
        Some(Self {
            path,
            identity,
            worth_keeping,
        })
    }

    /// The matrices that were planned, when the file has them; what is wrong with a file that is there is logged.
    pub(crate) fn read(&self, packing: &Packing<'_>, pool: &mut Pool) -> Option<Vec<PackedMatrix>> {
        if !self.path.exists() {
            return None;
        }
        match self
            .open(packing)
            .and_then(|reader| reader.read(packing, pool))
        {
            Ok(matrices) => Some(matrices),
            Err(reason) => {
                let path = self.path.display();
                tracing::warn!("`{path}` is packed anew: {reason}");
                None
            }
        }
    }

    fn open(&self, packing: &Packing<'_>) -> Result<Reader, String> {
        let file = File::open(&self.path).map_err(|error| error.to_string())?;
        // SAFETY: only the header is read through the map, and copied at once; packed files are moved into place whole.
        let map = unsafe { Mmap::map(&file) }.map_err(|error| error.to_string())?;
        let (header_len, header) =
            SafeTensors::read_metadata(&map).map_err(|error| error.to_string())?;
        let none = HashMap::new();
        let said = header.metadata().as_ref().unwrap_or(&none);
        for (key, expected) in &self.identity {
            let found = said.get(*key).map_or("nothing", String::as_str);
            if found != expected {
                return Err(format!("`{key}` must be `{expected}`, found `{found}`"));
            }
        }
        let data_start = 8 + header_len as u64;
        let places = packing
            .plans()
            .map(|plan| place(&header, said, &plan.name, plan.label(), plan.bytes.len()));
        let places = places.collect::<Result<_, String>>()?;
        Ok(Reader {
            file,
            data_start,
            places,
        })
    }

    /// Writes the matrices, if packing them took long enough. A failure is logged: the weights are there without it.
    pub(crate) fn keep(&self, names: &[String], matrices: &[PackedMatrix], took: Duration) {
        if took < self.worth_keeping {
            return;
        }
        let path = self.path.display();
        match self.write(names, matrices) {
            Ok(()) => tracing::info!("packed weights are kept in `{path}`"),
            Err(error) => tracing::warn!("{error}; the weights are packed again next time"),
        }
    }

    /// Writes the file under another name and moves it into place.
    ///
    /// # Errors
    /// [`Error::File`].
    pub(crate) fn write(&self, names: &[String], matrices: &[PackedMatrix]) -> Result<(), Error> {
        let failed = |reason| Error::File {
            action: "write",
            path: self.path.clone(),
            reason,
        };
        let mut said: HashMap<String, String> = self
            .identity
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .collect();
        let mut views = Vec::with_capacity(names.len());
        for (name, matrix) in names.iter().zip(matrices) {
            let bytes = matrix.packed_bytes();
            said.insert(format!("format.{name}"), matrix.label());
            said.insert(format!("crc32.{name}"), checksum(bytes));
            let view = TensorView::new(Dtype::U8, vec![bytes.len()], bytes);
            views.push((name, view.map_err(io::Error::other).map_err(failed)?));
        }
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        safetensors::serialize_to_file(views, Some(said), &self.path)
            .map_err(io::Error::other)
            .map_err(failed)
    }
}

/// Packs a model into a file, `out` or its place in the cache folder, and returns its path; `progress` is told the bytes
/// packed so far and all bytes.
///
/// # Errors
/// What loading the model gives, and [`Error::File`] when the packed file cannot be written.
pub fn pack(options: &LoadOptions, progress: &dyn Fn(u64, u64)) -> Result<PathBuf, Error> {
    let kernel = kernel::choose(options.kernel.as_deref())?;
    let mut pool = pool(options.threads, options.pin)?;
    let gguf = Gguf::open(&options.model)?;
    let config = ModelConfig::from_gguf(&gguf)?;
    let file = PackedFile::of(&options.packed, &gguf, options.rounding, kernel);
    let file = file.ok_or_else(|| Error::Option("there is no place for packed weights".into()))?;
    let packing = weights::plan(&gguf, &config, options.rounding, kernel)?;
    let names: Vec<_> = packing.plans().map(|plan| plan.name.clone()).collect();
    let matrices = packing.pack(&mut pool, progress)?;
    file.write(&names, &matrices)?;
    Ok(file.path)
}

/// Where one matrix stands in the file.
struct Place {
    offset: u64,
    checksum: String,
}

fn place(
    header: &Metadata,
    said: &HashMap<String, String>,
    name: &str,
    label: String,
    bytes: usize,
) -> Result<Place, String> {
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
    let found = said.get(&format!("format.{name}"));
    if found != Some(&label) {
        return Err(format!("`{name}` must be `{label}`, found {found:?}"));
    }
    let checksum = said
        .get(&format!("crc32.{name}"))
        .ok_or_else(|| format!("the checksum of `{name}` is missing"))?;
    Ok(Place {
        offset: start as u64,
        checksum: checksum.clone(),
    })
}

/// An open file whose header fits the plan.
struct Reader {
    file: File,
    data_start: u64,
    /// In the order of the plan.
    places: Vec<Place>,
}

impl Reader {
    fn read(&self, packing: &Packing<'_>, pool: &mut Pool) -> Result<Vec<PackedMatrix>, String> {
        let failure = Mutex::new(None);
        let matrices = packing.fill(pool, |index, bytes| {
            let place = &self.places[index];
            let outcome = read_at(&self.file, bytes, self.data_start + place.offset)
                .map_err(|error| error.to_string())
                .and_then(|()| {
                    let found = checksum(bytes);
                    if found == place.checksum {
                        Ok(())
                    } else {
                        let expected = &place.checksum;
                        Err(format!("a checksum must be `{expected}`, found `{found}`"))
                    }
                });
            if let (Err(reason), Ok(mut failure)) = (outcome, failure.lock()) {
                *failure = Some(reason);
            }
        });
        let matrices = matrices.map_err(|error| error.to_string())?;
        match failure.into_inner() {
            Ok(None) => Ok(matrices),
            Ok(Some(reason)) => Err(reason),
            Err(_) => Err("a thread that read it has failed".into()),
        }
    }
}

fn checksum(bytes: &[u8]) -> String {
    format!("{:08x}", crc32fast::hash(bytes))
}

/// What tells one source from another without reading all of it: its length, when it was written, and its header.
fn source(gguf: &Gguf) -> io::Result<String> {
    let file = gguf.path().metadata()?;
    let written = file.modified()?.duration_since(UNIX_EPOCH);
    let written = written.unwrap_or_default().as_nanos();
    let header = hex(&Sha256::digest(gguf.header_bytes()));
    Ok(format!(
        "{} bytes of {written}, header {header}",
        file.len()
    ))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(not(unix))]
fn read_at(_: &File, _: &mut [u8], _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests;
