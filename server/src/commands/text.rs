//! Texts that are read from files: to measure with, and to round weights by.

use std::fs;
use std::path::Path;

use nibble_engine::{Calibration, Error};

use crate::options::CalibrationArgs;

/// A file's text.
///
/// # Errors
/// [`Error::File`] when it cannot be read, [`Error::Option`] when it is not UTF-8.
pub(super) fn read(path: &Path) -> Result<String, Error> {
    let bytes = fs::read(path).map_err(|reason| Error::File {
        action: "read",
        path: path.to_owned(),
        reason,
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let (path, at) = (path.display(), error.utf8_error().valid_up_to());
        Error::Option(format!(
            "`{path}` is not UTF-8: the byte at {at} begins no character"
        ))
    })
}

/// The text by which weights are rounded, where there is one.
///
/// # Errors
/// As [`read`].
pub(super) fn calibration(args: &CalibrationArgs) -> Result<Option<Calibration>, Error> {
    let path = args.calibrate.as_deref();
    // An environment file may leave the variable empty.
    let path = path.filter(|path| !path.as_os_str().is_empty());
    path.map(|path| read(path).map(Calibration)).transpose()
}
