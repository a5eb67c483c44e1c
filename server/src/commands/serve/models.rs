//! The models that a server is started with: the first is loaded at once, others are looked at, and loaded when they are asked.

use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use nibble_engine::{Engine, LoadOptions, LoadPlan, PackedCache, available_memory};
use nibble_server::generator::Generator;
use nibble_server::lanes::EngineLanes;
use nibble_server::models::{KeepAlive, Models, Offer};
use nibble_server::offers::{EngineOffers, beside_the_first, offer, planned_offer};

use crate::commands::loading;
use crate::options::{LoadArgs, ModelsArgs};

/// How long models beside the first stay after their last answer, unless something else was said.
const KEEP: KeepAlive = KeepAlive::For(Duration::from_mins(5));

/// What there is to serve; the first model is loaded.
pub(super) struct Found {
    first: Engine,
    /// How the first was loaded.
    options: LoadOptions,
    /// How one that comes later is loaded.
    later: EngineOffers,
    models: Vec<Offer>,
    /// Bytes of memory for all of them.
    total: Option<u64>,
}

impl Found {
    /// The names of all models, for people.
    pub(super) fn names(&self) -> String {
        let names = self.models.iter().map(|offer| offer.info.name.as_str());
        names.collect::<Vec<_>>().join(", ")
    }

    /// What makes models that come later to ones that can be asked.
    pub(super) fn later(&self) -> EngineOffers {
        self.later.clone()
    }

    /// What loads a model once more, for lanes of comparisons.
    pub(super) fn lanes(&self) -> EngineLanes {
        EngineLanes::new(self.options.clone())
    }

    /// Must be called where tasks can be spawned.
    pub(super) fn served(self) -> Arc<Models> {
        let first: Arc<dyn Generator> = Arc::new(self.first);
        let memory = Box::new(available_memory);
        Models::new(self.models, memory, self.total, Some(first))
    }
}

/// Finds the models, fetches those that are not there, and loads the first.
///
/// # Errors
/// What keeps a model from being loaded, as far as its files tell, and two of one name.
pub(super) fn found(
    models: &ModelsArgs,
    load: &LoadArgs,
    limits: &LoadOptions,
) -> anyhow::Result<Found> {
    let mut options = Vec::new();
    for named in models.named() {
        let file = loading::model(&named)?;
        let own = loading::options(load, file, limits.clone())?;
        options.push(match options.is_empty() {
            // The tokens of the others are others.
            true => loading::with_draft(load, own)?,
            false => beside_the_first(own)?,
        });
    }
    let total = available_memory();
    let later = EngineOffers::new(options[0].clone(), models.keep_alive.unwrap_or(KEEP));
    if let ([only], None) = (&options[..], models.keep_alive) {
        let first = loading::loaded(only)?;
        let bytes = first.memory_bytes();
        // When it comes back it is as it was.
        let again = LoadOptions {
            context: Some(first.info().context),
            kv_bytes: Some(first.kv_bytes()),
            ..only.clone()
        };
        return Ok(Found {
            models: vec![Offer {
                kv_blocks: Generator::load(&first).kv_blocks,
                ..offer(first.info().clone(), again, bytes, KeepAlive::Always)
            }],
            options: only.clone(),
            first,
            later,
            total,
        });
    }
    if options.len() > 1 && matches!(options[0].packed, PackedCache::File(_)) {
        bail!(
            "--packed can name a file for one model, found {}",
            options.len()
        );
    }
    let plans = planned(&mut options, total)?;
    let first = loading::loaded(&options[0])?;
    let first_options = options[0].clone();
    let offers = plans.into_iter().zip(options).enumerate();
    let offers = offers.map(|(index, (plan, options))| {
        let keep = match index {
            0 => KeepAlive::Always,
            _ => KEEP,
        };
        planned_offer(plan, options, models.keep_alive.unwrap_or(keep))
    });
    Ok(Found {
        models: offers.collect(),
        first,
        options: first_options,
        later,
        total,
    })
}

/// Looks at models, and decides on the context and the memory for keys and values of each: an equal part of half of what the
/// weights of all of them leave.
fn planned(options: &mut [LoadOptions], total: Option<u64>) -> anyhow::Result<Vec<LoadPlan>> {
    let plans = options.iter().map(LoadPlan::of);
    let plans = plans.collect::<Result<Vec<_>, _>>()?;
    let fixed: u64 = plans.iter().map(LoadPlan::fixed_bytes).sum();
    let left = total.map_or(0, |total| total.saturating_sub(fixed)) / plans.len() as u64;
    for (index, (plan, options)) in plans.iter().zip(options).enumerate() {
        let id = &plan.info.id;
        if plans[..index].iter().any(|before| before.info.id == *id) {
            let file = options.model.display();
            bail!(
                "models of a server must have different names, and `{id}` is that of two, one of them `{file}`"
            );
        }
        options.kv_bytes = Some(plan.kv_bytes(options.kv_bytes, left)?);
        options.context = Some(plan.info.context);
    }
    Ok(plans)
}
