//! Measures prefill and decode, and what the machine could do at best.
//!
//! Decode is limited by memory: every step reads all weights and the keys and values so far. Prefill is limited by
//! multiplication. Both limits are measured here with the same threads, so that a speed comes with the share of its
//! limit that it reaches.

mod draw;
mod limits;
mod masks;
mod product;
mod report;
mod shapes;
mod stages;
mod steps;

use std::path::PathBuf;
use std::time::Instant;

use serde::Serialize;

use crate::compute::kernel::{self, Kernel};
use crate::files::config::ModelConfig;
use crate::load;
use crate::machine::threads::{Pool, pool};
use crate::model::decode_threads::DecodeThreads;
use crate::model::forward::Model;
use crate::model::packed::{PackedCache, SourceFingerprint};
use crate::model::source::ModelSource;
use crate::model::weights::Rounding;
use crate::{Error, Sampling};

pub use draw::{Draw, PreparedDraw, draws};
pub use limits::Limits;
use limits::beside;
pub use masks::{MaskCost, mask_costs};
pub use product::{Case, PreparedProduct, cases};
use report::peak_rss;
pub use report::{BatchStep, Report, SampledDecode, Spread};
pub use shapes::shapes;
use shapes::{RandomWeights, shape};
pub use stages::{EmptyStages, StepStages};
use steps::{Decode, prefill};

/// What to run.
#[derive(Clone, Debug)]
pub enum Subject {
    /// A GGUF file.
    File(PathBuf),
    /// Random weights in one of the [`shapes()`].
    Shape(String),
}

/// What to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// The model.
    pub subject: Subject,
    /// Tokens of a prefill; 0 leaves it out.
    pub prompt_tokens: usize,
    /// Steps of a decode; 0 leaves it out.
    pub output_tokens: usize,
    /// Tokens already in the cache of each sequence when decoding starts.
    pub context: usize,
    /// Sequences that decode together.
    pub batch: usize,
    /// Whether the steps of the decode are measured with drawn tokens too.
    pub sampled: bool,
    /// Numbers of sequences whose steps are measured beside their floor.
    pub sequences: Vec<usize>,
    /// Threads; by default as many as [`crate::Engine`] would take.
    pub threads: Option<usize>,
    /// Those of them that take part in steps of one token.
    pub decode_threads: DecodeThreads,
    /// Whether each thread stays on a CPU of its own.
    pub pin: bool,
    /// Kernel by name; by default the fastest.
    pub kernel: Option<String>,
    /// What weights, keys and values are rounded to.
    pub rounding: Rounding,
    /// Where packed weights are kept.
    pub packed: PackedCache,
    /// How often each is measured.
    pub repetitions: usize,
}

/// A kernel of this program and what this CPU makes of it.
#[derive(Clone, Debug, Serialize)]
pub struct KernelInfo {
    /// What `--kernel` takes.
    pub name: &'static str,
    /// Whether this CPU has its instructions.
    pub supported: bool,
    /// Whether it is taken unless another is asked for.
    pub chosen: bool,
}

/// Instruction-set features that the kernels use or could use, and whether this CPU has them.
#[must_use]
pub fn cpu_features() -> Vec<(&'static str, bool)> {
    kernel::cpu_features()
}

/// The kernels of this architecture, slowest first.
#[must_use]
pub fn kernels() -> Vec<KernelInfo> {
    let chosen = kernel::choose(None).map(Kernel::name).ok();
    let supported = |name| kernel::supported().any(|kernel| kernel.name() == name);
    let infos = kernel::all().map(|kernel| {
        let name = kernel.name;
        KernelInfo {
            name,
            supported: supported(name),
            chosen: chosen == Some(name),
        }
    });
    infos.collect()
}

/// Runs the measurements.
///
/// # Errors
/// [`Error::Option`] for values that make no sense together, and what loading the model gives.
pub fn run(options: &Options) -> Result<Report, Error> {
    let kernel = kernel::choose(options.kernel.as_deref())?;
    let threads = pool(options.threads, options.pin)?;
    threads.pin_caller();
    let started = Instant::now();
    let (name, advised, mut model) = load(options, kernel, threads)?;
    let load_seconds = started.elapsed().as_secs_f64();
    check(options, model.config())?;
    options.decode_threads.settle(&mut model);

    let layers = model.weights().layer_parameters() as f64;
    let repetitions = |tokens| if tokens == 0 { 0 } else { options.repetitions };
    let prefill = beside(
        repetitions(options.prompt_tokens),
        &mut model,
        |model, between| prefill(model, options.prompt_tokens, between),
        |model| limits::multiply_rate(model).map(|rate| rate / layers),
    );
    let everything = Sampling {
        temperature: 1.0,
        ..Sampling::default()
    };
    let samplings = [everything, advised];
    let what = Decode {
        sequences: options.batch,
        context: options.context,
        steps: options.output_tokens,
        samplings: if options.sampled { &samplings } else { &[] },
    };
    let kv_bytes = kv_bytes_per_step(&model, options);
    let step_bytes = model.weights().bytes_per_step() + kv_bytes;
    let steps = |bandwidth: f64| bandwidth / step_bytes as f64 * options.batch as f64;
    let mut speeds = Vec::new();
    let decode = beside(
        repetitions(options.output_tokens),
        &mut model,
        |model, between| {
            speeds.push(what.speeds(model, between));
            speeds[speeds.len() - 1][0]
        },
        |model| Some(steps(limits::read_bandwidth(model))),
    );
    let prefill_speed = prefill.speed.map(|speed| speed.median);
    let batch_steps = match prefill_speed {
        Some(speed) => batch_steps(&mut model, options, speed),
        None => Vec::new(),
    };
    let StepStages {
        stages,
        shared_bytes,
        ..
    } = StepStages::count(&mut model);
    Ok(Report {
        model: name,
        stages_per_step: stages,
        shared_bytes_per_step: shared_bytes,
        kv: model.kv_shape().precision.to_string(),
        kv_bytes_per_step: kv_bytes,
        prefill_tokens_per_second: prefill.speed,
        decode_tokens_per_second: decode.speed,
        sampled: sampled(what.samplings, &speeds),
        steps: batch_steps,
        weight_bytes: model.weights().bytes(),
        weight_bytes_per_token: model.weights().bytes_per_step(),
        read_bandwidth_bytes_per_second: decode.limit.map_or_else(
            || limits::read_bandwidth(&mut model),
            |tokens| tokens / steps(1.0),
        ),
        bandwidth_fraction: decode.share,
        multiply_rate_per_second: prefill.limit.map(|tokens| tokens * layers),
        multiply_rate_fraction: prefill.share,
        kernel: kernel.name().to_owned(),
        threads: model.threads(),
        decode_threads: model.decode_threads(),
        load_seconds,
        peak_rss_bytes: peak_rss(),
    })
}

/// Keys and values that a step of a decode reads, at the middle of it.
fn kv_bytes_per_step(model: &Model, options: &Options) -> u64 {
    let config = model.config();
    let of_layer = model.kv_shape().bytes_per_token() / config.layers as u64;
    let position = options.context + options.output_tokens / 2;
    let seen = |layer| config.window(layer).unwrap_or(position).min(position);
    let positions = options.batch * (0..config.layers).map(seen).sum::<usize>();
    of_layer * positions as u64
}

/// The speeds of each way of sampling, of which each repetition has one behind that of the steps without.
fn sampled(samplings: &[Sampling], repetitions: &[Vec<f64>]) -> Vec<SampledDecode> {
    let rows = samplings.iter().enumerate().filter_map(|(way, sampling)| {
        let speeds = repetitions.iter().map(|speeds| speeds[way + 1]);
        let fractions = repetitions.iter().map(|speeds| speeds[way + 1] / speeds[0]);
        Some(SampledDecode {
            sampling: *sampling,
            tokens_per_second: Spread::of(speeds.collect())?,
            fraction_of_decode: Spread::of(fractions.collect())?.median,
        })
    });
    rows.collect()
}

/// Steps of each number of sequences, in turn with steps of one.
fn batch_steps(model: &mut Model, options: &Options, prefill_speed: f64) -> Vec<BatchStep> {
    let (layers, head) = (model.weights().layer_parameters(), model.weights().head());
    let with_head = 1.0 + (head.rows() * head.cols()) as f64 / layers as f64;
    let mut seconds = |sequences| {
        let decode = Decode {
            sequences,
            context: options.context,
            steps: options.output_tokens,
            samplings: &[],
        };
        sequences as f64 / decode.speeds(model, &mut |_| {})[0]
    };
    let rows = options.sequences.iter().filter_map(|sequences| {
        let rows_at_best = *sequences as f64 * with_head / prefill_speed;
        let (mut steps, mut floors) = (Vec::new(), Vec::new());
        for _ in 0..options.repetitions {
            let one = seconds(1);
            steps.push(if *sequences == 1 {
                one
            } else {
                seconds(*sequences)
            });
            floors.push(one.max(rows_at_best));
        }
        let speeds = steps.iter().map(|step| *sequences as f64 / step);
        let times_floor = steps.iter().zip(&floors).map(|(step, floor)| step / floor);
        Some(BatchStep {
            sequences: *sequences,
            tokens_per_second: Spread::of(speeds.collect())?,
            times_floor: Spread::of(times_floor.collect())?.median,
            step_seconds: Spread::of(steps)?.median,
            floor_seconds: Spread::of(floors)?.median,
        })
    });
    rows.collect()
}

fn check(options: &Options, config: &ModelConfig) -> Result<(), Error> {
    let longest = options
        .prompt_tokens
        .max(options.context + options.output_tokens);
    if longest > config.context {
        let context = config.context;
        return Err(Error::Option(format!(
            "the model's context of {context} tokens cannot hold {longest}"
        )));
    }
    if options.batch == 0 || options.repetitions == 0 || options.sequences.contains(&0) {
        return Err(Error::Option(
            "`batch`, `sequences` and `repetitions` must be at least 1, found 0".into(),
        ));
    }
    if !options.sequences.is_empty() && (options.prompt_tokens == 0 || options.output_tokens == 0) {
        return Err(Error::Option(
            "`sequences` needs a prefill and a decode: `prompt-tokens` and `output-tokens` must be at least 1, found 0".into(),
        ));
    }
    Ok(())
}

/// The model's name, the sampling that its authors advise, and the model.
fn load(
    options: &Options,
    kernel: &'static kernel::Kernel,
    threads: Pool,
) -> Result<(String, Sampling, Model), Error> {
    let rounding = options.rounding;
    match &options.subject {
        Subject::File(path) => {
            let source = ModelSource::open(path)?;
            let config = source.config().clone();
            let name = load::name(path);
            let files = SourceFingerprint::of(source.files());
            let packed =
                load::packed_file(&options.packed, &source, files, rounding.into(), kernel)?;
            let tensors = source.tensors();
            let model = Model::load(tensors, config, rounding, kernel, threads, packed.as_ref())?;
            let advised = source.sampling(&name);
            Ok((name, advised, model))
        }
        Subject::Shape(name) => {
            let config = shape(name)?;
            let model = Model::load(&RandomWeights, config, rounding, kernel, threads, None)?;
            Ok((name.clone(), Sampling::advised_for(name), model))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        let tiny = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny.gguf");
        Options {
            subject: Subject::File(tiny.into()),
            prompt_tokens: 40,
            output_tokens: 8,
            context: 100,
            batch: 3,
            sampled: true,
            sequences: vec![1, 4],
            threads: Some(2),
            decode_threads: DecodeThreads::Auto,
            pin: false,
            kernel: None,
            rounding: Rounding::default(),
            packed: PackedCache::Off,
            repetitions: 3,
        }
    }

    #[test]
    fn a_report_has_every_figure_that_was_asked_for() {
        let report = run(&options()).unwrap();
        let decode = report.decode_tokens_per_second.unwrap();
        assert!(0.0 < decode.min && decode.min <= decode.median && decode.median <= decode.max);
        assert!(report.prefill_tokens_per_second.is_some() && report.bandwidth_fraction.is_some());
        assert!(report.read_bandwidth_bytes_per_second > 0.0 && report.load_seconds > 0.0);
        assert!(!cfg!(target_os = "linux") || report.peak_rss_bytes.is_some());
        // The file's head is a matrix of its own, so that a step reads one row of the embedding.
        assert!(report.weight_bytes > report.weight_bytes_per_token);
        let advised = Sampling::advised_for("tiny");
        let temperatures = [1.0, advised.temperature];
        assert_eq!(report.sampled.len(), 2);
        for (row, temperature) in report.sampled.iter().zip(temperatures) {
            assert_eq!(row.sampling.temperature, temperature);
            assert!(row.tokens_per_second.min > 0.0 && row.fraction_of_decode > 0.0);
        }
        let [one, four] = &report.steps[..] else {
            panic!("{report:?}");
        };
        assert_eq!((one.sequences, four.sequences), (1, 4));
        assert!(one.step_seconds <= one.floor_seconds && four.times_floor > 0.0);
        let report = run(&Options {
            prompt_tokens: 0,
            sequences: Vec::new(),
            ..options()
        })
        .unwrap();
        assert!(
            report.prefill_tokens_per_second.is_none() && report.multiply_rate_fraction.is_none()
        );
    }

    #[test]
    fn what_cannot_be_measured_is_refused_by_name() {
        let refuse = |options: Options, word: &str| {
            let error = run(&options).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        };
        refuse(
            Options {
                context: 250,
                ..options()
            },
            "256",
        );
        refuse(
            Options {
                batch: 0,
                ..options()
            },
            "`batch`",
        );
        refuse(
            Options {
                prompt_tokens: 0,
                ..options()
            },
            "`sequences`",
        );
        refuse(
            Options {
                subject: Subject::Shape("gpt".into()),
                ..options()
            },
            "`llama-3.1-8b`",
        );
    }
}
