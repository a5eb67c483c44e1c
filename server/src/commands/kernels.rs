//! `nibble kernels`: what this program has for this CPU.

use std::io::{self, Write};

use clap::Args;
use nibble_engine::bench;
use serde_json::json;

#[derive(Debug, Args)]
pub(crate) struct KernelsArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &KernelsArgs) -> anyhow::Result<()> {
    let (kernels, features) = (bench::kernels(), bench::cpu_features());
    let found = |found: bool| features.iter().filter(move |feature| feature.1 == found);
    let names = |with: bool| found(with).map(|feature| feature.0).collect::<Vec<_>>();
    let (present, missing) = (names(true), names(false));
    let mut stdout = io::stdout();
    if args.json {
        let json = json!({ "kernels": kernels, "features": present, "missing_features": missing });
        writeln!(stdout, "{json:#}")?;
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
    writeln!(stdout, "\nthis CPU has     {}", list(&present))?;
    writeln!(stdout, "it does not have {}", list(&missing))?;
    Ok(())
}

fn list(names: &[&str]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}
