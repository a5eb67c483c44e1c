//! Which files of a repository make a model that this program reads.

use std::collections::{BTreeSet, HashMap};

use nibble_engine::check_config;
use serde::Deserialize;

use super::client::{Client, Listing, Sibling};
use super::model_folders::{Entry, Manifest};
use super::receive::Download;
use super::reference::HubModel;

const CONFIG: &str = "config.json";
const TOKENIZER: &str = "tokenizer.json";
/// What is taken where it is there.
const OPTIONAL: [&str; 3] = [
    "generation_config.json",
    "tokenizer_config.json",
    "chat_template.jinja",
];
const INDEX: &str = "model.safetensors.index.json";
const SINGLE: &str = "model.safetensors";
const GGUF: &str = ".gguf";
/// So many files are named in a message.
const NAMED: usize = 12;

/// Asks the hub what there is, and chooses.
pub(super) fn plan(model: &HubModel, client: &Client) -> Result<Manifest, String> {
    let listing = client.list(model)?;
    let names = match &model.file {
        Some(asked) => gguf(&listing, asked)?,
        None if listing.has(CONFIG) => folder(model, &listing, client)?,
        None => vec![only_gguf(model, &listing)?],
    };
    let files = names.iter().map(|name| listing.entry(name));
    Ok(Manifest {
        repository: model.repository.clone(),
        revision: model.revision.clone(),
        commit: listing.sha.clone(),
        file: model.file.clone(),
        files: files.collect::<Result<_, _>>()?,
    })
}

impl Listing {
    /// What lies at the top, as folders hold other formats of the same, and needs no escaping in an address.
    fn names(&self) -> impl Iterator<Item = &str> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.+".contains(c);
        let names = self.siblings.iter().map(|sibling| &*sibling.rfilename);
        names.filter(move |name| !name.starts_with('.') && name.chars().all(plain))
    }

    fn has(&self, name: &str) -> bool {
        self.names().any(|other| other == name)
    }

    fn ggufs(&self) -> Vec<&str> {
        self.names().filter(|name| name.ends_with(GGUF)).collect()
    }

    fn entry(&self, name: &str) -> Result<Entry, String> {
        let sibling = self.siblings.iter().find(|other| other.rfilename == name);
        let sibling = sibling.ok_or_else(|| format!("it has no `{name}`"))?;
        sibling
            .entry()
            .ok_or_else(|| format!("the hub does not say how long `{name}` is"))
    }
}

impl Sibling {
    fn entry(&self) -> Option<Entry> {
        Some(Entry {
            name: self.rfilename.clone(),
            bytes: self.lfs.as_ref().map(|lfs| lfs.size).or(self.size)?,
            sha256: self.lfs.as_ref().map(|lfs| lfs.sha256.to_lowercase()),
            id: self.blob_id.clone(),
        })
    }
}

impl Entry {
    pub(super) fn download(&self) -> Download {
        Download {
            file: self.name.clone().into(),
            bytes: self.bytes,
            sha256: self.sha256.clone().map(Into::into),
        }
    }
}

/// The files of a folder, the small ones first. Its configuration is checked, before gigabytes come for nothing.
fn folder(model: &HubModel, listing: &Listing, client: &Client) -> Result<Vec<String>, String> {
    let text = |file: &str| client.text(model, &listing.sha, file);
    check_config(&text(CONFIG)?).map_err(|why| format!("its {why}"))?;
    if !listing.has(TOKENIZER) {
        return Err(format!("it has no `{TOKENIZER}`, which is needed"));
    }
    let mut names = vec![CONFIG.to_owned(), TOKENIZER.to_owned()];
    let optional = OPTIONAL.into_iter().filter(|name| listing.has(name));
    names.extend(optional.map(str::to_owned));
    // As the `transformers` library does: an index may have been left from an earlier upload.
    if listing.has(SINGLE) {
        names.push(SINGLE.to_owned());
    } else if listing.has(INDEX) {
        let index: Index = json(INDEX, &text(INDEX)?)?;
        names.push(INDEX.to_owned());
        let shards: BTreeSet<_> = index.weight_map.into_values().collect();
        if let Some(shard) = shards.iter().find(|shard| !listing.has(shard)) {
            return Err(format!(
                "its `{INDEX}` names `{shard}`, which it does not have"
            ));
        }
        names.extend(shards);
    } else {
        return Err(format!(
            "it has neither `{SINGLE}` nor `{INDEX}`: weights are read from safetensors only{}",
            instead(model, listing)
        ));
    }
    Ok(names)
}

/// Which file has which tensor.
#[derive(Deserialize)]
struct Index {
    weight_map: HashMap<String, String>,
}

fn json<T: serde::de::DeserializeOwned>(file: &str, bytes: &[u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|why| format!("its `{file}` cannot be read: {why}"))
}

/// The file of this name or quantisation, and the others that it was split into.
fn gguf(listing: &Listing, asked: &str) -> Result<Vec<String>, String> {
    let files = listing.ggufs();
    let stem_ends = |name: &&str| {
        let stem = stem(name).to_lowercase();
        let rest = stem.strip_suffix(&asked.to_lowercase());
        rest.is_some_and(|rest| rest.ends_with(['-', '.', '_']))
    };
    let found = match listing.has(asked) {
        true => files.iter().copied().find(|name| *name == asked),
        false => files.iter().copied().find(stem_ends),
    };
    let Some(found) = found else {
        return Err(format!(
            "it has no GGUF file `{asked}`; {}",
            offered(&files)
        ));
    };
    let parts = |name: &&&str| stem(name) == stem(found) && split(name) == split(found);
    let mut names: Vec<_> = match split(found) {
        None => return Ok(vec![found.to_owned()]),
        Some(_) => files
            .iter()
            .filter(parts)
            .map(|name| (*name).to_owned())
            .collect(),
    };
    names.sort_unstable();
    Ok(names)
}

/// A file's name without its ending and without which part of how many it is.
fn stem(name: &str) -> &str {
    let stem = name.strip_suffix(GGUF).unwrap_or(name);
    match split(name) {
        Some(_) => &stem[..stem.len() - "-00001-of-00002".len()],
        None => stem,
    }
}

/// Of how many parts it is one, for a part of a split model.
fn split(name: &str) -> Option<&str> {
    let (rest, count) = name.strip_suffix(GGUF)?.rsplit_once("-of-")?;
    let (_, part) = rest.rsplit_once('-')?;
    let is_number = |text: &str| text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit());
    (is_number(part) && is_number(count)).then_some(count)
}

fn only_gguf(model: &HubModel, listing: &Listing) -> Result<String, String> {
    match listing.ggufs()[..] {
        [] => Err(format!(
            "it has no model that is read here: neither `{CONFIG}` with safetensors nor a GGUF file"
        )),
        [file] => Ok(file.to_owned()),
        ref files => Err(format!(
            "it has several GGUF files: name one, such as `{}:{}`; {}",
            model.repository,
            files[0],
            offered(files)
        )),
    }
}

fn instead(model: &HubModel, listing: &Listing) -> String {
    match listing.ggufs().first() {
        Some(file) => format!(
            ", or from a GGUF file, such as `{}:{file}`",
            model.repository
        ),
        None => String::new(),
    }
}

fn offered(files: &[&str]) -> String {
    let named = files[..files.len().min(NAMED)].join("`, `");
    match files.len() {
        0 => "it has none".to_owned(),
        1..=NAMED => format!("it has `{named}`"),
        more => format!("it has `{named}` and {} more", more - NAMED),
    }
}
