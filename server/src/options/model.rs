//! Which model is loaded, and how.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{FalseyValueParser, OsStringValueParser, TypedValueParser};
use nibble_engine::{DecodeThreads, PackedCache, Speculation};
use nibble_server::hub;
use nibble_server::models::KeepAlive;

use super::rounding::{KvArgs, RoundingArgs};
use super::values::count;

#[derive(Debug, Args)]
pub(crate) struct ModelArgs {
    #[command(flatten)]
    pub(crate) file: FileArgs,
    #[command(flatten)]
    pub(crate) load: LoadArgs,
}

/// How a model is loaded.
#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    #[command(flatten)]
    pub(crate) rounding: RoundingArgs,
    #[command(flatten)]
    pub(crate) kv: KvArgs,
    #[command(flatten)]
    pub(crate) calibration: CalibrationArgs,
    #[command(flatten)]
    pub(crate) compute: ComputeArgs,
    #[command(flatten)]
    pub(crate) packed: PackedArgs,
    /// The longest conversation, in tokens [default: the model's own, at most 8192 and what memory allows]
    #[arg(long, env = "NIBBLE_CONTEXT", hide_env_values = true, value_name = "N", value_parser = count(16..=10_000_000))]
    pub(crate) context: Option<usize>,
    /// Guess tokens from what the conversation said before, earlier answers included, and verify several in a step: auto (as many as pay), off, or at most so many, up to 16. Answers are the same, and come sooner where they repeat something
    #[arg(
        long,
        env = "NIBBLE_SPECULATE",
        hide_env_values = true,
        value_name = "auto|off|N",
        default_value = "auto"
    )]
    pub(crate) speculate: Speculation,
    /// A smaller model of the same tokenizer, named as a model is: it guesses what the model will say where that pays, as on
    /// many cores. Answers are the same. Of several models of a server it guesses for the first
    #[arg(
        long,
        env = "NIBBLE_DRAFT",
        hide_env_values = true,
        value_name = "MODEL",
        value_parser = path()
    )]
    draft: Option<PathBuf>,
}

impl LoadArgs {
    /// The draft model as it was named.
    pub(crate) fn draft(&self) -> Option<&Path> {
        let named = self.draft.as_deref();
        named.filter(|named| !named.as_os_str().is_empty())
    }
}

/// The file of the model.
#[derive(Debug, Args)]
pub(crate) struct FileArgs {
    /// A GGUF file, a folder in the layout of the Hugging Face hub, a short name (`nibble models` lists them) or a repository as owner/name; fetched once into the cache folder [default: smollm2, 98 MB]
    #[arg(
        long,
        env = "NIBBLE_MODEL",
        hide_env_values = true,
        value_name = "MODEL",
        value_parser = path()
    )]
    pub(crate) model: Option<PathBuf>,
}

/// The models of a server.
#[derive(Debug, Args)]
pub(crate) struct ModelsArgs {
    /// A GGUF file, a folder in the layout of the Hugging Face hub, a short name (`nibble models` lists them) or a repository
    /// as owner/name; fetched once into the cache folder [default: smollm2, 98 MB]. Repeat for more: the first answers who
    /// names none, the others are loaded when they are asked
    #[arg(
        long = "model",
        env = "NIBBLE_MODEL",
        hide_env_values = true,
        value_name = "MODEL",
        value_parser = path()
    )]
    models: Vec<PathBuf>,
    /// How long a model stays in memory after its last answer: seconds, a duration such as 5m, or never; 0 is at once
    /// [default: never for the first, 5m for others]
    #[arg(long, env = "NIBBLE_KEEP_ALIVE", hide_env_values = true, value_name = "TIME", value_parser = keep_alive)]
    pub(crate) keep_alive: Option<KeepAlive>,
}

impl ModelsArgs {
    /// Each as it was named, at least one.
    pub(crate) fn named(&self) -> Vec<PathBuf> {
        match &self.models[..] {
            // The default model.
            [] => vec![PathBuf::new()],
            models => models.to_vec(),
        }
    }
}

fn keep_alive(words: &str) -> Result<KeepAlive, String> {
    words.parse()
}

/// A path that may be empty, as an environment file may leave it.
fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// The text by which weights are rounded.
#[derive(Debug, Args)]
pub(crate) struct CalibrationArgs {
    /// A UTF-8 text of the kind that the model will read: rounding floats, the weights that it needs most lose least. Some
    /// thousand words are enough; the unrounded model reads them first
    #[arg(
        long,
        env = "NIBBLE_CALIBRATE",
        hide_env_values = true,
        value_name = "PATH"
    )]
    pub(crate) calibrate: Option<PathBuf>,
}

/// What computes.
#[derive(Debug, Args)]
pub(crate) struct ComputeArgs {
    /// Threads that compute [default: as many as this machine or its container allows]
    #[arg(long, env = "NIBBLE_THREADS", hide_env_values = true, value_name = "N", value_parser = count(1..=1024))]
    pub(crate) threads: Option<usize>,
    /// Those of them that compute tokens of a single answer: auto (all or, where the memory then gives as much, three quarters or
    /// half, whichever turns out faster when the model is loaded) or so many
    #[arg(
        long,
        env = "NIBBLE_DECODE_THREADS",
        hide_env_values = true,
        value_name = "auto|N",
        default_value = "auto"
    )]
    pub(crate) decode_threads: DecodeThreads,
    /// Matrix kernel by name [default: the fastest for this CPU]
    #[arg(
        long,
        env = "NIBBLE_KERNEL",
        hide_env_values = true,
        value_name = "NAME"
    )]
    pub(crate) kernel: Option<String>,
    /// Keep each of these threads on a CPU of its own
    #[arg(long, env = "NIBBLE_PIN", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub(crate) pin: bool,
}

/// Where packed weights are kept.
#[derive(Debug, Args)]
pub(crate) struct PackedArgs {
    /// Where packed weights are kept between starts: auto (in the cache folder, from 64 MiB on), off, or a file
    #[arg(
        long,
        env = "NIBBLE_PACKED",
        hide_env_values = true,
        value_name = "auto|off|PATH",
        default_value = "auto"
    )]
    packed: OsString,
}

impl PackedArgs {
    pub(crate) fn cache(&self) -> PackedCache {
        match self.packed.to_str() {
            // Without a cache folder they are packed at every start.
            Some("auto" | "") => hub::cache_folder().map_or(PackedCache::Off, |cache| {
                PackedCache::Folder(hub::packed_folder(&cache))
            }),
            Some("off") => PackedCache::Off,
            _ => PackedCache::File(self.packed.clone().into()),
        }
    }
}
