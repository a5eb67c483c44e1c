//! `nibble kernels`: what this program has for this CPU.

use std::io::{self, Write};

use nibble_engine::bench;

use crate::cli::KernelsArgs;

pub(super) fn run(args: &KernelsArgs) -> anyhow::Result<()> {
    let kernels = bench::kernels();
    let mut stdout = io::stdout();
    if args.json {
        writeln!(stdout, "{}", serde_json::to_string_pretty(&kernels)?)?;
        return Ok(());
    }
    for kernel in kernels {
        let note = match (kernel.supported, kernel.chosen) {
            (false, _) => "not on this CPU",
            (true, false) => "supported",
            (true, true) => "supported, taken unless --kernel names another",
        };
        writeln!(stdout, "{:<14}{note}", kernel.name)?;
    }
    Ok(())
}
