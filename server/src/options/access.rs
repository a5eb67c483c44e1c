//! Who may use the API, from which sites, and by which names of the model.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use nibble_server::access::Access;
use nibble_server::keys::Keys;
use nibble_server::origins::{Origin, Origins};

/// A thousand keys with their names and limits take a third of it.
const FILE_BYTES: u64 = 1 << 20;

/// The variable of a single key; as an option other programs of the machine could read it.
const KEY: &str = "NIBBLE_API_KEY";

/// The most names that a model answers to beside its own, and their bytes.
const MOST_NAMES: usize = 64;
const NAME_BYTES: usize = 256;

#[derive(Debug, Args)]
pub(crate) struct AccessArgs {
    /// A file of keys, without one of which the API answers nobody: a line each, `NAME KEY [requests/min=N] [tokens/min=N]
    /// [chats=N]`; read again on SIGHUP. A single key may be in the variable NIBBLE_API_KEY. The page, /health and /metrics
    /// ask for none
    #[arg(
        long,
        env = "NIBBLE_API_KEY_FILE",
        hide_env_values = true,
        value_name = "FILE"
    )]
    api_key_file: Option<OsString>,
    /// Ask for a key at /metrics too
    #[arg(long, env = "NIBBLE_GUARD_METRICS", hide_env_values = true)]
    guard_metrics: bool,
    /// Site whose scripts may use the API from a browser, such as `https://app.example`, `chrome-extension://ID`,
    /// `vscode-webview:`, `null` or `*` for all but `null`; comma or repeat for more
    #[arg(
        long = "cors-origin",
        env = "NIBBLE_CORS_ORIGINS",
        hide_env_values = true,
        value_name = "ORIGIN",
        value_delimiter = ','
    )]
    cors_origins: Vec<String>,
    /// Name that the API's clients may call the model by, beside its own, such as `gpt-3.5-turbo`; comma or repeat for more
    #[arg(
        long = "served-name",
        env = "NIBBLE_SERVED_NAMES",
        hide_env_values = true,
        value_name = "NAME",
        value_delimiter = ','
    )]
    served_names: Vec<String>,
}

impl AccessArgs {
    /// Who may use the API, and what reads the file of keys again, where there is one.
    ///
    /// # Errors
    /// What cannot be read, or is no key, no origin or no name.
    pub(crate) fn access(&self) -> Result<(Access, Option<KeyFile>)> {
        let keys = self.keys(env::var_os(KEY))?;
        let file = self.path().zip(keys.clone());
        let access = Access {
            keys,
            guards_metrics: self.guard_metrics,
            origins: Origins::new(self.origins()?),
            served_names: self.names()?,
        };
        Ok((access, file.map(|(path, keys)| KeyFile { path, keys })))
    }

    /// An environment file may leave it empty.
    fn path(&self) -> Option<PathBuf> {
        let path = self.api_key_file.as_ref().map(PathBuf::from);
        path.filter(|path| !path.as_os_str().is_empty())
    }

    fn keys(&self, of_environment: Option<OsString>) -> Result<Option<Arc<Keys>>> {
        let path = self.path();
        let key = of_environment.filter(|key| !key.is_empty());
        let key = key.map(|key| key.into_string().map_err(|_| anyhow!("`{KEY}` is no text")));
        let key = key.transpose()?;
        if path.is_none() && key.is_none() {
            return Ok(None);
        }
        let text = path.as_deref().map(read).transpose()?;
        let keys = Keys::new(text.as_deref(), key.as_deref());
        let keys = keys.map_err(|reason| match &path {
            Some(path) => refused(path, &reason),
            None => anyhow!("the key in `{KEY}` cannot be used: {reason}"),
        });
        Ok(Some(Arc::new(keys?)))
    }

    fn origins(&self) -> Result<Vec<Origin>> {
        let named = self.cors_origins.iter().map(|origin| origin.trim());
        let named = named.filter(|origin| !origin.is_empty());
        named
            .map(|origin| {
                let parsed = origin.parse::<Origin>();
                parsed.map_err(|reason| anyhow!("--cors-origin `{origin}` {reason}"))
            })
            .collect()
    }

    fn names(&self) -> Result<Vec<String>> {
        let names = self.served_names.iter().map(|name| name.trim().to_owned());
        let names: Vec<_> = names.filter(|name| !name.is_empty()).collect();
        if names.len() > MOST_NAMES {
            let found = names.len();
            bail!("--served-name may be given {MOST_NAMES} times, found {found}");
        }
        let is_bad = |name: &&String| name.len() > NAME_BYTES || name.chars().any(char::is_control);
        if let Some(name) = names.iter().find(is_bad) {
            bail!(
                "--served-name `{name}` must have at most {NAME_BYTES} bytes, none of them control characters"
            );
        }
        Ok(names)
    }
}

/// A file of keys that are in use.
#[derive(Debug)]
pub(crate) struct KeyFile {
    path: PathBuf,
    keys: Arc<Keys>,
}

impl KeyFile {
    /// Takes the file as it is now, and says how many keys there are.
    ///
    /// # Errors
    /// As [`AccessArgs::access`], and then the keys stay as they were.
    pub(crate) fn read_again(&self) -> Result<usize> {
        let replaced = self.keys.replace(&read(&self.path)?);
        replaced.map_err(|reason| refused(&self.path, &reason))?;
        Ok(self.keys.count())
    }
}

fn refused(path: &Path, reason: &str) -> anyhow::Error {
    anyhow!("the keys in `{}` cannot be used: {reason}", path.display())
}

fn read(path: &Path) -> Result<String> {
    let shown = path.display();
    let mut text = String::new();
    let file = File::open(path).with_context(|| format!("cannot read the keys in `{shown}`"))?;
    let bytes = file
        .take(FILE_BYTES + 1)
        .read_to_string(&mut text)
        .with_context(|| format!("cannot read the keys in `{shown}`"))?;
    if bytes as u64 > FILE_BYTES {
        bail!("the file of keys `{shown}` may have {FILE_BYTES} bytes, and has more");
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
