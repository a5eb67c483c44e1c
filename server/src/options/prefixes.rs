//! Where keys and values of ended answers are kept.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use clap::builder::OsStringValueParser;
use nibble_engine::PrefixFolder;

use super::count;

#[derive(Debug, Args)]
pub(crate) struct PrefixArgs {
    /// Folder for keys and values of ended answers, from which old chats go on after a restart; without it they are in memory alone.
    /// The files hold what people wrote, for their owner alone, and outlast chats that are deleted
    #[arg(
        long,
        env = "NIBBLE_PREFIX_CACHE",
        hide_env_values = true,
        value_name = "DIR",
        value_parser = OsStringValueParser::new()
    )]
    prefix_cache: Option<OsString>,
    /// Megabytes of its files, of all models; the longest unused go first
    #[arg(long, env = "NIBBLE_PREFIX_CACHE_SIZE", hide_env_values = true, value_name = "MB", value_parser = count(1..=100_000_000), default_value = "1024")]
    prefix_cache_size: usize,
}

impl PrefixArgs {
    /// An environment file may leave it empty.
    pub(crate) fn folder(&self) -> Option<PrefixFolder> {
        let path = self.prefix_cache.as_ref().map(PathBuf::from)?;
        let bytes = self.prefix_cache_size as u64 * 1_000_000;
        (!path.as_os_str().is_empty()).then_some(PrefixFolder { path, bytes })
    }
}
