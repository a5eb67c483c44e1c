//! `nibble compare-quantization`: what each choice of quantisation costs.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use nibble_engine::Quantize;
use nibble_engine::comparison::{self, Options, Report};

use super::{loading, text};
use crate::options::{CalibrationArgs, ComputeArgs, FileArgs, VocabularyArgs, choice, count};

#[derive(Debug, Args)]
pub(crate) struct CompareQuantizationArgs {
    /// The text, UTF-8
    #[arg(long = "file", value_name = "PATH")]
    text: PathBuf,
    /// Tokens of a window, of which the second half counts [default: 512]
    #[arg(long, value_name = "N", value_parser = count(4..=131_072))]
    context: Option<usize>,
    /// What to compare with none, as --quantize names it, such as g32,channel [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = choice(), hide_possible_values = true)]
    choices: Vec<Quantize>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    file: FileArgs,
    #[command(flatten)]
    pub(crate) vocabulary: VocabularyArgs,
    #[command(flatten)]
    calibration: CalibrationArgs,
    #[command(flatten)]
    compute: ComputeArgs,
}

pub(super) fn run(args: &CompareQuantizationArgs) -> anyhow::Result<()> {
    let all = Quantize::NAMES.map(|(_, quantize)| quantize);
    let choices = if args.choices.is_empty() {
        &all[..]
    } else {
        &args.choices
    };
    let int4 = choices.iter().filter_map(|choice| match choice {
        Quantize::None => None,
        Quantize::Int4(int4) => Some(*int4),
    });
    let options = Options {
        model: loading::model_file(&args.file)?,
        text: text::read(&args.text)?,
        window: args.context,
        choices: int4.collect(),
        int4_head: args.vocabulary.int4_head(),
        int4_embedding: args.vocabulary.int4_embedding(),
        calibration: text::calibration(&args.calibration)?,
        threads: args.compute.threads,
        pin: args.compute.pin,
        kernel: args.compute.kernel.clone(),
    };
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos} of {len}, {eta} left") {
        bar.set_style(style);
    }
    let report = comparison::run(&options, |choice, done, all| {
        bar.set_message(choice.to_owned());
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    if args.json {
        writeln!(io::stdout(), "{}", serde_json::to_string_pretty(&report)?)?;
        Ok(())
    } else {
        print_table(&report)
    }
}

fn print_table(report: &Report) -> anyhow::Result<()> {
    let mut stdout = io::stdout();
    writeln!(
        stdout,
        "{}: {} tokens counted in {} windows of {}, {}\n",
        report.model, report.tokens, report.windows, report.window, report.kernel
    )?;
    writeln!(
        stdout,
        "| quantisation | bits a weight | perplexity | KL divergence | same likeliest token |"
    )?;
    writeln!(stdout, "|---|---|---|---|---|")?;
    for choice in &report.choices {
        writeln!(
            stdout,
            "| {}{} | {:.2} | {:.4} | {:.5} | {:.2} % |",
            choice.quantize,
            if choice.calibrated {
                ", calibrated"
            } else {
                ""
            },
            choice.bits_per_weight,
            choice.perplexity,
            choice.kl_divergence,
            choice.top_1_agreement * 100.0,
        )?;
    }
    Ok(())
}
