//! Who reads and writes conversations: a browser is known by a random cookie, of which the store sees only a digest.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::header::SET_COOKIE;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderValue};
use axum::response::Response;
use nibble_app::domain::Id;
use nibble_app::visitor::{Owner, Visitor};
use sha2::{Digest, Sha256};

use crate::caller::{caller, is_here};
use crate::cookies;
use crate::language;
use crate::sign_in::SignedIn;

const NAME: &str = "nibble";

/// Whose the conversations of all are who have the password: no digest of a cookie that anybody could choose.
const SHARED: Owner = Owner(*b"who is signed in");

/// A visitor, and the cookie to give to one that is new.
pub(crate) struct Visiting {
    pub(crate) visitor: Visitor,
    fresh: Option<HeaderValue>,
}

impl Visiting {
    pub(crate) fn new(extensions: &Extensions, headers: &HeaderMap) -> Self {
        let (caller, language) = (caller(extensions, headers).0, language::of(headers));
        let is_here = is_here(extensions, headers);
        if extensions.get::<SignedIn>().is_some() {
            let visitor = Visitor {
                caller,
                owner: SHARED,
                language,
                signed_in: true,
                is_here,
            };
            let fresh = None;
            return Self { visitor, fresh };
        }
        let known = known(headers);
        let key = known.unwrap_or_else(|| Id(rand::random()));
        let visitor = Visitor {
            caller,
            owner: owner(key),
            language,
            signed_in: false,
            is_here,
        };
        Self {
            visitor,
            fresh: known
                .is_none()
                .then(|| cookies::keep(headers, NAME, &key.to_string(), cookies::LONGEST)),
        }
    }

    /// Makes a new visitor known from now on.
    pub(crate) fn remember(self, response: &mut Response) {
        if let Some(cookie) = self.fresh {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Visiting {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::new(&parts.extensions, &parts.headers))
    }
}

fn known(headers: &HeaderMap) -> Option<Id> {
    cookies::values(headers, NAME).find_map(|key| key.parse().ok())
}

fn owner(key: Id) -> Owner {
    let digest = Sha256::digest(key.to_string());
    let mut owner = Owner::default();
    owner.0.copy_from_slice(&digest[..16]);
    owner
}

#[cfg(test)]
mod tests {
    use axum::http::header::COOKIE;

    use super::*;

    fn visiting(cookies: &[&str]) -> Visiting {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(COOKIE, cookie.parse().unwrap());
        }
        Visiting::new(&Extensions::new(), &headers)
    }

    #[test]
    fn a_browser_is_known_by_its_cookie_among_others() {
        let key = Id(7);
        let cookies = format!("a=b; nibble={key}");
        let (once, again) = (visiting(&[&cookies]), visiting(&["c=d", &cookies]));
        assert_eq!(once.visitor, again.visitor);
        assert!(once.fresh.is_none());
        assert_ne!(once.visitor.owner.to_string(), key.to_string());
    }

    #[test]
    fn who_has_no_cookie_that_was_given_gets_one() {
        let others = [visiting(&[]), visiting(&["nibble=guess"]), visiting(&[])];
        assert!(others.iter().all(|visiting| visiting.fresh.is_some()));
        assert_ne!(others[0].visitor.owner, others[2].visitor.owner);
    }
}
