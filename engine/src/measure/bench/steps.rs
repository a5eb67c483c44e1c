//! The steps that are timed: those of a prefill, and those of a decode after a context.

use std::time::{Duration, Instant};

use crate::Sampling;
use crate::answer::sample::Sampler;
use crate::compute::kv::KvCache;
use crate::model::forward::{Model, NewTokens, PREFILL_CHUNK};

/// What is called between parts of what is timed, whose own time does not count.
pub(super) type Between<'a> = &'a mut dyn FnMut(&mut Model);

/// Tokens a second of one prefill.
pub(super) fn prefill(model: &mut Model, tokens: usize, between: Between<'_>) -> f64 {
    let tokens = some_tokens(tokens, model);
    let mut cache = model.new_cache();
    cache.begin(tokens.len());
    let mut spent = Duration::ZERO;
    let mut chunks = tokens.chunks(PREFILL_CHUNK).peekable();
    while let Some(tokens) = chunks.next() {
        let started = Instant::now();
        let chunk = NewTokens {
            tokens,
            draft: &[],
            cache: &mut cache,
            wants_logits: chunks.peek().is_none(),
            reader: None,
        };
        model.forward(&mut [chunk], &|| false);
        spent += started.elapsed();
        between(model);
    }
    tokens.len() as f64 / spent.as_secs_f64()
}

/// Some sequences that decode together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decode<'a> {
    pub(super) sequences: usize,
    /// Tokens that each has in its cache when decoding starts.
    pub(super) context: usize,
    pub(super) steps: usize,
    /// Ways to draw the next token, each of which is timed beside steps whose tokens are known before.
    pub(super) samplings: &'a [Sampling],
}

impl Decode<'_> {
    /// Tokens a second of all sequences together: without drawing them, then with each way of drawing. All take the same
    /// steps, some of each in turn.
    pub(super) fn speeds(self, model: &mut Model, between: Between<'_>) -> Vec<f64> {
        /// Steps of each in turn.
        const TURN: usize = 8;
        let mut caches: Vec<_> = (0..self.sequences)
            .map(|_| filled(model, self.context))
            .collect();
        let drawn = self.samplings.iter().map(|sampling| Some(*sampling));
        let mut ways: Vec<_> = std::iter::once(None)
            .chain(drawn)
            .map(|sampling| Way::new(sampling, self.sequences, model))
            .collect();
        let end = self.context + self.steps;
        for start in (self.context..end).step_by(TURN) {
            for way in &mut ways {
                caches.iter_mut().for_each(|cache| cache.truncate(start));
                way.steps(TURN.min(end - start), model, &mut caches);
            }
            between(model);
        }
        let tokens = (self.steps * self.sequences) as f64;
        let speeds = ways.iter().map(|way| tokens / way.spent.as_secs_f64());
        speeds.collect()
    }
}

/// How the tokens of a decode come about, and the time of its steps so far.
struct Way {
    /// The next of each sequence.
    tokens: Vec<u32>,
    /// One for each sequence, or none, and the tokens stay.
    samplers: Vec<Sampler>,
    spent: Duration,
}

impl Way {
    fn new(sampling: Option<Sampling>, sequences: usize, model: &Model) -> Self {
        let seeds = 0..sequences as u64;
        let samplers = sampling.map(|sampling| {
            let samplers = seeds.map(|seed| Sampler::new(sampling, model.kernel(), seed));
            samplers.collect()
        });
        Self {
            tokens: some_tokens(sequences, model),
            samplers: samplers.unwrap_or_default(),
            spent: Duration::ZERO,
        }
    }

    fn steps(&mut self, steps: usize, model: &mut Model, caches: &mut [KvCache]) {
        let vocabulary = model.config().vocabulary;
        let started = Instant::now();
        for _ in 0..steps {
            let tokens = self.tokens.iter().map(std::slice::from_ref);
            let mut batch: Vec<_> = tokens
                .zip(caches.iter_mut())
                .map(|(tokens, cache)| NewTokens {
                    tokens,
                    draft: &[],
                    cache,
                    wants_logits: true,
                    reader: None,
                })
                .collect();
            let logits = model
                .forward(&mut batch, &|| false)
                .expect("nobody cancels");
            let tokens = self.tokens.iter_mut().zip(&mut self.samplers);
            for ((token, sampler), logits) in tokens.zip(logits.chunks_exact(vocabulary)) {
                *token = sampler.next(logits);
            }
        }
        self.spent += started.elapsed();
    }
}

/// Some token for each place.
fn some_tokens(count: usize, model: &Model) -> Vec<u32> {
    let vocabulary = model.config().vocabulary;
    (0..count).map(|i| (i * 7919 % vocabulary) as u32).collect()
}

/// A cache that holds `context` positions, all of them written, as a prefill leaves it: what was never written would be
/// read from the system's one page of zeros, out of the first cache.
fn filled(model: &Model, context: usize) -> KvCache {
    /// Positions after which keys and values repeat themselves.
    const PERIOD: usize = 61;
    let config = model.config();
    let head_dim = config.head_dim;
    let numbers = (0..PERIOD + head_dim).map(|i| (i % 23) as f32 / 23.0 - 0.4);
    let numbers: Vec<f32> = numbers.collect();
    let mut cache = model.new_cache();
    cache.begin(context);
    cache.reserve(context).expect("memory without a bound");
    for layer in 0..config.layers {
        for mut head in cache.head_writers(layer) {
            for position in 0..context {
                let numbers = &numbers[position % PERIOD..][..head_dim];
                head.store(position, numbers, numbers);
            }
        }
    }
    cache.advance(context);
    cache
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::kernel;
    use crate::compute::kernel::span::{KEY_BLOCK, KvBlock};
    use crate::compute::kv::KvPrecision;
    use crate::machine::threads::Pool;
    use crate::measure::bench::shapes::{RandomWeights, shape};
    use crate::model::weights::Rounding;

    /// Whether nothing of a block is as it was before: no number is zero, of turned keys not all of a position.
    fn is_written(block: &KvBlock<'_>) -> bool {
        match block {
            KvBlock::F16(keys, values) => keys.iter().chain(*values).all(|v| v.to_f32() != 0.0),
            KvBlock::Q8(block) => {
                let key = |position: usize| block.keys.iter().any(|keys| keys[position] != [0; 4]);
                let scales = block.key_scales.iter().chain(block.value_scales);
                (0..KEY_BLOCK).all(key)
                    && block.values.iter().all(|quant| *quant != 0)
                    && scales.flatten().all(|scale| scale.to_f32() != 0.0)
            }
        }
    }

    #[test]
    fn a_filled_cache_has_written_every_position_of_every_head() {
        let mut config = shape("smollm2-135m").unwrap();
        (config.layers, config.ffn, config.vocabulary) = (2, 32, 32);
        let kernel = kernel::choose(None).unwrap();
        for kv in [KvPrecision::F16, KvPrecision::Q8] {
            let rounding = Rounding {
                kv: Some(kv),
                ..Rounding::default()
            };
            let (config, pool) = (config.clone(), Pool::new(1).unwrap());
            let model = Model::load(&RandomWeights, config, rounding, kernel, pool, None).unwrap();
            let cache = filled(&model, 96);
            assert_eq!(cache.len(), 96);
            for head in (0..2).flat_map(|layer| (0..3).map(move |head| (layer, head))) {
                let blocks = cache.layer(head.0).head(head.1).blocks(0, 96);
                assert!(
                    blocks.into_iter().all(|block| is_written(&block)),
                    "{kv} {head:?}"
                );
            }
        }
    }
}
