//! By which names the server may be asked. A site whose name was pointed at this machine's address (DNS rebinding) is of the
//! same origin as we are, by all that a browser knows; only the name tells it apart.
//!
//! Names that no site can have are known: addresses, `localhost` and names below it, which browsers resolve by themselves.
//! Names below `local` and `internal` are in no public DNS, but a hostile network may answer for them; they are taken from
//! programs that use the API, for a browser says where a request comes from that changes something.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, StatusCode};

use crate::api;
use crate::origins::Origins;
use crate::state::AppState;

const LOCAL: [&str; 1] = ["localhost"];
const PRIVATE: [&str; 2] = ["local", "internal"];

/// Of the header, and of the request's first line where there is one.
///
/// # Errors
/// The status, and the name that is not known with the option that makes it so.
pub(super) fn check(request: &Request, state: &AppState) -> Result<(), (StatusCode, String)> {
    let headers = request.headers();
    let host = headers.get(HOST);
    let Some(host) = host.and_then(|host| host.to_str().ok()) else {
        return Err((
            StatusCode::BAD_REQUEST,
            "the `Host` header is missing or is not text".to_owned(),
        ));
    };
    let takes_private =
        api::owns(request.uri().path()) && is_of_program(headers, &state.access.origins);
    let is_known = |name: &&str| {
        let name = name.strip_suffix('.').unwrap_or(name);
        is_own(name, &state.settings.allowed_hosts) || (takes_private && is_below(name, &PRIVATE))
    };
    let mut named = [Some(without_port(host)), request.uri().host()]
        .into_iter()
        .flatten();
    match named.find(|name| !is_known(name)) {
        None => Ok(()),
        Some(name) => Err((
            StatusCode::MISDIRECTED_REQUEST,
            format!(
                "this server does not answer for the host `{name}`: allow it with `--allowed-host {name}` or in \
                 `NIBBLE_ALLOWED_HOSTS`"
            ),
        )),
    }
}

fn is_own(name: &str, allowed: &[String]) -> bool {
    let address = name.trim_start_matches('[').trim_end_matches(']');
    address.parse::<IpAddr>().is_ok()
        || is_below(name, &LOCAL)
        || name.eq_ignore_ascii_case(LOCAL[0])
        || allowed
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(name))
}

/// Whether a name ends in one of these labels, and has others before.
fn is_below(name: &str, labels: &[&str]) -> bool {
    let parts = name.rsplit_once('.');
    parts.is_some_and(|(rest, last)| {
        !rest.is_empty() && labels.iter().any(|label| label.eq_ignore_ascii_case(last))
    })
}

/// Whether no page of a browser can have sent it, except one that may: scripts of other sites cannot leave these headers out
/// where they post something.
fn is_of_program(headers: &HeaderMap, origins: &Origins) -> bool {
    match headers.get(ORIGIN) {
        Some(origin) => origins.allow(origin),
        None => !headers.contains_key("sec-fetch-site"),
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests;
