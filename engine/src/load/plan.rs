//! What loading a model would come to, found from its files alone: no weight is read.

use std::path::Path;

use super::draft::DraftSource;
use super::{LoadOptions, context, digest, info};
use crate::compute::kernel;
use crate::model::calibration;
use crate::model::capacity::{self, Need};
use crate::model::packed::SourceFingerprint;
use crate::model::source::ModelSource;
use crate::model::weights::{self, QuantScheme};
use crate::{Error, ModelInfo};

/// A model as it would be loaded.
#[derive(Clone, Debug)]
pub struct LoadPlan {
    /// What [`Engine::info`](crate::Engine::info) would say.
    pub info: ModelInfo,
    need: Need,
}

impl LoadPlan {
    /// Looks at a model's files, and at the memory that is left.
    ///
    /// # Errors
    /// Those of [`Engine::load`](crate::Engine::load) that show without the weights.
    pub fn of(options: &LoadOptions) -> Result<Self, Error> {
        let kernel = kernel::choose(options.kernel.as_deref())?;
        let source = ModelSource::open(&options.model)?;
        let tokenizer = source.tokenizer()?;
        let template = source.template(&tokenizer)?;
        let (config, rounding) = (source.config(), options.rounding);
        let calibration = options.calibration.as_ref();
        let importance = calibration::importance(calibration, &source, rounding, kernel)?;
        let scheme = QuantScheme {
            rounding,
            importance: importance.as_ref(),
        };
        let packing = weights::plan(source.tensors(), config, scheme, kernel)?;
        let need = Need::of(config, packing.bytes() as u64, rounding.kv()?);
        let draft = DraftSource::open(options, &tokenizer, kernel)?;
        let need = match &draft {
            Some(draft) => draft.need_with(need)?,
            None => need,
        };
        let available = capacity::available_memory();
        let context = context(options.context, config, need, available)?;
        let thinks = template.thought_marks().is_some();
        let fingerprint = digest(SourceFingerprint::of(source.files()).as_ref());
        let info = info(&source, &packing, options, context)?;
        Ok(Self {
            info: ModelInfo {
                thinks,
                fingerprint,
                draft: draft.as_ref().map(DraftSource::info).transpose()?,
                ..info
            },
            need,
        })
    }

    /// Bytes that it takes beside those for keys and values.
    #[must_use]
    pub fn fixed_bytes(&self) -> u64 {
        self.need.fixed_bytes()
    }

    /// Bytes for keys and values: as many as requested, or half of what is `left`, and never less than one context has.
    ///
    /// # Errors
    /// [`Error::Option`] when what is requested is too little for one context.
    pub fn kv_bytes(&self, requested: Option<u64>, left: u64) -> Result<u64, Error> {
        let available = requested.is_none().then(|| self.fixed_bytes() + left);
        self.need.kv_bytes(self.info.context, requested, available)
    }

    /// Blocks of keys and values, each of [`KV_BLOCK`](crate::KV_BLOCK) tokens, in so many bytes.
    #[must_use]
    pub fn kv_blocks(&self, kv_bytes: u64) -> usize {
        self.need.kv_blocks(kv_bytes)
    }
}

/// The longest context that a model's files allow, in tokens.
///
/// # Errors
/// When they cannot be read.
pub fn longest_context(model: &Path) -> Result<usize, Error> {
    Ok(ModelSource::open(model)?.config().context)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Engine;

    #[test]
    fn a_plan_says_what_the_engine_says_when_it_is_loaded() {
        let options = LoadOptions {
            model: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny.gguf").into(),
            threads: Some(1),
            kv_bytes: Some(1 << 20),
            ..LoadOptions::default()
        };
        let plan = LoadPlan::of(&options).unwrap();
        let engine = Engine::load(&options).unwrap();
        let (planned, loaded) = (&plan.info, engine.info());
        assert_eq!(format!("{planned:?}"), format!("{loaded:?}"));
        assert_eq!(plan.kv_blocks(1 << 20), engine.load_now().kv_blocks);
        assert!(plan.fixed_bytes() > loaded.weight_bytes);
        assert_eq!(engine.memory_bytes(), plan.fixed_bytes() + (1 << 20));
        assert!(plan.kv_bytes(Some(1), 0).is_err());
        let least = plan.kv_bytes(None, 0).unwrap();
        assert!(plan.kv_bytes(None, 4 * least).unwrap() >= 2 * least);
    }
}
