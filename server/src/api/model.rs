//! Which model a request asks.

use nibble_engine::ModelInfo;

use crate::error::ApiError;
use crate::metered::Metered;
use crate::state::AppState;

/// What Ollama's list puts behind a name without a tag.
const TAG: &str = ":latest";

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
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return Ok(());
    };
    let is_it = is_called(&info.id, name) || others.iter().any(|other| is_called(other, name));
    match is_it {
        true => Ok(()),
        false => Err(ApiError::unknown_model(name, served)),
    }
}

/// The model that is asked by one of its names in any of the lists, or of those that the first is to go by too.
pub(super) fn find(state: &AppState, asked: &str) -> Option<Metered> {
    let served = &state.served;
    let tagged = || {
        let mut models = served.iter();
        models.find(|model| is_called(&model.info().id, asked))
    };
    let of_first = || {
        let mut others = state.access.served_names.iter();
        let is_it = others.any(|other| is_called(other, asked));
        is_it.then(|| served.first().clone())
    };
    served.named(asked).or_else(tagged).or_else(of_first)
}

/// Whether a name is the one that is asked for, as it is or as Ollama's list has it: clients take names from one list and ask
/// in another form.
fn is_called(name: &str, asked: &str) -> bool {
    name == asked || (asked.ends_with(TAG) && tagged(name) == asked)
}

/// The name of a model as Ollama lists it: one that has a tag keeps it.
pub(super) fn tagged(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or_default();
    match last.contains(':') {
        true => name.to_owned(),
        false => format!("{name}{TAG}"),
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
