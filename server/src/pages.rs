//! The routes of the page: Leptos renders them as a stream, in order and without scripts of its own.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{ACCEPT, CACHE_CONTROL, HeaderName, RETRY_AFTER};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use leptos::prelude::*;
use leptos::server_fn::axum::server_fn_paths;
use leptos_axum::{
    AxumRouteListing, generate_route_list, handle_response_inner, handle_server_fns_with_context,
};
use nibble_app::chat::{Draft, SharedChat, Visitor};
use nibble_app::{App, RefusedMessage};
use nibble_engine::Error;
use tokio::runtime::Handle;

use crate::assets;
use crate::bodies::{Bodies, Unread};
use crate::caller::caller;
use crate::events::events;
use crate::preparation::Preparation;
use crate::state::AppState;
use crate::store::is_running;

mod form;

/// The longest message, percent-encoded, and room for the settings and for messages that are refused with their length.
const FORM_BYTES: usize = 1024 * 1024;

/// Pages that are rendered at once, and those that may wait for it.
const RENDERED_AT_ONCE: usize = 2;
const WAITING: usize = 1024;

/// Pages, server functions, the events of runs and, for any other address, the page that says so.
pub(crate) fn routes(state: &AppState) -> Router<AppState> {
    let pages = Pages {
        chat: state.chat.clone(),
        bodies: Arc::clone(&state.bodies),
        rendering: Arc::new(Preparation::new(RENDERED_AT_ONCE, WAITING)),
    };
    let render = {
        let pages = pages.clone();
        async move |request: Request| pages.render(request, None).await
    };
    let call = async move |request: Request| pages.call(request).await;
    let mut router = Router::new().route("/runs/{id}/events", get(events));
    for path in generate_route_list(App).iter().map(AxumRouteListing::path) {
        router = router.route(path, get(render.clone()));
    }
    for (path, _) in server_fn_paths().filter(|(_, method)| *method == Method::POST) {
        router = router.route(path, post(call.clone()));
    }
    router.fallback(render)
}

/// What renders pages and answers their forms.
#[derive(Clone)]
struct Pages {
    chat: SharedChat,
    bodies: Arc<Bodies>,
    rendering: Arc<Preparation>,
}

impl Pages {
    fn context(&self) {
        provide_context(SharedChat::clone(&self.chat));
        provide_context(assets::addresses());
    }

    /// A form post whose message is refused is answered by the page with all that was typed.
    async fn call(self, request: Request) -> Response {
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let held = {
            let request = Request::from_parts(parts.clone(), body);
            match self.bodies.read(request, FORM_BYTES).await {
                Ok(held) => held,
                Err(unread) => return refusal(unread),
            }
        };
        if let Err(malformed) = form::check(&path, &parts.headers, &held.bytes).await {
            return malformed;
        }
        form::tie(&mut parts.headers);
        let request = Request::from_parts(parts, Body::from(held.bytes.clone()));
        let accepted = request.headers().get(ACCEPT);
        let accepted = accepted.and_then(|types| types.to_str().ok());
        let by_form = accepted.is_some_and(|types| types.contains("text/html"));
        let refused = RefusedMessage::default();
        let visitor = Visitor(caller(request.extensions(), request.headers()).0);
        let context = {
            let (pages, refused) = (self.clone(), refused.clone());
            move || {
                pages.context();
                provide_context(refused.clone());
                provide_context(visitor);
            }
        };
        let response = handle_server_fns_with_context(context, request).await;
        match refused.take().filter(|_| by_form) {
            Some(draft) => self.again(draft).await,
            None => form::answered(&path, response.into_response()),
        }
    }

    async fn again(self, draft: Draft) -> Response {
        let path = match draft.form.conversation.as_str() {
            "" => "/".to_owned(),
            conversation => format!("/c/{conversation}"),
        };
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = path
            .parse()
            .expect("names of conversations that are held are plain");
        let kind = draft.complaint.kind;
        let mut response = self.render(request, Some(draft)).await;
        *response.status_mut() =
            StatusCode::from_u16(kind.status()).expect("a complaint's status is one");
        if let Some(seconds) = kind.retry_after_s() {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }

    /// The first part of a page, which is all of it but for an answer that runs, off the threads that serve others: Markdown
    /// of long conversations takes a while.
    async fn render(self, request: Request, draft: Option<Draft>) -> Response {
        let rendering = Arc::clone(&self.rendering);
        let (runtime, page) = (Handle::current(), self.rendered(request, draft));
        let rendered = rendering.run(move || runtime.block_on(page)).await;
        rendered.unwrap_or_else(|error| unrendered(&error))
    }

    async fn rendered(self, request: Request, draft: Option<Draft>) -> Response {
        let caching = caching(&self.chat, request.uri().path());
        let context = move || {
            self.context();
            if let Some(draft) = draft.clone() {
                provide_context(draft);
            }
        };
        let mut response = handle_response_inner(context, App, request, |app, _, _| {
            Box::pin(async move { Box::pin(app.to_html_stream_in_order()) as _ })
        })
        .await;
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
        let unbuffered = HeaderName::from_static("x-accel-buffering");
        headers.insert(unbuffered, HeaderValue::from_static("no"));
        response
    }
}

fn refusal(unread: Unread) -> Response {
    (unread.status(), format!("{}\n", unread.reason())).into_response()
}

fn unrendered(error: &Error) -> Response {
    let status = match error {
        Error::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    (
        status,
        "the page could not be rendered; try again in a moment\n",
    )
        .into_response()
}

/// Reads the form of a message, for whoever sends any bytes.
#[cfg(any(test, fuzzing))]
pub(crate) async fn read(headers: &axum::http::HeaderMap, body: &axum::body::Bytes) {
    use nibble_app::SendMessage;
    use nibble_app::settings::{MessageForm, Settings};

    let Ok(sent) = form::fields::<SendMessage>("", headers, body).await else {
        return;
    };
    let form = MessageForm {
        conversation: sent.conversation,
        message: sent.message,
        temperature: sent.temperature,
        max_tokens: sent.max_tokens,
        system_prompt: sent.system_prompt,
        usd_per_hour: sent.usd_per_hour,
    };
    let _ = (Settings::from_form(&form), form.question());
}

/// A page into which an answer streams must not be compressed on its way: what compresses waits for more.
fn caching(chat: &SharedChat, path: &str) -> &'static str {
    let conversation = path
        .strip_prefix("/c/")
        .and_then(|id| chat.conversation(id));
    if conversation.is_some_and(|conversation| is_running(&conversation)) {
        "private, no-cache, no-transform"
    } else {
        "private, no-cache"
    }
}

#[cfg(test)]
mod tests;
