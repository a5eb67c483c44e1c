//! `nibble backup` and `nibble restore`: a copy of all conversations, also while a server has them, and back again.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use nibble_server::store;
use tokio::runtime::Runtime;

use crate::options::DatabaseArgs;

#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// The file that the copy becomes, which must not be there yet
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// A copy that `nibble backup` made
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    database: DatabaseArgs,
}

pub(super) fn backup(args: &BackupArgs) -> anyhow::Result<()> {
    let database = args.database.place()?;
    Runtime::new()?.block_on(store::backup(&database, &args.file))?;
    writeln!(io::stdout(), "{}", args.file.display())?;
    Ok(())
}

pub(super) fn restore(args: &RestoreArgs) -> anyhow::Result<()> {
    let database = args.database.place()?;
    let kept = Runtime::new()?.block_on(store::restore(&database, &args.file))?;
    if let Some(kept) = kept {
        writeln!(io::stdout(), "what was there is now {}", kept.display())?;
    }
    Ok(())
}
