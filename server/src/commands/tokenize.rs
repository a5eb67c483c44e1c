//! `nibble tokenize`: the token ids of a text.

use std::io::{self, Write};

use super::loading;
use crate::options::ModelArgs;
use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct TokenizeArgs {
    /// The text
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    text: String,
    /// Print the ids as a JSON array; otherwise they are parted by spaces
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    model: ModelArgs,
}

pub(super) fn run(args: &TokenizeArgs) -> anyhow::Result<()> {
    let ids = loading::engine(&args.model)?.tokenize(&args.text);
    let line = if args.json {
        serde_json::to_string(&ids)?
    } else {
        let words: Vec<String> = ids.iter().map(u32::to_string).collect();
        words.join(" ")
    };
    writeln!(io::stdout(), "{line}")?;
    Ok(())
}
