//! `nibble perplexity`: the perplexity of a text.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use nibble_engine::perplexity::{self, Options};

use super::{loading, text};
use crate::options::{CalibrationArgs, ComputeArgs, FileArgs, KvArgs, RoundingArgs, count};

#[derive(Debug, Args)]
pub(crate) struct PerplexityArgs {
    /// The text, UTF-8
    #[arg(long = "file", value_name = "PATH")]
    text: PathBuf,
    /// Tokens of a window, of which the second half counts [default: 512]
    #[arg(long, value_name = "N", value_parser = count(4..=131_072))]
    context: Option<usize>,
    /// What becomes of activations: int8 as for answers, with one scale a row, or f32, slowly
    #[arg(long, value_name = "KIND", value_enum, default_value = "int8")]
    activations: Activations,
    /// Print the negative logarithm of the probability of each counted token too
    #[arg(long, requires = "json")]
    each: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    file: FileArgs,
    #[command(flatten)]
    rounding: RoundingArgs,
    #[command(flatten)]
    kv: KvArgs,
    #[command(flatten)]
    calibration: CalibrationArgs,
    #[command(flatten)]
    compute: ComputeArgs,
}

/// What becomes of activations before they are multiplied.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Activations {
    Int8,
    Int8Row,
    F32,
}

pub(super) fn run(args: &PerplexityArgs) -> anyhow::Result<()> {
    let options = Options {
        model: loading::model_file(&args.file)?,
        text: text::read(&args.text)?,
        window: args.context,
        threads: args.compute.threads,
        pin: args.compute.pin,
        kernel: args.compute.kernel.clone(),
        rounding: args.kv.with(args.rounding.rounding()),
        calibration: text::calibration(&args.calibration)?,
        activations: match args.activations {
            Activations::Int8 => perplexity::Activations::Int8,
            Activations::Int8Row => perplexity::Activations::Int8Row,
            Activations::F32 => perplexity::Activations::F32,
        },
        each: args.each,
    };
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos} of {len}, {eta} left") {
        bar.set_style(style);
    }
    let report = perplexity::run(&options, |done, all, perplexity| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
        bar.set_message(format!("perplexity {perplexity:.4}"));
    })?;
    bar.finish_and_clear();
    let mut stdout = io::stdout();
    if args.json {
        writeln!(stdout, "{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        writeln!(
            stdout,
            "{}: perplexity {:.4} over {} tokens in {} windows of {}, {:.1} tokens/s with {}, keys and values in {}",
            report.model,
            report.perplexity,
            report.tokens,
            report.windows,
            report.window,
            report.tokens_per_second,
            report.kernel,
            report.kv,
        )?;
    }
    Ok(())
}
