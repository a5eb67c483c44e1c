//! What Git leaves in place of a large file that it was not asked to fetch.

/// What a pointer of Git LFS begins with.
pub(super) const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// The error is the reason alone.
pub(super) fn refuse_pointer(file: &[u8]) -> Result<(), String> {
    match file.starts_with(POINTER) {
        true => Err(
            "it is a pointer of Git LFS and not the file itself: run `git lfs pull` where it was cloned, or download it"
                .into(),
        ),
        false => Ok(()),
    }
}
