//! What makes a model of a file one that can be asked.

use std::path::Path;
use std::sync::Arc;

use nibble_engine::{
    Engine, Error, LoadOptions, LoadPlan, ModelInfo, PackedCache, available_memory,
};

use crate::generator::Generator;
use crate::models::{KeepAlive, Offer};

/// Looks at models that come while the server runs; tests have their own.
pub trait Offers: Send + Sync {
    /// A model that can be loaded from a file or a folder.
    ///
    /// # Errors
    /// What keeps it from being loaded, as far as its files tell.
    fn offer(&self, file: &Path) -> Result<Offer, Error>;
}

/// Models that are loaded as the first one was.
#[derive(Clone, Debug)]
pub struct EngineOffers {
    options: LoadOptions,
    keep: KeepAlive,
}

impl EngineOffers {
    /// By the options of the first model as they were given, and how long one stays after its last answer.
    #[must_use]
    pub fn new(options: LoadOptions, keep: KeepAlive) -> Self {
        let packed = match options.packed {
            // It is that of the first model.
            PackedCache::File(_) => PackedCache::Off,
            packed => packed,
        };
        Self {
            options: LoadOptions { packed, ..options },
            keep,
        }
    }
}

impl Offers for EngineOffers {
    /// Where its keys and values have no size, they get half of what is left beside the models that are in memory now.
    fn offer(&self, file: &Path) -> Result<Offer, Error> {
        let mut options = LoadOptions {
            model: file.to_owned(),
            ..self.options.clone()
        };
        let plan = LoadPlan::of(&options)?;
        let left = available_memory().map_or(0, |left| left.saturating_sub(plan.fixed_bytes()));
        options.kv_bytes = Some(plan.kv_bytes(options.kv_bytes, left)?);
        options.context = Some(plan.info.context);
        Ok(planned_offer(plan, options, self.keep))
    }
}

/// A model as it is planned, with options that say what its keys and values take.
#[must_use]
pub fn planned_offer(plan: LoadPlan, options: LoadOptions, keep: KeepAlive) -> Offer {
    let kv_bytes = options.kv_bytes.unwrap_or_default();
    let bytes = plan.fixed_bytes() + kv_bytes;
    Offer {
        kv_blocks: plan.kv_blocks(kv_bytes),
        ..offer(plan.info, options, bytes, keep)
    }
}

/// A model that takes so many bytes, of whose keys and values nothing is known.
#[must_use]
pub fn offer(info: ModelInfo, options: LoadOptions, bytes: u64, keep: KeepAlive) -> Offer {
    Offer {
        info,
        file: Some(options.model.clone()),
        bytes,
        kv_blocks: 0,
        keep,
        load: Box::new(move || Ok(Arc::new(Engine::load(&options)?) as Arc<dyn Generator>)),
    }
}
