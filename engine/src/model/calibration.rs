//! What columns count, measured on a text: the unrounded model reads it, and the activations in front of every matrix are
//! squared and averaged.
//!
//! For that time the model is in memory in floats too: with bf16 weights, two bytes for each of them.

use sha2::{Digest, Sha256};

use crate::Error;
use crate::compute::kernel::Kernel;
use crate::files::hex;
use crate::machine::threads::Pool;
use crate::model::forward::Model;
use crate::model::source::ModelSource;
use crate::model::weights::{ImportanceMatrix, MeanSquares, QuantScheme, Quantize, Rounding};

/// Tokens of a window, each read from an empty cache.
const WINDOW: usize = 512;
/// Tokens that are read at a time.
const STEP: usize = 64;

/// A text that shows what a model will read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calibration(pub String);

/// What columns count by a calibration text; nothing without one.
///
/// # Errors
/// [`Error::Option`] when nothing is rounded that it could guide.
pub(crate) fn importance<'a>(
    text: Option<&'a Calibration>,
    source: &'a ModelSource,
    rounding: Rounding,
    kernel: &'static Kernel,
) -> Result<Option<ImportanceMatrix<'a>>, Error> {
    let Some(Calibration(text)) = text else {
        return Ok(None);
    };
    if rounding.quantize == Quantize::None {
        return Err(Error::Option(
            "`calibrate` guides rounding, and `quantize` none rounds nothing: choose one".into(),
        ));
    }
    let digest = hex(&Sha256::digest(text));
    let measure = move |threads| measure(text, source, kernel, threads);
    let identity = format!("calibrated by a text of SHA-256 {digest}");
    Ok(Some(ImportanceMatrix::new(identity, Box::new(measure))))
}

/// The mean squares of all columns at all sites.
fn measure(
    text: &str,
    source: &ModelSource,
    kernel: &'static Kernel,
    threads: usize,
) -> Result<MeanSquares, Error> {
    let tokenizer = source.tokenizer()?;
    let mut tokens = tokenizer.encode_document(text);
    if tokens.is_empty() {
        return Err(Error::Option("the calibration text has no tokens".into()));
    }
    let config = source.config().clone();
    let window = WINDOW.min(config.context);
    let scheme = QuantScheme::from(Rounding {
        quantize: Quantize::None,
        ..Rounding::default()
    });
    let pool = Pool::new(threads).map_err(Error::NoThread)?;
    let mut model = Model::load(source.tensors(), config, scheme, kernel, pool, None)?;
    model.observe();
    for window in tokens.chunks_mut(window) {
        if let Some(bos) = tokenizer.added_bos() {
            window[0] = bos;
        }
        let mut cache = model.new_cache();
        cache.begin(window.len());
        for tokens in window.chunks(STEP) {
            model.forward_each(tokens, &mut cache);
        }
    }
    Ok(model.observed())
}

#[cfg(test)]
mod tests;
