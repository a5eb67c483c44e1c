//! The cache folder with the hub that fills it, for whoever names models and never paths: what is asked for from elsewhere
//! than the command line leads to no file that is not in this folder.

use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};

use super::cache::cache_folder;
use super::cached::{self, CacheContents};
use super::cancel::Cancel;
use super::client::Client;
use super::default_model::{fetch_default, find_default};
use super::environment;
use super::error::Error;
use super::fetching;
use super::model_folders::ModelFolders;
use super::names::DEFAULT_NAME;
use super::progress::Progress;
use super::reference::{HubModel, Reference};
use super::removed::{self, Removed};
use super::retry::RetryPolicy;

/// The longest name: a repository, a revision and a file, each as long as the hub allows.
const NAME_BYTES: usize = 500;

/// A model by a name that leads to the hub, or to what came from there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubName(Source);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    Default,
    Hub(HubModel),
}

impl HubName {
    /// A short name, or a repository as `owner/name`, with `@revision` or `:file.gguf` behind it. Nothing is a path, whatever
    /// lies there.
    ///
    /// # Errors
    /// [`Error::Usage`] for what is neither.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        if text.len() > NAME_BYTES {
            let found = text.len();
            return Err(Error::Usage(format!(
                "a name has at most {NAME_BYTES} bytes, found {found}"
            )));
        }
        match Reference::of_name(text)? {
            Reference::Default => Ok(Self(Source::Default)),
            Reference::Hub(model) => Ok(Self(Source::Hub(model))),
            Reference::Path(_) => Err(Error::Usage(format!(
                "`{text}` is no short name and no repository on the hub (`owner/name`)"
            ))),
        }
    }

    pub(super) fn reference(&self) -> Reference {
        match &self.0 {
            Source::Default => Reference::Default,
            Source::Hub(model) => Reference::Hub(model.clone()),
        }
    }
}

/// Its short name, or as it is typed.
impl Display for HubName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Default => f.write_str(DEFAULT_NAME),
            Source::Hub(model) => match model.known() {
                Some(known) => f.write_str(known.name),
                None => model.fmt(f),
            },
        }
    }
}

/// The cache folder, and where it is filled from.
#[derive(Clone, Debug)]
pub struct Shelf {
    folder: PathBuf,
    endpoint: String,
    /// Asked for each fetch: a secret may be mounted, or changed, while the server runs.
    token: fn() -> Option<String>,
    retry: RetryPolicy,
    is_offline: bool,
}

impl Shelf {
    /// As the environment says it.
    ///
    /// # Errors
    /// As [`cache_folder`].
    pub fn from_env() -> Result<Self, Error> {
        Ok(Self {
            folder: cache_folder()?,
            endpoint: environment::endpoint(),
            token: environment::token,
            retry: RetryPolicy::default(),
            is_offline: environment::is_offline(),
        })
    }

    /// A folder that is filled from a hub of a test.
    #[cfg(test)]
    pub(crate) fn of(folder: &Path, endpoint: &str) -> Self {
        Self {
            folder: folder.to_owned(),
            endpoint: endpoint.to_owned(),
            token: || None,
            retry: RetryPolicy::default(),
            is_offline: false,
        }
    }

    /// The same by the token that this finds.
    #[cfg(test)]
    pub(crate) fn by_token(self, token: fn() -> Option<String>) -> Self {
        Self { token, ..self }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn is_offline(&self) -> bool {
        self.is_offline
    }

    /// What is in the folder.
    #[must_use]
    pub fn contents(&self) -> CacheContents {
        cached::contents(&self.folder)
    }

    /// Where a model is in the folder, when it is there, whole.
    #[must_use]
    pub fn find(&self, name: &HubName) -> Option<PathBuf> {
        self.find_reference(&name.reference())
    }

    pub(super) fn find_reference(&self, reference: &Reference) -> Option<PathBuf> {
        match reference {
            Reference::Path(path) => Some(path.clone()).filter(|path| path.exists()),
            Reference::Default => find_default(&self.folder),
            Reference::Hub(model) => ModelFolders::of(&self.folder, model).model(),
        }
    }

    /// The path of a model, which is fetched where it is not in the folder.
    ///
    /// # Errors
    /// [`Error::Fetch`] when no source has it, with the reason of each, or it was cancelled; [`Error::File`] when the folder
    /// cannot be written.
    pub fn fetch(
        &self,
        name: &HubName,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<PathBuf, Error> {
        if let Some(path) = self.find(name) {
            return Ok(path);
        }
        if self.is_offline {
            return Err(unfetched_offline(&name.to_string()));
        }
        match &name.0 {
            Source::Default => self.fetch_default(progress, cancel),
            Source::Hub(model) => self.fetch_hub(model, false, progress, cancel),
        }
    }

    pub(super) fn fetch_default(
        &self,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<PathBuf, Error> {
        fetch_default(&self.folder, self.client(cancel), progress)
    }

    pub(super) fn fetch_hub(
        &self,
        model: &HubModel,
        newest: bool,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<PathBuf, Error> {
        fetching::fetch(model, &self.folder, &self.client(cancel), newest, progress)
    }

    fn client(&self, cancel: &Cancel) -> Client {
        let client = Client::new(self.endpoint.clone(), (self.token)(), self.retry.clone());
        client.until(cancel.clone())
    }

    /// Whether a file is one of those that removing a model takes away.
    #[must_use]
    pub fn has(&self, name: &HubName, file: &Path) -> bool {
        let Ok(removal) = cached::removal_of(name.reference(), &name.to_string(), &self.folder)
        else {
            return false;
        };
        let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
        removal.items.iter().any(|(item, _)| {
            let item = item.canonicalize().unwrap_or_else(|_| item.clone());
            file.starts_with(item)
        })
    }

    /// Removes a model with its packed weights, so that it can be had back by [`Self::restore`]; not while models are fetched.
    ///
    /// # Errors
    /// [`Error::Usage`] when there is nothing of it, [`Error::Conflict`] while models are fetched; [`Error::File`] for what
    /// cannot be moved, and then all is as it was.
    pub fn remove(&self, name: &HubName, was_served: bool) -> Result<Removed, Error> {
        let shown = name.to_string();
        let removal = cached::removal_of(name.reference(), &shown, &self.folder)?;
        removed::set_aside(&self.folder, &shown, was_served, &removal.items)
    }

    /// Models that were removed and can be had back, those that were removed last first.
    #[must_use]
    pub fn removed(&self) -> Vec<Removed> {
        removed::all(&self.folder)
    }

    /// Has a removed model back.
    ///
    /// # Errors
    /// [`Error::Gone`] when there is none of this id, [`Error::Conflict`] when it is here again, or models are fetched;
    /// [`Error::File`] for what cannot be moved.
    pub fn restore(&self, id: &str) -> Result<Removed, Error> {
        removed::restore(&self.folder, id)
    }

    /// Deletes a removed model for good.
    ///
    /// # Errors
    /// As [`Self::restore`].
    pub fn discard(&self, id: &str) -> Result<(), Error> {
        removed::discard(&self.folder, id)
    }

    /// Deletes what was removed longer ago than it is kept.
    pub fn discard_old(&self) {
        removed::discard_old(&self.folder);
    }
}

pub(super) fn unfetched_offline(name: &str) -> Error {
    Error::Fetch(format!(
        "`{name}` is not on this disk, and nothing is fetched while `HF_HUB_OFFLINE` is set"
    ))
}
