//! The commands, one file each with its options.

use clap::Subcommand;

mod backup;
mod bench;
mod chat;
mod compare_quantization;
mod doctor;
mod generate;
mod health;
mod kernels;
mod loading;
mod metrics;
mod models;
mod pack;
mod packing;
mod perplexity;
mod serve;
mod table;
mod text;
mod thought;
mod tokenize;

use self::backup::{BackupArgs, RestoreArgs};
use self::bench::BenchArgs;
use self::chat::ChatArgs;
use self::compare_quantization::CompareQuantizationArgs;
use self::doctor::DoctorArgs;
use self::generate::GenerateArgs;
use self::health::HealthArgs;
use self::kernels::KernelsArgs;
use self::models::{DownloadArgs, ListArgs, ModelsArgs, RemoveArgs, WhereArgs};
use self::pack::PackArgs;
use self::perplexity::PerplexityArgs;
pub(crate) use self::serve::ServeArgs;
use self::tokenize::TokenizeArgs;

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the chat page and the OpenAI-compatible API; `nibble` alone does this too
    Serve(ServeArgs),
    /// Ask the server on this machine whether it is well: exit code 0 or 1
    Health(HealthArgs),
    /// Copy all conversations into a file, also while a server has them
    Backup(BackupArgs),
    /// Put such a copy in the place of the conversations, which are kept beside it; not while a server has them
    Restore(RestoreArgs),
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
    /// Measure the perplexity of a text: how likely the model finds it
    Perplexity(PerplexityArgs),
    /// Measure what each quantisation of a model costs: bits, perplexity, distance from the unquantised model
    CompareQuantization(CompareQuantizationArgs),
    /// List the matrix kernels and which of them this CPU runs
    Kernels(KernelsArgs),
    /// Say what slows this machine down, and what would help: exit code 0 or 1
    Doctor(DoctorArgs),
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

/// Does what was asked.
pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(args) => serve::run(args),
        Command::Health(args) => health::run(&args),
        Command::Backup(args) => backup::backup(&args),
        Command::Restore(args) => backup::restore(&args),
        Command::Chat(args) => chat::run(&args),
        Command::Generate(args) => generate::run(args),
        Command::Tokenize(args) => tokenize::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Pack(args) => pack::run(args),
        Command::Perplexity(args) => perplexity::run(&args),
        Command::CompareQuantization(args) => compare_quantization::run(&args),
        Command::Kernels(args) => kernels::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Models(args) => models::models(&args),
        Command::Download(args) => models::download(&args),
        Command::List(args) => models::list(&args),
        Command::Where(args) => models::find(&args),
        Command::Remove(args) => models::remove(&args),
    }
}
