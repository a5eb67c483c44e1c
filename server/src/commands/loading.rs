//! From model options to a loaded engine.

use std::path::PathBuf;

use nibble_engine::{Engine, Error, LoadOptions};

use crate::cli::ModelArgs;

/// Loads what the options name; `queue` limits the requests that may wait.
pub(super) fn engine(args: &ModelArgs, queue: Option<usize>) -> Result<Engine, Error> {
    let model = model_file(args)?;
    tracing::info!("loading `{}`", model.display());
    let engine = Engine::load(&LoadOptions {
        model,
        threads: args.threads,
        kernel: args.kernel.clone(),
        context: args.context,
        queue,
    })?;
    let info = engine.info();
    tracing::info!(
        "loaded {}: {} M weights as {} in {} MB, kernel {}, threads {}, context {}",
        info.name,
        info.parameters / 1_000_000,
        info.quantization,
        info.weight_bytes / 1_000_000,
        info.kernel,
        info.threads,
        info.context,
    );
    Ok(engine)
}

fn model_file(args: &ModelArgs) -> Result<PathBuf, Error> {
    match &args.model {
        // An environment file that leaves NIBBLE_MODEL empty means the default.
        Some(path) if !path.as_os_str().is_empty() => Ok(path.clone()),
        _ => Err(Error::Fetch(
            "no model: name a GGUF file with --model".into(),
        )),
    }
}
