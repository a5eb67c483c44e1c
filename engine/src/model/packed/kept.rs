//! Which packed weights are in the cache folder, and of which models.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::reading;

/// Under which a packed file says where its model was.
pub(super) const MODEL: &str = "nibble.model";

/// Packed weights in the cache folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptWeights {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Where the model was that they are of; none when the file does not say.
    pub model: Option<PathBuf>,
}

/// Where packed weights are kept.
pub(super) fn folder(cache: &Path) -> PathBuf {
    cache.join("packed")
}

/// All packed weights, by the names of their files.
pub(crate) fn kept_weights(cache: &Path) -> Vec<KeptWeights> {
    let entries = fs::read_dir(folder(cache)).into_iter().flatten().flatten();
    let mut kept: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "safetensors"))
        .filter_map(|path| {
            let file = File::open(&path).ok()?;
            Some(KeptWeights {
                bytes: file.metadata().ok()?.len(),
                model: reading::said(&file, MODEL).map(PathBuf::from),
                path,
            })
        })
        .collect();
    kept.sort_by(|a, b| a.path.cmp(&b.path));
    kept
}
