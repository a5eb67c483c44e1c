//! What the cache folder holds, and how it is removed.

use std::fs;
use std::path::{Path, PathBuf};

use super::names::DEFAULT_NAME;
use super::reference::Reference;
use super::unit::{Unit, part, size, size_of_folder, units};
use super::{DEFAULT_FILE, DEFAULT_MODEL, Progress, failed, packed_folder, take_turn};
use nibble_engine::{CachedWeights, Error, cached_weights};

/// A model in the cache folder.
#[derive(Clone, Debug)]
pub struct KeptModel {
    /// What a person types to mean it.
    pub name: String,
    /// Where it is; none while it is not whole.
    pub path: Option<PathBuf>,
    /// Its files, without packed weights.
    pub bytes: u64,
    /// What it will take when it is whole, while it is not.
    pub whole_bytes: Option<u64>,
    /// Its weights in some CPU's layout.
    pub packed: Vec<CachedWeights>,
}

impl KeptModel {
    /// Bytes of its packed weights.
    pub fn packed_bytes(&self) -> u64 {
        self.packed.iter().map(|packed| packed.bytes).sum()
    }
}

/// All of the cache folder.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// Models, by name.
    pub models: Vec<KeptModel>,
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
    unit: Option<Unit>,
    cache: PathBuf,
}

/// What is in the cache folder.
pub(super) fn kept(cache: &Path) -> Kept {
    let mut packed = cached_weights(&packed_folder(cache));
    let mut take_packed = |path: Option<&PathBuf>| -> Vec<CachedWeights> {
        let place = path.and_then(|path| path.canonicalize().ok());
        let (own, others) = std::mem::take(&mut packed)
            .into_iter()
            .partition(|packed: &CachedWeights| place.is_some() && packed.model == place);
        packed = others;
        own
    };
    let mut models = Vec::new();
    let default = cache.join(DEFAULT_FILE);
    let begun = size(&part(&default));
    if let Some(bytes) = size(&default).or(begun) {
        let path = Some(default).filter(|path| path.exists());
        models.push(KeptModel {
            name: DEFAULT_NAME.to_owned(),
            packed: take_packed(path.as_ref()),
            path,
            bytes,
            whole_bytes: begun.map(|_| DEFAULT_MODEL.bytes),
        });
    }
    for unit in units(cache) {
        let (whole, begun) = (unit.whole(), unit.begun());
        let Some(manifest) = whole.as_ref().or(begun.as_ref().map(|(begun, _)| begun)) else {
            continue;
        };
        let model = manifest.model();
        let path = whole.as_ref().map(|manifest| unit.model(manifest));
        models.push(KeptModel {
            name: model
                .known()
                .map_or_else(|| model.to_string(), |known| known.name.to_owned()),
            packed: take_packed(path.as_ref()),
            path,
            bytes: size_of_folder(&unit.folder) + size_of_folder(&unit.staging),
            whole_bytes: begun.map(|(manifest, _)| manifest.bytes()),
        });
    }
    Kept { models, packed }
}

/// What removing this model would remove.
pub(super) fn removal(named: &Path, cache: &Path) -> Result<Removal, Error> {
    let reference = match Reference::parse(named)? {
        Reference::Path(path) => of_cache(path, cache),
        other => other,
    };
    let mut removal = Removal {
        items: Vec::new(),
        stays: None,
        unit: None,
        cache: cache.to_owned(),
    };
    let model = match reference {
        Reference::Default => {
            let file = cache.join(DEFAULT_FILE);
            let files = [file.clone(), part(&file)];
            let there = files
                .into_iter()
                .filter_map(|path| Some((size(&path)?, path)));
            removal
                .items
                .extend(there.map(|(bytes, path)| (path, bytes)));
            Some(file)
        }
        Reference::Hub(model) => {
            let unit = Unit::of(cache, &model);
            let folders = [&unit.folder, &unit.staging].into_iter();
            let there = folders.filter(|folder| folder.is_dir());
            let sized = there.map(|folder| (folder.clone(), size_of_folder(folder)));
            removal.items.extend(sized);
            let model = unit.whole().map(|manifest| unit.model(&manifest));
            removal.unit = Some(unit);
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
        [] => Err(Error::Option(format!(
            "nothing of `{}` is in `{}`",
            named.display(),
            cache.display()
        ))),
        _ => Ok(removal),
    }
}

/// The model that a path inside of the cache folder is of.
fn of_cache(path: PathBuf, cache: &Path) -> Reference {
    let place = path.canonicalize().ok();
    let is = |other: &Path| place.is_some() && other.canonicalize().ok() == place;
    if is(&cache.join(DEFAULT_FILE)) {
        return Reference::Default;
    }
    let model = units(cache).into_iter().find_map(|unit| {
        let manifest = unit.whole()?;
        let is_it = is(&unit.folder) || is(&unit.model(&manifest));
        is_it.then(|| manifest.model())
    });
    model.map_or(Reference::Path(path), Reference::Hub)
}

impl Removal {
    /// Adds the packed weights of a model, or those that are themselves at this place.
    fn add_packed(&mut self, place: &PathBuf) {
        for packed in cached_weights(&packed_folder(&self.cache)) {
            if packed.path == *place {
                self.stays = None;
            } else if packed.model.as_ref() != Some(place) {
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
        let _turn = take_turn(&self.cache, progress)?;
        if let Some(unit) = &self.unit {
            unit.remove()?;
        }
        for (path, _) in self.items.iter().filter(|(path, _)| path.is_file()) {
            fs::remove_file(path).map_err(failed("remove", path))?;
        }
        Ok(())
    }
}
