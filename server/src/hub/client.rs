//! The hub's side of a fetch: what a repository has, and its files' bytes.
//!
//! The `hf-hub` crate builds the addresses, reads the listing and knows where a token is kept. It does not receive the
//! files. Tried against a stand-in, its download (version 0.5.0) sends the token to the host that the hub redirects to,
//! keeps a body that is shorter than it said, appends a whole file to its beginning when a server ignores the range, and
//! compares no hash; version 1.0.0 brings 81 more crates, among them a second HTTP client.

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use hf_hub::api::sync::{ApiBuilder, ApiRepo};
use hf_hub::{Repo, RepoType};
use serde::Deserialize;
use ureq::config::RedirectAuthHeaders;
use ureq::http::{Response, StatusCode};
use ureq::typestate::WithoutBody;
use ureq::{Agent, Body, RequestBuilder};

use super::cancel::Cancel;
use super::environment::cache;
use super::progress::Progress;
use super::receive::{Download, Receiver};
use super::reference::HubModel;
use super::responses::{Question, range};
use super::retry::{AttemptError, RetryPolicy};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Of the answer's head, and of each piece of its body: a slow line may take its time, a dead one may not.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(60);
/// Of a file that is read into memory; indices of weights have some hundred kilobytes.
const MAX_TEXT_BYTES: u64 = 32 << 20;

/// Asks one hub.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) endpoint: String,
    token: Option<String>,
    retry: RetryPolicy,
    agent: Agent,
    /// Whether the hub has answered, so that a connection that fails may come back.
    reached: Cell<bool>,
    cancel: Cancel,
}

/// A repository at one revision.
#[derive(Debug, Deserialize)]
pub(super) struct Listing {
    /// The commit.
    pub(super) sha: String,
    pub(super) siblings: Vec<Sibling>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sibling {
    pub(super) rfilename: String,
    pub(super) size: Option<u64>,
    /// Changes when the content of a small file does.
    pub(super) blob_id: Option<String>,
    /// Of a large file.
    pub(super) lfs: Option<Lfs>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Lfs {
    pub(super) sha256: String,
    pub(super) size: u64,
}

impl Client {
    pub(super) fn new(endpoint: String, token: Option<String>, retry: RetryPolicy) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .redirect_auth_headers(RedirectAuthHeaders::SameHost)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(SILENCE_TIMEOUT))
            .timeout_per_read(Some(SILENCE_TIMEOUT))
            // Ranges and sizes are those of the file itself.
            .accept_encoding("identity")
            .build()
            .new_agent();
        Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            token,
            retry,
            agent,
            reached: Cell::new(false),
            cancel: Cancel::default(),
        }
    }

    /// The same until it is cancelled.
    pub(super) fn until(self, cancel: Cancel) -> Self {
        Self { cancel, ..self }
    }

    /// What ends its fetches.
    pub(super) fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// What the repository has.
    pub(super) fn list(&self, model: &HubModel) -> Result<Listing, String> {
        self.retry.run(&self.cancel, || {
            let request = self.repository(model, &model.revision)?.info_request();
            let request = request
                .query("blobs", "true")
                .config()
                .http_status_as_error(false)
                .timeout_connect(Some(CONNECT_TIMEOUT))
                .timeout_recv_response(Some(SILENCE_TIMEOUT))
                .timeout_per_read(Some(SILENCE_TIMEOUT))
                .build();
            let mut response = self.call(request, &model.repository, None)?;
            let listing: Listing = response.body_mut().read_json().map_err(|error| {
                AttemptError::Permanent(format!("the hub's listing of it cannot be read: {error}"))
            })?;
            match listing.sha.len() == 40 && listing.sha.bytes().all(|b| b.is_ascii_hexdigit()) {
                true => Ok(listing),
                false => Err(AttemptError::Permanent(format!(
                    "the hub says that its commit is `{}`",
                    listing.sha
                ))),
            }
        })
    }

    /// A small file, in memory.
    pub(super) fn text(
        &self,
        model: &HubModel,
        commit: &str,
        file: &str,
    ) -> Result<Vec<u8>, String> {
        let url = self.url(model, commit, file)?;
        self.retry.run(&self.cancel, || {
            let mut response = self.get(&url, 0, &model.repository, file)?;
            let body = response.body_mut().with_config().limit(MAX_TEXT_BYTES);
            body.read_to_vec().map_err(|error| {
                AttemptError::transient(format!("`{file}` cannot be read: {error}"))
            })
        })
    }

    /// The address of a file.
    pub(super) fn url(&self, model: &HubModel, commit: &str, file: &str) -> Result<String, String> {
        let repository = self.repository(model, commit);
        repository
            .map(|repository| repository.url(file))
            .map_err(AttemptError::into_reason)
    }

    /// The checked download at `partial`, which may be begun already; what has arrived stays there when it breaks off.
    pub(super) fn receive(
        &self,
        url: &str,
        repository: &str,
        download: &Download,
        partial: &Path,
        progress: &dyn Progress,
    ) -> Result<(), String> {
        let mut receiver = Receiver::resume(download, partial)?;
        let mut may_be_damaged = receiver.began_earlier();
        loop {
            self.retry.run(&self.cancel, || {
                let had = receiver.bytes();
                self.receive_on(url, repository, download, &mut receiver, progress)
                    .map_err(|error| error.after(receiver.bytes().saturating_sub(had)))
            })?;
            match receiver.finish() {
                // What was there was damaged, and nobody knows where.
                Err(_) if may_be_damaged => {
                    may_be_damaged = false;
                    receiver = Receiver::new(download, partial)?;
                }
                finished => return finished,
            }
        }
    }

    /// Asks for what is missing and takes it.
    fn receive_on(
        &self,
        url: &str,
        repository: &str,
        download: &Download,
        receiver: &mut Receiver<'_>,
        progress: &dyn Progress,
    ) -> Result<(), AttemptError> {
        let have = receiver.bytes();
        if have == download.bytes && have > 0 {
            return Ok(());
        }
        let response = self.get(url, have, repository, &download.file)?;
        begin(&response, download, receiver)?;
        let body = self.cancel.until_then(response.into_body().into_reader());
        receiver.take(body, progress)
    }

    /// Asks for a file from a byte on.
    fn get(
        &self,
        url: &str,
        from: u64,
        repository: &str,
        file: &str,
    ) -> Result<Response<Body>, AttemptError> {
        let mut request = self.agent.get(url);
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        if from > 0 {
            request = request.header("Range", format!("bytes={from}-"));
        }
        self.call(request, repository, Some(file))
    }

    /// A response that has what was asked for.
    fn call(
        &self,
        request: RequestBuilder<WithoutBody>,
        repository: &str,
        file: Option<&str>,
    ) -> Result<Response<Body>, AttemptError> {
        let question = Question {
            endpoint: &self.endpoint,
            has_token: self.token.is_some(),
            repository,
            file,
        };
        let response = request
            .call()
            .map_err(|error| question.unreachable(&error, self.reached.get()))?;
        self.reached.set(true);
        question.check(response)
    }

    fn repository(&self, model: &HubModel, revision: &str) -> Result<ApiRepo, AttemptError> {
        let api = ApiBuilder::from_cache(cache())
            .with_endpoint(self.endpoint.clone())
            .with_token(self.token.clone())
            .build()
            .map_err(|error| AttemptError::Permanent(error.to_string()))?;
        Ok(api.repo(Repo::with_revision(
            model.repository.clone(),
            RepoType::Model,
            revision.to_owned(),
        )))
    }
}

/// Makes sure that the body goes on where the receiver is, and that the file is as long as it must be.
fn begin(
    response: &Response<Body>,
    download: &Download,
    receiver: &mut Receiver<'_>,
) -> Result<(), AttemptError> {
    let Download { file, bytes, .. } = download;
    let (start, all) = match response.status() {
        StatusCode::PARTIAL_CONTENT => range(response).unzip(),
        // Not even a byte is left of what the range asks for.
        StatusCode::RANGE_NOT_SATISFIABLE => {
            let all = range(response).map_or(0, |(_, all)| all);
            (
                Some(receiver.bytes()),
                Some(all).filter(|all| all != bytes).or(Some(0)),
            )
        }
        _ => (Some(0), response.body().content_length()),
    };
    if let Some(all) = all.filter(|all| all != bytes) {
        receiver.discard();
        let why = format!("`{file}` must have {bytes} bytes, found {all}");
        return Err(AttemptError::Permanent(why));
    }
    match start == Some(receiver.bytes()) {
        true => Ok(()),
        false if start == Some(0) => receiver.restart(),
        false => Err(AttemptError::Permanent(format!(
            "the hub does not give `{file}` from byte {} on, as it says it does",
            receiver.bytes()
        ))),
    }
}
