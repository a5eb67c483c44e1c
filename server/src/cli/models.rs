//! The commands about models on the hub and on this disk.

use std::path::PathBuf;

use clap::Args;
use nibble_server::hub::{DEFAULT_NAME, KNOWN_MODELS};

#[derive(Debug, Args)]
#[command(after_help = short_names())]
pub(crate) struct DownloadArgs {
    /// A short name, or a repository on the hub: owner/name, owner/name@revision, owner/name:file.gguf, owner/name:Q4_0
    #[arg(value_name = "NAME", default_value = DEFAULT_NAME)]
    pub(crate) name: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct WhereArgs {
    /// A short name, a repository on the hub or a path
    #[arg(value_name = "NAME", default_value = DEFAULT_NAME)]
    pub(crate) name: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ModelsArgs {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    /// Short names or repositories; of a file or folder of your own only the packed weights go
    #[arg(value_name = "NAME", required = true)]
    pub(crate) names: Vec<PathBuf>,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// For help texts.
fn short_names() -> String {
    let names = KNOWN_MODELS.iter().map(|model| {
        let gated = if model.gated { ", gated" } else { "" };
        format!(
            "\n  {:<14}{:>8}  {}{gated}",
            model.name,
            model.download(),
            model.licence
        )
    });
    let names: String = names.collect();
    format!(
        "Short names:{names}\n\nGated models need a token in HF_TOKEN, of an account that accepted the licence."
    )
}
