//! `nibble pack`: a model's weights in this CPU's layout, in a file.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use nibble_engine::{LoadOptions, PackedCache};
use nibble_server::hub;

use super::packing::PackingBar;
use super::{loading, text};
use crate::options::{CalibrationArgs, ComputeArgs, RoundingArgs};

#[derive(Debug, Args)]
pub(crate) struct PackArgs {
    /// A GGUF file, a folder in the layout of the Hugging Face hub, a short name or a repository as owner/name
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// The packed file, for --packed [default: where starts look for it by themselves]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    rounding: RoundingArgs,
    #[command(flatten)]
    calibration: CalibrationArgs,
    #[command(flatten)]
    compute: ComputeArgs,
}

pub(super) fn run(args: PackArgs) -> anyhow::Result<()> {
    let packed = match args.out {
        Some(file) => PackedCache::File(file),
        None => PackedCache::Folder(hub::packed_folder(&hub::cache_folder()?)),
    };
    let options = LoadOptions {
        model: loading::model(&args.model)?,
        threads: args.compute.threads,
        pin: args.compute.pin,
        kernel: args.compute.kernel,
        rounding: args.rounding.rounding(),
        calibration: text::calibration(&args.calibration)?,
        packed,
        ..LoadOptions::default()
    };
    let bar = PackingBar::new();
    let file = nibble_engine::pack(&options, &|done, all| bar.show(done, all));
    bar.finish();
    writeln!(io::stdout(), "{}", file?.display())?;
    Ok(())
}
