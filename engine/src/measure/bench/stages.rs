//! What threads cost each other: barriers, and bytes that one writes and others read.

use std::time::{Duration, Instant};

use super::shapes::{RandomWeights, shape};
use crate::Error;
use crate::compute::kernel;
use crate::files::config::ModelConfig;
use crate::machine::threads::{Pool, Traffic, pool};
use crate::model::forward::{Model, NewTokens};
use crate::model::weights::Rounding;

/// A decode step of one sequence, as its threads see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepStages {
    /// Stages, each of which ends with a barrier.
    pub stages: u64,
    /// Bytes that stages write, or have room for, which a thread may have to fetch from the caches of others.
    pub shared_bytes: u64,
    /// Packed weights that are read.
    pub weight_bytes: u64,
}

impl StepStages {
    /// What a step of this model comes to that follows a token.
    pub(super) fn count(model: &mut Model) -> Self {
        let mut cache = model.new_cache();
        cache.begin(2);
        let mut traffic = Traffic::default();
        for token in [0, 1] {
            let before = model.traffic();
            let step = NewTokens {
                tokens: &[token],
                draft: &[],
                cache: &mut cache,
                wants_logits: true,
                reader: None,
            };
            model.forward(&mut [step], &|| false);
            traffic = model.traffic().since(before);
        }
        Self {
            stages: traffic.stages,
            shared_bytes: traffic.bytes,
            weight_bytes: model.weights().bytes_per_step(),
        }
    }

    /// Of one of the [`shapes()`](super::shapes()) on so many threads: of two models, of one layer and of two, as all
    /// layers are alike and the whole model may not fit.
    ///
    /// # Errors
    /// As [`super::run`].
    pub fn of_shape(name: &str, threads: usize) -> Result<Self, Error> {
        Self::of_config(&shape(name)?, threads)
    }

    fn of_config(config: &ModelConfig, threads: usize) -> Result<Self, Error> {
        let of_layers = |layers| random(config, layers, threads).map(|mut it| Self::count(&mut it));
        let (one, two) = (of_layers(1)?, of_layers(2)?);
        let all = |one: u64, two: u64| one + (config.layers as u64 - 1) * (two - one);
        Ok(Self {
            stages: all(one.stages, two.stages),
            shared_bytes: all(one.shared_bytes, two.shared_bytes),
            weight_bytes: all(one.weight_bytes, two.weight_bytes),
        })
    }
}

/// A model of random weights with so many layers.
fn random(config: &ModelConfig, layers: usize, threads: usize) -> Result<Model, Error> {
    let (kernel, pool) = (kernel::choose(None)?, pool(Some(threads), false)?);
    let config = ModelConfig {
        layers,
        ..config.clone()
    };
    Model::load(
        &RandomWeights,
        config,
        Rounding::default(),
        kernel,
        pool,
        None,
    )
}

/// What stages take in which nothing is done, but that each thread has one item.
#[derive(Debug)]
pub struct EmptyStages(Pool);

impl EmptyStages {
    /// On so many threads.
    ///
    /// # Errors
    /// [`Error::Option`], [`Error::NoThread`].
    pub fn new(threads: usize) -> Result<Self, Error> {
        Ok(Self(pool(Some(threads), false)?))
    }

    /// The time of a stage: the median of some turns, in each of which stages follow each other as they do in a step.
    #[must_use]
    pub fn time(&mut self) -> Duration {
        const TURNS: usize = 101;
        const STAGES: u32 = 200;
        let mut turns = [(); TURNS].map(|()| {
            let started = Instant::now();
            for _ in 0..STAGES {
                let items = self.0.threads();
                self.0.for_each(items, 1, |range| {
                    std::hint::black_box(range);
                });
            }
            started.elapsed() / STAGES
        });
        turns.sort_unstable();
        turns[TURNS / 2]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_counted_from_two_models_as_in_one() {
        let mut config = shape("llama-3.2-1b").unwrap();
        (config.layers, config.ffn, config.vocabulary) = (5, 256, 512);
        let counted = StepStages::of_config(&config, 4).unwrap();
        let mut model = random(&config, 5, 4).unwrap();
        assert_eq!(counted, StepStages::count(&mut model));
        assert_eq!(counted.stages, 6 * 5 + 1);
        // q, k and v twice; attention, x twice, the activated; the logits.
        let layer = 4 * (2 * (2048 + 2 * 512) + 2 * 2048);
        assert!(counted.shared_bytes > 5 * layer + 4 * 512, "{counted:?}");
    }

    #[test]
    fn an_empty_stage_takes_some_time() {
        assert!(EmptyStages::new(2).unwrap().time() > Duration::ZERO);
    }
}
