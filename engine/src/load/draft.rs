//! The draft model beside a model: that it has the same tokens, what it needs, and its weights.

use std::path::Path;

use super::{LoadOptions, name, packed_file};
use crate::answer::schedule::Draft;
use crate::compute::kernel::Kernel;
use crate::machine::threads::Pool;
use crate::model::capacity::Need;
use crate::model::forward::Model;
use crate::model::packed::{PackedCache, SourceFingerprint};
use crate::model::source::ModelSource;
use crate::model::weights::{self, QuantScheme};
use crate::text::tokenizer::Tokenizer;
use crate::{DraftInfo, Error};

/// A draft model that can be loaded.
pub(super) struct DraftSource<'a> {
    source: ModelSource,
    options: &'a LoadOptions,
    kernel: &'static Kernel,
}

impl<'a> DraftSource<'a> {
    /// The one that the options name, where they name one, for a model of this tokenizer.
    ///
    /// # Errors
    /// [`Error::File`] and [`Error::Model`] for its files, and where its tokens are others.
    pub(super) fn open(
        options: &'a LoadOptions,
        tokenizer: &Tokenizer,
        kernel: &'static Kernel,
    ) -> Result<Option<Self>, Error> {
        let Some(path) = &options.draft else {
            return Ok(None);
        };
        let source = ModelSource::open(path)?;
        if let Some(difference) = tokenizer.difference(&source.tokenizer()?) {
            return Err(refused(path, &options.model, &difference));
        }
        Ok(Some(Self {
            source,
            options,
            kernel,
        }))
    }

    /// What the model and this one need together.
    pub(super) fn need_with(&self, model: Need) -> Result<Need, Error> {
        let kv = self.options.rounding.kv()?;
        let draft = Need::of(self.source.config(), self.weight_bytes()?, kv);
        Ok(model.with_draft(draft))
    }

    /// What people are told of it.
    pub(super) fn info(&self) -> Result<DraftInfo, Error> {
        Ok(DraftInfo {
            name: name(self.source.path()),
            weight_bytes: self.weight_bytes()?,
        })
    }

    /// Bytes of its packed weights.
    fn weight_bytes(&self) -> Result<u64, Error> {
        let (config, rounding) = (self.source.config(), self.options.rounding);
        let packing = weights::plan(self.source.tensors(), config, rounding, self.kernel)?;
        Ok(packing.bytes() as u64)
    }

    /// Its weights; the threads that pack them are given back. Keys and values have so many bytes, and sequences are not longer
    /// than `context`.
    pub(super) fn load(
        &self,
        pool: Pool,
        kv_bytes: u64,
        context: usize,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<(Draft, Pool), Error> {
        let Self {
            source,
            options,
            kernel,
        } = self;
        let config = source.config().clone();
        let scheme = QuantScheme::from(options.rounding);
        let cache = match &options.packed {
            // It is that of the model.
            PackedCache::File(_) => &PackedCache::Off,
            packed => packed,
        };
        let files = SourceFingerprint::of(source.files());
        let packed = packed_file(cache, source, files, scheme, kernel)?;
        let tensors = source.tensors();
        let packing = weights::plan(tensors, &config, scheme, kernel)?.with_progress(progress);
        let context = context.min(config.context);
        let mut model = Model::planned(tensors, config, scheme, packing, pool, packed.as_ref())?;
        options.decode_threads.settle(&mut model);
        let pool = model.take_threads()?;
        let draft = Draft {
            model,
            kv_bytes,
            context,
        };
        Ok((draft, pool))
    }
}

fn refused(draft: &Path, model: &Path, difference: &str) -> Error {
    let model = model.display();
    Error::Model {
        path: draft.to_owned(),
        reason: format!(
            "it cannot guess what `{model}` says, whose tokens are others: {difference}"
        ),
    }
}
