//! How well a model foretells a text: the measure by which kernels, roundings and formats are compared.
//!
//! The protocol is that of llama.cpp's `llama-perplexity`, so that figures compare: windows of the text that do not
//! overlap, each read from an empty cache; the tokens of the second half of a window count, as the first half gives
//! them something to be foretold from. A last window that is not full is left out.

use std::path::PathBuf;
use std::time::Instant;

use serde::Serialize;

use crate::Error;
use crate::answer::logprobs::log_total;
use crate::compute::kernel;
use crate::load;
use crate::machine::threads::pool;
use crate::model::calibration::{self, Calibration};
use crate::model::forward::{Model, NewTokens, PREFILL_CHUNK};
use crate::model::source::ModelSource;
use crate::model::weights::{QuantScheme, Quantize, Rounding};

/// What to measure.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A GGUF file, or a folder in the layout of the Hugging Face hub.
    pub model: PathBuf,
    /// The text.
    pub text: String,
    /// Tokens of a window; by default [`DEFAULT_WINDOW`].
    pub window: Option<usize>,
    /// Threads; by default as many as [`crate::Engine`] would take.
    pub threads: Option<usize>,
    /// Whether each thread stays on a CPU of its own.
    pub pin: bool,
    /// Kernel by name; by default the fastest.
    pub kernel: Option<String>,
    /// What weights, keys and values are rounded to.
    pub rounding: Rounding,
    /// A text by which the error of rounding is weighed.
    pub calibration: Option<Calibration>,
    /// What becomes of activations.
    pub activations: Activations,
    /// Whether the figure of each token is wanted too.
    pub each: bool,
}

/// What becomes of activations before they are multiplied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Activations {
    /// They are rounded to int8, one scale for 32 of them (for a whole row where weights are channelwise).
    #[default]
    Int8,
    /// They are rounded to int8, one scale for a whole row.
    #[serde(rename = "int8-row")]
    Int8Row,
    /// They stay in f32.
    F32,
}

/// Tokens of a window unless told otherwise.
pub const DEFAULT_WINDOW: usize = 512;
/// Tokens whose logits are computed at a time.
const CHUNK: usize = 64;

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Name of the file.
    pub model: String,
    /// `exp(nll)`.
    pub perplexity: f64,
    /// Mean negative logarithm of the probability that the model gave to each counted token.
    pub nll: f64,
    /// That of each counted token in order, where it was wanted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nlls: Vec<f64>,
    /// Tokens that were counted.
    pub tokens: usize,
    /// Windows that were read.
    pub windows: usize,
    /// Tokens of a window.
    pub window: usize,
    /// Tokens that were read a second.
    pub tokens_per_second: f64,
    /// The matrix kernel.
    pub kernel: String,
    /// What became of activations.
    pub activations: Activations,
    /// How keys and values were held.
    pub kv: String,
}

/// Reads the text window by window; `progress` is told the windows done, all windows, and the perplexity so far.
///
/// # Errors
/// What loading the model gives, and [`Error::Option`] for a window that the model cannot hold or the text not fill.
pub fn run(
    options: &Options,
    mut progress: impl FnMut(usize, usize, f64),
) -> Result<Report, Error> {
    let activations = activations(options)?;
    let kernel = kernel::choose(options.kernel.as_deref())?;
    let pool = pool(options.threads, options.pin)?;
    let source = ModelSource::open(&options.model)?;
    let config = source.config().clone();
    let windows = Windows::of(&options.text, options.window, &source)?;
    let rounding = options.rounding;
    let calibration = options.calibration.as_ref();
    let importance = calibration::importance(calibration, &source, rounding, kernel)?;
    let scheme = QuantScheme {
        rounding,
        importance: importance.as_ref(),
    };
    let mut model = Model::load(source.tensors(), config, scheme, kernel, pool, None)?;
    model.pin_caller();
    match activations {
        Activations::Int8 => {}
        Activations::Int8Row => model.round_by_row(),
        Activations::F32 => model.keep_floats(),
    }
    let started = Instant::now();
    let (mut sum, mut counted, mut nlls) = (0.0, 0u32, Vec::new());
    for (index, window) in windows.iter().enumerate() {
        read(&mut model, window, |logits, next| {
            let nll = surprise(logits, next);
            sum += nll;
            counted += 1;
            if options.each {
                nlls.push(nll);
            }
        });
        progress(index + 1, windows.count(), (sum / f64::from(counted)).exp());
    }
    let nll = sum / f64::from(counted);
    let (count, window) = (windows.count(), windows.len);
    Ok(Report {
        model: load::name(&options.model),
        perplexity: nll.exp(),
        nll,
        nlls,
        tokens: counted as usize,
        windows: count,
        window,
        tokens_per_second: (count * window) as f64 / started.elapsed().as_secs_f64(),
        kernel: kernel.name().to_owned(),
        activations,
        kv: rounding.kv()?.to_string(),
    })
}

/// Activations that meet floats are not rounded.
fn activations(options: &Options) -> Result<Activations, Error> {
    match (options.rounding.quantize, options.activations) {
        (Quantize::None, Activations::Int8Row) => Err(Error::Option(
            "`activations` int8-row rounds what `quantize` none keeps as floats: choose one".into(),
        )),
        (Quantize::None, _) => Ok(Activations::F32),
        (Quantize::Int4(_), activations) => Ok(activations),
    }
}

/// A text in windows of tokens.
#[derive(Debug)]
pub(crate) struct Windows {
    tokens: Vec<u32>,
    /// Tokens of a window.
    pub(crate) len: usize,
}

impl Windows {
    /// The full windows of a text, each started as a prompt is; of `len` tokens or of the default.
    ///
    /// # Errors
    /// [`Error::Option`] when the model cannot hold a window or the text not fill one.
    pub(crate) fn of(text: &str, len: Option<usize>, source: &ModelSource) -> Result<Self, Error> {
        let context = source.config().context;
        let len = len.unwrap_or(DEFAULT_WINDOW.min(context));
        if !(4..=context).contains(&len) {
            return Err(Error::Option(format!(
                "a window must have from 4 to the model's {context} tokens, found {len}"
            )));
        }
        let tokenizer = source.tokenizer()?;
        let mut tokens = tokenizer.encode_document(text);
        if tokens.len() < len {
            return Err(Error::Option(format!(
                "the text has {} tokens, and a window takes {len}",
                tokens.len()
            )));
        }
        if let Some(bos) = tokenizer.added_bos() {
            tokens
                .chunks_exact_mut(len)
                .for_each(|window| window[0] = bos);
        }
        Ok(Self { tokens, len })
    }

    pub(crate) fn count(&self) -> usize {
        self.tokens.len() / self.len
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u32]> {
        self.tokens.chunks_exact(self.len)
    }
}

/// Reads a window; `each` is told the logits behind each token from the middle on, and the token that comes next.
pub(crate) fn read(model: &mut Model, window: &[u32], mut each: impl FnMut(&[f32], u32)) {
    let vocabulary = model.config().vocabulary;
    let mut cache = model.new_cache();
    cache.begin(window.len());
    let (first, counted) = window.split_at(window.len() / 2);
    for tokens in first.chunks(PREFILL_CHUNK) {
        let chunk = NewTokens {
            tokens,
            draft: &[],
            cache: &mut cache,
            wants_logits: false,
            reader: None,
        };
        model.forward(&mut [chunk], &|| false);
    }
    // The last token foretells nothing that is known.
    let foretelling = &counted[..counted.len() - 1];
    for (tokens, next) in foretelling.chunks(CHUNK).zip(counted[1..].chunks(CHUNK)) {
        let logits = model.forward_each(tokens, &mut cache);
        for (logits, next) in logits.chunks_exact(vocabulary).zip(next) {
            each(logits, *next);
        }
    }
}

/// `-ln softmax(logits)[token]`.
pub(crate) fn surprise(logits: &[f32], token: u32) -> f64 {
    log_total(logits) - f64::from(logits[token as usize])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::threads::Pool;

    fn options(text: &str) -> Options {
        let tiny = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny.gguf");
        Options {
            model: tiny.into(),
            text: text.into(),
            window: Some(16),
            threads: Some(2),
            ..Options::default()
        }
    }

    const TEXT: &str =
        "The quick brown fox jumps over the lazy dog, and then it does so again and again.";

    /// From the definition: the probability of each token after all before it, one at a time.
    fn token_by_token(options: &Options, window: usize) -> Vec<f64> {
        let source = ModelSource::open(&options.model).unwrap();
        let tokenizer = source.tokenizer().unwrap();
        let kernel = kernel::choose(Some("scalar")).unwrap();
        let mut model = Model::load(
            source.tensors(),
            source.config().clone(),
            Rounding::default(),
            kernel,
            Pool::new(1).unwrap(),
            None,
        )
        .unwrap();
        let mut tokens = tokenizer.encode_document(&options.text);
        let mut surprises = Vec::new();
        for window in tokens.chunks_exact_mut(window) {
            if let Some(bos) = tokenizer.added_bos() {
                window[0] = bos;
            }
            let mut cache = model.new_cache();
            cache.begin(window.len());
            for (position, pair) in window.windows(2).enumerate() {
                let step = NewTokens {
                    tokens: &pair[..1],
                    draft: &[],
                    cache: &mut cache,
                    wants_logits: true,
                    reader: None,
                };
                let logits = model.forward(&mut [step], &|| false);
                let logits = logits.unwrap();
                let sum: f64 = logits.iter().map(|logit| f64::from(*logit).exp()).sum();
                let probability = f64::from(logits[pair[1] as usize]).exp() / sum;
                if position >= window.len() / 2 {
                    surprises.push(-probability.ln());
                }
            }
        }
        surprises
    }

    #[test]
    fn it_is_what_its_definition_says_with_every_kernel() {
        for window in [16, 17] {
            let options = Options {
                window: Some(window),
                each: true,
                ..options(TEXT)
            };
            let each = token_by_token(&options, window);
            let expected = each.iter().sum::<f64>() / each.len() as f64;
            let mut reports = Vec::new();
            for kernel in kernel::supported() {
                let kernel = Some(kernel.name().to_owned());
                let options = Options {
                    kernel,
                    ..options.clone()
                };
                let mut told = Vec::new();
                let report = run(&options, |done, all, _| told.push((done, all))).unwrap();
                assert!(
                    (report.nll - expected).abs() < 1e-6,
                    "{report:?}, not {expected}"
                );
                assert_eq!(report.nlls.len(), each.len());
                for (token, (nll, expected)) in report.nlls.iter().zip(&each).enumerate() {
                    assert!(
                        (nll - expected).abs() < 1e-6,
                        "{nll} of token {token}, not {expected}"
                    );
                }
                assert_eq!(told.len(), report.windows);
                assert_eq!(told.last(), Some(&(report.windows, report.windows)));
                reports.push(report.nll.to_bits());
            }
            assert!(reports.iter().all(|nll| *nll == reports[0]));
        }
    }

    #[test]
    fn a_window_is_one_prompt_whose_length_a_rope_may_turn_by() {
        use crate::model::forward::tests::{bits, dynamic, tokens};
        let mut model = dynamic::model(32);
        let window = tokens(1, 50);
        let mut found = Vec::new();
        read(&mut model, &window, |logits, _| found.extend(bits(logits)));
        let mut cache = model.new_cache();
        cache.begin(window.len());
        let logits = bits(model.forward_each(&window, &mut cache));
        let vocabulary = logits.len() / window.len();
        assert_eq!(found, logits[25 * vocabulary..49 * vocabulary]);
    }

    #[test]
    fn rounding_activations_changes_it_little() {
        let rounded = run(&options(TEXT), |_, _, _| {}).unwrap();
        let activations = Activations::F32;
        let options = Options {
            activations,
            ..options(TEXT)
        };
        let exact = run(&options, |_, _, _| {}).unwrap();
        assert_ne!(rounded.nll, exact.nll);
        assert!(exact.nlls.is_empty(), "{exact:?}");
        let ratio = rounded.perplexity / exact.perplexity;
        assert!((ratio - 1.0).abs() < 0.05, "{ratio}");
    }

    #[test]
    fn what_no_window_fits_is_refused_by_name() {
        let refuse = |options: Options, words: [&str; 2]| {
            let error = run(&options, |_, _, _| {}).unwrap_err().to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        };
        refuse(options("Short."), ["the text has", "16"]);
        let window = Some(1_000_000);
        refuse(
            Options {
                window,
                ..options(TEXT)
            },
            ["from 4 to", "1000000"],
        );
        let window = Some(3);
        refuse(
            Options {
                window,
                ..options(TEXT)
            },
            ["from 4 to", "found 3"],
        );
    }
}
