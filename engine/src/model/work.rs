//! What steps of a model read and multiply, by its plan: for telling how near to a machine's limits they come.
//!
//! A step reads every weight of its layers once, however many tokens it computes, and those of the head where logits are
//! wanted. Of a separate embedding it takes a row for each token, which is not counted.

use crate::compute::kv::KvPrecision;
use crate::compute::matrix::Packing;
use crate::files::config::ModelConfig;
use crate::model::forward::PREFILL_CHUNK;

/// How large a model is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModelShape {
    /// Layers.
    pub layers: usize,
    /// Numbers of a token between layers.
    pub hidden: usize,
    /// Query heads of a layer.
    pub heads: usize,
    /// Heads of keys and values of a layer.
    pub kv_heads: usize,
}

impl ModelShape {
    pub(crate) fn of(config: &ModelConfig) -> Self {
        Self {
            layers: config.layers,
            hidden: config.hidden,
            heads: config.heads,
            kv_heads: config.kv_heads,
        }
    }
}

/// What steps of a model consist of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepWork {
    /// The most tokens of a prompt in a step.
    pub prefill_chunk: usize,
    /// The matrices of all layers.
    pub layers: MatrixWork,
    /// The matrix that gives logits.
    pub head: MatrixWork,
    /// Attention of the layers that see equally far.
    pub attention: Vec<AttentionWork>,
}

/// Matrices, as they are packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MatrixWork {
    /// Weights, each a multiply-accumulate for each token.
    pub weights: u64,
    /// Bytes of them.
    pub bytes: u64,
}

/// Attention of some layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttentionWork {
    /// Positions that a token sees, its own included; none where it sees all before it.
    pub window: Option<usize>,
    /// Bytes of the keys and values of a position.
    pub bytes: u64,
    /// Multiply-accumulates of a token with the keys and values of a position.
    pub multiplies: u64,
}

/// What some steps read and multiplied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Tokens that they computed.
    pub tokens: u64,
    /// Bytes of weights.
    pub weight_bytes: u64,
    /// Bytes of keys and values.
    pub kv_bytes: u64,
    /// Multiply-accumulates with weights.
    pub weight_multiplies: u64,
    /// Multiply-accumulates with keys and values.
    pub kv_multiplies: u64,
}

impl StepWork {
    pub(crate) fn of(config: &ModelConfig, packing: &Packing<'_>, kv: KvPrecision) -> Self {
        let vocabulary = [config.vocabulary, config.hidden];
        let (mut layers, mut head) = (MatrixWork::default(), MatrixWork::default());
        for plan in packing.plans() {
            let [rows, cols] = plan.shape();
            let (weights, bytes) = ((rows * cols) as u64, plan.bytes());
            if plan.shape() == vocabulary {
                // A head of its own is planned behind the embedding.
                head = MatrixWork { weights, bytes };
            } else {
                layers.weights += weights;
                layers.bytes += bytes;
            }
        }
        let attention = config.windows().map(|window| {
            let seeing = (0..config.layers).filter(|layer| config.window(*layer) == window);
            let count = seeing.count() as u64;
            let all = config.kv_shape(kv).bytes_per_token();
            AttentionWork {
                window,
                bytes: all * count / config.layers as u64,
                multiplies: count * (2 * config.heads * config.head_dim) as u64,
            }
        });
        Self {
            prefill_chunk: PREFILL_CHUNK,
            layers,
            head,
            attention: attention.collect(),
        }
    }

    /// The steps that read the rest of a prompt of which so many tokens are cached, in a machine that does nothing else.
    #[must_use]
    pub fn prefill(&self, prompt: usize, cached: usize) -> Work {
        let mut work = Work::default();
        let mut from = cached;
        while from < prompt && self.prefill_chunk > 0 {
            let to = prompt.min(from + self.prefill_chunk);
            // Logits are wanted behind the last token alone.
            work.add(self.step(from..to, u64::from(to == prompt)));
            from = to;
        }
        work
    }

    /// The steps that compute the tokens after the first, one at a time.
    #[must_use]
    pub fn decode(&self, prompt: usize, output: usize) -> Work {
        let mut work = Work::default();
        for position in (prompt..prompt.saturating_add(output)).skip(1) {
            // The token before is computed at the place behind which this one comes.
            work.add(self.step(position - 1..position, 1));
        }
        work
    }

    /// A step with the tokens of some positions, and logits behind so many of them.
    fn step(&self, positions: std::ops::Range<usize>, logits: u64) -> Work {
        let tokens = positions.len() as u64;
        let mut work = Work {
            tokens,
            weight_bytes: self.layers.bytes + self.head.bytes * logits.min(1),
            weight_multiplies: self.layers.weights * tokens + self.head.weights * logits,
            ..Work::default()
        };
        for attention in &self.attention {
            let seen = |position: usize| {
                let all = position + 1;
                attention.window.map_or(all, |window| window.min(all))
            };
            // What the first of them sees lies furthest back.
            let read = seen(positions.start) + positions.len() - 1;
            work.kv_bytes += attention.bytes * read as u64;
            let seen: u64 = positions
                .clone()
                .map(|position| seen(position) as u64)
                .sum();
            work.kv_multiplies += attention.multiplies * seen;
        }
        work
    }
}

impl Work {
    /// Counts others too.
    pub fn add(&mut self, other: Self) {
        self.tokens += other.tokens;
        self.weight_bytes += other.weight_bytes;
        self.kv_bytes += other.kv_bytes;
        self.weight_multiplies += other.weight_multiplies;
        self.kv_multiplies += other.kv_multiplies;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::kernel;
    use crate::files::checkpoint::written::{Layout, config, folder};
    use crate::model::weights::{self, HfModel, Quantize, Rounding, Weights};

    /// What weights in bf16 come to of a small model, with an embedding of its own or one that is its head too.
    fn planned(tied: bool) -> (StepWork, ModelConfig, u64) {
        let mut written = config(64);
        written["tie_word_embeddings"] = tied.into();
        let folder = folder(&written, Layout::SINGLE_BF16);
        let model = HfModel::open(folder.path()).unwrap();
        let rounding = Rounding {
            quantize: Quantize::None,
            ..Rounding::default()
        };
        let config = model.config.model.clone();
        let kernel = kernel::choose(None).unwrap();
        let plan = || weights::plan(&model, &config, rounding, kernel).unwrap();
        let work = StepWork::of(&config, &plan(), KvPrecision::F16);
        let mut pool = crate::machine::threads::pool(Some(1), false).unwrap();
        let loaded =
            Weights::load(&model, &config, rounding.into(), plan(), &mut pool, None).unwrap();
        assert_eq!(work.layers.weights, loaded.layer_parameters());
        let head = loaded.head();
        assert_eq!(work.head.weights, (head.rows() * head.cols()) as u64);
        assert_eq!(work.layers.bytes + work.head.bytes, loaded.bytes_per_step());
        (work, config, loaded.bytes())
    }

    #[test]
    fn an_embedding_beside_the_head_is_read_and_multiplied_by_no_step() {
        let (tied, _, all) = planned(true);
        assert_eq!(tied.layers.bytes + tied.head.bytes, all);
        let (own, _, all) = planned(false);
        assert_eq!(own.layers.bytes + 2 * own.head.bytes, all);
        assert_eq!(own, tied);
    }

    #[test]
    fn a_prompt_of_300_is_three_steps_of_a_chunk_and_one_of_the_head() {
        let (work, config, _) = planned(false);
        assert_eq!(work.prefill_chunk, PREFILL_CHUNK);
        let work = StepWork {
            prefill_chunk: 128,
            ..work
        };
        let read = work.prefill(300, 0);
        assert_eq!(read.tokens, 300);
        assert_eq!(read.weight_bytes, 3 * work.layers.bytes + work.head.bytes);
        assert_eq!(
            read.weight_multiplies,
            300 * work.layers.weights + work.head.weights
        );
        // In f16 a position has two bytes a number, keys and values, and each step reads those before its end.
        let position = (config.layers * config.kv_heads * config.head_dim * 2 * 2) as u64;
        assert_eq!(read.kv_bytes, position * (128 + 256 + 300));
        let pairs = 300 * 301 / 2;
        let of_a_pair = (config.layers * config.heads * config.head_dim * 2) as u64;
        assert_eq!(read.kv_multiplies, pairs * of_a_pair);
        let rest = work.prefill(300, 200);
        assert_eq!((rest.tokens, rest.kv_bytes), (100, position * 300));
    }

    #[test]
    fn decoding_reads_all_for_each_token_after_the_first() {
        let (work, _, _) = planned(false);
        let read = work.decode(10, 4);
        assert_eq!(read.tokens, 3);
        let step = work.layers.bytes + work.head.bytes;
        assert_eq!(read.weight_bytes, 3 * step);
        let position = work.attention[0].bytes;
        // The first token was computed behind ten positions: the next steps see 11, 12 and 13.
        assert_eq!(read.kv_bytes, position * (11 + 12 + 13));
        assert_eq!(work.decode(10, 1), Work::default());
        assert_eq!(work.decode(10, 0), Work::default());
    }

    #[test]
    fn a_window_bounds_what_is_seen() {
        let attention = AttentionWork {
            window: Some(4),
            bytes: 10,
            multiplies: 1,
        };
        let work = StepWork {
            prefill_chunk: 8,
            attention: vec![attention],
            ..StepWork::default()
        };
        assert_eq!(work.decode(100, 2).kv_bytes, 40);
        // The first of eight sees four, the last seven further on.
        assert_eq!(work.prefill(108, 100).kv_bytes, 10 * (4 + 7));
        assert_eq!(work.prefill(108, 100).kv_multiplies, 8 * 4);
    }
}
