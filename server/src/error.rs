//! What an API client gets when something goes wrong: the one owner of status codes and of OpenAI's error body.
//!
//! A message says what the client can change. The cause of a failure on our side is logged by [`log_cause`] and
//! never sent.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::{Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Json, Response};
use nibble_engine::Error;
use serde_json::json;

mod body;

use self::body::Spent;
pub(crate) use self::body::{Envelope, ErrorBody, rewritten};

/// When to come back where nothing better is known: a supervisor has started another server by then, and a full queue has
/// ended its first answer, from which on the engine can say.
const COME_BACK: Duration = Duration::from_secs(5);

/// The longest message, in characters, of which some repeat what a client sent.
const MESSAGE_CHARACTERS: usize = 1000;

/// A refusal or failure, as the client will see it.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    body: ErrorBody,
    /// When there may be a place, where that is known.
    wait: Option<Duration>,
    cause: Option<Cause>,
}

/// What went wrong behind an error, on its way to the log.
#[derive(Clone, Debug)]
struct Cause(Arc<dyn StdError + Send + Sync>);

impl ApiError {
    fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            body: ErrorBody {
                message: shortened(message.into()),
                kind,
                param: None,
                code: None,
                spent: None,
            },
            wait: None,
            cause: None,
        }
    }

    /// The request as a whole cannot be served.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message)
    }

    /// The field `param` has a value that cannot be served.
    pub(crate) fn invalid_field(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::invalid(message).about(param)
    }

    /// The model `name` is none of those that there are.
    pub(crate) fn unknown_model(name: &str, served: &[String]) -> Self {
        let served = served.join("`, `");
        Self::no_model(format!(
            "no model `{name}` here: this server runs `{served}`"
        ))
    }

    fn no_model(message: String) -> Self {
        let mut error = Self::new(StatusCode::NOT_FOUND, "invalid_request_error", message);
        error.body.code = Some("model_not_found");
        error.about("model")
    }

    /// The request has no key that is known.
    pub(crate) fn unknown_key(message: &str) -> Self {
        let mut error = Self::new(StatusCode::UNAUTHORIZED, "invalid_request_error", message);
        error.body.code = Some("invalid_api_key");
        error
    }

    /// Too much was asked for, and how long until there may be more, where that is known.
    pub(crate) fn over_limit(message: String, wait: Option<Duration>) -> Self {
        let status = StatusCode::TOO_MANY_REQUESTS;
        let mut error = Self::new(status, "rate_limit_error", message);
        error.body.code = Some("rate_limit_exceeded");
        error.wait = wait;
        error
    }

    /// The request does not come from where requests may come from.
    pub(crate) fn refused(status: StatusCode, message: impl Into<String>) -> Self {
        Self::new(status, "invalid_request_error", message)
    }

    /// No route has this path.
    pub(crate) fn unknown_path(path: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "invalid_request_error",
            not_here(path),
        )
    }

    /// The path is right and the method is not.
    pub(crate) fn wrong_method(method: &str, path: &str) -> Self {
        let message = format!("`{path}` does not answer to {method}");
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "invalid_request_error",
            message,
        )
    }

    /// The server is going down, or the engine has.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "server_error", message)
    }

    /// The server failed, and the client can do nothing about it.
    pub(crate) fn internal(cause: impl StdError + Send + Sync + 'static) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "server_error",
            "the server failed; its log says why",
        )
        .because(cause)
    }

    /// A limit in time was passed, which the message names.
    fn too_late(status: StatusCode, code: &'static str, error: &Error) -> Self {
        let mut late = Self::new(status, "server_error", error.to_string());
        late.body.code = Some(code);
        late
    }

    fn about(mut self, param: impl Into<String>) -> Self {
        self.body.param = Some(shortened(param.into()).into());
        self
    }

    fn because(mut self, cause: impl StdError + Send + Sync + 'static) -> Self {
        self.cause = Some(Cause(Arc::new(cause)));
        self
    }

    /// The whole response to a client whose request is not read.
    pub(crate) fn as_message(&self) -> String {
        let body = json!(Envelope { error: &self.body }).to_string();
        format!(
            "HTTP/1.1 {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nretry-after: {}\r\n\
             connection: close\r\n\r\n{body}",
            self.status,
            body.len(),
            retry_after_s(self.wait)
        )
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// For a stream, whose status was sent long ago: the same body as an event's data.
    pub(crate) fn in_mid_stream(&self) -> Envelope<'_> {
        Envelope {
            error: self.logged(),
        }
    }

    /// What is told in mid-stream, and the cause to the log, since no response passes [`log_cause`] any more.
    pub(crate) fn logged(&self) -> &ErrorBody {
        if let Some(cause) = &self.cause {
            tracing::error!(cause = chain(&*cause.0), "an answer failed in mid-stream");
        }
        &self.body
    }
}

/// The beginning of a text, and a sign that there was more.
fn shortened(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(MESSAGE_CHARACTERS) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// That the API has no such path, and what may be wrong with the client's base URL.
pub(crate) fn not_here(path: &str) -> String {
    let hint = match path.strip_prefix("/v1") {
        Some(rest) if rest.starts_with("/v1") => ": a client's base URL ends in one `/v1`",
        Some(_) => "",
        None => ": its paths begin with `/v1`, in which a client's base URL must end",
    };
    format!("`{path}` is not part of this API{hint}")
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        match error {
            Error::Request { field, reason } => Self::invalid_field(field, reason),
            Error::TooLong { field, context, .. } => {
                // In words by which clients know it, too: LiteLLM by the first, LangChain by the second.
                let message = format!(
                    "this model's maximum context length is {context} tokens, and the prompt is too long: {error}"
                );
                let mut long = Self::invalid_field(field, message);
                long.body.code = Some("context_length_exceeded");
                long
            }
            Error::Busy { wait, .. } => Self::over_limit(error.to_string(), wait),
            Error::WaitedTooLong { .. } => {
                Self::too_late(StatusCode::SERVICE_UNAVAILABLE, "max_wait_passed", &error)
            }
            Error::TooLate { ref spent, .. } => {
                let mut late =
                    Self::too_late(StatusCode::GATEWAY_TIMEOUT, "max_time_passed", &error);
                let spent = spent.as_deref().cloned();
                late.body.spent = spent.map(|spent| Box::new(Spent::of(spent)));
                late
            }
            Error::Occupied { .. } => {
                let mut occupied = Self::unavailable(error.to_string());
                occupied.body.code = Some("model_waits_for_memory");
                occupied
            }
            Error::Withdrawn { .. } => Self::no_model(error.to_string()),
            Error::Memory { .. } => {
                let status = StatusCode::INSUFFICIENT_STORAGE;
                let mut short = Self::new(status, "server_error", error.to_string());
                short.body.code = Some("model_needs_memory");
                short
            }
            Error::TooLittleMemory { .. } => {
                let status = StatusCode::INSUFFICIENT_STORAGE;
                let mut short = Self::new(status, "server_error", error.to_string());
                short.body.code = Some("answer_needs_memory");
                short.because(error)
            }
            Error::NoThread(_) => {
                Self::unavailable("the server can start no thread for this; ask again in a moment")
                    .because(error)
            }
            Error::Ending => {
                Self::unavailable("the server is ending; ask again when it runs again")
            }
            Error::Stopped => {
                Self::unavailable("the model has stopped; restart the server").because(error)
            }
            _ => Self::internal(error),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let envelope = Envelope { error: &self.body };
        let mut response = (self.status, Json(envelope)).into_response();
        response.extensions_mut().insert(self.body);
        let passes = [
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::SERVICE_UNAVAILABLE,
        ];
        if passes.contains(&self.status) {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, retry_after_s(self.wait).into());
        }
        if let Some(cause) = self.cause {
            response.extensions_mut().insert(cause);
        }
        response
    }
}

/// Whole seconds, at least one, after which to ask again where there may be a place after `wait`.
pub(crate) fn retry_after_s(wait: Option<Duration>) -> u64 {
    wait.unwrap_or(COME_BACK).as_secs_f64().ceil().max(1.0) as u64
}

/// Writes the cause of an error response to the log.
pub(crate) async fn log_cause(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let response = next.run(request).await;
    if let Some(Cause(cause)) = response.extensions().get() {
        tracing::error!(%method, path, cause = chain(&**cause), "a request failed");
    }
    response
}

/// For paths that are there, with other methods.
pub(crate) async fn wrong_method(method: Method, uri: Uri) -> ApiError {
    ApiError::wrong_method(method.as_str(), uri.path())
}

fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
