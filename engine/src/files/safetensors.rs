//! The header of a safetensors file, read without the data behind it. The crate checks what it says; that the data is as
//! long, is checked here.

use safetensors::tensor::Metadata;

/// Where the header begins: behind its length.
pub(crate) const HEADER_AT: usize = 8;
/// The limit of the format.
const MAX_HEADER: u64 = 100_000_000;

/// Where the data starts in a file of so many bytes, and what the header says; `read` gives the bytes at a place. The
/// error is the reason alone.
pub(crate) fn header(
    file_len: u64,
    read: impl Fn(usize, usize) -> Result<Vec<u8>, String>,
) -> Result<(usize, Metadata), String> {
    let text = header_text(file_len, read)?;
    let header: Metadata =
        serde_json::from_slice(&text).map_err(|error| format!("its header is broken: {error}"))?;
    let data_start = HEADER_AT + text.len();
    let ends = data_start.saturating_add(header.data_len()) as u64;
    match ends == file_len {
        true => Ok((data_start, header)),
        false => Err(format!("it must have {ends} bytes, found {file_len}")),
    }
}

/// The text of the header, which begins at [`HEADER_AT`].
pub(crate) fn header_text(
    file_len: u64,
    read: impl Fn(usize, usize) -> Result<Vec<u8>, String>,
) -> Result<Vec<u8>, String> {
    let mut length = [0; HEADER_AT];
    if file_len < HEADER_AT as u64 {
        return Err(format!(
            "it must have a header of {HEADER_AT} bytes or more, found {file_len}"
        ));
    }
    length.copy_from_slice(&read(0, HEADER_AT)?);
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER || length > file_len - HEADER_AT as u64 {
        return Err(format!(
            "its header has {length} bytes, and the file {file_len}"
        ));
    }
    read(HEADER_AT, length as usize)
}
