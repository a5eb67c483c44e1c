//! Heads that two readers may read in two ways, and requests that are too large whatever they ask for.
//!
//! hyper has parsed the head by now, and refused by a status alone what is no HTTP or several times over these limits.

use axum::extract::Request;
use axum::http::header::{self, HeaderMap, HeaderName};
use axum::http::uri::PathAndQuery;
use axum::http::{Method, StatusCode, Uri, Version};

use crate::api::MAX_BODY_BYTES;
use crate::pages::takes_files;

/// Browsers send some 20, and proxies add some 10.
const MOST_HEADERS: usize = 100;
/// Of names and values. Other servers of a developer's machine, whose cookies come here too, take no more.
const HEADER_BYTES: usize = 16 * 1024;

/// Of a path with its query: no page and no route has a long one.
const ADDRESS_BYTES: usize = 8 * 1024;

/// # Errors
/// The status, and what is wrong.
pub(super) fn check(request: &Request) -> Result<(), (StatusCode, String)> {
    let headers = request.headers();
    check_address(request.uri())?;
    check_size(headers)?;
    if headers.get_all(header::HOST).iter().count() > 1 {
        return bad("`Host` is given more than once".to_owned());
    }
    check_authority(request)?;
    let encodings = headers.get_all(header::TRANSFER_ENCODING);
    let coded = |value: &[u8]| !value.eq_ignore_ascii_case(b"chunked");
    if encodings.iter().count() > 1 || encodings.iter().any(|value| coded(value.as_bytes())) {
        return bad("`Transfer-Encoding` must be `chunked` and nothing else".to_owned());
    }
    let is_path = request.uri().path().starts_with('/');
    if !is_path || request.method() == Method::CONNECT {
        let method = request.method();
        return bad(format!(
            "{method} is answered for paths only, which begin with `/`"
        ));
    }
    // Too large a form is answered by a page that says so.
    if takes_files(request) {
        return Ok(());
    }
    check_length(headers)
}

fn bad(reason: String) -> Result<(), (StatusCode, String)> {
    Err((StatusCode::BAD_REQUEST, reason))
}

/// In HTTP/2 the name may stand in two places. In HTTP/1.1 both are looked up (`hosts.rs`).
fn check_authority(request: &Request) -> Result<(), (StatusCode, String)> {
    let host = request.headers().get(header::HOST);
    match (host, request.uri().authority()) {
        (Some(host), Some(authority))
            if request.version() == Version::HTTP_2
                && !host
                    .as_bytes()
                    .eq_ignore_ascii_case(authority.as_str().as_bytes()) =>
        {
            bad("`:authority` and `Host` are not the same".to_owned())
        }
        _ => Ok(()),
    }
}

fn check_address(address: &Uri) -> Result<(), (StatusCode, String)> {
    let path = address.path_and_query().map_or("", PathAndQuery::as_str);
    let bytes = path.len();
    if bytes <= ADDRESS_BYTES {
        return Ok(());
    }
    let reason = format!("the address has {bytes} bytes, and may have at most {ADDRESS_BYTES}");
    Err((StatusCode::URI_TOO_LONG, reason))
}

fn check_size(headers: &HeaderMap) -> Result<(), (StatusCode, String)> {
    let bytes_of = |(name, value): (&HeaderName, &header::HeaderValue)| {
        name.as_str().len() + value.as_bytes().len()
    };
    let bytes: usize = headers.iter().map(bytes_of).sum();
    let reason = if headers.len() > MOST_HEADERS {
        format!(
            "the request has {} headers, and may have at most {MOST_HEADERS}",
            headers.len()
        )
    } else if bytes > HEADER_BYTES {
        format!("the headers have {bytes} bytes, and may have at most {HEADER_BYTES}")
    } else {
        return Ok(());
    };
    Err((StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, reason))
}

/// By what the head says, before any of the body has come.
fn check_length(headers: &HeaderMap) -> Result<(), (StatusCode, String)> {
    let length = headers.get(header::CONTENT_LENGTH);
    let length: Option<u64> = length.and_then(|length| length.to_str().ok()?.parse().ok());
    match length.filter(|length| *length > MAX_BODY_BYTES as u64) {
        None => Ok(()),
        Some(length) => Err((
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body has {length} bytes, and may have at most {MAX_BODY_BYTES}"),
        )),
    }
}
