//! What the hub's answers mean, in words that say what to do.

use std::io;

use ureq::http::{Response, StatusCode};
use ureq::typestate::WithoutBody;
use ureq::{Body, RequestBuilder};

use super::client::{Client, header};
use super::patience::{Trouble, wait};

impl Client {
    /// An answer that has what was asked for; what has not is put into words.
    pub(super) fn call(
        &self,
        request: RequestBuilder<WithoutBody>,
        repository: &str,
        file: Option<&str>,
    ) -> Result<Response<Body>, Trouble> {
        let response = request.call().map_err(|error| self.unreachable(&error))?;
        self.reached.set(true);
        let status = response.status();
        if status.is_success() || status == StatusCode::RANGE_NOT_SATISFIABLE {
            return Ok(response);
        }
        let code = header(&response, "x-error-code");
        let page = format!("{}/{repository}", self.endpoint);
        let what = file.map_or_else(
            || format!("`{repository}`"),
            |file| format!("`{file}` of `{repository}`"),
        );
        let why = match (status.as_u16(), code) {
            (404, Some("RevisionNotFound")) => "it has no such revision".to_owned(),
            (401 | 403 | 404, Some("RepoNotFound")) => self.missing(repository),
            (401 | 403, _) => self.gated(&page),
            (404, _) if file.is_some() => format!("{} has no {what}", self.endpoint),
            (404, _) => self.missing(repository),
            (429, _) => {
                let why = format!("{} limits how much is asked (status 429)", self.endpoint);
                return Err(Trouble::passing(why).wait_for(wait(&response)));
            }
            (status @ (408 | 500..), _) => {
                let why = format!("{} answered with status {status} for {what}", self.endpoint);
                return Err(Trouble::passing(why).wait_for(wait(&response)));
            }
            (status, _) => format!("{} answered with status {status} for {what}", self.endpoint),
        };
        Err(Trouble::Final(why))
    }

    fn gated(&self, page: &str) -> String {
        match &self.token {
            None => format!(
                "it is gated or private: accept its licence at {page}, and set `HF_TOKEN` to a token of that account"
            ),
            Some(_) => format!(
                "the token that is set may not read it: accept its licence at {page} with the account of the token, \
                 and let the token read gated repositories"
            ),
        }
    }

    fn missing(&self, repository: &str) -> String {
        let private = match &self.token {
            None => "; a private one needs a token in `HF_TOKEN`",
            Some(_) => " that the token may see",
        };
        format!(
            "{} has no repository `{repository}`{private}",
            self.endpoint
        )
    }

    /// The first failure is final, so that who has no network need not wait; later ones may pass.
    fn unreachable(&self, error: &ureq::Error) -> Trouble {
        let why = match error {
            ureq::Error::Http(error) => {
                return Trouble::Final(format!(
                    "`HF_ENDPOINT` or `HF_TOKEN` has characters that it must not have: {error}"
                ));
            }
            ureq::Error::BadUri(why) => {
                return Trouble::Final(format!("`HF_ENDPOINT` is no address: {why}"));
            }
            ureq::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                "the connection was closed".to_owned()
            }
            other => other.to_string(),
        };
        let why = format!("{} cannot be reached: {why}", self.endpoint);
        match self.reached.get() {
            true => Trouble::passing(why),
            false => Trouble::Final(why),
        }
    }
}
