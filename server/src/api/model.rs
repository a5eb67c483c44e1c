//! Which model a request asks.

use nibble_engine::ModelInfo;

use crate::error::ApiError;
use crate::metered::Metered;
use crate::state::AppState;

/// A model need not be named. A name of none that this server has, and that none is to go by too, is refused, as Ollama and
/// vLLM do, since an answer by another model than the one asked for misleads.
///
/// # Errors
/// Status 404 for another model.
pub(super) fn check_model(
    name: Option<&str>,
    info: &ModelInfo,
    others: &[String],
    served: &[String],
) -> Result<(), ApiError> {
    match name {
        None | Some("") => Ok(()),
        Some(name) if name == info.id || others.iter().any(|other| other == name) => Ok(()),
        Some(name) => Err(ApiError::unknown_model(name, served)),
    }
}

/// Each model under each of its names: its own first, and the first model by those too that it is to go by.
pub(super) fn named(state: &AppState) -> impl Iterator<Item = (Metered, String)> {
    let served = &state.served;
    let others = state.access.served_names.iter();
    let others = others.filter(|name| served.named(name).is_none());
    let others = others.map(|name| (served.first().clone(), name.clone()));
    let rest = served.iter().skip(1).map(own);
    [own(served.first().clone())]
        .into_iter()
        .chain(others)
        .chain(rest)
}

fn own(model: Metered) -> (Metered, String) {
    let id = model.info().id.clone();
    (model, id)
}
