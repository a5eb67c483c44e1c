//! `nibble download`, `models`, `list`, `where` and `remove`: models on the hub and on this disk.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use nibble_engine::CachedWeights;
use nibble_server::hub::{
    self, CacheContents, CachedModel, DEFAULT_NAME, KNOWN_MODELS, KnownModel, Removal,
};
use serde_json::{Value, json};

use super::loading::Bar;
use super::table::{Align, table};

#[derive(Debug, Args)]
#[command(after_help = short_names())]
pub(crate) struct DownloadArgs {
    /// A short name, or a repository on the hub: owner/name, owner/name@revision, owner/name:file.gguf, owner/name:Q4_0
    #[arg(value_name = "NAME", default_value = DEFAULT_NAME)]
    name: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct WhereArgs {
    /// A short name, a repository on the hub or a path
    #[arg(value_name = "NAME", default_value = DEFAULT_NAME)]
    name: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ModelsArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    /// Short names or repositories; of a file or folder of your own only the packed weights go
    #[arg(value_name = "NAME", required = true)]
    names: Vec<PathBuf>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// For help texts.
fn short_names() -> String {
    let names = KNOWN_MODELS.iter().map(|model| {
        let gated = if model.gated { ", gated" } else { "" };
        format!(
            "\n  {:<18}{:>8}  {}{gated}",
            model.name,
            model.download(),
            model.licence
        )
    });
    let names: String = names.collect();
    format!(
        "Short names:{names}\n\nGated models need a token in HF_TOKEN, of an account that accepted the licence."
    )
}

pub(super) fn download(args: &DownloadArgs) -> anyhow::Result<()> {
    let path = hub::download(&args.name, &Bar::default())?;
    writeln!(io::stdout(), "{}", path.display())?;
    Ok(())
}

pub(super) fn find(args: &WhereArgs) -> anyhow::Result<()> {
    let path = hub::find(&args.name)?;
    writeln!(io::stdout(), "{}", path.display())?;
    Ok(())
}

pub(super) fn models(args: &ModelsArgs) -> anyhow::Result<()> {
    let here = |model: &KnownModel| hub::find(Path::new(model.name)).ok();
    let available = nibble_engine::available_memory();
    let fits = |model: &KnownModel| Some(model.memory_bytes() <= available?);
    let mut out = io::stdout();
    if args.json {
        let models = KNOWN_MODELS.iter().map(|model| {
            json!({
                "name": model.name,
                "aliases": model.aliases,
                "repository": model.repository,
                "file": model.file,
                "parameters": u64::from(model.millions) * 1_000_000,
                "download_bytes": u64::from(model.megabytes) * 1_000_000,
                "memory_bytes": model.memory_bytes(),
                "fits": fits(model),
                "licence": model.licence,
                "gated": model.gated,
                "path": here(model),
            })
        });
        writeln!(out, "{:#}", models.collect::<Value>())?;
        return Ok(());
    }
    let rows = KNOWN_MODELS.iter().map(|model| {
        [
            model.name.to_owned(),
            model.parameters(),
            model.download(),
            model.memory(),
            fits(model).map_or("?".to_owned(), yes),
            model.licence.to_owned(),
            yes(model.gated),
            yes(here(model).is_some()),
            model.repository.to_owned(),
        ]
    });
    let head = [
        "name",
        "weights",
        "download",
        "memory",
        "fits",
        "licence",
        "gated",
        "here",
        "repository",
    ];
    let (left, right) = (Align::Left, Align::Right);
    let aligned = [left, right, right, right, left, left, left, left, left];
    write!(out, "{}", table(head, aligned, rows))?;
    Ok(())
}

fn yes(is: bool) -> String {
    if is { "yes" } else { "" }.to_owned()
}

pub(super) fn list(args: &ListArgs) -> anyhow::Result<()> {
    let cached = hub::cached()?;
    let mut out = io::stdout();
    if args.json {
        writeln!(out, "{:#}", listed(&cached))?;
        return Ok(());
    }
    let models = cached.models.iter().map(|model| {
        let place = match (&model.path, model.total_bytes) {
            (Some(path), _) => path.display().to_string(),
            (None, Some(all)) => format!("not whole: {} in all", size(all)),
            (None, None) => "not whole".to_owned(),
        };
        let packed = match model.packed_bytes() {
            0 => String::new(),
            bytes => size(bytes),
        };
        [model.name.clone(), size(model.bytes), packed, place]
    });
    let strays = cached.packed.iter().map(|packed| {
        let of = packed.model.as_deref().unwrap_or(&packed.path);
        let place = of.display().to_string();
        [
            "(packed weights)".to_owned(),
            String::new(),
            size(packed.bytes),
            place,
        ]
    });
    let head = ["name", "size", "packed", "path"];
    let aligned = [Align::Left, Align::Right, Align::Right, Align::Left];
    write!(out, "{}", table(head, aligned, models.chain(strays)))?;
    let all: u64 = cached
        .models
        .iter()
        .map(|model| model.bytes + model.packed_bytes())
        .sum();
    let strays: u64 = cached.packed.iter().map(|packed| packed.bytes).sum();
    writeln!(
        out,
        "{} in `{}`",
        size(all + strays),
        hub::cache_folder()?.display()
    )?;
    Ok(())
}

fn listed(cached: &CacheContents) -> Value {
    let weights = |packed: &CachedWeights| json!({ "path": packed.path, "bytes": packed.bytes, "model": packed.model });
    let model = |model: &CachedModel| {
        json!({
            "name": model.name,
            "path": model.path,
            "bytes": model.bytes,
            "whole_bytes": model.total_bytes,
            "packed": model.packed.iter().map(weights).collect::<Value>(),
        })
    };
    json!({
        "models": cached.models.iter().map(model).collect::<Value>(),
        "packed": cached.packed.iter().map(weights).collect::<Value>(),
    })
}

pub(super) fn remove(args: &RemoveArgs) -> anyhow::Result<()> {
    for name in &args.names {
        let removal = hub::removal(name)?;
        let mut out = io::stderr();
        for (path, bytes) in &removal.items {
            writeln!(out, "{}, {}", path.display(), size(*bytes))?;
        }
        if let Some(path) = &removal.stays {
            writeln!(out, "{} itself stays", path.display())?;
        }
        if !args.yes && !is_wanted(name, &removal)? {
            continue;
        }
        let freed = size(removal.bytes());
        removal.carry_out(&Bar::default())?;
        writeln!(io::stdout(), "removed {}: {freed} are free", name.display())?;
    }
    Ok(())
}

/// Asks whoever sits at the terminal.
fn is_wanted(name: &Path, removal: &Removal) -> anyhow::Result<bool> {
    let name = name.display();
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        bail!("`{name}` was not removed: nobody can be asked here, so say --yes");
    }
    write!(
        io::stderr(),
        "Remove {name}, {}? [y/N] ",
        size(removal.bytes())
    )?;
    io::stderr().flush()?;
    let mut answer = String::new();
    let read = stdin.lock().read_line(&mut answer);
    read.context("the answer cannot be read")?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}

/// For people.
fn size(bytes: u64) -> String {
    match bytes {
        ..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} kB", bytes / 1_000),
        1_000_000..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        bytes => format!("{}.{} GB", bytes / 1_000_000_000, bytes / 100_000_000 % 10),
    }
}
