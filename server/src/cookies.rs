//! Cookies: what a browser sends back of them, and one to keep that no script and no other site can use.

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};
use cookie::time::Duration;
use cookie::{Cookie, SameSite};

/// As long as browsers keep a cookie, in seconds.
pub(crate) const LONGEST: i64 = 400 * 24 * 60 * 60;

/// The values under this name, of which browsers may send several.
pub(crate) fn values<'h>(headers: &'h HeaderMap, name: &str) -> impl Iterator<Item = &'h str> {
    let cookies = headers.get_all(COOKIE).into_iter();
    cookies
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(Cookie::split_parse)
        .filter_map(Result::ok)
        .filter(move |cookie| cookie.name() == name)
        .filter_map(|cookie| cookie.value_raw())
}

/// A cookie for so many seconds, in the answer to a request with these headers; over TLS it is never sent without. The
/// value has no character that would have to be quoted.
pub(crate) fn keep(headers: &HeaderMap, name: &str, value: &str, seconds: i64) -> HeaderValue {
    let cookie = Cookie::build((name, value))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .max_age(Duration::seconds(seconds))
        .secure(came_over_tls(headers));
    HeaderValue::from_str(&cookie.to_string()).expect("names and values are plain ASCII")
}

/// As the proxy says that ends TLS. Whoever lies in it makes a cookie of their own useless, and nothing else.
fn came_over_tls(headers: &HeaderMap) -> bool {
    let scheme = headers.get_all("x-forwarded-proto").iter().next_back();
    scheme.is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_found_by_name_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, "a=1; b=2;a=3".parse().unwrap());
        headers.append(COOKIE, "=; ;; a".parse().unwrap());
        headers.append(COOKIE, "a=4".parse().unwrap());
        headers.append(COOKIE, HeaderValue::from_bytes(b"a=\xff").unwrap());
        assert_eq!(values(&headers, "a").collect::<Vec<_>>(), ["1", "3", "4"]);
    }

    #[test]
    fn scripts_and_other_sites_cannot_use_a_cookie() {
        let cookie = keep(&HeaderMap::new(), "a", "b", 7);
        let mut parts: Vec<_> = cookie.to_str().unwrap().split("; ").collect();
        parts.sort_unstable();
        let wanted = ["HttpOnly", "Max-Age=7", "Path=/", "SameSite=Lax", "a=b"];
        assert_eq!(parts, wanted);
    }

    #[test]
    fn what_came_over_tls_never_goes_without() {
        for (schemes, secure) in [
            (&["https"][..], true),
            (&["HTTPS"], true),
            (&["http"], false),
            (&["https", "http"], false),
        ] {
            let mut headers = HeaderMap::new();
            for scheme in schemes {
                headers.append("x-forwarded-proto", scheme.parse().unwrap());
            }
            let cookie = keep(&headers, "a", "b", 7);
            assert_eq!(
                cookie.to_str().unwrap().contains("; Secure"),
                secure,
                "{schemes:?}"
            );
        }
    }
}
