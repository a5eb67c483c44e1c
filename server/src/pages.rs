//! The routes of the page: Leptos renders them as a stream, in order and without scripts of its own.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_LANGUAGE, HeaderName, RETRY_AFTER};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::middleware::from_fn;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use futures::{FutureExt, StreamExt};
use leptos::prelude::*;
use leptos::server_fn::axum::server_fn_paths;
use leptos_axum::{
    AxumRouteListing, generate_route_list, handle_response_inner, handle_server_fns_with_context,
};
use nibble_app::chat::{Draft, Id, Loaded, SharedChat};
use nibble_app::complaint::ComplaintKind;
use nibble_app::language::Language;
use nibble_app::visitor::Visitor;
use nibble_app::{
    App, COMPARE, DELETE_COMPARISON, FETCH_EVENTS, LANGUAGE, MEASURE, REPLAY, SPEED_FILE,
    STOP_COMPARISON, Unsent, list_html, load,
};
use nibble_engine::{Caller, Error};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::attachments::Attachments;
use crate::bodies::form::boundary;
use crate::bodies::{Bodies, Unread};
use crate::events::events;
use crate::preparation::Preparation;
use crate::reader::wants_html;
use crate::sign_in::{SIGN_IN, SIGN_OUT};
use crate::state::AppState;
use crate::visitor::Visiting;
use crate::{assets, language as languages};

mod attachments;
mod comparing;
mod exports;
mod form;
mod imports;
mod language;
mod measuring;
mod models;
mod replaying;
mod sign_in;
mod speeds;

use self::imports::IMPORT;
pub(crate) use self::models::lead_readers;

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
        attachments: Arc::clone(&state.attachments),
        rendering: Arc::new(Preparation::new(RENDERED_AT_ONCE, WAITING)),
    };
    let render = {
        let pages = pages.clone();
        async move |request: Request| pages.get(request).await
    };
    let import = {
        let pages = pages.clone();
        async move |state, request| pages.import(state, request).await
    };
    let sign_in = {
        let pages = pages.clone();
        async move |state, request| pages.sign_in(state, request).await
    };
    let choose = {
        let pages = pages.clone();
        async move |state, at, request| pages.choose_language(state, at, request).await
    };
    let compare = {
        let pages = pages.clone();
        async move |state, request| pages.compare(state, request).await
    };
    let replay = {
        let pages = pages.clone();
        async move |state, request| pages.replay(state, request).await
    };
    let measure = {
        let pages = pages.clone();
        async move |state, visiting| pages.measure(state, visiting).await
    };
    let managing = pages.clone();
    let call = async move |request: Request| pages.call(request).await;
    let mut router = Router::new()
        .route("/runs/{id}/events", get(events))
        .route("/messages/{id}", get(text))
        .route("/chats/list", get(list))
        .route(attachments::COUNT, post(attachments::count))
        .route(IMPORT, post(import))
        .route(LANGUAGE, post(choose).get(render.clone()))
        .route(SIGN_IN, post(sign_in))
        .route(SIGN_OUT, post(sign_in::sign_out))
        .merge(exports::routes())
        .route(SPEED_FILE, get(speeds::csv))
        .route(MEASURE, post(measure).get(measuring::page))
        .route(COMPARE, post(compare))
        .route(STOP_COMPARISON, post(comparing::stop))
        .route(DELETE_COMPARISON, post(comparing::delete))
        .route(FETCH_EVENTS, get(models::events))
        .route(REPLAY, post(replay).get(render.clone()))
        .merge(comparing::files());
    for (path, act) in models::acts() {
        let pages = managing.clone();
        let manage = async move |State(state), request| pages.manage(state, act, request).await;
        router = router.route(path, post(manage).get(models::page));
    }
    for path in generate_route_list(App).iter().map(AxumRouteListing::path) {
        router = router.route(path, get(render.clone()));
    }
    for (path, _) in server_fn_paths().filter(|(_, method)| *method == Method::POST) {
        router = router.route(path, post(call.clone()));
    }
    router.fallback(render).layer(from_fn(languages::vary))
}

/// Whether a request is a form that may have files, which is read as far as it may be long.
pub(crate) fn takes_files(request: &Request) -> bool {
    let path = request.uri().path();
    let may = path == attachments::COUNT || path.starts_with("/api/");
    path == IMPORT || may && boundary(request.headers()).is_some()
}

/// `GET /messages/{id}`: an answer as the model wrote it, to copy.
async fn text(
    State(state): State<AppState>,
    Path(message): Path<String>,
    visiting: Visiting,
) -> Response {
    let text = match message.parse() {
        Ok(message) => state.chat.text(visiting.visitor, message).await,
        Err(_) => None,
    };
    match text {
        Some(text) => ([(CACHE_CONTROL, "private, no-cache")], text).into_response(),
        None => {
            let reason = format!("{}\n", visiting.visitor.language.no_such_answer());
            (StatusCode::NOT_FOUND, reason).into_response()
        }
    }
}

/// `GET /chats/list?current=ID`: the list of the sidebar.
async fn list(
    State(state): State<AppState>,
    Query(query): Query<HashMap<String, String>>,
    visiting: Visiting,
) -> Response {
    let current = query.get("current").and_then(|id| id.parse().ok());
    match list_html(&*state.chat, visiting.visitor, current).await {
        Ok(html) => ([(CACHE_CONTROL, "private, no-store")], Html(html)).into_response(),
        Err(trouble) => {
            let reason = trouble.reason.told(visiting.visitor.language).to_owned();
            (StatusCode::SERVICE_UNAVAILABLE, reason).into_response()
        }
    }
}

/// What renders pages and answers their forms.
#[derive(Clone)]
struct Pages {
    chat: SharedChat,
    bodies: Arc<Bodies>,
    attachments: Arc<Attachments>,
    rendering: Arc<Preparation>,
}

/// Pages that read what all answers of a visitor took, at a time: each may hold a few dozen megabytes.
static FIGURES: Semaphore = Semaphore::const_new(4);

fn is_of_figures(path: &str) -> bool {
    path == "/about" || path.starts_with("/speed")
}

impl Pages {
    fn context(&self) {
        provide_context(SharedChat::clone(&self.chat));
        provide_context(assets::addresses());
    }

    /// A form post whose message is refused, or left unsent by another button, is answered by the page with all that was typed.
    async fn call(self, request: Request) -> Response {
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let posted = match self.posted(&mut parts, body).await {
            Ok(posted) => posted,
            Err(refusal) => return refusal,
        };
        if let Err(malformed) = form::check(&path, &parts.headers, &posted.fields).await {
            return malformed;
        }
        form::tie(&mut parts.headers);
        let request = Request::from_parts(parts, Body::from(posted.fields.clone()));
        let by_form = wants_html(request.headers());
        let unsent = Unsent::default();
        let visiting = Visiting::new(request.extensions(), request.headers());
        let visitor = visiting.visitor;
        let context = {
            let (pages, unsent) = (self.clone(), unsent.clone());
            let attached = posted.attached.clone();
            move || {
                pages.context();
                if let Some(attached) = attached.clone() {
                    provide_context(attached);
                }
                provide_context(unsent.clone());
                provide_context(visitor);
            }
        };
        let response = handle_server_fns_with_context(context, request).await;
        let mut response = match unsent.take().filter(|_| by_form) {
            Some(mut draft) => {
                form::miss_files(&mut draft, &posted.fields);
                self.again(visitor, draft).await
            }
            None => form::answered(visitor.language, &path, response.into_response()),
        };
        visiting.remember(&mut response);
        response
    }

    async fn get(self, request: Request) -> Response {
        let visiting = Visiting::new(request.extensions(), request.headers());
        let mut response = self.render(request, visiting.visitor, || {}).await;
        visiting.remember(&mut response);
        response
    }

    async fn again(self, visitor: Visitor, mut draft: Draft) -> Response {
        let path = match draft.form.conversation.parse::<Id>() {
            Ok(conversation) => format!("/c/{conversation}"),
            Err(_) => {
                draft.form.conversation.clear();
                "/".to_owned()
            }
        };
        let path = path.parse().expect("names of conversations are plain");
        self.drafted(visitor, path, draft).await
    }

    /// The page of a chat with what was typed there and not sent.
    async fn drafted(self, visitor: Visitor, path: Uri, draft: Draft) -> Response {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = path;
        let kind = draft.complaint.as_ref().map(|complaint| complaint.kind);
        let tell = move || provide_context(draft.clone());
        let mut response = self.render(request, visitor, tell).await;
        if let Some(kind) = kind {
            *response.status_mut() =
                StatusCode::from_u16(kind.status()).expect("a complaint's status is one");
        }
        if let Some(seconds) = kind.and_then(ComplaintKind::retry_after_s) {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }

    /// The first part of a page, which is all of it but for an answer that runs, off the threads that serve others: Markdown
    /// of long conversations takes a while. What a page tells beside what it shows is provided by `tell`.
    async fn render(
        self,
        request: Request,
        visitor: Visitor,
        tell: impl Fn() + Clone + Send + Sync + 'static,
    ) -> Response {
        let (path, query) = (request.uri().path(), request.uri().query());
        let _reading = match is_of_figures(path) {
            true => FIGURES.acquire().await.ok(),
            false => None,
        };
        let loaded = load(&*self.chat, visitor, path, query.unwrap_or_default()).await;
        let rendering = Arc::clone(&self.rendering);
        let (runtime, page) = (
            Handle::current(),
            self.rendered(request, visitor, loaded, tell),
        );
        let rendered = rendering
            .run(Caller(visitor.caller), move || runtime.block_on(page))
            .await;
        rendered.unwrap_or_else(|error| unrendered(visitor.language, &error))
    }

    /// Whether the answer of a page is computed again now.
    fn is_replayed(&self, visitor: Visitor, loaded: &Loaded) -> bool {
        let speeds = loaded.speeds.as_ref();
        let one = speeds.and_then(|speeds| speeds.one.as_ref());
        let steps = one.and_then(|(answer, _)| self.chat.replayed(visitor, answer.id));
        // What there is so far comes at once.
        let step = steps.and_then(|mut steps| steps.next().now_or_never().flatten());
        step.is_some_and(|step| step.outcome.is_none())
    }

    async fn rendered(
        self,
        request: Request,
        visitor: Visitor,
        loaded: Loaded,
        tell: impl Fn() + Clone + Send + Sync + 'static,
    ) -> Response {
        let caching = match self.is_replayed(visitor, &loaded) {
            true => STREAMED,
            false => caching(&loaded),
        };
        let context = move || {
            self.context();
            provide_context(visitor);
            provide_context(loaded.clone());
            tell();
        };
        let mut response = handle_response_inner(context, App, request, |app, _, _| {
            Box::pin(async move { Box::pin(app.to_html_stream_in_order()) as _ })
        })
        .await;
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
        let tag = HeaderValue::from_static(visitor.language.tag());
        headers.insert(CONTENT_LANGUAGE, tag);
        let unbuffered = HeaderName::from_static("x-accel-buffering");
        headers.insert(unbuffered, HeaderValue::from_static("no"));
        response
    }
}

fn refusal(t: Language, unread: Unread) -> Response {
    (unread.status(), format!("{}\n", unread.reason(t))).into_response()
}

fn unrendered(t: Language, error: &Error) -> Response {
    let status = match error {
        Error::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    (status, format!("{}\n", t.not_rendered())).into_response()
}

/// Reads the form of a message, for whoever sends any bytes.
#[cfg(any(test, fuzzing))]
pub(crate) async fn read(headers: &axum::http::HeaderMap, body: &axum::body::Bytes) {
    use nibble_app::SendMessage;
    use nibble_app::settings::Settings;

    let Ok(sent) = form::fields::<SendMessage>("", headers, body).await else {
        return;
    };
    let form = sent.form;
    let _ = (Settings::from_form(&form), form.question(false));
}

/// A page into which an answer streams must not be compressed on its way: what compresses waits for more.
const STREAMED: &str = "private, no-cache, no-transform";

fn caching(loaded: &Loaded) -> &'static str {
    let turns = loaded.thread.iter().flat_map(|thread| &thread.turns);
    let compared = loaded.comparison.as_ref();
    if compared.is_some_and(|of| of.is_running)
        || turns.into_iter().any(|turn| turn.answer.end.is_none())
    {
        STREAMED
    } else {
        "private, no-cache"
    }
}

#[cfg(test)]
mod tests;
