//! Sites whose scripts may use the API from a browser. None may, unless it is named.
//!
//! No answer ever allows credentials: the API knows nobody by a cookie, and a key is sent by the script that has it.

use std::str::FromStr;
use std::time::Duration;

use axum::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ALLOW, CONTENT_LENGTH, RETRY_AFTER,
    VARY, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

/// How long a browser may remember what it was told.
const REMEMBERED: Duration = Duration::from_secs(60 * 60);

/// What scripts may read of an answer beside its body.
const EXPOSED: [HeaderName; 11] = [
    ALLOW,
    CONTENT_LENGTH,
    RETRY_AFTER,
    WWW_AUTHENTICATE,
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-limit-tokens"),
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-remaining-tokens"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
    HeaderName::from_static("x-ratelimit-reset-tokens"),
];

/// What stands for no origin: documents in a sandbox and files, of which anybody can make one.
const NOBODY: &str = "null";

/// One that may, as the command line names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Whoever asks and says who that is: not `null`.
    Any,
    /// This one, in the bytes of the header.
    Is(String),
    /// All of a scheme such as `vscode-webview`, which gives each page a name of its own.
    Scheme(String),
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.to_ascii_lowercase();
        if text == "*" {
            return Ok(Self::Any);
        }
        if text == NOBODY {
            return Ok(Self::Is(text));
        }
        let is_scheme = |scheme: &str| {
            let mut bytes = scheme.bytes();
            bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic())
                && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        };
        let has_names = |scheme: &str| !matches!(scheme, "http" | "https");
        let whole = text.strip_suffix("://*").or(text.strip_suffix(':'));
        if let Some(scheme) = whole.filter(|scheme| is_scheme(scheme) && has_names(scheme)) {
            return Ok(Self::Scheme(scheme.to_owned()));
        }
        let Some((_, name)) = text
            .split_once("://")
            .filter(|(scheme, _)| is_scheme(scheme))
        else {
            return Err("must be `SCHEME://NAME[:PORT]`, `SCHEME:` for all of one that is not of the web, `null` or `*`".to_owned());
        };
        let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:[]".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_of_name) {
            return Err(
                "must have a name behind `://`, and nothing behind that: no path, and no `*` in a name".to_owned(),
            );
        }
        Ok(Self::Is(text))
    }
}

impl Origin {
    fn is(&self, sent: &[u8]) -> bool {
        match self {
            Self::Any => sent != NOBODY.as_bytes(),
            Self::Is(origin) => sent == origin.as_bytes(),
            Self::Scheme(scheme) => {
                let rest = sent.strip_prefix(scheme.as_bytes());
                rest.is_some_and(|rest| rest.starts_with(b"://"))
            }
        }
    }
}

/// Those that may.
#[derive(Clone, Debug, Default)]
pub struct Origins(Vec<Origin>);

impl Origins {
    /// These, and no others.
    #[must_use]
    pub fn new(origins: Vec<Origin>) -> Self {
        Self(origins)
    }

    /// Whether this one may, by the bytes of its header.
    pub(crate) fn allow(&self, origin: &HeaderValue) -> bool {
        self.0.iter().any(|allowed| allowed.is(origin.as_bytes()))
    }

    /// What tells browsers, and answers what they ask before they send something; nothing where no site may.
    pub(crate) fn layer(&self) -> Option<CorsLayer> {
        if self.0.is_empty() {
            return None;
        }
        let origins = self.clone();
        let layer = CorsLayer::new()
            // Each by its name: `*` would be for `null` too.
            .allow_origin(AllowOrigin::predicate(move |origin, _| {
                origins.allow(origin)
            }))
            .allow_methods([Method::GET, Method::POST])
            // `*` would leave out `Authorization`.
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers(EXPOSED)
            .max_age(REMEMBERED);
        Some(layer)
    }

    /// Lets a site that may ask read an answer that did not come through [`Self::layer`].
    pub(crate) fn tell(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        let allowed = origin.filter(|origin| self.allow(origin));
        let Some(origin) = allowed.filter(|_| !headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN))
        else {
            return;
        };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.append(VARY, HeaderValue::from_static("origin"));
        let exposed = EXPOSED.map(|name| name.to_string()).join(",");
        if let Ok(exposed) = HeaderValue::try_from(exposed) {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
    }
}

#[cfg(test)]
mod tests;
