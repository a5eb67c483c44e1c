//! Where conversations are kept.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use nibble_server::store::Database;

/// The name of the file where none is named.
const FILE: &str = "nibble.db";

/// The database of conversations.
#[derive(Debug, Args)]
pub(crate) struct DatabaseArgs {
    /// Where conversations are kept: a file, `memory` for nowhere, or a database of Postgres as postgres://USER:PASSWORD@HOST/NAME;
    /// without it nibble.db in `NIBBLE_HOME`, else in the platform's folder for data
    #[arg(
        long,
        env = "NIBBLE_DATABASE",
        hide_env_values = true,
        value_name = "PLACE"
    )]
    database: Option<Database>,
}

impl DatabaseArgs {
    /// # Errors
    /// When none is named and no folder is known.
    pub(crate) fn place(&self) -> Result<Database> {
        if let Some(database) = &self.database {
            return Ok(database.clone());
        }
        let home = env::var_os("NIBBLE_HOME").filter(|home| !home.is_empty());
        let folder = home
            .map(PathBuf::from)
            .or_else(|| Some(dirs::data_dir()?.join("nibble")))
            .context("no folder for conversations is known: `--database PLACE` names one")?;
        Ok(Database::File(folder.join(FILE)))
    }
}
