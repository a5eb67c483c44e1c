//! Whether a model fits the memory that is left, asked before any of it is used.
//!
//! The system hands out memory that it does not have and ends the program when it is used: without this a model that
//! does not fit dies in the middle of loading, or in the middle of the first long answer.

use std::fs;

use crate::Error;
use crate::compute::kernel::span::KEY_BLOCK;
use crate::compute::kv::KvPrecision;
use crate::files::config::ModelConfig;
use crate::machine::cgroup::Cgroup;
use crate::model::forward::PREFILL_CHUNK;

/// What answers said that is kept for guesses, and what answers that run look up of it.
pub(crate) const RECALLED: u64 = 16 << 20;
/// What the program around the engine takes: conversations (at most 24 MiB, and 1 MiB of those without a question),
/// requests and connections, and what the allocator holds back; and what is recalled.
const REST: u64 = (48 << 20) + RECALLED;
/// The most answers that are computed at a time: a step has rows and logits for each.
pub(crate) const ANSWERS: usize = 64;
/// Keys and values of more are kept only where that is asked for.
const DEFAULT_KV_BYTES: u64 = 4 << 30;
/// A shorter context is no chat; the program rather says that it has too little memory.
const LEAST_CONTEXT: usize = 512;

/// What a model will use, beyond what the program uses already.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Need {
    /// Weights, buffers and the rest.
    fixed: u64,
    /// Keys and values of one position.
    kv_per_token: u64,
    /// Those of them that are a draft model's.
    of_draft: u64,
}

impl Need {
    pub(crate) fn of(config: &ModelConfig, weights: u64, kv: KvPrecision) -> Self {
        let q_dim = config.heads * config.head_dim;
        // The rows of a prefill step in f32, and as much again in int8 and for sums.
        let row = 3 * config.hidden + 3 * q_dim + 3 * config.ffn;
        let buffers = 4 * ((PREFILL_CHUNK + ANSWERS) * row + ANSWERS * config.vocabulary) as u64;
        Self {
            fixed: weights + buffers + REST,
            kv_per_token: config.kv_shape(kv).bytes_per_token(),
            of_draft: 0,
        }
    }

    /// That of a model with a draft model, which has keys and values of the same positions.
    pub(crate) fn with_draft(self, draft: Self) -> Self {
        Self {
            // The rest of the program is there once.
            fixed: self.fixed + draft.fixed - REST,
            kv_per_token: self.kv_per_token + draft.kv_per_token,
            of_draft: draft.kv_per_token,
        }
    }

    /// Of so many bytes for keys and values those of the model, and those of the draft model.
    pub(crate) fn kv_parts(self, bytes: u64) -> [u64; 2] {
        let tokens = bytes / self.kv_per_token;
        let of_draft = tokens * self.of_draft;
        [bytes - of_draft, of_draft]
    }

    /// All but keys and values.
    pub(crate) fn fixed_bytes(self) -> u64 {
        self.fixed
    }

    /// Blocks of keys and values in so many bytes.
    pub(crate) fn kv_blocks(self, bytes: u64) -> usize {
        let blocks = bytes / (self.kv_per_token * KEY_BLOCK as u64);
        usize::try_from(blocks).unwrap_or(usize::MAX)
    }

    fn bytes(self, context: usize) -> u64 {
        self.fixed + self.kv_bytes_of(context)
    }

    /// Bytes of a sequence of the whole context.
    fn kv_bytes_of(self, context: usize) -> u64 {
        self.kv_per_token * context.next_multiple_of(KEY_BLOCK) as u64
    }

    /// Bytes for the keys and values of all sequences: as many as requested, or half of what the model leaves.
    ///
    /// # Errors
    /// [`Error::Option`] when what is requested is too little for one sequence of the context, [`Error::Memory`] when it is
    /// not there.
    pub(crate) fn kv_bytes(
        self,
        context: usize,
        requested: Option<u64>,
        available: Option<u64>,
    ) -> Result<u64, Error> {
        let least = self.kv_bytes_of(context);
        let Some(bytes) = requested else {
            let left = available.map_or(0, |available| available.saturating_sub(self.fixed));
            return Ok((left / 2).min(DEFAULT_KV_BYTES).max(least));
        };
        if bytes < least {
            return Err(Error::Option(format!(
                "`kv_bytes` must be at least the {least} of a context of {context} tokens, found {bytes}"
            )));
        }
        match available {
            Some(available) if self.fixed + bytes > available => Err(Error::Memory {
                needed: self.fixed + bytes,
                context,
                with_draft: self.of_draft > 0,
                available,
            }),
            _ => Ok(bytes),
        }
    }

    /// The context to use: `requested`, or where that does not fit and nobody insists on it, what does.
    ///
    /// # Errors
    /// [`Error::Memory`] when the context that is asked for, or any that is of use, does not fit.
    pub(crate) fn context(
        self,
        requested: usize,
        insisted: bool,
        available: Option<u64>,
    ) -> Result<usize, Error> {
        let Some(available) = available else {
            return Ok(requested);
        };
        if self.bytes(requested) <= available {
            return Ok(requested);
        }
        let least = requested.min(LEAST_CONTEXT);
        let refused = if insisted { requested } else { least };
        if insisted || self.bytes(least) > available {
            return Err(Error::Memory {
                needed: self.bytes(refused),
                context: refused,
                with_draft: self.of_draft > 0,
                available,
            });
        }
        let fits = (available - self.fixed) / self.kv_per_token;
        let fits = usize::try_from(fits).unwrap_or(requested) / KEY_BLOCK * KEY_BLOCK;
        tracing::warn!(
            "the context is {fits} tokens instead of {requested}, as {} MB of memory are available and {} MB would be \
             needed",
            available / 1_000_000,
            self.bytes(requested) / 1_000_000,
        );
        Ok(fits)
    }
}

/// Bytes of memory that this process can still use: what the system has left, or the control group where that is less. None where
/// the system does not tell.
pub fn available_memory() -> Option<u64> {
    let system = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("MemAvailable:"))?;
        let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kibibytes * 1024)
    });
    let group = Cgroup::of_this_process()
        .memory()
        .map(|memory| memory.left());
    system.into_iter().chain(group).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEED: Need = Need {
        fixed: 1000,
        kv_per_token: 1,
        of_draft: 0,
    };

    #[test]
    fn what_fits_is_taken_as_it_is() {
        assert_eq!(NEED.context(8192, false, Some(9192)).unwrap(), 8192);
        assert_eq!(NEED.context(8192, true, None).unwrap(), 8192);
    }

    #[test]
    fn a_default_context_that_does_not_fit_is_lowered_to_whole_blocks() {
        let context = NEED.context(8192, false, Some(5010)).unwrap();
        assert_eq!((context % KEY_BLOCK, context), (0, 4000));
    }

    #[test]
    fn what_cannot_be_lowered_is_refused_with_needed_and_available() {
        let message = NEED
            .context(8192, true, Some(5000))
            .unwrap_err()
            .to_string();
        for part in ["context of 8192", "9192", "5000"] {
            assert!(message.contains(part), "{message}");
        }
        let message = NEED
            .context(8192, false, Some(1100))
            .unwrap_err()
            .to_string();
        assert!(message.contains("context of 512"), "{message}");
    }

    #[test]
    fn a_draft_model_is_counted_and_its_keys_and_values_are_of_as_many_tokens() {
        let draft = Need {
            fixed: REST + 500,
            kv_per_token: 3,
            of_draft: 0,
        };
        let both = NEED.with_draft(draft);
        assert_eq!(both.context(1024, true, Some(5596)).unwrap(), 1024);
        let message = both
            .context(1024, true, Some(5595))
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("the model and its draft with")
                && message.contains("5596")
                && message.contains("5595"),
            "{message}"
        );
        let bytes = both.kv_bytes(1024, None, Some(20_000)).unwrap();
        let [model, of_draft] = both.kv_parts(bytes);
        assert_eq!((model + of_draft, of_draft), (bytes, bytes / 4 * 3));
        assert!(both.kv_bytes(1024, Some(4095), None).is_err());
        assert_eq!(NEED.kv_parts(77), [77, 0]);
    }

    #[test]
    fn this_machine_has_memory() {
        if cfg!(target_os = "linux") {
            assert!(available_memory().is_some_and(|bytes| bytes > 1 << 20));
        }
    }
}
