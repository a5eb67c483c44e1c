//! From a model's files and a person's options to a model that is ready to answer, or to its packed file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use self::draft::DraftSource;
use crate::answer::prefix::disk::PrefixFolder;
use crate::answer::schedule::Draft;
use crate::compute::kernel::{self, Kernel};
use crate::compute::matrix::Packing;
use crate::files::config::ModelConfig;
use crate::machine::threads::{self, pool};
use crate::model::calibration::{self, Calibration};
use crate::model::capacity::{self, Need};
use crate::model::decode_threads::DecodeThreads;
use crate::model::forward::Model;
use crate::model::packed::{Packed, PackedCache, PackedFile, SourceFingerprint};
use crate::model::source::ModelSource;
use crate::model::weights::{self, QuantScheme, Quantize, Rounding};
use crate::model::work::{ModelShape, StepWork};
use crate::text::prompt::ChatTemplate;
use crate::text::tokenizer::Tokenizer;
use crate::{Error, ModelInfo, Speculation};

mod draft;
mod plan;

pub use plan::{LoadPlan, longest_context};

/// How to load a model; `None` leaves the choice to the engine.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// A GGUF file, or a folder in the layout of the Hugging Face hub.
    pub model: PathBuf,
    /// A smaller model of the same tokens, which guesses what the model will say; none by default. It is rounded as the model
    /// is.
    pub draft: Option<PathBuf>,
    /// Threads that compute; by default what affinity and the cgroup quota allow.
    pub threads: Option<usize>,
    /// Those of them that take part in steps of one token.
    pub decode_threads: DecodeThreads,
    /// Whether each of these threads stays on a CPU of its own.
    pub pin: bool,
    /// Matrix kernel by name; by default the fastest that this CPU runs.
    pub kernel: Option<String>,
    /// What weights, keys and values are rounded to.
    pub rounding: Rounding,
    /// A text by which the error of rounding is weighed.
    pub calibration: Option<Calibration>,
    /// Where packed weights are kept.
    pub packed: PackedCache,
    /// The longest sequence, in tokens; by default the model's own, at most [`DEFAULT_CONTEXT`] and what memory allows.
    pub context: Option<usize>,
    /// Requests that may wait; by default [`DEFAULT_QUEUE`].
    pub queue: Option<usize>,
    /// Memory for keys and values of all sequences, of those too that are kept for prompts to come, and of the draft model; by
    /// default half of what the model leaves, at most 4 GiB, and never less than one context.
    pub kv_bytes: Option<u64>,
    /// Where keys and values are kept for prompts to come after a restart; nowhere by default. Those of weights that are in no
    /// file are not.
    pub prefix_folder: Option<PrefixFolder>,
    /// Whether tokens are guessed ahead, for requests that do not say.
    pub speculation: Speculation,
    /// How long a request may wait; without a limit by default.
    pub wait: Option<Duration>,
    /// How long an answer may take from its request on; without a limit by default.
    pub total: Option<Duration>,
}

/// The longest sequence unless asked for more: keys and values of 128 k tokens would fill the memory of most machines.
pub const DEFAULT_CONTEXT: usize = 8192;
/// Requests that may wait unless told otherwise.
pub const DEFAULT_QUEUE: usize = 64;

/// What the files and the options come to.
pub(crate) struct Loaded {
    pub(crate) info: ModelInfo,
    pub(crate) model: Model,
    pub(crate) draft: Option<Draft>,
    pub(crate) tokenizer: Tokenizer,
    pub(crate) template: ChatTemplate,
    /// For keys and values of the model.
    pub(crate) kv_bytes: u64,
    /// For all else, but for keys and values of the draft model.
    pub(crate) fixed_bytes: u64,
    /// See [`kv_identity`].
    pub(crate) kv_identity: Option<String>,
}

impl Loaded {
    /// Reads the model and packs its weights, unless they are found packed.
    pub(crate) fn load(
        options: &LoadOptions,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<Self, Error> {
        let kernel = kernel::choose(options.kernel.as_deref())?;
        let pool = pool(options.threads, options.pin)?;
        let source = ModelSource::open(&options.model)?;
        let config = source.config().clone();
        let tokenizer = source.tokenizer()?;
        let template = source.template(&tokenizer)?;
        let (tensors, rounding) = (source.tensors(), options.rounding);
        let calibration = options.calibration.as_ref();
        let importance = calibration::importance(calibration, &source, rounding, kernel)?;
        let scheme = QuantScheme {
            rounding,
            importance: importance.as_ref(),
        };
        let files = SourceFingerprint::of(source.files());
        let fingerprint = digest(files.as_ref());
        let packed = packed_file(&options.packed, &source, files, scheme, kernel)?;
        let packing = weights::plan(tensors, &config, scheme, kernel)?.with_progress(progress);
        let available = capacity::available_memory();
        let draft = DraftSource::open(options, &tokenizer, kernel)?;
        let need = Need::of(&config, packing.bytes() as u64, rounding.kv()?);
        let need = match &draft {
            Some(draft) => draft.need_with(need)?,
            None => need,
        };
        let context = context(options.context, &config, need, available)?;
        let kv_bytes = need.kv_bytes(context, options.kv_bytes, available)?;
        let [kv_bytes, of_draft] = need.kv_parts(kv_bytes);
        let info = ModelInfo {
            thinks: template.thought_marks().is_some(),
            fingerprint,
            draft: draft.as_ref().map(DraftSource::info).transpose()?,
            ..info(&source, &packing, options, context)?
        };
        let kv_identity = kv_identity(&info, &config, scheme);
        let (draft, pool) = match draft {
            Some(draft) => {
                let (draft, pool) = draft.load(pool, of_draft, context, progress)?;
                (Some(draft), pool)
            }
            None => (None, pool),
        };
        let mut model = Model::planned(tensors, config, scheme, packing, pool, packed.as_ref())?;
        options.decode_threads.settle(&mut model);
        let info = ModelInfo {
            decode_threads: model.decode_threads(),
            ..info
        };
        Ok(Self {
            info,
            model,
            draft,
            tokenizer,
            template,
            kv_bytes,
            fixed_bytes: need.fixed_bytes(),
            kv_identity,
        })
    }
}

/// All that keys and values depend on beside tokens and their positions: every kernel gives the same bits. None of weights that are in no file.
fn kv_identity(info: &ModelInfo, config: &ModelConfig, scheme: QuantScheme<'_>) -> Option<String> {
    let ModelInfo {
        fingerprint, kv, ..
    } = info;
    let weights = scheme.description();
    let is_known = !fingerprint.is_empty();
    is_known.then(|| format!("{fingerprint}; {config:?}; {weights}; {kv}"))
}

/// The file for packed weights that `cache` means for this model of these files; none when it means none, or the weights
/// are in no file.
///
/// # Errors
/// [`Error::Option`] when a file was named that holds something else.
pub(crate) fn packed_file(
    cache: &PackedCache,
    source: &ModelSource,
    files: Option<SourceFingerprint>,
    scheme: QuantScheme<'_>,
    kernel: &Kernel,
) -> Result<Option<PackedFile>, Error> {
    // Floats are copied as they are: a second copy on the disk would not be read faster.
    if scheme.rounding.quantize == Quantize::None {
        return Ok(None);
    }
    let Some(fingerprint) = files else {
        return Ok(None);
    };
    let packed = Packed {
        model: source.path(),
        fingerprint,
        head_dim: source.config().head_dim,
        rounding: scheme.description(),
    };
    PackedFile::new(cache, packed, kernel)
}

/// What changes when a model's files do; empty for weights that are in none.
fn digest(files: Option<&SourceFingerprint>) -> String {
    files.map(SourceFingerprint::digest).unwrap_or_default()
}

/// The context that was asked for, or the default where that fits the memory, else a shorter one.
fn context(
    requested: Option<usize>,
    config: &ModelConfig,
    need: Need,
    available: Option<u64>,
) -> Result<usize, Error> {
    let model = config.context;
    let context = match requested {
        None => model.min(DEFAULT_CONTEXT),
        Some(context) if (2..=model).contains(&context) => context,
        Some(found) => {
            return Err(Error::Option(format!(
                "`context` must be from 2 to the model's {model} tokens, found {found}"
            )));
        }
    };
    need.context(context, requested.is_some(), available)
}

/// What is known of a model before its weights are packed, but for whether it thinks, what its files are and what guesses for it.
fn info(
    source: &ModelSource,
    packing: &Packing<'_>,
    options: &LoadOptions,
    context: usize,
) -> Result<ModelInfo, Error> {
    let (config, name) = (source.config(), name(&options.model));
    let weights = |shape: [usize; 2]| (shape[0] * shape[1]) as u64;
    let norms = (config.hidden * (2 * config.layers + 1)) as u64;
    let parameters = packing
        .plans()
        .map(|plan| weights(plan.shape()))
        .sum::<u64>()
        + norms;
    let weight_bytes: u64 = packing.plans().map(|plan| plan.bytes()).sum();
    let bits = weight_bytes as f64 * 8.0 / parameters as f64;
    let rounding = options.rounding.quantize.in_words();
    let threads = options.threads.unwrap_or_else(threads::available);
    Ok(ModelInfo {
        id: name.to_lowercase(),
        family: source.tensors().architecture().name.gguf.to_owned(),
        parameters,
        shape: ModelShape::of(config),
        work: StepWork::of(config, packing, options.rounding.kv()?),
        licence: source.licence(),
        weight_bytes,
        context,
        vocabulary: config.vocabulary,
        quantization: format!("{rounding}, {bits:.1} bits a weight"),
        kv: options.rounding.kv()?.to_string(),
        kernel: packing.kernel().name().to_owned(),
        threads,
        decode_threads: options.decode_threads.at_most(threads),
        draft: None,
        thinks: false,
        fingerprint: String::new(),
        sampling: source.sampling(&name),
        name,
    })
}

/// The model's name for people: that of its file or folder, without the kind of quantisation. (`general.name` inside a
/// file is often that of a training run.)
pub(crate) fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or("model".as_ref());
    let name = name.to_string_lossy();
    let stem = name.strip_suffix(".gguf").unwrap_or(&name);
    let quantisation = |suffix: &str| {
        let suffix = suffix.to_uppercase();
        ["F16", "F32", "BF16"].contains(&suffix.as_str())
            || suffix
                .trim_start_matches('I')
                .strip_prefix('Q')
                .is_some_and(|rest| rest.starts_with(char::is_numeric))
    };
    match stem.rsplit_once(['.', '-']) {
        Some((name, suffix)) if quantisation(suffix) && !name.is_empty() => name.to_owned(),
        _ => stem.to_owned(),
    }
}

/// Packs a model into a file, `out` or its place in the cache folder, and returns its path; `progress` gets the bytes
/// packed and written so far, and how many there will be.
///
/// # Errors
/// What loading the model gives, [`Error::File`] when the packed file cannot be written, and [`Error::Option`] when it has
/// no place.
pub fn pack(options: &LoadOptions, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<PathBuf, Error> {
    if options.rounding.quantize == Quantize::None {
        return Err(Error::Option(
            "with `quantize` none there is nothing to pack: floats are read as they are".into(),
        ));
    }
    let kernel = kernel::choose(options.kernel.as_deref())?;
    let mut pool = pool(options.threads, options.pin)?;
    let source = ModelSource::open(&options.model)?;
    let config = source.config();
    let rounding = options.rounding;
    let importance =
        calibration::importance(options.calibration.as_ref(), &source, rounding, kernel)?;
    let scheme = QuantScheme {
        rounding,
        importance: importance.as_ref(),
    };
    let files = SourceFingerprint::of(source.files());
    let file = packed_file(&options.packed, &source, files, scheme, kernel)?;
    let file = file.ok_or_else(|| Error::Option("there is no place for packed weights".into()))?;
    let packing = weights::plan(source.tensors(), config, scheme, kernel)?;
    let bytes = packing.bytes() as u64;
    // Before the long work, as it may find that there is no room.
    let writer = file.writer(&packing)?;
    if let Some(importance) = &importance {
        importance.find(pool.threads())?;
    }
    let half = |done, _| progress(done, 2 * bytes);
    let matrices = packing.with_progress(&half).pack(&mut pool)?;
    writer.finish(&matrices, &mut pool, &|done| {
        progress(bytes + done, 2 * bytes);
    })?;
    Ok(file.path().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_that_of_the_file_without_its_quantisation() {
        for (file, expected) in [
            (
                "models/SmolLM2-135M-Instruct.Q4_1.gguf",
                "SmolLM2-135M-Instruct",
            ),
            ("Llama-3.2-1B-Instruct-IQ4_NL.gguf", "Llama-3.2-1B-Instruct"),
            ("tiny-bf16.gguf", "tiny"),
            ("a.b-c.gguf", "a.b-c"),
            ("Q4_0.gguf", "Q4_0"),
            ("models/Llama-3.2-1B-Instruct/", "Llama-3.2-1B-Instruct"),
            ("..", "model"),
        ] {
            assert_eq!(name(Path::new(file)), expected);
        }
    }
}
