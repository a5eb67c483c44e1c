//! Whether a request asks for the model that is loaded.

use nibble_engine::ModelInfo;

use crate::error::ApiError;

/// A model need not be named. A name other than that of the loaded model, or of those that it is to go by too, is refused, as
/// Ollama and vLLM do, since an answer by another model than the one asked for misleads.
///
/// # Errors
/// Status 404 for another model.
pub(super) fn check_model(
    name: Option<&str>,
    info: &ModelInfo,
    others: &[String],
) -> Result<(), ApiError> {
    match name {
        None | Some("") => Ok(()),
        Some(name) if name == info.id || others.iter().any(|other| other == name) => Ok(()),
        Some(name) => Err(ApiError::unknown_model(name, &info.id)),
    }
}

/// The names that the model goes by, its own first.
pub(super) fn names<'a>(
    info: &'a ModelInfo,
    others: &'a [String],
) -> impl Iterator<Item = &'a String> {
    let others = others.iter().filter(|name| **name != info.id);
    std::iter::once(&info.id).chain(others)
}
