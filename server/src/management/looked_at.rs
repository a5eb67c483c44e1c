//! What models on the disk would be if they were loaded, found from their files and kept as long as these stay as they are.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use nibble_engine::{Error, ModelInfo};

use crate::offers::Offers;

/// A model as it would be loaded.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    /// Nothing of one that does not fit the memory.
    pub(crate) info: Option<ModelInfo>,
    /// Bytes of memory with the keys and values of one context.
    pub(crate) bytes: u64,
}

/// Models that were looked at, each with the time of its file then. One that cannot be loaded is kept as such.
#[derive(Default)]
pub(super) struct LookedAt(Mutex<HashMap<PathBuf, (SystemTime, Option<Planned>)>>);

impl LookedAt {
    /// Reads the model's files, unless they were read before.
    pub(super) fn plan(&self, file: &Path, offers: &dyn Offers) -> Option<Planned> {
        let changed = fs::metadata(file).and_then(|data| data.modified()).ok()?;
        let known = self.lock().get(file).cloned();
        if let Some((_, planned)) = known.filter(|(time, _)| *time == changed) {
            return planned;
        }
        let planned = match offers.offer(file, None) {
            Ok(offer) => Some(Planned {
                info: Some(offer.info),
                bytes: offer.bytes,
            }),
            Err(Error::Memory { needed, .. }) => Some(Planned {
                info: None,
                bytes: needed,
            }),
            Err(error) => {
                tracing::debug!("`{}` cannot be loaded: {error}", file.display());
                None
            }
        };
        let mut all = self.lock();
        all.retain(|file, _| file.exists());
        all.insert(file.to_owned(), (changed, planned.clone()));
        planned
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<PathBuf, (SystemTime, Option<Planned>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
