//! `nibble bench`: prefill and decode speed, and the shares of the machine's limits that they reach.

use std::io::{self, Write};

use clap::Args;
use clap::builder::PossibleValuesParser;
use nibble_engine::bench::{self, Options, Report, Spread, Subject};

use super::loading;
use crate::options::{ComputeArgs, FileArgs, KvArgs, PackedArgs, RoundingArgs, count};

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    #[command(flatten)]
    file: FileArgs,
    #[command(flatten)]
    rounding: RoundingArgs,
    #[command(flatten)]
    kv: KvArgs,
    /// Random weights of a shape instead of a file: smollm2-135m, llama-3.2-1b, llama-3.2-3b, llama-3.1-8b
    #[arg(long, value_name = "NAME", value_parser = shapes(), hide_possible_values = true)]
    shape: Option<String>,
    /// Tokens of the prompt; 0 leaves prefill out
    #[arg(long, value_name = "N", value_parser = count(0..=131_072), default_value = "512")]
    prompt_tokens: usize,
    /// Tokens to decode; 0 leaves decode out
    #[arg(long, value_name = "N", value_parser = count(0..=131_072), default_value = "128")]
    output_tokens: usize,
    /// Tokens already in the KV cache when decoding starts: keys and values are written there without being computed, so that
    /// 32,768 take no minutes
    #[arg(long, value_name = "N", value_parser = count(0..=131_072), default_value = "0")]
    context: usize,
    /// Sequences that decode together
    #[arg(long, value_name = "N", value_parser = count(1..=1024), default_value = "1")]
    batch: usize,
    /// Numbers of sequences, such as 1,2,4,8,16, whose steps to measure beside the least that they could take
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', value_parser = count(1..=1024))]
    sequences: Vec<usize>,
    /// Measurements of each, of which the median counts
    #[arg(long, value_name = "N", value_parser = count(1..=1000), default_value = "5")]
    repetitions: usize,
    #[command(flatten)]
    compute: ComputeArgs,
    #[command(flatten)]
    packed: PackedArgs,
    /// Kernels to measure one after the other, such as scalar,avx2: before and after
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    compare: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn shapes() -> PossibleValuesParser {
    PossibleValuesParser::new(bench::shapes())
}

pub(super) fn run(args: &BenchArgs) -> anyhow::Result<()> {
    let subject = match &args.shape {
        Some(shape) => Subject::Shape(shape.clone()),
        None => Subject::File(loading::model_file(&args.file)?),
    };
    let options = Options {
        subject,
        prompt_tokens: args.prompt_tokens,
        output_tokens: args.output_tokens,
        context: args.context,
        batch: args.batch,
        sampled: args.compare.is_empty(),
        sequences: args.sequences.clone(),
        threads: args.compute.threads,
        decode_threads: args.compute.decode_threads,
        pin: args.compute.pin,
        kernel: None,
        rounding: args.kv.with(args.rounding.rounding()),
        packed: args.packed.cache(),
        repetitions: args.repetitions,
    };
    let kernels = if args.compare.is_empty() {
        vec![args.compute.kernel.clone()]
    } else {
        args.compare.iter().cloned().map(Some).collect()
    };
    let reports = kernels
        .into_iter()
        .map(|kernel| {
            bench::run(&Options {
                kernel,
                ..options.clone()
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    if args.json {
        print_json(&reports, !args.compare.is_empty())
    } else {
        print_table(&reports)
    }
}

/// One object, or with `--compare` an array.
fn print_json(reports: &[Report], array: bool) -> anyhow::Result<()> {
    let json = match reports {
        [report] if !array => serde_json::to_string_pretty(report)?,
        reports => serde_json::to_string_pretty(reports)?,
    };
    writeln!(io::stdout(), "{json}")?;
    Ok(())
}

fn print_table(reports: &[Report]) -> anyhow::Result<()> {
    let mut stdout = io::stdout();
    let Some(first) = reports.first() else {
        return Ok(());
    };
    let threads = first.threads;
    writeln!(
        stdout,
        "{}, {threads} thread{}\n",
        first.model,
        if threads == 1 { "" } else { "s" }
    )?;
    writeln!(
        stdout,
        "| kernel | prefill, tokens/s | of multiply rate | decode, tokens/s | of bandwidth |"
    )?;
    writeln!(stdout, "|---|---|---|---|---|")?;
    for report in reports {
        writeln!(
            stdout,
            "| {} | {} | {} | {} | {} |",
            report.kernel,
            spread(report.prefill_tokens_per_second),
            percent(report.multiply_rate_fraction),
            spread(report.decode_tokens_per_second),
            percent(report.bandwidth_fraction),
        )?;
    }
    writeln!(stdout)?;
    for report in reports {
        sampled(&mut stdout, report)?;
        steps(&mut stdout, report)?;
    }
    roofline(&mut stdout, first)?;
    stages(&mut stdout, first)?;
    if let [before, .., after] = reports {
        gain(
            &mut stdout,
            "prefill",
            before.prefill_tokens_per_second,
            after.prefill_tokens_per_second,
        )?;
        gain(
            &mut stdout,
            "decode",
            before.decode_tokens_per_second,
            after.decode_tokens_per_second,
        )?;
    }
    Ok(())
}

/// The decode once more, with tokens that are drawn.
fn sampled(out: &mut impl Write, report: &Report) -> io::Result<()> {
    if report.sampled.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "| temperature | top-p | top-k | min-p | decode, tokens/s | of decode without sampling |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|")?;
    for row in &report.sampled {
        let sampling = row.sampling;
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {:.1} % |",
            sampling.temperature,
            sampling.top_p,
            sampling.top_k,
            sampling.min_p,
            spread(Some(row.tokens_per_second)),
            row.fraction_of_decode * 100.0,
        )?;
    }
    writeln!(out)
}

/// Steps of several sequences beside their floor.
fn steps(out: &mut impl Write, report: &Report) -> io::Result<()> {
    if report.steps.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "| sequences | decode, tokens/s | step, ms | floor, ms | step / floor |"
    )?;
    writeln!(out, "|---|---|---|---|---|")?;
    for row in &report.steps {
        writeln!(
            out,
            "| {} | {} | {:.2} | {:.2} | {:.2} |",
            row.sequences,
            spread(Some(row.tokens_per_second)),
            row.step_seconds * 1e3,
            row.floor_seconds * 1e3,
            row.times_floor,
        )?;
    }
    writeln!(
        out,
        "\nThe floor is the longer of a step of one sequence and of as many tokens at the speed of the prefill, each with the \
         output head.\n"
    )
}

/// What decode could reach if it did nothing but read.
fn roofline(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let bandwidth = report.read_bandwidth_bytes_per_second;
    let weights = report.weight_bytes_per_token as f64;
    let kv = report.kv_bytes_per_step as f64;
    writeln!(
        out,
        "Reading {:.0} MB of weights and {:.0} MB of keys and values in {} at {:.1} GB/s allows {:.1} steps/s.",
        weights / 1e6,
        kv / 1e6,
        report.kv,
        bandwidth / 1e9,
        bandwidth / (weights + kv)
    )
}

/// What the threads of a step cost each other.
fn stages(out: &mut impl Write, report: &Report) -> io::Result<()> {
    writeln!(
        out,
        "Of {} threads {} decode; a step has {} stages, which write at most {:.1} MB for each other.",
        report.threads,
        report.decode_threads,
        report.stages_per_step,
        report.shared_bytes_per_step as f64 / 1e6
    )
}

fn gain(
    out: &mut impl Write,
    what: &str,
    before: Option<Spread>,
    after: Option<Spread>,
) -> io::Result<()> {
    match before.zip(after) {
        Some((before, after)) => writeln!(
            out,
            "{what}: {:.1} times the first",
            after.median / before.median
        ),
        None => Ok(()),
    }
}

fn spread(spread: Option<Spread>) -> String {
    spread.map_or("–".into(), |s| {
        format!("{:.1} ({:.1} to {:.1})", s.median, s.min, s.max)
    })
}

fn percent(fraction: Option<f64>) -> String {
    fraction.map_or("–".into(), |fraction| {
        format!("{:.0} %", fraction * 100.0)
    })
}
