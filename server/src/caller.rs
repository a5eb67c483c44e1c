//! Who asks: requests of one address share its turn, and those of one key wherever they come from.
//!
//! Behind a proxy all come from the proxy's address, so where that is of this machine or a private network, the last entry
//! of `X-Forwarded-For` counts, which such a proxy writes. Whoever lies in it gains a turn, and nothing else.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header::{HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap};
use nibble_engine::Caller;

use crate::keys::Key;

/// The caller of a request, as an extractor.
pub(crate) struct CalledBy(pub(crate) Caller);

impl<S: Sync> FromRequestParts<S> for CalledBy {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(caller(&parts.extensions, &parts.headers)))
    }
}

/// The caller of a request with these headers, which came over a connection that says from where.
pub(crate) fn caller(extensions: &Extensions, headers: &HeaderMap) -> Caller {
    if let Some(key) = extensions.get::<Arc<Key>>() {
        return key.caller();
    }
    let connection = extensions.get::<ConnectInfo<SocketAddr>>();
    connection.map_or_else(Caller::default, |ConnectInfo(peer)| {
        let peer = peer.ip().to_canonical();
        let forwarded = is_near(peer).then(|| forwarded_for(headers)).flatten();
        Caller(number(forwarded.unwrap_or(peer)))
    })
}

/// What proxies say of those for whom they ask; who asks by one may be anywhere.
const OF_PROXIES: [&str; 7] = [
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-server",
    "x-real-ip",
];

/// Whether a request comes from a person at this machine, as far as it can tell: over a connection from here, by a name of
/// here, and with no word of a proxy. One that rewrites the name and says nothing of itself is not told apart.
pub(crate) fn is_here(extensions: &Extensions, headers: &HeaderMap) -> bool {
    let connection = extensions.get::<ConnectInfo<SocketAddr>>();
    let from_here =
        connection.is_some_and(|ConnectInfo(peer)| peer.ip().to_canonical().is_loopback());
    let is_forwarded = OF_PROXIES.iter().any(|name| headers.contains_key(*name));
    // A browser names the site that a form was on, which behind a proxy is the proxy's.
    let mut named = headers.get_all(HOST).iter().chain(headers.get_all(ORIGIN));
    let is_named_here = named.all(|name| name.to_str().is_ok_and(is_name_of_here));
    from_here && !is_forwarded && is_named_here
}

/// `localhost`, a name below it or an address of this machine, with a port or a scheme or both.
fn is_name_of_here(name: &str) -> bool {
    let name = name.split_once("://").map_or(name, |(_, name)| name);
    let host = match name.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => name,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let host = host.to_ascii_lowercase();
    match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

fn is_near(peer: IpAddr) -> bool {
    match peer {
        IpAddr::V4(peer) => peer.is_loopback() || peer.is_private(),
        IpAddr::V6(peer) => peer.is_loopback() || peer.is_unique_local(),
    }
}

fn forwarded_for(headers: &HeaderMap) -> Option<IpAddr> {
    let mut values = headers.get_all("x-forwarded-for").iter();
    let last = values.next_back()?.to_str().ok()?.rsplit(',').next()?;
    last.trim().parse().ok()
}

/// A number for each address; of IPv6 for each network of 64 bits, which one customer has.
pub(crate) fn number(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(address) => u64::from(address.to_bits()),
        IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    fn caller_of(peer: &str, forwarded: &[&str]) -> Caller {
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 1)));
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        caller(&extensions, &headers)
    }

    #[test]
    fn a_caller_is_an_address_or_a_network_of_ipv6() {
        assert_eq!(
            caller_of("192.0.2.1", &[]),
            caller_of("::ffff:192.0.2.1", &[])
        );
        assert_ne!(caller_of("192.0.2.1", &[]), caller_of("192.0.2.2", &[]));
        assert_eq!(caller_of("2001:db8::1", &[]), caller_of("2001:db8::2", &[]));
        assert_ne!(
            caller_of("2001:db8::1", &[]),
            caller_of("2001:db8:0:1::1", &[])
        );
    }

    #[test]
    fn what_is_forwarded_counts_from_a_near_proxy_alone() {
        let direct = caller_of("192.0.2.1", &[]);
        let forwarded = ["203.0.113.9, 192.0.2.7", "192.0.2.1"];
        assert_eq!(caller_of("127.0.0.1", &forwarded), direct);
        assert_eq!(caller_of("172.18.0.3", &["203.0.113.9, 192.0.2.1"]), direct);
        assert_eq!(caller_of("192.0.2.1", &["203.0.113.9"]), direct);
        assert_eq!(
            caller_of("10.0.0.1", &["no address"]),
            caller_of("10.0.0.1", &[])
        );
    }

    /// Whether a request from a peer with these headers is one from here.
    fn here(peer: &str, headers: &[(&'static str, &str)]) -> bool {
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 1)));
        let headers = headers.iter().map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (name, value.parse().unwrap())
        });
        is_here(&extensions, &headers.collect())
    }

    #[test]
    fn who_asks_by_a_proxy_or_by_another_name_is_not_here() {
        for host in [
            "localhost:3000",
            "127.0.0.1",
            "[::1]:3000",
            "nibble.localhost",
        ] {
            for peer in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
                assert!(here(peer, &[("host", host)]), "{peer} {host}");
            }
            assert!(!here("192.168.0.2", &[("host", host)]), "{host}");
        }
        for name in OF_PROXIES {
            let headers = [("host", "localhost"), (name, "127.0.0.1")];
            assert!(!here("127.0.0.1", &headers), "{name}");
        }
        for host in ["chat.example", "192.168.0.2:3000", "localhost.example", ""] {
            assert!(!here("127.0.0.1", &[("host", host)]), "{host}");
        }
        let origin = |origin| [("host", "127.0.0.1:3000"), ("origin", origin)];
        assert!(here("127.0.0.1", &origin("http://127.0.0.1:3000")));
        assert!(!here("127.0.0.1", &origin("https://chat.example")));
        assert!(!here("127.0.0.1", &origin("null")));
        assert!(!is_here(&Extensions::new(), &HeaderMap::new()));
    }

    #[test]
    fn without_a_connection_all_are_one() {
        let found = caller(&Extensions::new(), &HeaderMap::new());
        assert_eq!(found, Caller::default());
    }
}
