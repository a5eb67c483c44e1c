//! What loads a model of the chats once more, for a lane of a comparison.

use std::sync::Arc;

use nibble_app::domain::{Lane, Weights};
use nibble_engine::{Engine, Error, LoadOptions, LoadPlan, PackedCache, Quantize, Rounding, bench};

use crate::generator::Generator;
use crate::models::Offer;

/// Prompts and answers of lanes are short: keys and values of a longer context would be memory for nothing.
const CONTEXT: usize = 2048;

/// What loads lanes; tests have their own.
pub trait Lanes: Send + Sync {
    /// Kernels that this CPU runs, slowest first.
    fn kernels(&self) -> Vec<String>;

    /// Ways in which weights may be held here, in the order in which the page offers them.
    fn weights(&self) -> Vec<Weights>;

    /// What loading a model of the chats for a lane comes to.
    ///
    /// # Errors
    /// As [`LoadPlan::of`], and [`Error::Option`] for a model that comes from no file.
    fn plan(&self, lane: &Lane, model: &Offer) -> Result<LanePlan, Error>;
}

/// A lane that can be loaded.
pub struct LanePlan {
    /// Bytes that it takes in memory, keys and values included.
    pub bytes: u64,
    /// The longest sequence, in tokens.
    pub context: usize,
    /// Loads it.
    pub load: LaneLoader,
}

/// Loads a lane, and tells the bytes packed so far, and how many there will be.
pub type LaneLoader =
    Box<dyn FnOnce(&(dyn Fn(u64, u64) + Sync)) -> Result<Arc<dyn Generator>, Error>>;

/// Lanes of engines that are loaded as that of the chats is, but for what a lane says.
#[derive(Debug)]
pub struct EngineLanes {
    options: LoadOptions,
}

impl EngineLanes {
    /// By the options that the chats' first engine was loaded with.
    #[must_use]
    pub fn new(options: LoadOptions) -> Self {
        Self { options }
    }

    fn options(&self, lane: &Lane, model: &Offer) -> Result<LoadOptions, Error> {
        let without = || Error::Option("the model comes from no file".to_owned());
        let file = model.file.clone().ok_or_else(without)?;
        let served = self.options.rounding;
        Ok(LoadOptions {
            model: file,
            threads: Some(lane.threads),
            kernel: Some(lane.kernel.clone()),
            rounding: rounding(lane.weights, served),
            // Floats are not rounded, by whatever text.
            calibration: match lane.weights {
                Weights::Float => None,
                _ => self.options.calibration.clone(),
            },
            packed: match &self.options.packed {
                // It is that of the chats' weights alone.
                PackedCache::File(_) => PackedCache::Off,
                packed => packed.clone(),
            },
            context: Some(model.info.context.min(CONTEXT)),
            queue: None,
            kv_bytes: None,
            prefix_folder: None,
            draft: None,
            wait: None,
            total: None,
            ..self.options.clone()
        })
    }
}

fn rounding(weights: Weights, served: Rounding) -> Rounding {
    let plain = |name: &str| Rounding {
        quantize: name.parse().unwrap_or_default(),
        kv: served.kv,
        ..Rounding::default()
    };
    match weights {
        Weights::Served => served,
        Weights::Group32 => plain("g32"),
        Weights::Channel => plain("channel"),
        Weights::Float => Rounding {
            quantize: Quantize::None,
            ..Rounding::default()
        },
        Weights::Head4 => Rounding {
            int4_head: true,
            ..served
        },
    }
}

impl Lanes for EngineLanes {
    fn kernels(&self) -> Vec<String> {
        let kernels = bench::kernels().into_iter();
        let here = kernels.filter(|kernel| kernel.supported);
        here.map(|kernel| kernel.name.to_owned()).collect()
    }

    fn weights(&self) -> Vec<Weights> {
        let mut weights = Vec::from(Weights::ALL);
        if self.options.rounding.quantize == Quantize::None {
            // The head alone is not rounded.
            weights.retain(|weights| *weights != Weights::Head4);
        }
        weights
    }

    fn plan(&self, lane: &Lane, model: &Offer) -> Result<LanePlan, Error> {
        let options = self.options(lane, model)?;
        let plan = LoadPlan::of(&options)?;
        // One answer is computed at a time, and more would be reserved for nothing.
        let kv_bytes = plan.kv_bytes(None, 0)?;
        let options = LoadOptions {
            kv_bytes: Some(kv_bytes),
            ..options
        };
        Ok(LanePlan {
            bytes: plan.fixed_bytes() + kv_bytes,
            context: plan.info.context,
            load: Box::new(move |progress| {
                let engine = Engine::load_with_progress(&options, progress)?;
                Ok(Arc::new(engine) as Arc<dyn Generator>)
            }),
        })
    }
}

#[cfg(test)]
mod tests;
