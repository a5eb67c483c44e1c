//! A model of a repository, from the hub into the cache folder.

use std::fs;
use std::path::{Path, PathBuf};

use super::client::Client;
use super::reference::HubModel;
use super::selection::plan;
use super::unit::{Entry, Manifest, Unit, part, size};
use super::{Progress, failed, take_turn};
use nibble_engine::Error;

/// The model's path. One that is there is taken as it is, unless `newest` is wanted: then the hub is asked, and what has
/// changed is fetched.
pub(super) fn fetch(
    model: &HubModel,
    cache: &Path,
    client: &Client,
    newest: bool,
    progress: &dyn Progress,
) -> Result<PathBuf, Error> {
    let unit = Unit::of(cache, model);
    let there = || (!newest).then(|| unit.whole()).flatten();
    if let Some(manifest) = there() {
        return Ok(unit.model(&manifest));
    }
    fs::create_dir_all(cache).map_err(failed("create", cache))?;
    let _turn = take_turn(cache, progress)?;
    // Another process may have fetched it meanwhile.
    if let Some(manifest) = there() {
        return Ok(unit.model(&manifest));
    }
    let said = |why: String| Error::Fetch(format!("`{model}` could not be fetched: {why}"));
    let planned = plan(model, client).map_err(said)?;
    if unit
        .whole()
        .is_some_and(|whole| whole.files == planned.files)
    {
        return Ok(unit.model(&planned));
    }
    unit.prepare(&planned)?;
    let what = format!("{model} from {}", client.endpoint);
    progress.start(&what, Some(planned.bytes()));
    let received = receive(model, &planned, &unit, client, progress);
    progress.finish();
    received.map_err(said)?;
    unit.complete()?;
    Ok(unit.model(&planned))
}

fn receive(
    model: &HubModel,
    planned: &Manifest,
    unit: &Unit,
    client: &Client,
    progress: &dyn Progress,
) -> Result<(), String> {
    let is_there = |entry: &&Entry| size(&unit.staged(entry)) == Some(entry.bytes);
    let (there, missing): (Vec<_>, Vec<_>) = planned.files.iter().partition(is_there);
    let begun = |entry: &&Entry| size(&part(&unit.staged(entry))).unwrap_or(0);
    let needed: u64 = missing
        .iter()
        .map(|entry| entry.bytes.saturating_sub(begun(entry)))
        .sum();
    find_room(&unit.staging, needed)?;
    let mut before = there.iter().map(|entry| entry.bytes).sum();
    for entry in missing {
        let url = client.url(model, &planned.commit, &entry.name)?;
        let (place, artefact) = (unit.staged(entry), entry.artefact());
        let part = part(&place);
        let whole = Within { progress, before };
        client.receive(&url, &model.repository, &artefact, &part, &whole)?;
        fs::rename(&part, &place)
            .map_err(|error| format!("`{}` cannot be moved: {error}", part.display()))?;
        before += entry.bytes;
    }
    Ok(())
}

/// The progress of one file, told as that of all.
struct Within<'a> {
    progress: &'a dyn Progress,
    /// Bytes of the files before it.
    before: u64,
}

impl Progress for Within<'_> {
    fn start(&self, _: &str, _: Option<u64>) {}

    fn advance(&self, bytes_so_far: u64) {
        self.progress.advance(self.before + bytes_so_far);
    }

    fn finish(&self) {}
}

/// A disk that is too full shows before anything comes.
pub(super) fn find_room(folder: &Path, needed: u64) -> Result<(), String> {
    match room(folder) {
        Some(available) if available < needed => Err(format!(
            "it needs {} MB, and `{}` has room for {} MB; `NIBBLE_HOME` names another folder",
            needed.div_ceil(1_000_000),
            folder.display(),
            available / 1_000_000
        )),
        _ => Ok(()),
    }
}

/// Bytes that may be written; not known everywhere.
fn room(folder: &Path) -> Option<u64> {
    #[cfg(all(target_os = "linux", not(miri)))]
    {
        let system = rustix::fs::statvfs(folder).ok()?;
        Some(system.f_bavail.saturating_mul(system.f_frsize))
    }
    #[cfg(not(all(target_os = "linux", not(miri))))]
    {
        let _ = folder;
        None
    }
}
