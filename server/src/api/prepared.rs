//! What is made of a body without an answer of the model's, in its turn and off the threads that serve others.

use axum::extract::Request;
use nibble_engine::Caller;

use super::MAX_BODY_BYTES;
use super::asker::Asker;
use super::wanted::Wanted;
use crate::bodies::Held;
use crate::caller::caller;
use crate::error::ApiError;
use crate::metered::Metered;
use crate::state::AppState;

/// What `work` makes of a body without an answer of the model's, in its turn and off the threads that serve others.
///
/// # Errors
/// Those of `work`, and of a body that cannot be read.
pub(super) async fn prepared<T: Send + 'static>(
    state: &AppState,
    request: Request,
    work: fn(&[u8], &Asker) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    let caller = caller(request.extensions(), request.headers());
    let (model, asker, body) = asked(state, caller, request, work).await?;
    let work = move || work(&body.bytes, &asker);
    model.prepared(caller, work).await?
}

/// What `work` makes of a body whose answers are asked for behind, in the turns of those; the model that was asked, and the
/// asker, who keeps it in memory.
///
/// # Errors
/// As [`prepared`].
pub(super) async fn prepared_by<T: Send + 'static>(
    state: &AppState,
    request: Request,
    work: fn(&[u8], &Asker) -> Result<T, ApiError>,
) -> Result<(T, Metered, Asker), ApiError> {
    let caller = caller(request.extensions(), request.headers());
    let (model, asker, body) = asked(state, caller, request, work).await?;
    let work = move || (work(&body.bytes, &asker), asker);
    let (done, asker) = model.read(caller, work).await?;
    Ok((done?, model, asker))
}

async fn asked<T: Send + 'static>(
    state: &AppState,
    caller: Caller,
    request: Request,
    work: fn(&[u8], &Asker) -> Result<T, ApiError>,
) -> Result<(Metered, Asker, Held), ApiError> {
    let path = request.uri().path().to_owned();
    let body = state.bodies.read(request, MAX_BODY_BYTES).await?;
    let Wanted { model, keep, .. } = Wanted::of(state, &path, caller, &body).await?;
    ahead(state, &model, caller, &body, work).await?;
    let asker = Asker::new(state, model.lease(keep).await?, Caller::default());
    Ok((model, asker, body))
}

/// The same of a model that need not be in memory: of one that is not, less is known.
///
/// # Errors
/// As [`prepared`].
pub(super) async fn looked_at<T: Send + 'static>(
    state: &AppState,
    request: Request,
    work: fn(&[u8], &Asker) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    let path = request.uri().path().to_owned();
    let caller = caller(request.extensions(), request.headers());
    let body = state.bodies.read(request, MAX_BODY_BYTES).await?;
    let Wanted { model, .. } = Wanted::of(state, &path, caller, &body).await?;
    let asker = Asker::of(state, model.at_hand(), None, Caller::default());
    let work = move || work(&body.bytes, &asker);
    model.prepared(caller, work).await?
}

/// What `work` makes of a body for a model that is not in memory; nothing where it needs the model for that, or where the model
/// is in memory and will be asked.
///
/// # Errors
/// What is wrong with the body, for which no model is loaded.
pub(super) async fn ahead<T: Send + 'static>(
    state: &AppState,
    model: &Metered,
    caller: Caller,
    body: &Held,
    work: fn(&[u8], &Asker) -> Result<T, ApiError>,
) -> Result<Option<T>, ApiError> {
    if model.loaded().is_some() {
        return Ok(None);
    }
    let asker = Asker::of(state, model.at_hand(), None, caller);
    let bytes = body.bytes.clone();
    match model.routed(caller, move || work(&bytes, &asker)).await? {
        Ok(done) => Ok(Some(done)),
        Err(error) if error.status().is_client_error() => Err(error),
        Err(_) => Ok(None),
    }
}
