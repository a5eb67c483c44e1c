//! An answer on its way to a client, whole or streamed: what all forms have in common. A [`Form`] writes it.
//!
//! Answers are dropped with the response, so a client that goes away cancels them.

use std::panic::resume_unwind;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use futures::StreamExt;
use futures::stream::{self, Stream};
use nibble_engine::{Caller, Completion, Error, Learned, ToolCall};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::sleep;

mod collected;
mod more;
mod streamed;

pub(super) use self::collected::{Answered, ByKind, collected, only};
pub(super) use self::more::More;
use self::more::{Answers, Later};
use self::streamed::{HEARTBEAT, frames};
pub(super) use self::streamed::{data, named, server_sent};
use super::MAX_BODY_BYTES;
use super::asker::Asker;
use super::prepared::ahead;
use super::wanted::Wanted;
use crate::bodies::Held;
use crate::error::ApiError;
use crate::keys;
use crate::metered::{Metered, Read};
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
    fn failed(&mut self, error: &ApiError) -> Vec<Self::Frame> {
        vec![Self::refused(error)]
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
    /// What is for the choices behind those.
    pub(super) more: Option<More>,
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
    } = wanted.inspect_err(|error| count_invalid(&state.model, error))?;
    let asked = asked_ahead(state, &model, caller, &body, read).await;
    let asked = asked.inspect_err(|error| count_invalid(&model, error))?;
    if unloads
        && model.is_out()
        && let Some(asked) = asked.filter(|asked| asked.requests.is_empty())
    {
        return sent(asked.form, Answers::none(), asked.stream).await;
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
    answered: impl Future<Output = Result<(Answers, F, bool), ApiError>> + Send + 'static,
) -> impl Stream<Item = F::Frame> + Send + 'static {
    let answering = by_itself(answered);
    let late = async move {
        match answering.await {
            Ok((answers, form, _)) => frames(form, answers).left_stream(),
            Err(error) => stream::iter([F::refused(&error)]).right_stream(),
        }
    };
    stream::once(late).flatten()
}

/// Work that goes on by itself until this is dropped: a client that takes nothing is not to hold a turn that has come.
fn by_itself<T: Send + 'static, E: From<Error> + Send + 'static>(
    work: impl Future<Output = Result<T, E>> + Send + 'static,
) -> impl Future<Output = Result<T, E>> + Send + 'static {
    let mut working = JoinSet::new();
    working.spawn(work);
    async move {
        let done = working.join_next().await.and_then(Result::ok);
        done.unwrap_or_else(|| Err(Error::Broken.into()))
    }
}

/// As [`ahead`], of a body that asks for answers.
///
/// # Errors
/// As it, and where a request is none that a model could take.
async fn asked_ahead<F: Form>(
    state: &AppState,
    model: &Metered,
    caller: Caller,
    body: &Held,
    read: fn(&[u8], &Asker) -> Result<Asked<F>, ApiError>,
) -> Result<Option<Asked<F>>, ApiError> {
    let asked = ahead(state, model, caller, body, read).await?;
    for request in asked.iter().flat_map(|asked| &asked.requests) {
        request.check()?;
    }
    Ok(asked)
}

/// Counts a request that was wrong of itself.
fn count_invalid(model: &Metered, error: &ApiError) {
    if [StatusCode::BAD_REQUEST, StatusCode::NOT_FOUND].contains(&error.status()) {
        model.count_invalid();
    }
}

/// Answers in one piece, or as they come.
///
/// # Errors
/// Why they are not complete.
async fn sent<F: Form>(form: F, answers: Answers, stream: bool) -> Result<Response, ApiError> {
    if stream {
        return Ok(F::streamed(frames(form, answers)));
    }
    let answers = answers.collected().await?;
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
) -> Result<(Answers, F, bool), ApiError> {
    let (caller, key) = (asker.caller, keys::current());
    let asker = Arc::new(asker);
    let reader = Arc::clone(&asker);
    let read = move || {
        let asked = read(&body.bytes, &reader)?;
        let [first, later] = foreseen(&asked, body.bytes.len());
        let held = key.map(|key| key.hold(first.saturating_add(later)));
        let mut held = held.transpose()?;
        Ok::<_, ApiError>(Read {
            requests: asked.requests,
            held: held.as_mut().map(|held| held.part(first)),
            rest: (asked.form, asked.stream, asked.more, held),
        })
    };
    let (begun, (form, stream, more, held)) = model.submit_read(caller, read).await?;
    let later = more.map(|more| Later::new(more, &model, &asker, held));
    Ok((Answers { begun, later }, form, stream))
}

/// How many tokens the first answers to a body of so many bytes may take, and how many those behind: of a prompt a token has
/// some four bytes.
fn foreseen<F>(asked: &Asked<F>, bytes: usize) -> [u64; 2] {
    let most = asked.requests.iter().map(|request| request.max_tokens);
    let (prompts, first) = (bytes / 4, asked.requests.len());
    let of_first = asked
        .more
        .as_ref()
        .map_or(prompts, |more| prompts * first / more.count(first).max(1));
    let later = asked.more.as_ref().map_or(0, More::most_tokens);
    [
        (of_first + most.sum::<usize>()) as u64,
        later.saturating_add(prompts - of_first) as u64,
    ]
}
