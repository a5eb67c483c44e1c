//! The routes of the page: Leptos renders them as a stream, in order and without scripts of its own.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, HeaderName};
use axum::http::{HeaderValue, Method};
use axum::response::Response;
use axum::routing::{get, post};
use leptos::prelude::*;
use leptos::server_fn::axum::server_fn_paths;
use leptos_axum::{
    AxumRouteListing, generate_route_list, handle_response_inner, handle_server_fns_with_context,
};
use nibble_app::App;
use nibble_app::chat::SharedChat;
use tower_http::limit::RequestBodyLimitLayer;

use crate::assets;
use crate::events::events;
use crate::state::AppState;
use crate::store::is_running;

/// The longest message, percent-encoded, and room for the settings.
const FORM_BYTES: usize = 1024 * 1024;

/// Pages, server functions, the events of runs and, for any other address, the page that says so.
pub(crate) fn routes(state: &AppState) -> Router<AppState> {
    let chat: SharedChat = state.chat.clone();
    let page_chat = chat.clone();
    let context = move || {
        provide_context(SharedChat::clone(&chat));
        provide_context(assets::addresses());
    };
    let render = {
        let context = context.clone();
        move |request: Request| page(context.clone(), page_chat.clone(), request)
    };
    let call = move |request: Request| handle_server_fns_with_context(context.clone(), request);
    let mut router = Router::new().route("/runs/{id}/events", get(events));
    for path in generate_route_list(App).iter().map(AxumRouteListing::path) {
        router = router.route(path, get(render.clone()));
    }
    for (path, _) in server_fn_paths().filter(|(_, method)| *method == Method::POST) {
        router = router.route(path, post(call.clone()));
    }
    router
        .fallback(render)
        .layer(RequestBodyLimitLayer::new(FORM_BYTES))
}

async fn page(
    context: impl Fn() + Clone + Send + 'static,
    chat: SharedChat,
    request: Request<Body>,
) -> Response {
    let caching = caching(&chat, request.uri().path());
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
