//! What brings spans to a collector: the HTTP client that fetches models, so that the program has one, and one TLS.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use ureq::Agent;

/// As the protocol's default.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A collector says little.
const MAX_REPLY_BYTES: u64 = 1 << 20;

pub(super) struct Collector(Agent);

impl Collector {
    pub(super) fn new() -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // Headers with keys are for the collector alone.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(TIMEOUT));
        Self(config.build().new_agent())
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").finish_non_exhaustive()
    }
}

#[async_trait]
impl HttpClient for Collector {
    /// Blocks: the SDK's thread that asks does nothing else.
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let reply = self.0.run(Request::from_parts(head, &body[..]))?;
        let (head, mut body) = reply.into_parts();
        let body = body.with_config().limit(MAX_REPLY_BYTES).read_to_vec()?;
        Ok(Response::from_parts(head, body.into()))
    }
}
