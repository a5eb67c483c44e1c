//! `nibble doctor`: whether this machine runs a model as fast as it can, and what would help.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use nibble_app::doctor::{Finding, findings};
use nibble_app::language::Language;
use nibble_engine::bench::{self, Limits};
use nibble_engine::survey::Survey;
use nibble_engine::{
    DEFAULT_CONTEXT, Error, LoadOptions, LoadPlan, available_memory, longest_context,
};
use nibble_server::hub::{self, DEFAULT_NAME, HubName, KNOWN_MODELS};
use nibble_server::machine::machine;
use serde_json::json;

use crate::options::ComputeArgs;

/// Bytes that are read to measure memory: more than caches hold, and a small part of what is left.
const MOST_BYTES: u64 = 512 << 20;

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    compute: ComputeArgs,
    /// The model whose need of memory is held against what is left: a GGUF file, a folder, a short name (`nibble models` lists
    /// them) or a repository that was fetched; of several the first
    #[arg(long, env = "NIBBLE_MODEL", hide_env_values = true, value_name = "MODEL", default_value = DEFAULT_NAME)]
    model: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &DoctorArgs) -> anyhow::Result<()> {
    let kernels = bench::kernels();
    let kernel = match &args.compute.kernel {
        Some(name) => {
            let supported = |kernel: &&bench::KernelInfo| kernel.name == name && kernel.supported;
            let found = kernels.iter().find(supported);
            found.with_context(|| format!("kernel `{name}` does not run on this CPU"))?
        }
        None => kernels
            .iter()
            .find(|kernel| kernel.chosen)
            .context("no kernel runs on this CPU")?,
    };
    let survey = Survey::take();
    let bytes = available_memory().map_or(MOST_BYTES, |left| MOST_BYTES.min(left / 8));
    let limits = Limits::measure(args.compute.threads, usize::try_from(bytes)?, &|| true)?;
    let mut machine = machine(survey, kernel.name.to_owned(), limits.threads, Some(limits));
    machine.needed = needed(&args.model, args.compute.kernel.as_deref());
    let found = findings(Language::English, &machine);
    let advised = found.iter().filter(|finding| finding.advice.is_some());
    let advised = advised.count();
    match args.json {
        true => writeln!(io::stdout(), "{:#}", as_json(&found))?,
        false => write!(io::stdout(), "{}", lines(&found))?,
    }
    match advised {
        0 => Ok(()),
        1 => bail!("one thing could be better"),
        advised => bail!("{advised} things could be better"),
    }
}

/// What a model takes of memory: by its files where they are here, and else by the table of short names; nothing of one that is
/// in neither.
fn needed(models: &str, kernel: Option<&str>) -> Option<(String, u64)> {
    let first = models.split(',').map(str::trim).next().unwrap_or_default();
    let name = if first.is_empty() {
        DEFAULT_NAME
    } else {
        first
    };
    if let Ok(model) = hub::find(Path::new(name)) {
        match by_files(model, kernel) {
            Ok(bytes) => return Some((name.to_owned(), bytes)),
            Err(error) => tracing::warn!("what `{name}` needs is not known: {error}"),
        }
    }
    let short = HubName::parse(name).ok()?.to_string();
    let known = KNOWN_MODELS.iter().find(|known| known.name == short)?;
    Some((short, known.memory_bytes()))
}

/// With keys and values of the whole context, as the table has them: without a context it would be one that fits.
fn by_files(model: PathBuf, kernel: Option<&str>) -> Result<u64, Error> {
    let context = longest_context(&model)?.min(DEFAULT_CONTEXT);
    by_plan(LoadPlan::of(&LoadOptions {
        model,
        kernel: kernel.map(str::to_owned),
        context: Some(context),
        ..LoadOptions::default()
    }))
}

/// A model that does not fit is no plan, and says what it needs.
fn by_plan(plan: Result<LoadPlan, Error>) -> Result<u64, Error> {
    match plan {
        Ok(plan) => Ok(plan.fixed_bytes() + plan.kv_bytes(None, 0)?),
        Err(Error::Memory { needed, .. }) => Ok(needed),
        Err(error) => Err(error),
    }
}

fn as_json(findings: &[Finding]) -> serde_json::Value {
    let findings = findings.iter().map(|finding| {
        json!({ "about": finding.about, "found": finding.found, "advice": finding.advice, "note": finding.note })
    });
    json!({ "findings": findings.collect::<Vec<_>>() })
}

/// A line for each, and below it its advice, with a mark, or its note.
fn lines(findings: &[Finding]) -> String {
    let widest = findings.iter().map(|finding| finding.about.len()).max();
    let width = widest.unwrap_or(0);
    let lines = findings.iter().map(|finding| {
        let Finding {
            about,
            found,
            advice,
            note,
        } = finding;
        let mark = if advice.is_some() { '!' } else { ' ' };
        let advice = advice
            .iter()
            .chain(note)
            .map(|advice| format!("  {:width$}  {advice}\n", ""));
        format!(
            "{mark} {about:width$}  {found}\n{}",
            advice.collect::<String>()
        )
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_stands_below_what_it_is_about() {
        let finding = |about, advice: Option<&str>| Finding {
            about,
            found: "2".to_owned(),
            advice: advice.map(str::to_owned),
            note: None,
        };
        let noted = Finding {
            note: Some("try 1".to_owned()),
            ..finding("Threads", None)
        };
        let findings = [noted, finding("Load", Some("end it"))];
        assert_eq!(
            lines(&findings),
            "  Threads  2\n           try 1\n! Load     2\n           end it\n"
        );
        let json = as_json(&findings);
        assert_eq!(json["findings"][1]["advice"], "end it");
        assert!(json["findings"][0]["advice"].is_null());
        assert_eq!(json["findings"][0]["note"], "try 1");
    }

    #[test]
    fn a_models_need_of_memory_is_that_of_its_name() {
        let (name, bytes) = needed("", None).unwrap();
        assert_eq!(name, DEFAULT_NAME);
        assert!(needed("llama3.1, smollm2", None).unwrap().1 > bytes);
        assert_eq!(needed("./some.gguf", None), None);
    }

    #[test]
    fn a_models_need_of_memory_is_that_of_its_files() {
        const TINY: &str = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../engine/tests/fixtures/tiny.gguf"
        );
        let plan = LoadPlan::of(&LoadOptions {
            model: TINY.into(),
            ..LoadOptions::default()
        });
        let plan = plan.unwrap();
        let bytes = plan.fixed_bytes() + plan.kv_bytes(None, 0).unwrap();
        assert_eq!(needed(TINY, None), Some((TINY.to_owned(), bytes)));
        // One that does not fit has one too.
        let too_large = Error::Memory {
            needed: 40_000_000_000,
            context: 8192,
            with_draft: false,
            available: 8_000_000_000,
        };
        assert_eq!(by_plan(Err(too_large)).unwrap(), 40_000_000_000);
        assert!(by_plan(Err(Error::Stopped)).is_err());
    }
}
