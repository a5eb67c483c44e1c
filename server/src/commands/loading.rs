//! From model options to a loaded engine, with the model fetched when it is not on the disk yet.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use nibble_app::language::Told;
use nibble_engine::{Engine, LoadOptions};
use nibble_server::hub::{self, Progress};

use super::packing::PackingBar;
use super::text;
use crate::options::{FileArgs, LoadArgs, ModelArgs};

/// Loads what the options name.
pub(super) fn engine(args: &ModelArgs) -> anyhow::Result<Engine> {
    let model = model_file(&args.file)?;
    let options = options(&args.load, model, LoadOptions::default())?;
    loaded(&with_draft(&args.load, options)?)
}

/// The same with the draft model that was named, fetched when it is not there yet.
pub(super) fn with_draft(args: &LoadArgs, options: LoadOptions) -> Result<LoadOptions, hub::Error> {
    let draft = args.draft().map(model).transpose()?;
    Ok(LoadOptions { draft, ..options })
}

/// How a model is loaded; `limits` are those of a server, whose model is not looked at.
pub(super) fn options(
    args: &LoadArgs,
    model: PathBuf,
    limits: LoadOptions,
) -> anyhow::Result<LoadOptions> {
    Ok(LoadOptions {
        model,
        threads: args.compute.threads,
        decode_threads: args.compute.decode_threads,
        pin: args.compute.pin,
        kernel: args.compute.kernel.clone(),
        rounding: args.kv.with(args.rounding.rounding()),
        calibration: text::calibration(&args.calibration)?,
        packed: args.packed.cache(),
        context: args.context,
        speculation: args.speculate,
        ..limits
    })
}

/// Loads a model, and shows how far it is.
pub(super) fn loaded(options: &LoadOptions) -> anyhow::Result<Engine> {
    tracing::info!("loading `{}`", options.model.display());
    let bar = PackingBar::new();
    let engine = Engine::load_with_progress(options, &|done, all| bar.show(done, all));
    bar.finish();
    let engine = engine?;
    let info = engine.info();
    if let Some(draft) = &options.draft {
        tracing::info!("loaded `{}` to guess what it says", draft.display());
    }
    tracing::info!(
        "loaded {}: {} M weights as {} in {} MB, keys and values in {}, kernel {}, threads {}, {} of which decode, context {}",
        info.name,
        info.parameters / 1_000_000,
        info.quantization,
        info.weight_bytes / 1_000_000,
        info.kv,
        info.kernel,
        info.threads,
        info.decode_threads,
        info.context,
    );
    Ok(engine)
}

/// The path of the model that was named, or of the default one, fetched when it is not there yet.
pub(super) fn model_file(named: &FileArgs) -> Result<PathBuf, hub::Error> {
    // An environment file that leaves NIBBLE_MODEL empty means the default.
    model(named.model.as_deref().unwrap_or(Path::new("")))
}

/// The path of a model, by whatever names it.
pub(super) fn model(named: &Path) -> Result<PathBuf, hub::Error> {
    hub::model(named, &Bar::default())
}

/// A bar on a terminal, plain lines elsewhere.
#[derive(Default)]
pub(super) struct Bar(Mutex<Option<ProgressBar>>);

impl Bar {
    fn with(&self, act: impl FnOnce(&mut Option<ProgressBar>)) {
        if let Ok(mut bar) = self.0.lock() {
            act(&mut bar);
        }
    }
}

/// Not a log line: most commands log warnings only, and this is none.
fn say(what: &str) {
    let _ = writeln!(io::stderr(), "fetching the model: {what}");
}

impl Progress for Bar {
    fn start(&self, what: &Told, total_bytes: Option<u64>) {
        let (bar, template) = match total_bytes {
            Some(bytes) => (
                ProgressBar::new(bytes),
                "{msg} {wide_bar} {bytes} of {total_bytes}, {eta} left",
            ),
            None => (ProgressBar::new_spinner(), "{spinner} {msg} {bytes}"),
        };
        if bar.is_hidden() {
            say(&what.to_string());
        }
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what.to_string());
        bar.enable_steady_tick(Duration::from_millis(200));
        self.with(|slot| *slot = Some(bar));
    }

    fn advance(&self, bytes_so_far: u64) {
        self.with(|slot| {
            let Some(bar) = slot else { return };
            let tenth = |bytes: u64| bar.length().map(|all| bytes * 10 / all.max(1));
            if bar.is_hidden() && tenth(bytes_so_far) > tenth(bar.position()) {
                let megabytes = bytes_so_far / 1_000_000;
                say(&format!("{megabytes} MB of {}", bar.message()));
            }
            bar.set_position(bytes_so_far);
        });
    }

    fn finish(&self) {
        self.with(|slot| {
            if let Some(bar) = slot.take() {
                bar.finish_and_clear();
            }
        });
    }
}
