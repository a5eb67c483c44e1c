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
mod tests {
    use std::path::PathBuf;

    use nibble_engine::PrefixFolder;

    use super::*;
    use crate::test_support::scripted::offer;

    fn model(file: Option<&str>, context: usize) -> Offer {
        let mut model = offer("Other", file.map(PathBuf::from));
        model.info.context = context;
        model
    }

    #[test]
    fn a_lane_changes_what_it_says_and_keeps_nothing_of_the_chats() {
        let options = LoadOptions {
            model: "first.gguf".into(),
            packed: PackedCache::File("a".into()),
            kv_bytes: Some(1),
            context: Some(9000),
            prefix_folder: Some(PrefixFolder {
                path: "b".into(),
                bytes: 1,
            }),
            pin: true,
            ..LoadOptions::default()
        };
        let lanes = EngineLanes::new(options);
        let lane = |weights| Lane {
            kernel: "scalar".into(),
            threads: 3,
            weights,
            model: "other".into(),
        };
        let other = model(Some("other.gguf"), 512);
        let of = |weights| lanes.options(&lane(weights), &other).unwrap();
        let served = of(Weights::Served);
        assert_eq!(
            (served.threads, served.kernel.as_deref()),
            (Some(3), Some("scalar"))
        );
        assert_eq!(
            (served.context, served.kv_bytes, served.pin),
            (Some(512), None, true)
        );
        assert_eq!(served.model, PathBuf::from("other.gguf"));
        assert!(matches!(served.packed, PackedCache::Off));
        assert_eq!(served.prefix_folder, None);
        let held = |weights| of(weights).rounding;
        assert_eq!(held(Weights::Float).quantize, Quantize::None);
        assert_eq!(held(Weights::Channel).quantize.to_string(), "channel");
        assert_eq!(held(Weights::Group32).quantize.to_string(), "g32");
        assert!(held(Weights::Head4).int4_head && !held(Weights::Served).int4_head);
    }

    #[test]
    fn a_lane_of_a_long_context_has_a_short_one_and_one_without_a_file_is_refused() {
        let lanes = EngineLanes::new(LoadOptions::default());
        let lane = Lane::default();
        let long = lanes.options(&lane, &model(Some("a"), 131_072)).unwrap();
        assert_eq!(long.context, Some(CONTEXT));
        let refused = lanes.options(&lane, &model(None, 512)).unwrap_err();
        assert_eq!(refused.to_string(), "the model comes from no file");
    }
}
