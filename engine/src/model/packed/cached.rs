//! Which packed weights are in a cache folder, and of which models.

use std::fs;
use std::path::{Path, PathBuf};

use super::reading;
use crate::files::regular;

/// Under which a packed file says where its model was.
pub(super) const MODEL: &str = "nibble.model";

/// Packed weights in a cache folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedWeights {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Where the model was that they are of; none when the file does not say.
    pub model: Option<PathBuf>,
}

/// All packed weights of a [`super::PackedCache::Folder`], by the names of their files.
#[must_use]
pub fn cached_weights(folder: &Path) -> Vec<CachedWeights> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut cached: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "safetensors"))
        .filter_map(|path| {
            let file = regular::open(&path).ok()?;
            Some(CachedWeights {
                bytes: file.metadata().ok()?.len(),
                model: reading::value(&file, MODEL).map(PathBuf::from),
                path,
            })
        })
        .collect();
    cached.sort_by(|a, b| a.path.cmp(&b.path));
    cached
}
