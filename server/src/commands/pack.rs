//! `nibble pack`: a model's weights in this CPU's layout, in a file.

use std::io::{self, Write};

use indicatif::{ProgressBar, ProgressStyle};
use nibble_engine::{LoadOptions, PackedCache};

use super::{loading, text};
use crate::cli::PackArgs;

pub(super) fn run(args: PackArgs) -> anyhow::Result<()> {
    let options = LoadOptions {
        model: loading::model(&args.model)?,
        threads: args.compute.threads,
        pin: args.compute.pin,
        kernel: args.compute.kernel,
        rounding: args.rounding.rounding(),
        calibration: text::calibration(&args.calibration)?,
        packed: args.out.map_or(PackedCache::Automatic, PackedCache::File),
        ..LoadOptions::default()
    };
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {percent} %, {eta} left") {
        bar.set_style(style);
    }
    let file = nibble_engine::pack(&options, &|done, all| {
        bar.set_length(all);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    writeln!(io::stdout(), "{}", file.display())?;
    Ok(())
}
