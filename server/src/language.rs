//! In which language a request is answered: the one that was chosen on a page, else the one that its browser prefers.

use axum::extract::Request;
use axum::http::header::{ACCEPT_LANGUAGE, VARY};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use nibble_app::language::Language;

use crate::cookies;

const NAME: &str = "nibble_language";

/// The language of a request.
pub(crate) fn of(headers: &HeaderMap) -> Language {
    let chosen = cookies::values(headers, NAME).find_map(Language::tagged);
    chosen.unwrap_or_else(|| {
        let accepted = headers.get_all(ACCEPT_LANGUAGE).into_iter();
        let accepted: Vec<_> = accepted.filter_map(|list| list.to_str().ok()).collect();
        preferred(&accepted.join(","))
    })
}

/// What keeps a choice in a browser, in the response to a request with these headers.
pub(crate) fn cookie(headers: &HeaderMap, chosen: Language) -> HeaderValue {
    cookies::keep(headers, NAME, chosen.tag(), cookies::LONGEST)
}

/// The language with the greatest weight in a list such as `zh-CN, zh;q=0.9, en;q=0.8` (RFC 9110, section 12.5.4), of several
/// the first. `*` is for whoever takes any, who gets English; weights that are none count nothing.
fn preferred(accepted: &str) -> Language {
    let mut best = (Language::default(), 0.0);
    for range in accepted.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let tag = parts.next().unwrap_or_default();
        let language = match tag {
            "*" => Some(Language::default()),
            tag => Language::serving(tag),
        };
        let weight = parts.find_map(|part| {
            part.strip_prefix(['q', 'Q'])?
                .trim_start()
                .strip_prefix('=')
        });
        let weight: f32 = weight.map_or(1.0, |weight| weight.trim().parse().unwrap_or(0.0));
        if let Some(language) = language
            && weight > best.1
        {
            best = (language, weight);
        }
    }
    best.0
}

/// Says of what a page tells that it depends on who asks.
pub(crate) async fn vary(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let value = HeaderValue::from_static("Accept-Language, Cookie");
    response.headers_mut().append(VARY, value);
    response
}

#[cfg(test)]
mod tests {
    use axum::http::header::COOKIE;

    use super::*;

    #[test]
    fn the_language_with_the_greatest_weight_wins() {
        for (accepted, language) in [
            ("", Language::English),
            ("zh", Language::Chinese),
            ("zh-CN,zh;q=0.9,en;q=0.8", Language::Chinese),
            ("zh-Hans", Language::Chinese),
            ("zh-TW, en;q=0.5", Language::Chinese),
            ("en-US,en;q=0.9,zh;q=0.8", Language::English),
            ("zh;q=0.8, en;q=0.9", Language::English),
            ("zh; q=0.9 , en;Q=0.8", Language::Chinese),
            ("de, fr;q=0.9, zh;q=0.1", Language::Chinese),
            ("de", Language::English),
            ("*", Language::English),
            ("*;q=0.5, zh", Language::Chinese),
            ("zh;q=0, *", Language::English),
            ("zh;q=high, en;q=0.1", Language::English),
            ("zh;q=NaN", Language::English),
            (";;,=,q=1", Language::English),
        ] {
            assert_eq!(preferred(accepted), language, "{accepted}");
        }
    }

    #[test]
    fn what_was_chosen_goes_before_what_is_preferred() {
        let mut headers = HeaderMap::new();
        headers.append(ACCEPT_LANGUAGE, HeaderValue::from_static("de"));
        headers.append(ACCEPT_LANGUAGE, HeaderValue::from_static("zh"));
        assert_eq!(of(&headers), Language::Chinese);
        headers.insert(COOKIE, HeaderValue::from_static("nibble_language=en"));
        assert_eq!(of(&headers), Language::English);
        headers.insert(COOKIE, HeaderValue::from_static("nibble_language=tlh"));
        assert_eq!(of(&headers), Language::Chinese);
    }
}
