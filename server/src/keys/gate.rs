//! In front of the API: who has no key, or has used up what it allows, is told so in the form of the API that was asked.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::header::WWW_AUTHENTICATE;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body::{Frame, SizeHint};

use super::spent::{AllLeft, Exhausted, Left, Place};
use super::usage::KEY;
use super::{Key, sends_one};
use crate::api;
use crate::error::ApiError;
use crate::state::AppState;

const HEALTH: &str = "/health";
const METRICS: &str = "/metrics";

/// Lets through what is open, and who has a key with something left of its limits.
pub(crate) async fn gate(
    State(state): State<AppState>,
    mut request: Request,
    next: Next,
) -> Response {
    let access = &state.access;
    let Some(keys) = &access.keys else {
        return next.run(request).await;
    };
    let path = request.uri().path();
    if is_open(path, access.guards_metrics) {
        return next.run(request).await;
    }
    let Some(key) = keys.of(request.headers()) else {
        return api::in_its_form(path, unknown(request.headers()));
    };
    // What asks nothing of a model costs nothing.
    if !api::asks_a_model(request.method(), path) {
        return next.run(request).await;
    }
    let now = Instant::now();
    let place = match key.spent.admit(key.limits, now) {
        Ok(place) => place,
        Err(exhausted) => {
            key.was_refused();
            let refusal = key.refusal(exhausted).into_response();
            let mut refusal = api::in_its_form(path, refusal);
            tell(refusal.headers_mut(), key.spent.left(key.limits, now));
            return refusal;
        }
    };
    key.was_let_in();
    request.extensions_mut().insert(Arc::clone(&key));
    let mut response = KEY.scope(Arc::clone(&key), next.run(request)).await;
    // Less what this one has taken, or may still take.
    let left = key.spent.left(key.limits, Instant::now());
    tell(response.headers_mut(), left);
    response.map(|body| {
        Body::new(Placed {
            body,
            _place: place,
        })
    })
}

/// Supervisors and monitoring have no keys, unless they should.
fn is_open(path: &str, guards_metrics: bool) -> bool {
    let path = path.strip_suffix('/').unwrap_or(path);
    let below_health = path.strip_prefix(HEALTH);
    below_health.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        || (path == METRICS && !guards_metrics)
}

fn unknown(headers: &HeaderMap) -> Response {
    let message = if sends_one(headers) {
        "this server does not know this API key"
    } else {
        "this server wants an API key, in `Authorization: Bearer KEY` or `x-api-key: KEY`"
    };
    let mut response = ApiError::unknown_key(message).into_response();
    let scheme = HeaderValue::from_static("Bearer");
    response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
    response
}

impl Key {
    /// What its holder is told.
    pub(super) fn refusal(&self, exhausted: Exhausted) -> ApiError {
        let name = &self.name;
        let (what, wait) = match exhausted {
            Exhausted::Requests { limit, wait } => {
                (format!("may make {limit} requests a minute"), Some(wait))
            }
            Exhausted::Tokens { limit, wait } => (
                format!(
                    "may use {limit} tokens a minute, of prompts and answers, those included that open answers may still take"
                ),
                wait,
            ),
            Exhausted::Chats { limit } => (format!("may have {limit} requests at once"), None),
        };
        ApiError::over_limit(format!("the API key `{name}` {what}"), wait)
    }
}

/// Says what is left as OpenAI does.
fn tell(headers: &mut HeaderMap, left: AllLeft) {
    for (what, left) in [("requests", left.requests), ("tokens", left.tokens)] {
        let Some(Left {
            limit,
            remaining,
            reset,
        }) = left
        else {
            continue;
        };
        let reset = format!("{}s", whole_seconds(reset));
        for (which, value) in [
            ("limit", limit.to_string()),
            ("remaining", remaining.to_string()),
            ("reset", reset),
        ] {
            let name = HeaderName::try_from(format!("x-ratelimit-{which}-{what}"));
            if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
                headers.insert(name, value);
            }
        }
    }
}

fn whole_seconds(time: Duration) -> u64 {
    time.as_secs_f64().ceil() as u64
}

/// A body whose answer has a place until it is sent, or nobody wants it.
struct Placed {
    body: Body,
    _place: Place,
}

impl HttpBody for Placed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
