//! A place to fetch a [`Download`] from.

use std::path::PathBuf;

use super::progress::Progress;
use super::receive::Download;

/// Where a source puts a download.
pub(super) struct Staging {
    /// In a folder of its own, which is removed afterwards, however the fetch ends.
    pub(super) path: PathBuf,
    /// Where a file that is not whole yet stays for the next try.
    pub(super) partial: PathBuf,
}

pub(super) trait Source {
    /// For messages.
    fn name(&self) -> String;

    /// Puts the checked file in its place, with whatever else it needs beside it in the same folder.
    fn fetch(
        &self,
        download: &Download,
        staging: &Staging,
        progress: &dyn Progress,
    ) -> Result<(), String>;
}
