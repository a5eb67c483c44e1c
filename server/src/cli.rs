//! The command line: what a person may type, checked at the edge so that nothing behind it sees a bad value.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{OsStringValueParser, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use nibble_engine::{PackedCache, Quantize, Sampling};
use nibble_server::hub;

mod models;
mod rounding;
#[cfg(test)]
mod tests;

pub(crate) use self::models::{DownloadArgs, ListArgs, ModelsArgs, RemoveArgs, WhereArgs};
use self::rounding::choice;
pub(crate) use self::rounding::{RoundingArgs, VocabularyArgs};

const EXAMPLES: &str = "\
Examples:
  nibble                                      serve the default model at http://127.0.0.1:3000
  nibble --model llama3.2:1b                  fetch another model from the hub and serve it
  nibble --model llama.gguf --addr 0.0.0.0:80 serve a file to the network
  nibble chat                                 chat in this terminal
  nibble generate --prompt 'Why is the sky blue?' --json

Without a command `serve` is meant. Without --model a small model is fetched once and kept.
Every option that shows [env: NAME] can also be set by that environment variable.
Logs go to stderr; NIBBLE_LOG=debug shows more of them.
Exit codes: 0 all went well, 1 failure, 2 wrong use, 130 or 143 ended at once by a second SIGINT or SIGTERM.";

/// Chat with a Llama model that runs on this machine's CPU, in a browser, a terminal or an OpenAI client.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the chat page and the OpenAI-compatible API; `nibble` alone does this too
    Serve(ServeArgs),
    /// Ask the server on this machine whether it is well: exit code 0 or 1
    Health(HealthArgs),
    /// Chat in the terminal
    Chat(ChatArgs),
    /// Answer one prompt and exit
    Generate(GenerateArgs),
    /// Print the token ids of a text
    Tokenize(TokenizeArgs),
    /// Measure prefill and decode speed on this machine
    Bench(BenchArgs),
    /// Pack a model's weights for this CPU into a file, so that starts need not
    Pack(PackArgs),
    /// Measure how well the model foretells a text
    Perplexity(PerplexityArgs),
    /// Measure what each quantisation of a model costs: bits, perplexity, distance from the unquantised model
    CompareQuantization(CompareQuantizationArgs),
    /// List the matrix kernels and which of them this CPU runs
    Kernels(KernelsArgs),
    /// List the models that have short names, with sizes and licences
    Models(ModelsArgs),
    /// Fetch a model from the hub, or what has changed of it, and print its path
    #[command(visible_alias = "pull")]
    Download(DownloadArgs),
    /// List the models on this disk and what they take
    #[command(visible_alias = "ls")]
    List(ListArgs),
    /// Print the path of a model on this disk
    Where(WhereArgs),
    /// Remove models that were fetched, and their packed weights
    #[command(visible_alias = "rm")]
    Remove(RemoveArgs),
}

/// Where the server is.
#[derive(Debug, Args)]
pub(crate) struct AddrArgs {
    /// IP address and port of the server; 0.0.0.0:PORT is open to the network
    #[arg(
        long,
        env = "NIBBLE_ADDR",
        hide_env_values = true,
        value_name = "IP:PORT",
        default_value = "127.0.0.1:3000"
    )]
    pub(crate) addr: SocketAddr,
}

#[derive(Debug, Args)]
pub(crate) struct HealthArgs {
    /// Seconds to wait for its answer
    #[arg(long, value_name = "S", value_parser = seconds(0.01..=3600.0), default_value = "3")]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) addr: AddrArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) addr: AddrArgs,
    /// Host name by which this server may be reached, beside localhost and IP addresses; comma or repeat for more
    #[arg(
        long = "allowed-host",
        env = "NIBBLE_ALLOWED_HOSTS",
        hide_env_values = true,
        value_name = "NAME",
        value_delimiter = ','
    )]
    pub(crate) allowed_hosts: Vec<String>,
    /// Requests that may wait for their turn before others are sent away
    #[arg(long, env = "NIBBLE_QUEUE", hide_env_values = true, value_name = "N", value_parser = count(1..=100_000), default_value = "64")]
    pub(crate) queue: usize,
    /// Seconds that open answers may go on after SIGTERM or Ctrl-C; then they are cut off
    #[arg(long, env = "NIBBLE_GRACE", hide_env_values = true, value_name = "S", value_parser = seconds(0.0..=3600.0), default_value = "20")]
    pub(crate) grace: Duration,
    #[command(flatten)]
    pub(crate) price: PriceArgs,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ChatArgs {
    /// Instructions that hold for the whole conversation
    #[arg(long, value_name = "TEXT")]
    pub(crate) system: Option<String>,
    #[command(flatten)]
    pub(crate) answer: AnswerArgs,
    #[command(flatten)]
    pub(crate) price: PriceArgs,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
}

#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    /// What to answer
    #[arg(long, value_name = "TEXT")]
    pub(crate) prompt: String,
    /// Instructions that go before the prompt
    #[arg(long, value_name = "TEXT", conflicts_with = "raw")]
    pub(crate) system: Option<String>,
    /// Continue the prompt as it is, without the model's chat template
    #[arg(long)]
    pub(crate) raw: bool,
    /// Text that ends the answer and is not printed; repeat for more
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) stop: Vec<String>,
    /// Print one JSON object with text, token ids and metrics when the answer is complete
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) answer: AnswerArgs,
    #[command(flatten)]
    pub(crate) price: PriceArgs,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
}

#[derive(Debug, Args)]
pub(crate) struct TokenizeArgs {
    /// The text
    #[arg(long, value_name = "TEXT")]
    pub(crate) text: String,
    /// Print the ids as a JSON array; otherwise they are parted by spaces
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
}

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    #[command(flatten)]
    pub(crate) file: FileArgs,
    #[command(flatten)]
    pub(crate) rounding: RoundingArgs,
    /// Random weights of a shape instead of a file: smollm2-135m, llama-3.2-1b, llama-3.2-3b, llama-3.1-8b
    #[arg(long, value_name = "NAME", value_parser = shapes(), hide_possible_values = true)]
    pub(crate) shape: Option<String>,
    /// Tokens of the prompt; 0 leaves prefill out
    #[arg(long, value_name = "N", value_parser = count(0..=131_072), default_value = "512")]
    pub(crate) prompt_tokens: usize,
    /// Tokens to decode; 0 leaves decode out
    #[arg(long, value_name = "N", value_parser = count(0..=131_072), default_value = "128")]
    pub(crate) output_tokens: usize,
    /// Tokens already in the KV cache when decoding starts
    #[arg(long, value_name = "N", value_parser = count(0..=131_072), default_value = "0")]
    pub(crate) context: usize,
    /// Sequences that decode together
    #[arg(long, value_name = "N", value_parser = count(1..=1024), default_value = "1")]
    pub(crate) batch: usize,
    /// Measurements of each, of which the median counts
    #[arg(long, value_name = "N", value_parser = count(1..=1000), default_value = "5")]
    pub(crate) repetitions: usize,
    #[command(flatten)]
    pub(crate) compute: ComputeArgs,
    #[command(flatten)]
    pub(crate) packed: PackedArgs,
    /// Kernels to measure one after the other, such as scalar,avx2: before and after
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) compare: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PackArgs {
    /// A GGUF file, a folder in the layout of the Hugging Face hub, a short name or a repository as owner/name
    #[arg(value_name = "MODEL")]
    pub(crate) model: PathBuf,
    /// The packed file, for --packed [default: where starts look for it by themselves]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) rounding: RoundingArgs,
    #[command(flatten)]
    pub(crate) calibration: CalibrationArgs,
    #[command(flatten)]
    pub(crate) compute: ComputeArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CompareQuantizationArgs {
    /// The text, UTF-8
    #[arg(long = "file", value_name = "PATH")]
    pub(crate) text: PathBuf,
    /// Tokens of a window, of which the second half counts [default: 512]
    #[arg(long, value_name = "N", value_parser = count(4..=131_072))]
    pub(crate) context: Option<usize>,
    /// What to compare with none, as --quantize names it, such as g32,channel [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = choice(), hide_possible_values = true)]
    pub(crate) choices: Vec<Quantize>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) file: FileArgs,
    #[command(flatten)]
    pub(crate) vocabulary: VocabularyArgs,
    #[command(flatten)]
    pub(crate) calibration: CalibrationArgs,
    #[command(flatten)]
    pub(crate) compute: ComputeArgs,
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

#[derive(Debug, Args)]
pub(crate) struct PerplexityArgs {
    /// The text, UTF-8
    #[arg(long = "file", value_name = "PATH")]
    pub(crate) text: PathBuf,
    /// Tokens of a window, of which the second half counts [default: 512]
    #[arg(long, value_name = "N", value_parser = count(4..=131_072))]
    pub(crate) context: Option<usize>,
    /// What becomes of activations: int8 as for answers, with one scale a row, or f32, slowly
    #[arg(long, value_name = "KIND", value_enum, default_value = "int8")]
    pub(crate) activations: Activations,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) file: FileArgs,
    #[command(flatten)]
    pub(crate) rounding: RoundingArgs,
    #[command(flatten)]
    pub(crate) calibration: CalibrationArgs,
    #[command(flatten)]
    pub(crate) compute: ComputeArgs,
}

/// What becomes of activations before they are multiplied.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Activations {
    Int8,
    Int8Row,
    F32,
}

#[derive(Debug, Args)]
pub(crate) struct KernelsArgs {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

fn shapes() -> PossibleValuesParser {
    PossibleValuesParser::new(nibble_engine::bench::shapes())
}

/// How answers are made in the terminal. What is left out is the model's own.
#[derive(Debug, Args)]
pub(crate) struct AnswerArgs {
    /// The most tokens of an answer
    #[arg(long, value_name = "N", value_parser = count(1..=10_000_000), default_value = "250")]
    pub(crate) max_tokens: usize,
    /// How freely tokens are chosen, 0 (always the likeliest) to 2 [default: the model's own]
    #[arg(long, value_name = "T", value_parser = number(0.0..=2.0))]
    temperature: Option<f64>,
    /// Choose among the likeliest tokens whose probabilities reach P, 0.001 to 1 [default: the model's own]
    #[arg(long, value_name = "P", value_parser = number(0.001..=1.0))]
    top_p: Option<f64>,
    /// Makes an answer repeatable [default: drawn]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct PriceArgs {
    /// Price of this machine for the cost figures; the default is an r8g.4xlarge in us-east-1, on demand
    #[arg(long, env = "NIBBLE_USD_PER_HOUR", hide_env_values = true, value_name = "USD", value_parser = number(0.0..=1e6), default_value = "0.94256")]
    pub(crate) usd_per_hour: f64,
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

/// A path that may be empty, as an environment file may leave it.
fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
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

/// What computes.
#[derive(Debug, Args)]
pub(crate) struct ComputeArgs {
    /// Threads that compute [default: as many as this machine or its container allows]
    #[arg(long, env = "NIBBLE_THREADS", hide_env_values = true, value_name = "N", value_parser = count(1..=1024))]
    pub(crate) threads: Option<usize>,
    /// Matrix kernel by name [default: the fastest for this CPU]
    #[arg(
        long,
        env = "NIBBLE_KERNEL",
        hide_env_values = true,
        value_name = "NAME"
    )]
    pub(crate) kernel: Option<String>,
    /// Keep each of these threads on a CPU of its own
    #[arg(long, env = "NIBBLE_PIN", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) pin: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ModelArgs {
    #[command(flatten)]
    pub(crate) file: FileArgs,
    #[command(flatten)]
    pub(crate) rounding: RoundingArgs,
    #[command(flatten)]
    pub(crate) calibration: CalibrationArgs,
    #[command(flatten)]
    pub(crate) compute: ComputeArgs,
    #[command(flatten)]
    pub(crate) packed: PackedArgs,
    /// The longest conversation, in tokens [default: the model's own, at most 8192 and what memory allows]
    #[arg(long, env = "NIBBLE_CONTEXT", hide_env_values = true, value_name = "N", value_parser = count(16..=10_000_000))]
    pub(crate) context: Option<usize>,
}

impl Cli {
    /// The command that was meant.
    pub(crate) fn into_command(self) -> Command {
        self.command.unwrap_or(Command::Serve(self.serve))
    }
}

impl AnswerArgs {
    /// What was typed over what the model's authors advise.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "values from 0 to 2 lose only digits that no one types"
    )]
    pub(crate) fn sampling(&self, advised: Sampling) -> Sampling {
        Sampling {
            temperature: self
                .temperature
                .map_or(advised.temperature, |value| value as f32),
            top_p: self.top_p.map_or(advised.top_p, |value| value as f32),
            seed: self.seed.or(advised.seed),
            ..advised
        }
    }
}

fn number(range: RangeInclusive<f64>) -> impl Fn(&str) -> Result<f64, String> + Clone {
    move |text| match text.parse() {
        Ok(value) if range.contains(&value) => Ok(value),
        _ => Err(expected("a number", range.start(), range.end())),
    }
}

fn seconds(range: RangeInclusive<f64>) -> impl Fn(&str) -> Result<Duration, String> + Clone {
    let number = number(range);
    move |text| number(text).map(Duration::from_secs_f64)
}

fn count(range: RangeInclusive<usize>) -> impl Fn(&str) -> Result<usize, String> + Clone {
    move |text| match text.parse() {
        Ok(value) if range.contains(&value) => Ok(value),
        _ => Err(expected("a whole number", range.start(), range.end())),
    }
}

fn expected(kind: &str, low: impl std::fmt::Display, high: impl std::fmt::Display) -> String {
    format!("must be {kind} from {low} to {high}")
}
