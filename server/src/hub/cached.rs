//! What the cache folder holds, and how it is removed.

use std::fs;
use std::path::{Path, PathBuf};

use nibble_engine::{CachedWeights, cached_weights};

use super::cache::{packed_folder, take_turn};
use super::cancel::Cancel;
use super::default_model::{DEFAULT_FILE, DEFAULT_MODEL};
use super::error::{Error, failed};
use super::model_folders::{ModelFolders, partial_path, size, size_of_folder};
use super::names::DEFAULT_NAME;
use super::progress::Progress;
use super::reference::Reference;

/// A model in the cache folder.
#[derive(Clone, Debug)]
pub struct CachedModel {
    /// What a person types to mean it.
    pub name: String,
    /// Where it is; none while it is not whole.
    pub path: Option<PathBuf>,
    /// Its files, without packed weights.
    pub bytes: u64,
    /// What it will take when it is whole; only while it is not.
    pub total_bytes: Option<u64>,
    /// Its weights in some CPU's layout.
    pub packed: Vec<CachedWeights>,
}

impl CachedModel {
    /// Bytes of its packed weights.
    pub fn packed_bytes(&self) -> u64 {
        self.packed.iter().map(|packed| packed.bytes).sum()
    }
}

/// All of the cache folder.
#[derive(Clone, Debug, Default)]
pub struct CacheContents {
    /// Models, by name.
    pub models: Vec<CachedModel>,
    /// Packed weights of models that are elsewhere, or that are gone.
    pub packed: Vec<CachedWeights>,
}

/// What is about to be removed.
#[derive(Debug)]
pub struct Removal {
    /// Each file or folder with its bytes.
    pub items: Vec<(PathBuf, u64)>,
    /// A file of a person's own that stays, of which only packed weights go.
    pub stays: Option<PathBuf>,
    folders: Option<ModelFolders>,
    cache: PathBuf,
}

/// What is in the cache folder.
pub(super) fn contents(cache: &Path) -> CacheContents {
    let mut packed = cached_weights(&packed_folder(cache));
    let mut take_packed = |path: Option<&PathBuf>| -> Vec<CachedWeights> {
        let path = path.and_then(|path| path.canonicalize().ok());
        let (own, others) = std::mem::take(&mut packed)
            .into_iter()
            .partition(|packed: &CachedWeights| path.is_some() && packed.model == path);
        packed = others;
        own
    };
    let mut models = Vec::new();
    let default = cache.join(DEFAULT_FILE);
    let arrived = size(&partial_path(&default));
    if let Some(bytes) = size(&default).or(arrived) {
        let path = Some(default).filter(|path| path.exists());
        models.push(CachedModel {
            name: DEFAULT_NAME.to_owned(),
            packed: take_packed(path.as_ref()),
            path,
            bytes,
            total_bytes: arrived.map(|_| DEFAULT_MODEL.bytes),
        });
    }
    for folders in ModelFolders::all(cache) {
        let (installed, partial) = (folders.installed(), folders.partial());
        let Some(manifest) = installed.as_ref().or(partial.as_ref()) else {
            continue;
        };
        let model = manifest.model();
        let path = installed
            .as_ref()
            .map(|manifest| folders.model_path(manifest));
        models.push(CachedModel {
            name: model
                .known()
                .map_or_else(|| model.to_string(), |known| known.name.to_owned()),
            packed: take_packed(path.as_ref()),
            path,
            bytes: size_of_folder(&folders.complete) + size_of_folder(&folders.staging),
            total_bytes: partial.map(|manifest| manifest.bytes()),
        });
    }
    CacheContents { models, packed }
}

/// What removing this model would remove.
pub(super) fn removal(named: &Path, cache: &Path) -> Result<Removal, Error> {
    let reference = match Reference::parse(named)? {
        Reference::Path(path) => of_cache(path, cache),
        other => other,
    };
    removal_of(reference, &named.display().to_string(), cache)
}

/// The same of one whose name is understood, and shown as `named`.
pub(super) fn removal_of(
    reference: Reference,
    named: &str,
    cache: &Path,
) -> Result<Removal, Error> {
    let mut removal = Removal {
        items: Vec::new(),
        stays: None,
        folders: None,
        cache: cache.to_owned(),
    };
    let model = match reference {
        Reference::Default => {
            let file = cache.join(DEFAULT_FILE);
            let files = [file.clone(), partial_path(&file)];
            let there = files
                .into_iter()
                .filter_map(|path| Some((size(&path)?, path)));
            removal
                .items
                .extend(there.map(|(bytes, path)| (path, bytes)));
            Some(file)
        }
        Reference::Hub(model) => {
            let folders = ModelFolders::of(cache, &model);
            let both = [&folders.complete, &folders.staging].into_iter();
            let there = both.filter(|folder| folder.is_dir());
            let sized = there.map(|folder| (folder.clone(), size_of_folder(folder)));
            removal.items.extend(sized);
            let model = folders.model();
            removal.folders = Some(folders);
            model
        }
        // One that is gone may still have packed weights.
        Reference::Path(path) => {
            removal.stays = Some(path.clone());
            Some(path)
        }
    };
    if let Some(model) = model {
        removal.add_packed(&model.canonicalize().unwrap_or(model));
    }
    match removal.items[..] {
        [] => Err(Error::Usage(format!(
            "nothing of `{named}` is in `{}`",
            cache.display()
        ))),
        _ => Ok(removal),
    }
}

/// The model that a path inside of the cache folder is of.
fn of_cache(path: PathBuf, cache: &Path) -> Reference {
    let path_of_model = path.canonicalize().ok();
    let is = |other: &Path| path_of_model.is_some() && other.canonicalize().ok() == path_of_model;
    if is(&cache.join(DEFAULT_FILE)) {
        return Reference::Default;
    }
    let model = ModelFolders::all(cache).into_iter().find_map(|folders| {
        let manifest = folders.installed()?;
        let is_it = is(&folders.complete) || is(&folders.model_path(&manifest));
        is_it.then(|| manifest.model())
    });
    model.map_or(Reference::Path(path), Reference::Hub)
}

impl Removal {
    /// Adds the packed weights of a model, or those that are themselves at this path.
    fn add_packed(&mut self, path: &PathBuf) {
        for packed in cached_weights(&packed_folder(&self.cache)) {
            if packed.path == *path {
                self.stays = None;
            } else if packed.model.as_ref() != Some(path) {
                continue;
            }
            self.items.push((packed.path, packed.bytes));
        }
    }

    /// Bytes that this frees.
    pub fn bytes(&self) -> u64 {
        self.items.iter().map(|(_, bytes)| bytes).sum()
    }

    /// Removes it, once nobody fetches.
    ///
    /// # Errors
    /// [`Error::File`] for what cannot be removed.
    pub fn carry_out(self, progress: &dyn Progress) -> Result<(), Error> {
        let _turn = take_turn(&self.cache, progress, &Cancel::default())?;
        if let Some(folders) = &self.folders {
            folders.remove()?;
        }
        for (path, _) in self.items.iter().filter(|(path, _)| path.is_file()) {
            fs::remove_file(path).map_err(failed("remove", path))?;
        }
        Ok(())
    }
}
