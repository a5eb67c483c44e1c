//! What programs ask: the route table, whose paths these are, and who is told of errors in JSON.
//!
//! [`openai`], [`anthropic`] and [`ollama`] are APIs that clients know, [`ops`] is for supervisors, monitoring and tools. An
//! endpoint is a file and a line of [`ENDPOINTS`]. How fields are read and answers streamed is the same for all; a form only
//! says what they are called and how they are written ([`reply::Form`]).

use axum::Router;
use axum::extract::Request;
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, ORIGIN};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, get, post};

use crate::error::{ApiError, log_cause, wrong_method};
use crate::keys;
use crate::state::AppState;

mod anthropic;
mod asker;
mod biases;
mod body;
mod choices;
mod constraint;
mod conversation_key;
mod effort;
mod embedding;
mod fields;
mod model;
mod ollama;
mod openai;
mod openapi;
mod ops;
mod prepared;
mod reply;
mod sampling;
mod shape;
mod stages;
mod tools;
mod wanted;

/// Four times the text of a full 128k-token context.
pub(crate) const MAX_BODY_BYTES: usize = 2 << 20;

/// An endpoint by its path.
type Endpoint = (&'static str, fn() -> MethodRouter<AppState>);

/// What begins the paths of OpenAI's API.
const VERSION: &str = "/v1";
/// What ends the path of whatever has names of its own.
const ANY: &str = "/{*id}";

/// Every endpoint. What begins with [`VERSION`] is there without it too, and each path with a slash at its end.
const ENDPOINTS: &[Endpoint] = &[
    ("/v1/chat/completions", || post(openai::chat::complete)),
    ("/v1/completions", || post(openai::completions::complete)),
    ("/v1/embeddings", || post(openai::embeddings::create)),
    ("/v1/responses", || post(openai::responses::create)),
    ("/v1/models", || get(openai::models::list)),
    ("/v1/models/{*id}", || get(openai::models::one)),
    ("/v1/messages", || {
        anthropic::form(post(anthropic::messages::create))
    }),
    ("/v1/messages/count_tokens", || {
        anthropic::form(post(anthropic::messages::count_tokens))
    }),
    ("/api/chat", || ollama::form(post(ollama::chat::chat))),
    ("/api/generate", || {
        ollama::form(post(ollama::generate::generate))
    }),
    ("/api/tags", || ollama::form(get(ollama::models::tags))),
    ("/api/ps", || ollama::form(get(ollama::models::ps))),
    ("/api/show", || ollama::form(post(ollama::models::show))),
    ("/api/version", || {
        ollama::form(get(ollama::models::version))
    }),
    ("/api/pull", || ollama::refusing()),
    ("/api/push", || ollama::refusing()),
    ("/api/create", || ollama::refusing()),
    ("/api/copy", || ollama::refusing()),
    ("/api/blobs/{*id}", || ollama::refusing()),
    ("/api/embed", || ollama::form(post(ollama::embed::embed))),
    ("/api/embeddings", || {
        ollama::form(post(ollama::embed::embeddings))
    }),
    ("/tokenize", || post(ops::tokenize::tokenize)),
    ("/detokenize", || post(ops::tokenize::detokenize)),
    ("/tokenizer_info", || {
        get(ops::tokenizer_info::tokenizer_info)
    }),
    ("/apply-template", || {
        post(ops::apply_template::apply_template)
    }),
    ("/health", || get(ops::health::health)),
    ("/health/ready", || get(ops::health::health)),
    ("/health/live", || get(ops::health::live)),
    ("/metrics", || get(ops::metrics::metrics)),
    ("/openapi.json", || get(openapi::openapi)),
];

/// What is posted to and asks nothing of a model: it counts tokens, lays prompts out or tells what there is.
const ASIDE: [&str; 5] = [
    "/v1/messages/count_tokens",
    "/api/show",
    "/tokenize",
    "/detokenize",
    "/apply-template",
];

/// Every path of the API, for those who may use it.
pub(crate) fn routes(state: &AppState) -> Router<AppState> {
    let mut routes = Router::new();
    for (path, handler) in ENDPOINTS {
        for path in [Some(*path), path.strip_prefix(VERSION)]
            .into_iter()
            .flatten()
        {
            routes = routes.route(path, handler());
            if !path.ends_with(ANY) {
                routes = routes.route(&format!("{path}/"), handler());
            }
        }
    }
    let routes = routes
        .route("/v1", any(unknown_path))
        .route("/v1/", any(unknown_path))
        .route("/v1/{*path}", any(unknown_path))
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn(log_cause))
        .layer(from_fn_with_state(state.clone(), keys::gate));
    match state.access.origins.layer() {
        Some(origins) => routes.layer(origins),
        None => routes,
    }
}

/// A response that tells an error as the API does whose path this is.
pub(crate) fn in_its_form(path: &str, response: Response) -> Response {
    let below_version = path.strip_prefix(VERSION).unwrap_or(path);
    if path.strip_suffix('/').unwrap_or(path) == ollama::REMOVAL {
        ollama::told(response)
    } else if !owns(path) {
        response
    } else if below_version == "/messages" || below_version.starts_with("/messages/") {
        anthropic::told(response)
    } else if ollama::owns(path) {
        ollama::told(response)
    } else {
        response
    }
}

/// Whether a path is the API's, served or not: its clients read errors as JSON.
pub(crate) fn owns(path: &str) -> bool {
    let path = path.strip_suffix('/').unwrap_or(path);
    let is_at = |route: &str| match route.strip_suffix(ANY) {
        Some(folder) => path
            .strip_prefix(folder)
            .is_some_and(|id| id.starts_with('/')),
        None => path == route,
    };
    let mut routes = ENDPOINTS.iter().map(|(route, _)| route);
    path == VERSION
        || path.starts_with("/v1/")
        || routes.any(|route| is_at(route) || route.strip_prefix(VERSION).is_some_and(is_at))
}

/// Whether a request to the API may ask something of a model. What changes nothing does not.
pub(crate) fn asks_a_model(method: &Method, path: &str) -> bool {
    let path = path.strip_suffix('/').unwrap_or(path);
    let is_at = |aside: &str| path == aside || Some(path) == aside.strip_prefix(VERSION);
    !method.is_safe() && !ASIDE.into_iter().any(is_at)
}

/// Refuses what a program asks for where all else is the page's.
///
/// # Errors
/// The status and the reason, for [`in_its_form`].
pub(crate) fn check(request: &Request) -> Result<(), (StatusCode, String)> {
    ollama::refuse_removal(request.method(), request.uri().path())
}

/// Whether a program asks that reads errors as JSON, wherever it asks: pages say where they come from.
pub(crate) fn is_client(headers: &HeaderMap) -> bool {
    let is_json = |name| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.is_some_and(|value| value.contains("application/json"))
    };
    let is_page = headers.contains_key(ORIGIN) || headers.contains_key("sec-fetch-site");
    !is_page && (is_json(ACCEPT) || is_json(CONTENT_TYPE) || headers.contains_key(AUTHORIZATION))
}

/// Tells a client in JSON that there is nothing where it asks, as when its base URL lacks the `/v1`.
pub(crate) async fn hint(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let is_astray = !owns(&path) && is_client(request.headers());
    let response = next.run(request).await;
    match response.status() {
        StatusCode::NOT_FOUND if is_astray => ApiError::unknown_path(&path).into_response(),
        _ => response,
    }
}

/// Whose clients send a body.
#[cfg(any(test, fuzzing))]
#[derive(Clone, Copy)]
pub(crate) enum Clients {
    OpenAi,
    Anthropic,
    Ollama,
    Ops,
}

/// Reads a body as the engine would get it, for whoever sends any bytes.
#[cfg(any(test, fuzzing))]
pub(crate) fn read(
    clients: Clients,
    body: &[u8],
    generator: &std::sync::Arc<dyn crate::generator::Generator>,
) {
    let asker = asker::Asker::anybody(generator);
    let requests = match clients {
        Clients::OpenAi => openai::read(body, &asker),
        Clients::Anthropic => anthropic::read(body, &asker),
        Clients::Ollama => ollama::read(body, &asker),
        Clients::Ops => return ops::read(body, &asker),
    };
    for request in requests {
        let _ = request.check();
    }
}

async fn unknown_path(uri: Uri) -> ApiError {
    ApiError::unknown_path(uri.path())
}
