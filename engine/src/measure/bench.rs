//! Measures prefill and decode, and what the machine could do at best.
//!
//! Decode is limited by memory: every step reads all weights and the keys and values so far. Prefill is limited by
//! multiplication. Both limits are measured here with the same threads, so that a speed comes with the share of its
//! limit that it reaches.

mod limits;
mod product;
mod shapes;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::Error;
use crate::compute::kernel;
use crate::compute::kv::KvCache;
use crate::files::config::ModelConfig;
use crate::load;
use crate::machine::threads::{Pool, pool};
use crate::model::forward::{Model, NewTokens, PREFILL_CHUNK};
use crate::model::packed::PackedCache;
use crate::model::source::ModelSource;
use crate::model::weights::Rounding;

use limits::beside;
pub use product::{Case, PreparedProduct, cases};
pub use shapes::shapes;
use shapes::{RandomWeights, shape};

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
    /// Threads; by default as many as [`crate::Engine`] would take.
    pub threads: Option<usize>,
    /// Whether each thread stays on a CPU of its own.
    pub pin: bool,
    /// Kernel by name; by default the fastest.
    pub kernel: Option<String>,
    /// What weights are rounded to.
    pub rounding: Rounding,
    /// Where packed weights are kept.
    pub packed: PackedCache,
    /// How often each is measured.
    pub repetitions: usize,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Name of the shape or file.
    pub model: String,
    /// Prompt tokens a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefill_tokens_per_second: Option<Spread>,
    /// Output tokens a second, of all sequences together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decode_tokens_per_second: Option<Spread>,
    /// Packed weights that one decode step reads.
    pub weight_bytes_per_token: u64,
    /// Reading these weights and doing nothing else, with the same threads: the median of what was measured beside the
    /// decodes.
    pub read_bandwidth_bytes_per_second: f64,
    /// (Weights + keys and values of a step) / time of a step / read bandwidth measured beside it: the median.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bandwidth_fraction: Option<f64>,
    /// The kernel's multiply-accumulates on registers alone, with the same threads, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multiply_rate_per_second: Option<f64>,
    /// (Weights of the layers x prefill speed) / multiply rate, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multiply_rate_fraction: Option<f64>,
    /// The matrix kernel.
    pub kernel: String,
    /// Threads.
    pub threads: usize,
    /// Reading or making the weights and packing them.
    pub load_seconds: f64,
    /// Largest resident size of the process, where the system tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_rss_bytes: Option<u64>,
}

/// Several measurements of one thing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The middle one.
    pub median: f64,
    /// The lowest.
    pub min: f64,
    /// The highest.
    pub max: f64,
}

impl Spread {
    /// None of nothing.
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        Some(Self {
            median: values[values.len() / 2],
            min,
            max,
        })
    }
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
    let chosen = kernel::choose(None).map(|kernel| kernel.name).ok();
    let supported = |name| kernel::supported().any(|kernel| kernel.name == name);
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
    threads.settle();
    let started = Instant::now();
    let (name, mut model) = load(options, kernel, threads)?;
    let load_seconds = started.elapsed().as_secs_f64();
    check(options, model.config())?;

    let layers = model.weights().layer_parameters() as f64;
    let repetitions = |tokens| if tokens == 0 { 0 } else { options.repetitions };
    let prefill = beside(
        repetitions(options.prompt_tokens),
        &mut model,
        |model, between| prefill(model, options, between),
        |model| limits::multiply_rate(model).map(|rate| rate / layers),
    );
    let (weight_bytes, step_bytes) = (
        model.weights().bytes_per_step(),
        step_bytes(&model, options),
    );
    let steps = |bandwidth: f64| bandwidth / step_bytes * options.batch as f64;
    let decode = beside(
        repetitions(options.output_tokens),
        &mut model,
        |model, between| decode(model, options, between),
        |model| Some(steps(limits::read_bandwidth(model))),
    );
    Ok(Report {
        model: name,
        prefill_tokens_per_second: prefill.speed,
        decode_tokens_per_second: decode.speed,
        weight_bytes_per_token: weight_bytes,
        read_bandwidth_bytes_per_second: decode.limit.map_or_else(
            || limits::read_bandwidth(&mut model),
            |tokens| tokens / steps(1.0),
        ),
        bandwidth_fraction: decode.share,
        multiply_rate_per_second: prefill.limit.map(|tokens| tokens * layers),
        multiply_rate_fraction: prefill.share,
        kernel: kernel.name.to_owned(),
        threads: model.threads(),
        load_seconds,
        peak_rss_bytes: peak_rss(),
    })
}

/// Weights, keys and values that a step of a decode reads, at the middle of it.
fn step_bytes(model: &Model, options: &Options) -> f64 {
    let config = model.config();
    let kv_bytes = KvCache::bytes_per_token(
        config.layers,
        config.kv_heads,
        config.head_dim,
        options.rounding.kv(),
    );
    let positions = options.batch * (options.context + options.output_tokens / 2);
    model.weights().bytes_per_step() as f64 + kv_bytes as f64 * positions as f64
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
    if options.batch == 0 || options.repetitions == 0 {
        return Err(Error::Option(
            "`batch` and `repetitions` must be at least 1, found 0".into(),
        ));
    }
    Ok(())
}

fn load(
    options: &Options,
    kernel: &'static kernel::Kernel,
    threads: Pool,
) -> Result<(String, Model), Error> {
    let rounding = options.rounding;
    match &options.subject {
        Subject::File(path) => {
            let source = ModelSource::open(path)?;
            let config = source.config().clone();
            let name = load::name(path);
            let packed = load::packed_file(&options.packed, &source, rounding.into(), kernel)?;
            let tensors = source.tensors();
            let model = Model::load(tensors, config, rounding, kernel, threads, packed.as_ref())?;
            Ok((name, model))
        }
        Subject::Shape(name) => {
            let config = shape(name)?;
            Ok((
                name.clone(),
                Model::load(&RandomWeights, config, rounding, kernel, threads, None)?,
            ))
        }
    }
}

/// Some token for each place.
fn tokens(count: usize, vocabulary: usize) -> Vec<u32> {
    (0..count).map(|i| (i * 7919 % vocabulary) as u32).collect()
}

/// Tokens a second of one prefill, without the time that is spent between its chunks.
fn prefill(model: &mut Model, options: &Options, between: &mut dyn FnMut(&mut Model)) -> f64 {
    let tokens = tokens(options.prompt_tokens, model.config().vocabulary);
    let mut cache = model.new_cache();
    cache.begin(tokens.len());
    cache.reserve(tokens.len());
    let mut spent = Duration::ZERO;
    let mut chunks = tokens.chunks(PREFILL_CHUNK).peekable();
    while let Some(tokens) = chunks.next() {
        let started = Instant::now();
        let chunk = NewTokens {
            tokens,
            cache: &mut cache,
            wants_logits: chunks.peek().is_none(),
        };
        model.forward(&mut [chunk], &|| false);
        spent += started.elapsed();
        between(model);
    }
    tokens.len() as f64 / spent.as_secs_f64()
}

/// Tokens a second of all sequences together, without the time that is spent between some steps.
fn decode(model: &mut Model, options: &Options, between: &mut dyn FnMut(&mut Model)) -> f64 {
    /// Steps after which there is something between.
    const STEPS: usize = 8;
    let tokens = tokens(options.output_tokens, model.config().vocabulary);
    let mut caches: Vec<_> = (0..options.batch).map(|_| filled(model, options)).collect();
    let mut spent = Duration::ZERO;
    for tokens in tokens.chunks(STEPS) {
        let started = Instant::now();
        for tokens in tokens.chunks(1) {
            let mut batch: Vec<_> = caches
                .iter_mut()
                .map(|cache| NewTokens {
                    tokens,
                    cache,
                    wants_logits: true,
                })
                .collect();
            model.forward(&mut batch, &|| false);
        }
        spent += started.elapsed();
        between(model);
    }
    (tokens.len() * options.batch) as f64 / spent.as_secs_f64()
}

/// A cache that holds `context` positions, of zeros: their values do not change the time that they take.
fn filled(model: &Model, options: &Options) -> KvCache {
    let mut cache = model.new_cache();
    cache.begin(options.context);
    cache.reserve(options.context + options.output_tokens);
    cache.advance(options.context);
    cache
}

/// Linux's high-water mark of this process.
fn peak_rss() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
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
            threads: Some(2),
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
        let report = run(&Options {
            prompt_tokens: 0,
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
                subject: Subject::Shape("gpt".into()),
                ..options()
            },
            "`llama-3.1-8b`",
        );
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(
            Spread::of(vec![3.0, 1.0, 2.0]),
            Some(Spread {
                median: 2.0,
                min: 1.0,
                max: 3.0
            })
        );
        assert_eq!(Spread::of(Vec::new()), None);
    }
}
