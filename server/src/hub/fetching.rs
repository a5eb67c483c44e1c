//! A model of a repository, from the hub into the cache folder.

use std::fs;
use std::path::{Path, PathBuf};

use nibble_app::language::Told;

use super::cache::{find_room, take_turn};
use super::client::Client;
use super::error::{Error, failed};
use super::model_folders::{Entry, Manifest, ModelFolders, partial_path, size};
use super::progress::Progress;
use super::reference::HubModel;
use super::selection::plan;

/// The model's path. One that is there is taken as it is, unless the `newest` is requested: then the hub is asked, and
/// what has changed is fetched.
pub(super) fn fetch(
    model: &HubModel,
    cache: &Path,
    client: &Client,
    newest: bool,
    progress: &dyn Progress,
) -> Result<PathBuf, Error> {
    let folders = ModelFolders::of(cache, model);
    let there = || (!newest).then(|| folders.model()).flatten();
    if let Some(path) = there() {
        return Ok(path);
    }
    fs::create_dir_all(cache).map_err(failed("create", cache))?;
    let _turn = take_turn(cache, progress, client.cancel())?;
    // Another process may have fetched it meanwhile.
    if let Some(path) = there() {
        return Ok(path);
    }
    let unfetched = |reason| Error::Fetch(format!("`{model}` could not be fetched: {reason}"));
    let planned = plan(model, client).map_err(unfetched)?;
    let is_unchanged = |installed: Manifest| installed.files == planned.files;
    if folders.installed().is_some_and(is_unchanged) {
        return Ok(folders.model_path(&planned));
    }
    folders.prepare(&planned)?;
    let what = Told::new(|t| t.fetch_from(model, &client.endpoint));
    progress.start(&what, Some(planned.bytes()));
    let received = receive(model, &planned, &folders, client, progress);
    progress.finish();
    received.map_err(unfetched)?;
    folders.commit()?;
    Ok(folders.model_path(&planned))
}

fn receive(
    model: &HubModel,
    planned: &Manifest,
    folders: &ModelFolders,
    client: &Client,
    progress: &dyn Progress,
) -> Result<(), String> {
    let is_there = |entry: &&Entry| size(&folders.staged(entry)) == Some(entry.bytes);
    let (there, missing): (Vec<_>, Vec<_>) = planned.files.iter().partition(is_there);
    let arrived = |entry: &Entry| size(&partial_path(&folders.staged(entry))).unwrap_or(0);
    let needed: u64 = missing
        .iter()
        .map(|entry| entry.bytes.saturating_sub(arrived(entry)))
        .sum();
    find_room(&folders.staging, needed)?;
    let mut before = there.iter().map(|entry| entry.bytes).sum();
    for entry in missing {
        let url = client.url(model, &planned.commit, &entry.name)?;
        let path = folders.staged(entry);
        let partial = partial_path(&path);
        let shifted = Shifted { progress, before };
        client.receive(
            &url,
            &model.repository,
            &entry.download(),
            &partial,
            &shifted,
        )?;
        fs::rename(&partial, &path)
            .map_err(|error| format!("`{}` cannot be moved: {error}", partial.display()))?;
        before += entry.bytes;
    }
    Ok(())
}

/// The progress of one file as that of all.
struct Shifted<'a> {
    progress: &'a dyn Progress,
    /// Bytes of the files before it.
    before: u64,
}

impl Progress for Shifted<'_> {
    fn start(&self, _: &Told, _: Option<u64>) {}

    fn advance(&self, bytes_so_far: u64) {
        self.progress.advance(self.before + bytes_so_far);
    }

    fn finish(&self) {}
}
