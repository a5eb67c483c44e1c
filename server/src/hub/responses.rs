//! What the hub's responses mean, in words that say what to do.

use std::io;
use std::time::Duration;

use ureq::Body;
use ureq::http::{Response, StatusCode};

use super::retry::AttemptError;

/// What was asked, for messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    pub(super) endpoint: &'a str,
    pub(super) has_token: bool,
    pub(super) repository: &'a str,
    /// None where the repository's listing was asked for.
    pub(super) file: Option<&'a str>,
}

impl Question<'_> {
    /// A response that has what was asked for; what has not is put into words.
    pub(super) fn check(self, response: Response<Body>) -> Result<Response<Body>, AttemptError> {
        let status = response.status();
        if status.is_success() || status == StatusCode::RANGE_NOT_SATISFIABLE {
            return Ok(response);
        }
        let Self {
            endpoint,
            repository,
            file,
            ..
        } = self;
        let code = header(&response, "x-error-code");
        let what = file.map_or_else(
            || format!("`{repository}`"),
            |file| format!("`{file}` of `{repository}`"),
        );
        let reason = match (status.as_u16(), code) {
            (404, Some("RevisionNotFound")) => "it has no such revision".to_owned(),
            (401 | 403 | 404, Some("RepoNotFound")) => self.missing(),
            (401 | 403, _) => self.gated(),
            (404, _) if file.is_some() => format!("{endpoint} has no {what}"),
            (404, _) => self.missing(),
            (429, _) => {
                let reason = format!("{endpoint} limits how much is asked (status 429)");
                return Err(AttemptError::transient(reason).retry_after(retry_after(&response)));
            }
            (status @ (408 | 500..), _) => {
                let reason = format!("{endpoint} answered with status {status} for {what}");
                return Err(AttemptError::transient(reason).retry_after(retry_after(&response)));
            }
            (status, _) => format!("{endpoint} answered with status {status} for {what}"),
        };
        Err(AttemptError::Permanent(reason))
    }

    fn gated(self) -> String {
        let page = format!("{}/{}", self.endpoint, self.repository);
        match self.has_token {
            false => format!(
                "it is gated or private: accept its licence at {page}, and set `HF_TOKEN` to a token of that account"
            ),
            true => format!(
                "the token that is set may not read it: accept its licence at {page} with the account of the token, \
                 and let the token read gated repositories"
            ),
        }
    }

    fn missing(self) -> String {
        let private = match self.has_token {
            false => "; a private one needs a token in `HF_TOKEN`",
            true => " that the token may see",
        };
        format!(
            "{} has no repository `{}`{private}",
            self.endpoint, self.repository
        )
    }

    /// The first failure is final, so that who has no network need not wait; once the hub was reached it may pass.
    pub(super) fn unreachable(self, error: &ureq::Error, was_reached: bool) -> AttemptError {
        let reason = match error {
            ureq::Error::Http(error) => {
                return AttemptError::Permanent(format!(
                    "`HF_ENDPOINT` or `HF_TOKEN` has characters that it must not have: {error}"
                ));
            }
            ureq::Error::BadUri(why) => {
                return AttemptError::Permanent(format!("`HF_ENDPOINT` is no address: {why}"));
            }
            ureq::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                "the connection was closed".to_owned()
            }
            other => other.to_string(),
        };
        let reason = format!("{} cannot be reached: {reason}", self.endpoint);
        match was_reached {
            true => AttemptError::transient(reason),
            false => AttemptError::Permanent(reason),
        }
    }
}

fn header<'a>(response: &'a Response<Body>, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

/// How long the hub asks to be left alone: in seconds by `Retry-After`, or by `RateLimit` as `...;t=30`.
fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let seconds = header(response, "retry-after").and_then(|text| text.trim().parse().ok());
    let limit = || {
        let mut fields = header(response, "ratelimit")?.split(';').map(str::trim);
        fields
            .find_map(|field| field.strip_prefix("t="))?
            .parse()
            .ok()
    };
    seconds.or_else(limit).map(Duration::from_secs)
}

/// Where the body starts, and how long the whole file is; of an unsatisfiable range only the latter.
pub(super) fn range(response: &Response<Body>) -> Option<(u64, u64)> {
    let (range, all) = header(response, "content-range")?
        .strip_prefix("bytes ")?
        .split_once('/')?;
    let start = range
        .split_once('-')
        .map_or(Ok(0), |(start, _)| start.parse());
    Some((start.ok()?, all.parse().ok()?))
}
