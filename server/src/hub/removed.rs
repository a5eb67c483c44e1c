//! Models that were removed and can be had back for an hour: moved into a folder of the cache folder, with a record that says
//! from where.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::cache::{Turn, take_free_turn, write_record};
use super::error::{Error, failed};
use super::model_folders::remove_folder;

/// Inside the cache folder.
const FOLDER: &str = "removed";
const RECORD: &str = "nibble.json";
/// Inside that folder, for what nobody can have back any more.
const GONE: &str = "gone";
/// How long it can be had back.
const KEPT: Duration = Duration::from_secs(60 * 60);

/// A model that was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// By which it is had back.
    pub id: String,
    /// As a person types it.
    pub name: String,
    /// Bytes that it still takes.
    pub bytes: u64,
    /// Whether the server that removed it served it.
    pub was_served: bool,
    /// Since then.
    at: SystemTime,
}

/// As it is written beside what was moved, which has the numbers of its places for names.
#[derive(Deserialize, Serialize)]
struct Record {
    name: String,
    bytes: u64,
    was_served: bool,
    /// Seconds since 1970.
    at: u64,
    /// Inside the cache folder.
    places: Vec<PathBuf>,
}

impl Record {
    /// The places in their cache folder, and what was there.
    fn moves(&self, cache: &Path, folder: &Path) -> Vec<(PathBuf, PathBuf)> {
        let places = self.places.iter().enumerate();
        places
            .map(|(index, place)| (cache.join(place), folder.join(index.to_string())))
            .collect()
    }
}

/// Moves these files and folders of the cache folder out of their places. All are moved, or none is.
pub(super) fn set_aside(
    cache: &Path,
    name: &str,
    was_served: bool,
    items: &[(PathBuf, u64)],
) -> Result<Removed, Error> {
    let turn = take_free_turn(cache)?;
    let places = items
        .iter()
        .map(|(item, _)| match item.strip_prefix(cache) {
            Ok(place) if is_inside(place) => Ok(place.to_owned()),
            _ => Err(Error::Usage(format!(
                "`{}` is not in `{}`, and stays",
                item.display(),
                cache.display()
            ))),
        });
    let at = SystemTime::now();
    let record = Record {
        name: name.to_owned(),
        bytes: items.iter().map(|(_, bytes)| bytes).sum(),
        was_served,
        at: seconds(at),
        places: places.collect::<Result<_, _>>()?,
    };
    let id = format!("{:032x}", rand::random::<u128>());
    let folder = cache.join(FOLDER).join(&id);
    fs::create_dir_all(&folder).map_err(failed("create", &folder))?;
    write_record(&folder.join(RECORD), &record)?;
    let moves = record.moves(cache, &folder);
    if let Err(error) = rename_all(&moves) {
        // What could not be moved back can be had back by its record.
        if !moves.iter().any(|(_, held)| exists(held)) {
            let _ = remove_folder(&folder);
        }
        return Err(error);
    }
    for place in record.places.iter().filter_map(|place| place.parent()) {
        remove_empty(&cache.join(place), cache);
    }
    drop(turn);
    Ok(removed(id, record))
}

/// The folder of an owner goes with its last model.
fn remove_empty(folder: &Path, cache: &Path) {
    if folder != cache {
        // Fails while there is something in it, as it must.
        let _ = fs::remove_dir(folder);
    }
}

/// All that can be had back.
pub(super) fn all(cache: &Path) -> Vec<Removed> {
    let mut all: Vec<_> = folders(cache)
        .filter_map(|(id, folder)| Some(removed(id, read(&folder)?)))
        .filter(|removed| !is_old(removed.at))
        .collect();
    all.sort_by(|a, b| (b.at, &a.id).cmp(&(a.at, &b.id)));
    all
}

pub(super) fn restore(cache: &Path, id: &str) -> Result<Removed, Error> {
    let (_turn, folder, record) = found(cache, id)?;
    let moves = record.moves(cache, &folder);
    let moves = moves.into_iter().filter(|(_, held)| exists(held));
    let back: Vec<_> = moves.map(|(place, held)| (held, place)).collect();
    if back.iter().any(|(_, place)| exists(place)) {
        let name = &record.name;
        return Err(Error::Conflict(format!("`{name}` is on this disk again")));
    }
    for parent in back.iter().filter_map(|(_, place)| place.parent()) {
        fs::create_dir_all(parent).map_err(failed("create", parent))?;
    }
    rename_all(&back)?;
    remove_folder(&folder)?;
    Ok(removed(id.to_owned(), record))
}

pub(super) fn discard(cache: &Path, id: &str) -> Result<(), Error> {
    let (_turn, folder, _) = found(cache, id)?;
    remove_folder(&folder)
}

/// Deletes what was removed long ago, unless a model is being fetched or had back just then. While it deletes, which takes
/// a while, others may fetch.
pub(super) fn discard_old(cache: &Path) {
    let gone = cache.join(FOLDER).join(GONE);
    {
        let Ok(_turn) = take_free_turn(cache) else {
            return;
        };
        for (id, folder) in folders(cache) {
            let since = match read(&folder) {
                Some(record) => Some(time_of(record.at)),
                // One that was interrupted before it held anything.
                None => fs::metadata(&folder)
                    .and_then(|folder| folder.modified())
                    .ok(),
            };
            if since.is_some_and(is_old) {
                let moved =
                    fs::create_dir_all(&gone).and_then(|()| fs::rename(&folder, gone.join(id)));
                if let Err(error) = moved {
                    tracing::warn!("a removed model stays: {}", failed("move", &folder)(error));
                }
            }
        }
    }
    // What was left of an earlier time, too.
    if let Err(error) = remove_folder(&gone) {
        tracing::warn!("a removed model stays: {error}");
    }
}

fn found(cache: &Path, id: &str) -> Result<(Turn, PathBuf, Record), Error> {
    if !is_id(id) {
        return Err(Error::Gone);
    }
    let turn = take_free_turn(cache)?;
    let folder = cache.join(FOLDER).join(id);
    let record = read(&folder).ok_or(Error::Gone)?;
    Ok((turn, folder, record))
}

fn folders(cache: &Path) -> impl Iterator<Item = (String, PathBuf)> {
    let entries = fs::read_dir(cache.join(FOLDER))
        .into_iter()
        .flatten()
        .flatten();
    entries.filter_map(|entry| {
        let id = entry.file_name().into_string().ok()?;
        is_id(&id).then(|| (id, entry.path()))
    })
}

fn is_id(id: &str) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    id.len() == 32 && id.bytes().all(is_digit)
}

/// Whether a path has plain names only, so that it leads nowhere else.
fn is_inside(place: &Path) -> bool {
    let mut parts = place.components();
    parts.all(|part| matches!(part, Component::Normal(_))) && place.file_name().is_some()
}

/// A link counts whatever it leads to.
fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Moves each to its place, or all back.
fn rename_all(moves: &[(PathBuf, PathBuf)]) -> Result<(), Error> {
    for (index, (from, to)) in moves.iter().enumerate() {
        if let Err(error) = fs::rename(from, to) {
            for (from, to) in &moves[..index] {
                if let Err(error) = fs::rename(to, from) {
                    tracing::error!("`{}` cannot be moved back: {error}", to.display());
                }
            }
            return Err(failed("move", from)(error));
        }
    }
    Ok(())
}

fn read(folder: &Path) -> Option<Record> {
    let record: Record = serde_json::from_slice(&fs::read(folder.join(RECORD)).ok()?).ok()?;
    let places = &record.places;
    places
        .iter()
        .all(|place| is_inside(place))
        .then_some(record)
}

fn removed(id: String, record: Record) -> Removed {
    Removed {
        id,
        name: record.name,
        bytes: record.bytes,
        was_served: record.was_served,
        at: time_of(record.at),
    }
}

/// A time that no clock has is long ago.
fn time_of(seconds: u64) -> SystemTime {
    let since = Duration::from_secs(seconds);
    let time = SystemTime::UNIX_EPOCH.checked_add(since);
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}

fn seconds(at: SystemTime) -> u64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// One of a time that has not come yet is young, whatever set the clock.
fn is_old(at: SystemTime) -> bool {
    at.elapsed().is_ok_and(|age| age > KEPT)
}
