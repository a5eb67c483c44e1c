//! A model from the hub on this disk: a folder with its files and a manifest that says what they are.
//!
//! `hub/OWNER/NAME` holds a whole model, with `@REVISION` and `+FILE` behind the name where these were asked for. What
//! is not whole yet is in the same place with a `~` behind it, and moved when it is.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::cache::write_record;
use super::error::{Error, failed};
use super::reference::HubModel;

/// Inside the cache folder.
pub(super) const FOLDER: &str = "hub";
const MANIFEST: &str = "nibble.json";
/// Behind the name of a file that is not whole yet.
const PART: &str = ".part";
/// Behind the name of a folder that has been replaced.
const OLD: &str = "~~";

/// What a model's folder holds, or will.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Manifest {
    pub(super) repository: String,
    pub(super) revision: String,
    pub(super) commit: String,
    /// The GGUF file or quantisation that was asked for.
    pub(super) file: Option<String>,
    pub(super) files: Vec<Entry>,
}

/// A file at one commit.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) bytes: u64,
    pub(super) sha256: Option<String>,
    /// The hub's name for its content.
    pub(super) id: Option<String>,
}

impl Manifest {
    pub(super) fn model(&self) -> HubModel {
        HubModel {
            repository: self.repository.clone(),
            revision: self.revision.clone(),
            file: self.file.clone(),
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|entry| entry.bytes).sum()
    }
}

/// The folders of one model.
#[derive(Clone, Debug)]
pub(super) struct ModelFolders {
    /// Of the whole model.
    pub(super) complete: PathBuf,
    /// Of what has arrived so far.
    pub(super) staging: PathBuf,
}

impl ModelFolders {
    pub(super) fn of(cache: &Path, model: &HubModel) -> Self {
        let owner = cache.join(FOLDER).join(model.owner());
        Self {
            complete: owner.join(model.folder()),
            staging: owner.join(format!("{}~", model.folder())),
        }
    }

    /// Those of every model in the cache folder, whole or not.
    pub(super) fn all(cache: &Path) -> Vec<Self> {
        let mut all: Vec<_> = folders(&cache.join(FOLDER))
            .iter()
            .flat_map(|owner| folders(owner))
            .filter_map(|folder| {
                let name = name(&folder);
                if name.ends_with(OLD) {
                    return None;
                }
                let name = name.strip_suffix('~').unwrap_or(&name);
                Some(Self {
                    complete: folder.with_file_name(name),
                    staging: folder.with_file_name(format!("{name}~")),
                })
            })
            .collect();
        all.sort_by(|a, b| a.complete.cmp(&b.complete));
        all.dedup_by(|a, b| a.complete == b.complete);
        all
    }

    /// What is there, whole.
    pub(super) fn installed(&self) -> Option<Manifest> {
        let manifest = manifest(&self.complete)?;
        let is_there = |entry: &Entry| size(&self.complete.join(&entry.name)) == Some(entry.bytes);
        manifest.files.iter().all(is_there).then_some(manifest)
    }

    /// What has begun to arrive.
    pub(super) fn partial(&self) -> Option<Manifest> {
        manifest(&self.staging)
    }

    /// What is loaded, when it is there, whole.
    pub(super) fn model(&self) -> Option<PathBuf> {
        Some(self.model_path(&self.installed()?))
    }

    /// What is loaded of these files: the folder, or its GGUF file.
    pub(super) fn model_path(&self, manifest: &Manifest) -> PathBuf {
        match &manifest.files[..] {
            [entry, ..] if entry.name.ends_with(".gguf") => self.complete.join(&entry.name),
            _ => self.complete.clone(),
        }
    }

    /// Where a file is that has arrived.
    pub(super) fn staged(&self, entry: &Entry) -> PathBuf {
        self.staging.join(&entry.name)
    }

    /// Makes room for this to arrive in, and keeps of what is there already whatever is the same.
    pub(super) fn prepare(&self, planned: &Manifest) -> Result<(), Error> {
        let earlier = manifest(&self.staging).map_or(Vec::new(), |manifest| manifest.files);
        fs::create_dir_all(&self.staging).map_err(failed("create", &self.staging))?;
        let entries = fs::read_dir(&self.staging).map_err(failed("read", &self.staging))?;
        for found in entries.flatten() {
            let name = found.file_name();
            let name = name.to_string_lossy();
            let name = name.strip_suffix(PART).unwrap_or(&name);
            let is_wanted = |entry: &&Entry| entry.name == name && earlier.contains(entry);
            if !planned.files.iter().any(|entry| is_wanted(&entry)) {
                fs::remove_file(found.path()).map_err(failed("remove", &found.path()))?;
            }
        }
        write_record(&self.staging.join(MANIFEST), planned)?;
        let Some(installed) = self.installed() else {
            return Ok(());
        };
        for entry in installed
            .files
            .iter()
            .filter(|entry| planned.files.contains(entry))
        {
            // Where files cannot be linked it is fetched again.
            let _ = fs::hard_link(self.complete.join(&entry.name), self.staged(entry));
        }
        Ok(())
    }

    /// Puts what has arrived in the place of what was there.
    pub(super) fn commit(&self) -> Result<(), Error> {
        if self.complete.exists() {
            let old = self
                .complete
                .with_file_name(format!("{}{OLD}", name(&self.complete)));
            remove_folder(&old)?;
            fs::rename(&self.complete, &old).map_err(failed("move", &self.complete))?;
            fs::rename(&self.staging, &self.complete).map_err(failed("move", &self.staging))?;
            return remove_folder(&old);
        }
        fs::rename(&self.staging, &self.complete).map_err(failed("move", &self.staging))
    }

    /// Removes all of it, and the owner's folder with its last model.
    pub(super) fn remove(&self) -> Result<(), Error> {
        remove_folder(&self.complete)?;
        remove_folder(&self.staging)?;
        if let Some(owner) = self.complete.parent() {
            // Fails while there are others, as it must.
            let _ = fs::remove_dir(owner);
        }
        Ok(())
    }
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths.filter(|path| path.is_dir()).collect()
}

fn name(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Where a file is that has not arrived whole.
pub(super) fn partial_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(PART);
    path.with_file_name(name)
}

pub(super) fn size(file: &Path) -> Option<u64> {
    Some(fs::metadata(file).ok()?.len())
}

/// Bytes of all files in a folder.
pub(super) fn size_of_folder(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| size(&entry.path())).sum()
}

/// The names in it came from outside once, so none may lead out of the folder.
fn manifest(folder: &Path) -> Option<Manifest> {
    let manifest: Manifest = serde_json::from_slice(&fs::read(folder.join(MANIFEST)).ok()?).ok()?;
    let is_plain =
        |entry: &Entry| !entry.name.contains(['/', '\\']) && !entry.name.starts_with('.');
    manifest.files.iter().all(is_plain).then_some(manifest)
}

pub(super) fn remove_folder(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failed("remove", folder)(error))
        }
        _ => Ok(()),
    }
}
