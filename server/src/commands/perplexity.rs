//! `nibble perplexity`: how well a model foretells a text.

use std::io::{self, Write};

use indicatif::{ProgressBar, ProgressStyle};
use nibble_engine::perplexity::{self, Activations as Kept, Options};

use super::{loading, text};
use crate::cli::{Activations, PerplexityArgs};

pub(super) fn run(args: &PerplexityArgs) -> anyhow::Result<()> {
    let options = Options {
        model: loading::model_file(&args.file)?,
        text: text::read(&args.text)?,
        window: args.context,
        threads: args.compute.threads,
        pin: args.compute.pin,
        kernel: args.compute.kernel.clone(),
        rounding: args.rounding.rounding(),
        calibration: text::calibration(&args.calibration)?,
        activations: match args.activations {
            Activations::Int8 => Kept::Int8,
            Activations::Int8Row => Kept::Int8Row,
            Activations::F32 => Kept::F32,
        },
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
            "{}: perplexity {:.4} over {} tokens in {} windows of {}, {:.1} tokens/s with {}",
            report.model,
            report.perplexity,
            report.tokens,
            report.windows,
            report.window,
            report.tokens_per_second,
            report.kernel,
        )?;
    }
    Ok(())
}
