//! Bytes from anywhere into a file, trusted only once their number and hash are right.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::{Artefact, Progress};

/// Writes exactly the artefact to `place`, or says what is wrong. Never writes more than its size.
pub(super) fn receive(
    artefact: &Artefact,
    mut from: impl Read,
    place: &Path,
    progress: &dyn Progress,
) -> Result<(), String> {
    let unwritable = |error| format!("`{}` cannot be written: {error}", place.display());
    let mut file = File::create(place).map_err(unwritable)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut bytes = 0;
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) => return Err(format!("{}: {error}", broke_off(bytes, artefact))),
        };
        bytes += read as u64;
        if bytes > artefact.bytes {
            return Err(format!("expected {} bytes, found more", artefact.bytes));
        }
        hash.update(&buffer[..read]);
        file.write_all(&buffer[..read]).map_err(unwritable)?;
        progress.advance(bytes);
    }
    if bytes < artefact.bytes {
        return Err(broke_off(bytes, artefact));
    }
    // Before the rename, or a power cut could leave a whole name on half a file.
    file.sync_all().map_err(unwritable)?;
    let found = hex(&hash.finalize());
    if found != artefact.sha256 {
        return Err(format!(
            "expected the sha256 {}, found {found}",
            artefact.sha256
        ));
    }
    Ok(())
}

fn broke_off(bytes: u64, artefact: &Artefact) -> String {
    format!("it ended after {bytes} of {} bytes", artefact.bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
