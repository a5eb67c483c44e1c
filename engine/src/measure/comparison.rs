//! What each choice of quantisation costs: bits per weight beside perplexity, KL divergence from the unquantised model
//! and how often both hold the same token for the likeliest.
//!
//! The text is read as for [`crate::measure::perplexity`]. What the unquantised model makes of it is kept in a temporary file, four
//! bytes for each counted token and word of the vocabulary, so that only one model is in memory at a time.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::PathBuf;

use serde::Serialize;

use crate::answer::logprobs::log_total;
use crate::compute::kernel::{self, Kernel};
use crate::load;
use crate::machine::threads::pool;
use crate::measure::perplexity::{Windows, read, surprise};
use crate::model::calibration::{self, Calibration};
use crate::model::forward::Model;
use crate::model::source::ModelSource;
use crate::model::weights::{QuantScheme, Quantize, Rounding};
use crate::{Error, Int4};

/// What to compare.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A GGUF file, or a folder in the layout of the Hugging Face hub.
    pub model: PathBuf,
    /// The text.
    pub text: String,
    /// Tokens of a window; by default [`crate::measure::perplexity::DEFAULT_WINDOW`].
    pub window: Option<usize>,
    /// The choices; the unquantised model is always the first row.
    pub choices: Vec<Int4>,
    /// Four bits for the output head in all choices.
    pub int4_head: bool,
    /// Four bits for the embedding likewise.
    pub int4_embedding: bool,
    /// A text by which the error of rounding is weighed: every choice is then measured without and with it.
    pub calibration: Option<Calibration>,
    /// Threads; by default as many as [`crate::Engine`] would take.
    pub threads: Option<usize>,
    /// Whether each thread stays on a CPU of its own.
    pub pin: bool,
    /// Kernel by name; by default the fastest.
    pub kernel: Option<String>,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Name of the file.
    pub model: String,
    /// Tokens that were counted.
    pub tokens: usize,
    /// Windows that were read.
    pub windows: usize,
    /// Tokens of a window.
    pub window: usize,
    /// The matrix kernel.
    pub kernel: String,
    /// The unquantised model, then the choices.
    pub choices: Vec<Choice>,
}

/// One way to round the weights.
#[derive(Clone, Debug, Serialize)]
pub struct Choice {
    /// What `--quantize` takes.
    pub quantize: String,
    /// Whether the error was weighed by the calibration text.
    pub calibrated: bool,
    /// Of all matrices, embedding and head included, as they are held in memory.
    pub bits_per_weight: f64,
    /// The exponential of the mean negative logarithm of the probability of each counted token.
    pub perplexity: f64,
    /// From the unquantised model, in nats, the mean over the counted tokens.
    pub kl_divergence: f64,
    /// Share of the counted tokens before which the likeliest token is that of the unquantised model.
    pub top_1_agreement: f64,
}

/// Reads the text with the unquantised model and then with every choice; `progress` is told the name of a choice, its
/// windows done, and all windows.
///
/// # Errors
/// What loading the model gives, [`Error::Option`] for a window that the model cannot hold or the text not fill, and
/// [`Error::File`] when there is no room for what is kept.
pub fn run(
    options: &Options,
    mut progress: impl FnMut(&str, usize, usize),
) -> Result<Report, Error> {
    let subject = Subject {
        options,
        kernel: kernel::choose(options.kernel.as_deref())?,
        source: &ModelSource::open(&options.model)?,
    };
    let windows = Windows::of(&options.text, options.window, subject.source)?;
    let mut truth = Truth::new()?;
    let mut model = subject.load(Quantize::None, None)?;
    let mut choices = vec![Tally::new(Quantize::None, None).read(
        &mut model,
        &windows,
        |logits| truth.write(logits).map(|()| None),
        &mut progress,
    )?];
    let mut expected = vec![0.0; model.config().vocabulary];
    drop(model);
    for int4 in &options.choices {
        let quantize = Quantize::Int4(*int4);
        let calibrations = [None, options.calibration.as_ref()];
        let twice = 1 + usize::from(options.calibration.is_some());
        for calibration in &calibrations[..twice] {
            let mut model = subject.load(quantize, *calibration)?;
            truth.rewind()?;
            choices.push(Tally::new(quantize, *calibration).read(
                &mut model,
                &windows,
                |logits| truth.compare(logits, &mut expected).map(Some),
                &mut progress,
            )?);
        }
    }
    Ok(Report {
        model: load::name(&options.model),
        tokens: windows.count() * (windows.len.div_ceil(2) - 1),
        windows: windows.count(),
        window: windows.len,
        kernel: subject.kernel.name().to_owned(),
        choices,
    })
}

/// The model in all its roundings.
struct Subject<'a> {
    options: &'a Options,
    kernel: &'static Kernel,
    source: &'a ModelSource,
}

impl Subject<'_> {
    fn load(&self, quantize: Quantize, calibration: Option<&Calibration>) -> Result<Model, Error> {
        let rounds = quantize != Quantize::None;
        let rounding = Rounding {
            quantize,
            int4_head: self.options.int4_head && rounds,
            int4_embedding: self.options.int4_embedding && rounds,
            kv: None,
        };
        let importance = calibration::importance(calibration, self.source, rounding, self.kernel)?;
        let scheme = QuantScheme {
            rounding,
            importance: importance.as_ref(),
        };
        let pool = pool(self.options.threads, self.options.pin)?;
        let (tensors, config) = (self.source.tensors(), self.source.config().clone());
        let model = Model::load(tensors, config, scheme, self.kernel, pool, None)?;
        model.pin_caller();
        Ok(model)
    }
}

/// How far the logits behind one token are from the truth.
struct Distance {
    divergence: f64,
    agrees: bool,
}

/// What one choice makes of the text.
struct Tally {
    quantize: Quantize,
    calibrated: bool,
    tokens: usize,
    nll: f64,
    divergence: f64,
    agreements: usize,
}

impl Tally {
    fn new(quantize: Quantize, calibration: Option<&Calibration>) -> Self {
        Self {
            quantize,
            calibrated: calibration.is_some(),
            tokens: 0,
            nll: 0.0,
            divergence: 0.0,
            agreements: 0,
        }
    }

    /// Reads all windows; `distance` is given the logits, token after token, and says none for the truth itself.
    fn read(
        mut self,
        model: &mut Model,
        windows: &Windows,
        mut distance: impl FnMut(&[f32]) -> Result<Option<Distance>, Error>,
        progress: &mut impl FnMut(&str, usize, usize),
    ) -> Result<Choice, Error> {
        let name = self.quantize.to_string();
        for (index, window) in windows.iter().enumerate() {
            let mut failed = None;
            read(model, window, |logits, next| {
                match distance(logits) {
                    Ok(Some(distance)) => {
                        self.divergence += distance.divergence;
                        self.agreements += usize::from(distance.agrees);
                    }
                    Ok(None) => self.agreements += 1,
                    Err(error) => failed = Some(error),
                }
                self.nll += surprise(logits, next);
                self.tokens += 1;
            });
            if let Some(error) = failed {
                return Err(error);
            }
            progress(&name, index + 1, windows.count());
        }
        let (tokens, weights) = (self.tokens as f64, model.weights());
        Ok(Choice {
            quantize: name,
            calibrated: self.calibrated,
            bits_per_weight: weights.bytes() as f64 * 8.0 / weights.parameters() as f64,
            perplexity: (self.nll / tokens).exp(),
            kl_divergence: self.divergence / tokens,
            top_1_agreement: self.agreements as f64 / tokens,
        })
    }
}

/// The logits of the unquantised model in a temporary file, written once and then read from the start for every choice.
struct Truth {
    writer: BufWriter<File>,
    reader: BufReader<File>,
}

/// Bytes that are read or written at a time.
const BUFFER: usize = 1 << 20;

impl Truth {
    fn new() -> Result<Self, Error> {
        let file = tempfile::tempfile().map_err(failed)?;
        let reader = file.try_clone().map_err(failed)?;
        Ok(Self {
            writer: BufWriter::with_capacity(BUFFER, file),
            reader: BufReader::with_capacity(BUFFER, reader),
        })
    }

    fn write(&mut self, logits: &[f32]) -> Result<(), Error> {
        let bytes = bytemuck::cast_slice(logits);
        self.writer.write_all(bytes).map_err(failed)
    }

    fn rewind(&mut self) -> Result<(), Error> {
        self.writer.flush().map_err(failed)?;
        self.reader.rewind().map_err(failed)
    }

    /// Compares logits with the next ones of the truth, for which `expected` has room.
    fn compare(&mut self, logits: &[f32], expected: &mut [f32]) -> Result<Distance, Error> {
        let bytes = bytemuck::cast_slice_mut(expected);
        self.reader.read_exact(bytes).map_err(failed)?;
        Ok(distance(logits, expected))
    }
}

fn failed(reason: io::Error) -> Error {
    Error::File {
        action: "keep logits in",
        path: std::env::temp_dir(),
        reason,
    }
}

/// `sum(p * ln(p / q))` with `p` of the expected logits and `q` of those that were found.
fn distance(found: &[f32], expected: &[f32]) -> Distance {
    let (found_total, expected_total) = (log_total(found), log_total(expected));
    let terms = found.iter().zip(expected).map(|(found, expected)| {
        let log_p = f64::from(*expected) - expected_total;
        let log_q = f64::from(*found) - found_total;
        log_p.exp() * (log_p - log_q)
    });
    Distance {
        divergence: terms.sum(),
        agrees: likeliest(found) == likeliest(expected),
    }
}

fn likeliest(logits: &[f32]) -> Option<usize> {
    let logits = logits.iter().enumerate();
    logits
        .max_by(|a, b| a.1.total_cmp(b.1))
        .map(|(token, _)| token)
}

#[cfg(test)]
mod tests;
