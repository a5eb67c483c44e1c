//! What the environment says of the hub.

use std::env;
use std::fs;
use std::path::PathBuf;

use hf_hub::Cache;

const ENDPOINT: &str = "https://huggingface.co";

pub(super) fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// Whether `HF_HUB_OFFLINE` says, as to the hub's own tools, that nothing is to be fetched.
pub(super) fn is_offline() -> bool {
    let value = variable("HF_HUB_OFFLINE").unwrap_or_default();
    ["1", "ON", "YES", "TRUE"].contains(&&*value.trim().to_uppercase())
}

/// `HF_ENDPOINT`, else the hub itself.
pub(super) fn endpoint() -> String {
    variable("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.to_owned())
}

/// `HF_TOKEN`, else what the file at `HF_TOKEN_PATH` holds, else where the hub's own tools keep it.
pub(super) fn token() -> Option<String> {
    variable("HF_TOKEN")
        .map(|token| token.trim().to_owned())
        .or_else(|| token_in(&variable("HF_TOKEN_PATH")?))
        .or_else(|| cache().token())
}

/// Where the hub's own tools keep their things; the crate's own way there panics where no home is known.
pub(super) fn cache() -> Cache {
    let home = variable("HF_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(dirs::home_dir()?.join(".cache/huggingface")));
    Cache::new(home.unwrap_or_else(|| "/nonexistent".into()).join("hub"))
}

/// A token that is kept in a file, as container secrets are; an empty file holds none. One that cannot be read does not
/// end the fetch, as the model may be had without.
pub(super) fn token_in(path: &str) -> Option<String> {
    let token = fs::read_to_string(path)
        .inspect_err(|error| tracing::warn!("`HF_TOKEN_PATH`: cannot read `{path}`: {error}"))
        .ok()?;
    Some(token.trim().to_owned()).filter(|token| !token.is_empty())
}
