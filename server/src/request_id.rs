//! A name for each request, by which its sender finds it in the log and among traces: the one that it brings in
//! `x-request-id`, else a new one. The answer carries it.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

const NAME: HeaderName = HeaderName::from_static("x-request-id");

/// Longer ones are not kept; a UUID has 36.
const MOST_BYTES: usize = 128;

tokio::task_local! {
    static ID: String;
}

/// The name of the request that this task answers, where it has one.
pub(crate) fn current() -> Option<String> {
    ID.try_with(String::clone).ok()
}

/// Does for the request of this name what is done after it was answered, as in the body of a stream.
pub(crate) async fn within<T>(id: Option<String>, work: impl Future<Output = T>) -> T {
    match id {
        Some(id) => ID.scope(id, work).await,
        None => work.await,
    }
}

/// Names the request in all that is logged of it, and in its answer.
pub(crate) async fn follow(request: Request, next: Next) -> Response {
    let kept = kept(request.headers()).map(str::to_owned);
    let id = kept.unwrap_or_else(|| format!("req_{:032x}", rand::random::<u128>()));
    let value = HeaderValue::try_from(&id);
    let span = tracing::info_span!("request", id);
    let answered = ID.scope(id, next.run(request));
    let mut response = answered.instrument(span).await;
    if let Ok(value) = value {
        response.headers_mut().insert(NAME, value);
    }
    response
}

/// A name that can be logged as it is.
fn kept(headers: &HeaderMap) -> Option<&str> {
    let id = headers.get(NAME)?.to_str().ok()?;
    let is_name =
        (1..=MOST_BYTES).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    is_name.then_some(id)
}

#[cfg(test)]
mod tests;
