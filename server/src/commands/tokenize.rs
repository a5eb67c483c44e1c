//! `nibble tokenize`: the token ids of a text.

use std::io::{self, Write};

use super::loading;
use crate::cli::TokenizeArgs;

pub(super) fn run(args: &TokenizeArgs) -> anyhow::Result<()> {
    let ids = loading::engine(&args.model, None)?.tokenize(&args.text);
    let line = if args.json {
        serde_json::to_string(&ids)?
    } else {
        let words: Vec<String> = ids.iter().map(u32::to_string).collect();
        words.join(" ")
    };
    writeln!(io::stdout(), "{line}")?;
    Ok(())
}
