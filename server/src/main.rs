//! The `nibble` program: exit code 0 when all went well, 1 for a failure, 2 for wrong use, and 128 + the
//! signal's number when a second signal ends it at once.

#![forbid(unsafe_code)]

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

mod cli;
mod commands;
mod options;

use cli::Cli;
use commands::Command;

fn main() -> ExitCode {
    let command = Cli::parse().into_command();
    log_to_stderr(&command);
    match commands::run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // With stderr gone as well there is nobody left to tell.
            let _ = writeln!(io::stderr(), "nibble: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn log_to_stderr(command: &Command) {
    let level = match command {
        Command::Serve(_) => "info",
        _ => "warn",
    };
    let filter = EnvFilter::try_from_env("NIBBLE_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
}

/// Whether the reader of stdout has seen enough, as `head` does.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
