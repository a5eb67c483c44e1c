//! Who asks: requests of one address share its turn, and those of one key wherever they come from.
//!
//! Behind a proxy all come from the proxy's address, so where that is of this machine or a private network, the last entry
//! of `X-Forwarded-For` counts, which such a proxy writes. Whoever lies in it gains a turn, and nothing else.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
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

    #[test]
    fn without_a_connection_all_are_one() {
        let found = caller(&Extensions::new(), &HeaderMap::new());
        assert_eq!(found, Caller::default());
    }
}
