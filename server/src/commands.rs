//! The commands, one file each.

use crate::cli::Command;

mod bench;
mod chat;
mod compare_quantization;
mod figures;
mod generate;
mod health;
mod kernels;
mod loading;
mod models;
mod pack;
mod packing;
mod perplexity;
mod serve;
mod table;
mod text;
mod tokenize;

/// Does what was asked.
pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(args) => serve::run(args),
        Command::Health(args) => health::run(&args),
        Command::Chat(args) => chat::run(&args),
        Command::Generate(args) => generate::run(args),
        Command::Tokenize(args) => tokenize::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Pack(args) => pack::run(args),
        Command::Perplexity(args) => perplexity::run(&args),
        Command::CompareQuantization(args) => compare_quantization::run(&args),
        Command::Kernels(args) => kernels::run(&args),
        Command::Models(args) => models::models(&args),
        Command::Download(args) => models::download(&args),
        Command::List(args) => models::list(&args),
        Command::Where(args) => models::find(&args),
        Command::Remove(args) => models::remove(&args),
    }
}
