//! The command line: a command of [`crate::commands`], or none, which means to serve.

use clap::Parser;

use crate::commands::{Command, ServeArgs};

#[cfg(test)]
mod tests;

const EXAMPLES: &str = "\
Examples:
  nibble                                      serve the default model at http://127.0.0.1:3000
  nibble --model llama3.2:1b                  fetch another model from the hub and serve it
  nibble --model llama.gguf --addr 0.0.0.0:80 serve a file to the network
  nibble chat                                 chat in this terminal
  nibble generate --prompt 'Why is the sky blue?' --json

Without a command `serve` is meant. Without --model a small model is fetched once and kept.
Every option that shows [env: NAME] can also be set by that environment variable.
Traces go to the OpenTelemetry collector that OTEL_EXPORTER_OTLP_ENDPOINT names; without it there are none.
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

impl Cli {
    /// The command that was meant.
    pub(crate) fn into_command(self) -> Command {
        self.command.unwrap_or(Command::Serve(self.serve))
    }
}
