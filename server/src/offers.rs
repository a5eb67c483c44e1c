//! What makes a model of a file one that can be asked.

use std::path::Path;
use std::sync::Arc;

use nibble_engine::{
    Engine, Error, LoadOptions, LoadPlan, ModelInfo, PackedCache, longest_context,
};

use crate::generator::Generator;
use crate::models::{KeepAlive, Offer};

/// Looks at models that come while the server runs; tests have their own.
pub trait Offers: Send + Sync {
    /// A model that can be loaded from a file or a folder, where so many bytes are `free` beside the models in memory.
    ///
    /// # Errors
    /// What keeps it from being loaded, as far as its files tell.
    fn offer(&self, file: &Path, free: Option<u64>) -> Result<Offer, Error>;
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
            options: LoadOptions {
                packed,
                // It guesses for the first model alone.
                draft: None,
                ..options
            },
            keep,
        }
    }
}

impl Offers for EngineOffers {
    /// Where its keys and values have no size, they get half of what it leaves of those bytes.
    fn offer(&self, file: &Path, free: Option<u64>) -> Result<Offer, Error> {
        let mut options = beside_the_first(LoadOptions {
            model: file.to_owned(),
            ..self.options.clone()
        })?;
        let plan = LoadPlan::of(&options)?;
        let left = free.map_or(0, |free| free.saturating_sub(plan.fixed_bytes()));
        options.kv_bytes = Some(plan.kv_bytes(options.kv_bytes, left)?);
        options.context = Some(plan.info.context);
        Ok(planned_offer(plan, options, self.keep))
    }
}

/// The options of a model beside the first, for which the context was named: one that reads less has its own.
///
/// # Errors
/// When its files cannot be read.
pub fn beside_the_first(options: LoadOptions) -> Result<LoadOptions, Error> {
    let Some(named) = options.context else {
        return Ok(options);
    };
    let longest = longest_context(&options.model)?;
    if longest < named {
        let file = options.model.display();
        tracing::warn!(
            "`{file}` has a context of {longest} tokens instead of {named}: it reads no more"
        );
    }
    Ok(LoadOptions {
        context: Some(named.min(longest)),
        ..options
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    const TINY: &str = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../engine/tests/fixtures/tiny.gguf"
    );

    fn offered(options: LoadOptions, free: Option<u64>) -> Result<Offer, Error> {
        EngineOffers::new(options, KeepAlive::Always).offer(Path::new(TINY), free)
    }

    #[test]
    fn a_model_takes_half_of_what_it_leaves_of_what_is_free() {
        let bytes = |free| offered(LoadOptions::default(), free).unwrap().bytes;
        let least = bytes(None);
        assert_eq!(bytes(Some(0)), least, "one context it always has");
        let free = least + (100 << 20);
        let found = bytes(Some(free));
        assert!(found > least + (40 << 20), "{found} of {free}");
        assert!(found < least + (60 << 20), "{found} of {free}");
    }

    #[test]
    fn a_context_that_the_first_was_given_is_no_longer_than_a_model_reads() {
        let context = |named| {
            let options = LoadOptions {
                context: Some(named),
                ..LoadOptions::default()
            };
            offered(options, None).unwrap().info.context
        };
        let longest = longest_context(Path::new(TINY)).unwrap();
        assert_eq!(context(100_000), longest);
        assert_eq!(context(64), 64);
    }
}
