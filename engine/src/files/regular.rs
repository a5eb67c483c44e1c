//! Files that are opened only when they are files: a pipe would be waited for, and a device has no end.

use std::fs::{self, File, FileType};
use std::io;
use std::path::Path;

/// # Errors
/// What the system says, and what is there instead of a file.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    // Opening waits for the other end of a pipe, so the question comes first; and again, of what was opened.
    refuse_other(fs::metadata(path)?.file_type())?;
    let file = File::open(path)?;
    refuse_other(file.metadata()?.file_type())?;
    Ok(file)
}

fn refuse_other(found: FileType) -> io::Result<()> {
    match found.is_file() {
        true => Ok(()),
        false => {
            let reason = format!("it must be a file, found {}", name(found));
            Err(io::Error::new(io::ErrorKind::InvalidInput, reason))
        }
    }
}

fn name(found: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        let special = [
            (found.is_fifo(), "a named pipe"),
            (found.is_socket(), "a socket"),
            (
                found.is_char_device() || found.is_block_device(),
                "a device",
            ),
        ];
        if let Some((_, name)) = special.into_iter().find(|(is_one, _)| *is_one) {
            return name;
        }
    }
    if found.is_dir() {
        "a folder"
    } else {
        "something else"
    }
}
