//! In front of every route: what is open to all is named here, and all else is for those who are signed in, so that no new
//! route can be forgotten.

use axum::extract::{Request, State};
use axum::http::header::LOCATION;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use form_urlencoded::Serializer;
use nibble_app::LANGUAGE;

use crate::reader::wants_html;
use crate::state::AppState;
use crate::{api, assets, language};

/// Where the form is, and where it is sent.
pub(crate) const SIGN_IN: &str = "/sign-in";
pub(crate) const SIGN_OUT: &str = "/sign-out";

/// What a browser shows where the server cannot be reached, and keeps from its first visit on.
const OFFLINE: &str = "/offline";

/// Marks the requests of those who are signed in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SignedIn;

/// Lets through what is open, and who is signed in.
pub(crate) async fn gate(
    State(state): State<AppState>,
    mut request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    let Some(sign_in) = &state.sign_in else {
        if path == SIGN_IN {
            return lead("/");
        }
        return next.run(request).await;
    };
    if sign_in.knows(request.headers()) {
        if path == SIGN_IN && request.method() == Method::GET {
            return lead("/");
        }
        request.extensions_mut().insert(SignedIn);
    } else if !is_open(path) {
        return refusal(&request);
    }
    next.run(request).await
}

fn is_open(path: &str) -> bool {
    [SIGN_IN, OFFLINE, LANGUAGE].contains(&path) || api::owns(path) || assets::owns(path)
}

/// Who reads a page is led to the form, and from there to the page.
fn refusal(request: &Request) -> Response {
    if !wants_html(request.headers()) || request.method() != Method::GET {
        let t = language::of(request.headers());
        let reason = format!("{}\n", t.sign_in_first(SIGN_IN));
        return (StatusCode::UNAUTHORIZED, reason).into_response();
    }
    let path = request.uri().path_and_query();
    let path = path.map_or("/", |path| path.as_str());
    if path == "/" {
        return lead(SIGN_IN);
    }
    let mut wanted = Serializer::new(String::new());
    wanted.append_pair("next", path);
    lead(&format!("{SIGN_IN}?{}", wanted.finish()))
}

pub(crate) fn lead(to: &str) -> Response {
    (StatusCode::SEE_OTHER, [(LOCATION, to.to_owned())]).into_response()
}

/// An address of ours that somebody may be led to: a path, and nothing that browsers take for another site.
pub(crate) fn within_site(next: &str) -> &str {
    let is_plain = next
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let is_path = next.starts_with('/') && !next.starts_with("//");
    if is_plain && is_path { next } else { "/" }
}
