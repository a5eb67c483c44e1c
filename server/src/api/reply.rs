//! An answer on its way to a client, whole or streamed: what all forms have in common. A [`Form`] writes it.
//!
//! Answers are dropped with the response, so a client that goes away cancels them.

use std::panic::resume_unwind;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use futures::StreamExt;
use futures::future::try_join_all;
use futures::stream::{self, Stream};
use nibble_engine::{Caller, Completion, Error, Learned, ToolCall};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::sleep;

mod collected;
mod streamed;

pub(super) use self::collected::{Answered, collected, only};
use self::streamed::{HEARTBEAT, frames};
pub(super) use self::streamed::{data, named, server_sent};
use super::MAX_BODY_BYTES;
use super::asker::Asker;
use super::wanted::Wanted;
use crate::bodies::Held;
use crate::error::ApiError;
use crate::metered::{Metered, MeteredAnswer};
use crate::models::Ready;
use crate::on_behalf::on_behalf;
use crate::state::AppState;

/// How one API writes its answers. A choice is the place of an answer among those to one request.
pub(super) trait Form: Send + 'static {
    /// A part of a streamed reply.
    type Frame: Send + 'static;

    /// The reply in one piece.
    ///
    /// # Errors
    /// For an answer that a client must not take for complete.
    fn whole(self, answers: Vec<Answered>) -> Result<Response, ApiError>;

    /// What comes before all else.
    fn begin(&mut self) -> Vec<Self::Frame>;

    /// What comes when a choice's prompt begins to be read, which has so many tokens, some of them kept from before.
    fn reads(&mut self, _choice: usize, _tokens: usize, _cached: usize) -> Vec<Self::Frame> {
        Vec::new()
    }

    /// What comes of something that was wanted beside a choice's text: before the text that it is of.
    fn learned(&mut self, _choice: usize, _learned: Learned) -> Vec<Self::Frame> {
        Vec::new()
    }

    fn piece(&mut self, choice: usize, piece: Piece) -> Vec<Self::Frame>;

    /// The end of one choice.
    ///
    /// # Errors
    /// As [`Self::whole`].
    fn end(&mut self, choice: usize, completion: &Completion)
    -> Result<Vec<Self::Frame>, ApiError>;

    /// What comes behind the ends of all.
    fn done(&mut self) -> Vec<Self::Frame>;

    /// What comes instead of all else where an answer fails.
    fn failed(&mut self, error: &ApiError) -> Self::Frame {
        Self::refused(error)
    }

    /// What comes instead of all else where there is no answer.
    fn refused(error: &ApiError) -> Self::Frame;

    fn streamed(frames: impl Stream<Item = Self::Frame> + Send + 'static) -> Response;
}

/// The next part of an answer.
pub(super) enum Piece {
    Thought(String),
    Text(String),
    Called(ToolCall),
}

/// What was asked for.
pub(super) struct Asked<F> {
    /// One for each choice.
    pub(super) requests: Vec<nibble_engine::Request>,
    pub(super) stream: bool,
    pub(super) form: F,
}

/// Answers a request whose body `read` understands.
///
/// # Errors
/// What `read` refuses, and why there is no answer.
pub(super) async fn reply<F: Form>(
    state: &AppState,
    caller: Caller,
    request: Request,
    read: fn(&[u8], &Asker) -> Result<Asked<F>, ApiError>,
) -> Result<Response, ApiError> {
    let path = request.uri().path().to_owned();
    let body = state.bodies.read(request, MAX_BODY_BYTES).await?;
    let wanted = Wanted::of(state, &path, caller, &body).await;
    let Wanted {
        model,
        keep,
        unloads,
        streams,
    } = wanted.inspect_err(|error| {
        if [StatusCode::BAD_REQUEST, StatusCode::NOT_FOUND].contains(&error.status()) {
            state.model.count_invalid();
        }
    })?;
    if unloads
        && model.is_out()
        && let Some(asked) = asks_nothing(state, &model, caller, &body, read).await
    {
        return sent(asked.form, Vec::new(), asked.stream).await;
    }
    let refused = |error| {
        model.count_refused(&error);
        ApiError::from(error)
    };
    let lease = match model.ask(keep).map_err(refused)? {
        Ready::Now(lease) => lease,
        Ready::Soon if streams => {
            let state = state.clone();
            let loaded = on_behalf(async move {
                let lease = model.lease(keep).await;
                let lease = lease.inspect_err(|error| model.count_refused(error))?;
                answered(model, Asker::new(&state, lease, caller), body, read).await
            });
            return Ok(F::streamed(late(loaded)));
        }
        Ready::Soon => model.lease(keep).await.map_err(refused)?,
    };
    let (asker, bytes) = (Asker::new(state, lease, caller), body.bytes.clone());
    let mut answered = Box::pin(on_behalf(answered(model.clone(), asker, body, read)));
    // Who waits for a turn for longer than that is told so, where that can be told.
    let is_late = async {
        sleep(HEARTBEAT).await;
        streams || Wanted::streams(&model, &path, caller, bytes).await
    };
    tokio::select! {
        biased;
        answered = &mut answered => {
            let (answers, form, stream) = answered?;
            sent(form, answers, stream).await
        }
        true = is_late => Ok(F::streamed(late(answered))),
    }
}

/// The frames of an answer that nothing is known of yet: its client hears that it waits, as in the queue.
fn late<F: Form>(
    answered: impl Future<Output = Result<(Vec<MeteredAnswer>, F, bool), ApiError>> + Send + 'static,
) -> impl Stream<Item = F::Frame> + Send + 'static {
    // By itself, until the response is dropped: a client that takes nothing is not to hold a turn that has come.
    let mut answering = JoinSet::new();
    answering.spawn(answered);
    let late = async move {
        let answered = answering.join_next().await.and_then(Result::ok);
        match answered.unwrap_or_else(|| Err(Error::Broken.into())) {
            Ok((answers, form, _)) => frames(form, answers).left_stream(),
            Err(error) => stream::iter([F::refused(&error)]).right_stream(),
        }
    };
    stream::once(late).flatten()
}

/// What is asked of a model that is not in memory, where that is no answer.
async fn asks_nothing<F: Form>(
    state: &AppState,
    model: &Metered,
    caller: Caller,
    body: &Held,
    read: fn(&[u8], &Asker) -> Result<Asked<F>, ApiError>,
) -> Option<Asked<F>> {
    let asker = Asker::of(state, model.at_hand(), None, caller);
    let bytes = body.bytes.clone();
    let asked = model.routed(caller, move || read(&bytes, &asker)).await;
    // What is wrong is told when it is read for the model.
    let asked = asked.ok()?.ok()?;
    asked.requests.is_empty().then_some(asked)
}

/// Answers in one piece, or as they come.
///
/// # Errors
/// Why they are not complete.
async fn sent<F: Form>(
    form: F,
    answers: Vec<MeteredAnswer>,
    stream: bool,
) -> Result<Response, ApiError> {
    if stream {
        return Ok(F::streamed(frames(form, answers)));
    }
    let answers = try_join_all(answers.into_iter().map(collected)).await?;
    if !answers.iter().any(Answered::may_be_large) {
        return form.whole(answers);
    }
    let written = spawn_blocking(move || form.whole(answers)).await;
    written.unwrap_or_else(|error| resume_unwind(error.into_panic()))
}

/// The answers that a body asks for, and whether they are to be streamed.
///
/// # Errors
/// As [`reply`].
async fn answered<F: Form>(
    model: Metered,
    asker: Asker,
    body: Held,
    read: fn(&[u8], &Asker) -> Result<Asked<F>, ApiError>,
) -> Result<(Vec<MeteredAnswer>, F, bool), ApiError> {
    let caller = asker.caller;
    let read = move || {
        let asked = read(&body.bytes, &asker)?;
        Ok::<_, ApiError>((asked.requests, (asked.form, asked.stream)))
    };
    let (answers, (form, stream)) = model.submit_read(caller, read).await?;
    Ok((answers, form, stream))
}
