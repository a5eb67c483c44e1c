//! An answer on its way to a client, whole or streamed: what all forms have in common. A [`Form`] writes it.
//!
//! Answers are dropped with the response, so a client that goes away cancels them.

use std::convert::Infallible;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::future::try_join_all;
use futures::stream::{self, BoxStream, Stream, StreamExt};
use nibble_engine::{
    Caller, Completion, Error, Event, Learned, Logprobs, ModelInfo, PromptLogprobs, ToolCall,
};
use serde::Serialize;
use tokio::task::spawn_blocking;

use super::MAX_BODY_BYTES;
use super::model::check_model;
use super::wanted::Wanted;
use crate::access::Access;
use crate::bodies::Held;
use crate::error::ApiError;
use crate::generator::Generator;
use crate::keys;
use crate::metered::{Metered, MeteredAnswer};
use crate::models::{self, Lease, Ready};
use crate::state::AppState;

/// Nothing else is sent while a request waits or its prompt is computed, and proxies close connections that were silent for
/// 30 s, some for 10.
const HEARTBEAT: Duration = Duration::from_secs(5);

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

/// What an answer came to.
pub(super) struct Answered {
    pub(super) thought: String,
    pub(super) text: String,
    pub(super) calls: Vec<ToolCall>,
    /// Of the answer's tokens, the prompt's, and what the prompt means, where that was wanted.
    pub(super) logprobs: Vec<Logprobs>,
    pub(super) prompt: Option<PromptLogprobs>,
    pub(super) embedding: Option<Vec<f32>>,
    pub(super) completion: Completion,
}

impl Answered {
    /// Whether writing it may take long: log probabilities of a prompt come to many megabytes.
    fn may_be_large(&self) -> bool {
        self.prompt.is_some() || !self.logprobs.is_empty() || self.embedding.is_some()
    }
}

/// Who asks whom.
pub(super) struct Asker {
    pub(super) generator: Arc<dyn Generator>,
    /// Keeps the model in memory.
    _lease: Option<Lease>,
    /// The names of all models.
    served: Vec<String>,
    pub(super) caller: Caller,
    pub(super) usd_per_hour: f64,
    pub(super) access: Arc<Access>,
    /// The most tokens of an answer for which no limit is named.
    pub(super) default_max_tokens: usize,
}

impl Asker {
    fn new(state: &AppState, lease: Lease, caller: Caller) -> Self {
        Self::of(state, Arc::clone(lease.generator()), Some(lease), caller)
    }

    fn of(
        state: &AppState,
        generator: Arc<dyn Generator>,
        lease: Option<Lease>,
        caller: Caller,
    ) -> Self {
        Self {
            generator,
            _lease: lease,
            served: state.served.ids(),
            caller,
            usd_per_hour: state.settings.usd_per_hour,
            access: Arc::clone(&state.access),
            default_max_tokens: state.settings.default_max_tokens,
        }
    }

    /// Who is not known, and pays nothing.
    #[cfg(any(test, fuzzing))]
    pub(super) fn anybody(generator: &Arc<dyn Generator>) -> Self {
        Self {
            generator: Arc::clone(generator),
            _lease: None,
            served: Vec::new(),
            caller: Caller::default(),
            usd_per_hour: 0.0,
            access: Arc::default(),
            default_max_tokens: 4096,
        }
    }

    pub(super) fn info(&self) -> &ModelInfo {
        self.generator.info()
    }

    /// # Errors
    /// Status 404 for another model than the one that is loaded.
    pub(super) fn check_model(&self, name: Option<&str>) -> Result<(), ApiError> {
        check_model(name, self.info(), &self.access.served_names, &self.served)
    }

    /// The most tokens of an answer with this limit, or with none.
    pub(super) fn most_tokens(&self, limit: Option<usize>) -> usize {
        limit
            .unwrap_or(self.default_max_tokens)
            .min(self.info().context)
    }
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
    let body = state.bodies.read(request, MAX_BODY_BYTES).await?;
    let wanted = Wanted::of(state, &body).await;
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
            let late = late(state.clone(), model, keep, caller, body, read);
            return Ok(F::streamed(late));
        }
        Ready::Soon => model.lease(keep).await.map_err(refused)?,
    };
    let asker = Asker::new(state, lease, caller);
    let (answers, form, stream) = answered(&model, asker, body, read).await?;
    sent(form, answers, stream).await
}

/// The frames of an answer whose model is being loaded: its client hears that it waits, as in the queue.
fn late<F: Form>(
    state: AppState,
    model: Metered,
    keep: Option<models::KeepAlive>,
    caller: Caller,
    body: Held,
    read: fn(&[u8], &Asker) -> Result<Asked<F>, ApiError>,
) -> impl Stream<Item = F::Frame> + Send + 'static {
    let late = async move {
        let asked = async {
            let lease = model.lease(keep).await;
            let lease = lease.inspect_err(|error| model.count_refused(error))?;
            answered(&model, Asker::new(&state, lease, caller), body, read).await
        };
        match asked.await {
            Ok((answers, form, _)) => frames(form, answers).left_stream(),
            Err(error) => stream::iter([F::refused(&error)]).right_stream(),
        }
    };
    stream::once(keys::within(keys::current(), late)).flatten()
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
    let asked = model.routed(move || read(&bytes, &asker)).await;
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
    model: &Metered,
    asker: Asker,
    body: Held,
    read: fn(&[u8], &Asker) -> Result<Asked<F>, ApiError>,
) -> Result<(Vec<MeteredAnswer>, F, bool), ApiError> {
    let read = move || {
        let asked = read(&body.bytes, &asker)?;
        Ok::<_, ApiError>((asked.requests, (asked.form, asked.stream)))
    };
    let (answers, (form, stream)) = model.submit_read(read).await?;
    Ok((answers, form, stream))
}

/// What `work` makes of a body without an answer of the model's, in its turn and off the threads that serve others.
///
/// # Errors
/// Those of `work`, and of a body that cannot be read.
pub(super) async fn prepared<T: Send + 'static>(
    state: &AppState,
    request: Request,
    work: fn(&[u8], &Asker) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    let (done, _) = prepared_by(state, request, work).await?;
    Ok(done)
}

/// The same, and the model that was asked.
///
/// # Errors
/// As [`prepared`].
pub(super) async fn prepared_by<T: Send + 'static>(
    state: &AppState,
    request: Request,
    work: fn(&[u8], &Asker) -> Result<T, ApiError>,
) -> Result<(T, Metered), ApiError> {
    let body = state.bodies.read(request, MAX_BODY_BYTES).await?;
    let Wanted { model, keep, .. } = Wanted::of(state, &body).await?;
    let asker = Asker::new(state, model.lease(keep).await?, Caller::default());
    let work = move || work(&body.bytes, &asker);
    let done = model.prepared(work).await??;
    Ok((done, model))
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
    let body = state.bodies.read(request, MAX_BODY_BYTES).await?;
    let Wanted { model, .. } = Wanted::of(state, &body).await?;
    let asker = Asker::of(state, model.at_hand(), None, Caller::default());
    let work = move || work(&body.bytes, &asker);
    model.prepared(work).await?
}

/// What comes of an answer, when it is complete.
///
/// # Errors
/// Why it is not.
pub(super) async fn collected(mut answer: MeteredAnswer) -> Result<Answered, ApiError> {
    let (mut thought, mut text, mut calls) = (String::new(), String::new(), Vec::new());
    let (mut logprobs, mut prompt, mut embedding) = (Vec::new(), None, None);
    while let Some(event) = answer.next().await {
        match event {
            Event::Queued { .. } | Event::Prefill { .. } | Event::Learned(Learned::PutOut(_)) => {}
            Event::Learned(Learned::Token(token)) => logprobs.push(token),
            Event::Learned(Learned::Prompt(tokens)) => prompt = Some(tokens),
            Event::Learned(Learned::Embedding(states)) => embedding = Some(states),
            Event::Thought(piece) => thought.push_str(&piece),
            Event::Text(piece) => text.push_str(&piece),
            Event::Called(call) => calls.push(call),
            Event::Finished(completion) => {
                return Ok(Answered {
                    thought,
                    text,
                    calls,
                    logprobs,
                    prompt,
                    embedding,
                    completion,
                });
            }
            Event::Failed(error) => return Err(error.into()),
        }
    }
    Err(Error::Stopped.into())
}

/// Answers that are being streamed.
struct Open<F> {
    form: F,
    /// By their choices; nothing for one whose engine is gone.
    events: BoxStream<'static, (usize, Option<Event>)>,
    /// Which choices have not ended.
    open: Vec<bool>,
    /// Whose prompts are being read, or were.
    read: Vec<bool>,
}

fn frames<F: Form>(
    mut form: F,
    answers: Vec<MeteredAnswer>,
) -> impl Stream<Item = F::Frame> + Send + 'static {
    let begin = form.begin();
    let (open, read) = (vec![true; answers.len()], vec![false; answers.len()]);
    let events = answers.into_iter().enumerate().map(|(choice, answer)| {
        // An answer whose engine is gone just yields nothing more; the `None` makes that visible.
        let events = answer.map(Some).chain(stream::iter([None]));
        events.map(move |event| (choice, event)).boxed()
    });
    let events = stream::select_all(events).boxed();
    let open = Open {
        form,
        events,
        open,
        read,
    };
    let rest = stream::unfold(Some(open), |open| async {
        let mut open = open?;
        let (choice, event) = open.events.next().await?;
        let (frames, goes_on) = open.frames(choice, event);
        Some((stream::iter(frames), goes_on.then_some(open)))
    });
    stream::iter(begin).chain(rest.flatten())
}

impl<F: Form> Open<F> {
    /// What an event comes to, and whether more may follow.
    fn frames(&mut self, choice: usize, event: Option<Event>) -> (Vec<F::Frame>, bool) {
        if !self.open[choice] {
            return (Vec::new(), true);
        }
        let piece = match event {
            Some(Event::Queued { .. }) => return (Vec::new(), true),
            Some(Event::Prefill { done, total }) => {
                let is_new = !std::mem::replace(&mut self.read[choice], true);
                let frames = is_new.then(|| self.form.reads(choice, total, done));
                return (frames.unwrap_or_default(), true);
            }
            Some(Event::Learned(learned)) => return (self.form.learned(choice, learned), true),
            Some(Event::Thought(thought)) => Piece::Thought(thought),
            Some(Event::Text(text)) => Piece::Text(text),
            Some(Event::Called(call)) => Piece::Called(call),
            Some(Event::Finished(completion)) => return self.end(choice, &completion),
            Some(Event::Failed(error)) => return (vec![self.form.failed(&error.into())], false),
            None => return (vec![self.form.failed(&Error::Stopped.into())], false),
        };
        (self.form.piece(choice, piece), true)
    }

    fn end(&mut self, choice: usize, completion: &Completion) -> (Vec<F::Frame>, bool) {
        let mut frames = match self.form.end(choice, completion) {
            Ok(frames) => frames,
            Err(error) => return (vec![self.form.failed(&error)], false),
        };
        self.open[choice] = false;
        let goes_on = self.open.contains(&true);
        if !goes_on {
            frames.extend(self.form.done());
        }
        (frames, goes_on)
    }
}

/// The answer of a form that knows no choices.
///
/// # Errors
/// Where there is none.
pub(super) fn only(answers: Vec<Answered>) -> Result<Answered, ApiError> {
    let first = answers.into_iter().next();
    first.ok_or_else(|| Error::Stopped.into())
}

/// A reply of server-sent events.
pub(super) fn server_sent(frames: impl Stream<Item = sse::Event> + Send + 'static) -> Response {
    let frames = Sse::new(frames.map(Ok::<_, Infallible>));
    let frames = frames.keep_alive(KeepAlive::new().interval(HEARTBEAT).text("ping"));
    // nginx would otherwise hold the tokens back to fill its buffers.
    ([("x-accel-buffering", "no")], frames).into_response()
}

/// An event whose data is JSON.
pub(super) fn data(content: &impl Serialize) -> sse::Event {
    json(sse::Event::default(), content)
}

/// The same with a name.
pub(super) fn named(name: &str, content: &impl Serialize) -> sse::Event {
    json(sse::Event::default().event(name), content)
}

fn json(event: sse::Event, content: &impl Serialize) -> sse::Event {
    event
        .json_data(content)
        .expect("text, numbers and fixed names always make JSON")
}
