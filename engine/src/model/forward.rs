//! The Llama forward pass over a batch of sequences.
//!
//! A step takes some new tokens of each sequence of the batch, appends their keys and values to the sequence's cache
//! and returns the logits behind the last token of those that want them, and behind each token that was only guessed. Decoding is a step of one token, prefill a step of many;
//! both read the same packed weights. Activations stay in f32 between the products and are quantised before each: rows
//! once, the single row of a decode by every thread that multiplies it.

mod activated;
mod matmuls;
mod normed;
mod observer;
mod pool;
mod projections;
mod rows;

use std::ops::Range;
use std::sync::Arc;

use self::activated::Activated;
use self::matmuls::Matmuls;
use self::normed::Normed;
use self::projections::{Projections, add_bias};
pub(crate) use self::rows::{RowReader, Rows};
use crate::Error;
use crate::compute::activations::{Activations, StoredRows};
use crate::compute::attention::{Attention, Heads, SequenceRows};
use crate::compute::kernel::Kernel;
use crate::compute::kv::{KvCache, KvMemory, KvShape};
use crate::compute::matrix::{self, MatmulInput, Packing, Product, layout_for};
use crate::files::config::ModelConfig;
use crate::machine::threads::{PerThread, Pool};
use crate::model::packed::PackedFile;
use crate::model::rope::Rope;
use crate::model::weights::{
    self, LayerSite, LayerWeights, MatmulSite, MeanSquares, QuantScheme, TensorSource, Weights,
};

/// Prompt tokens of one step: enough that a step is limited by multiplication, few enough that progress is seen.
pub(crate) const PREFILL_CHUNK: usize = 128;

/// New tokens of one sequence.
pub(crate) struct NewTokens<'a> {
    pub(crate) tokens: &'a [u32],
    /// Guesses of what follows them. Their keys and values are stored, but the cache has them only when it is told that they
    /// were right; the logits behind each are wanted.
    pub(crate) draft: &'a [u32],
    pub(crate) cache: &'a mut KvCache,
    /// Whether the logits behind the last of them are wanted; they are not in the middle of a prefill.
    pub(crate) wants_logits: bool,
    /// Who reads of each of them.
    pub(crate) reader: Option<&'a mut dyn RowReader>,
}

impl NewTokens<'_> {
    /// Rows that they have in a step.
    pub(crate) fn rows(&self) -> usize {
        self.tokens.len() + self.draft.len()
    }
}

/// A loaded model with the threads that compute it.
pub(crate) struct Model {
    config: ModelConfig,
    weights: Weights,
    rope: Arc<Rope>,
    kv: KvShape,
    kernel: &'static Kernel,
    pool: Pool,
    /// Threads for a step of one row.
    decode_threads: usize,
    buffers: Buffers,
}

/// Everything that a step writes; grown to the largest step and kept. `rows` are the tokens of a step.
#[derive(Default)]
struct Buffers {
    /// The residual stream, `[rows, hidden]`.
    x: Vec<f32>,
    quantized: Activations,
    /// `silu(gate) * up`, where it is quantised as it comes.
    activated: Activations,
    /// `[rows, heads * head_dim]`.
    q: Vec<f32>,
    /// `[rows, kv_heads * head_dim]`.
    k: Vec<f32>,
    /// `[rows, kv_heads * head_dim]`.
    v: Vec<f32>,
    /// `[rows, heads * head_dim]`.
    attended: Vec<f32>,
    /// `[rows, ffn]`, as is the next; used where `activated` is not.
    gate: Vec<f32>,
    up: Vec<f32>,
    /// Cosines and sines of each row's position, `[rows, head_dim]`.
    angles: Vec<f32>,
    /// A normalised head of q or k for each thread, `[head_dim]`.
    heads: PerThread<Vec<f32>>,
    /// `[wanted, vocabulary]`.
    logits: Vec<f32>,
    attention: Attention,
    matmuls: Matmuls,
}

impl Model {
    /// Reads the weights and packs them for `kernel`, unless `packed` has them.
    pub(crate) fn load<'a>(
        source: &'a dyn TensorSource,
        config: ModelConfig,
        scheme: impl Into<QuantScheme<'a>>,
        kernel: &'static Kernel,
        pool: Pool,
        packed: Option<&PackedFile>,
    ) -> Result<Self, Error> {
        let scheme = scheme.into();
        let packing = weights::plan(source, &config, scheme, kernel)?;
        Self::planned(source, config, scheme, packing, pool, packed)
    }

    /// The same for weights that are planned already.
    pub(crate) fn planned(
        source: &dyn TensorSource,
        config: ModelConfig,
        scheme: QuantScheme<'_>,
        packing: Packing<'_>,
        mut pool: Pool,
        packed: Option<&PackedFile>,
    ) -> Result<Self, Error> {
        let kernel = packing.kernel();
        let weights = Weights::load(source, &config, scheme, packing, &mut pool, packed)?;
        let rope = Arc::new(Rope::new(config.head_dim, config.rope.clone()));
        let kv = config.kv_shape(scheme.rounding.kv()?);
        Ok(Self {
            config,
            weights,
            rope,
            kv,
            kernel,
            decode_threads: pool.all_threads(),
            pool,
            buffers: Buffers::default(),
        })
    }

    pub(crate) fn config(&self) -> &ModelConfig {
        &self.config
    }

    pub(crate) fn rope(&self) -> &Arc<Rope> {
        &self.rope
    }

    pub(crate) fn weights(&self) -> &Weights {
        &self.weights
    }

    /// What a sequence's keys and values are made of.
    pub(crate) fn kv_shape(&self) -> &KvShape {
        &self.kv
    }

    pub(crate) fn kernel(&self) -> &'static Kernel {
        self.kernel
    }

    /// Multiplies with the activations as they are from now on, not rounded to int8: slowly, as a measure for the
    /// rounding.
    pub(crate) fn keep_floats(&mut self) {
        self.buffers.quantized.keep_floats();
    }

    /// Looks at the activations of every step from now on, which must be of [`Model::forward_each`].
    pub(crate) fn observe(&mut self) {
        self.buffers.quantized.keep_floats();
        self.buffers.matmuls.observe();
    }

    /// The mean squares of the columns of activations since [`Model::observe`].
    pub(crate) fn observed(&self) -> MeanSquares {
        self.buffers.matmuls.observed()
    }

    /// Gives all activations of a row one scale from now on.
    pub(crate) fn round_by_row(&mut self) {
        self.buffers.quantized.round_by_row();
    }

    /// Memory for the keys and values of sequences, of at most so many bytes.
    pub(crate) fn kv_memory(&self, bytes: u64) -> KvMemory {
        KvMemory::new(&self.kv, Some(bytes))
    }

    /// The same for sequences of which so many positions may be taken back.
    pub(crate) fn kv_memory_taking_back(&self, positions: usize, bytes: u64) -> KvMemory {
        KvMemory::new(&self.kv.clone().seeing_more(positions), Some(bytes))
    }

    /// An empty cache, without a bound.
    pub(crate) fn new_cache(&self) -> KvCache {
        KvMemory::new(&self.kv, None).new_cache()
    }

    /// Runs one step and returns the logits behind the last token of each sequence that wants them and behind its draft, in
    /// the order of the batch, `[wanted, vocabulary]`; the output head is computed for these alone. `None` when `cancelled` said so
    /// between two layers; the caches are then as before.
    ///
    /// # Panics
    /// When a sequence has no new token or a token is outside the vocabulary.
    pub(crate) fn forward(
        &mut self,
        batch: &mut [NewTokens<'_>],
        cancelled: &dyn Fn() -> bool,
    ) -> Option<&[f32]> {
        self.layers(batch, cancelled)?;
        self.read_rows(batch);
        let hidden = self.config.hidden;
        let (mut row, mut wanted) = (0, 0);
        for sequence in batch.iter() {
            row += sequence.rows();
            if sequence.wants_logits {
                let behind = 1 + sequence.draft.len();
                let last = (row - behind) * hidden..row * hidden;
                self.buffers.x.copy_within(last, wanted * hidden);
                wanted += behind;
            }
        }
        Some(self.head(0..wanted))
    }

    /// Runs one step of one sequence and returns the logits behind each of its tokens, `[tokens, vocabulary]`.
    ///
    /// # Panics
    /// As [`Model::forward`].
    pub(crate) fn forward_each(&mut self, tokens: &[u32], cache: &mut KvCache) -> &[f32] {
        let rows = tokens.len();
        // Nobody cancels.
        let step = NewTokens {
            tokens,
            draft: &[],
            cache,
            wants_logits: true,
            reader: None,
        };
        let _ = self.layers(&mut [step], &|| false);
        self.head(0..rows)
    }

    /// Runs one step up to the last hidden states; `None` when it was cancelled.
    fn layers(&mut self, batch: &mut [NewTokens<'_>], cancelled: &dyn Fn() -> bool) -> Option<()> {
        self.start(batch);
        for layer in 0..self.config.layers {
            if cancelled() {
                return None;
            }
            self.attention_block(layer, batch);
            self.feed_forward_block(layer);
        }
        for sequence in batch.iter_mut() {
            sequence.cache.advance(sequence.tokens.len());
        }
        Some(())
    }

    /// Makes room, looks up the embeddings and positions and plans attention.
    fn start(&mut self, batch: &mut [NewTokens<'_>]) {
        let config = &self.config;
        let rows: usize = batch.iter().map(NewTokens::rows).sum();
        self.pool.take_part(match rows {
            1 => self.decode_threads,
            _ => self.pool.all_threads(),
        });
        let b = &mut self.buffers;
        b.x.resize(rows * config.hidden, 0.0);
        b.q.resize(rows * config.heads * config.head_dim, 0.0);
        b.k.resize(rows * config.kv_heads * config.head_dim, 0.0);
        b.v.resize(rows * config.kv_heads * config.head_dim, 0.0);
        b.attended
            .resize(rows * config.heads * config.head_dim, 0.0);
        b.angles.resize(rows * config.head_dim, 0.0);

        let mut embeddings = b.x.chunks_exact_mut(config.hidden);
        let mut angles = b.angles.chunks_exact_mut(config.head_dim);
        for sequence in batch.iter_mut() {
            assert!(!sequence.tokens.is_empty(), "a sequence without new tokens");
            let position = sequence.cache.len();
            let length = position + sequence.rows();
            let room = sequence.cache.reserve(length);
            room.expect("whoever bounds the memory makes room before the step");
            let mut of_position = self.rope.angles(sequence.cache.prompt());
            for (i, (token, (x, angles))) in sequence
                .tokens
                .iter()
                .chain(sequence.draft)
                .zip(embeddings.by_ref().zip(angles.by_ref()))
                .enumerate()
            {
                self.weights.embedding.row_to_f32(*token as usize, x);
                of_position.of(position + i, angles);
            }
        }
        let mut first_row = 0;
        let sequences = batch.iter().map(|sequence| {
            let rows = sequence.rows();
            first_row += rows;
            SequenceRows {
                first_row: first_row - rows,
                rows,
                position: sequence.cache.len(),
            }
        });
        let shapes = config.windows().map(|window| heads(config, window));
        b.attention.plan(sequences, shapes, self.pool.threads());
    }

    /// `x += o_proj(attention(rope(q_proj(norm(x))), rope(k_proj(norm(x))), v_proj(norm(x))))`.
    fn attention_block(&mut self, layer: usize, batch: &mut [NewTokens<'_>]) {
        let heads = heads(&self.config, self.config.window(layer));
        let kernel = self.kernel;
        let LayerWeights {
            attn_norm,
            q_proj,
            k_proj,
            v_proj,
            o_proj,
            biases,
            head_norms,
            ..
        } = &self.weights.layers[layer];
        let (pool, b) = (&mut self.pool, &mut self.buffers);
        let epsilon = self.config.rms_norm_epsilon;
        let normed = Normed {
            kernel,
            x: &b.x,
            weight: attn_norm,
            epsilon,
        };
        let layout = layout_for(&[q_proj, k_proj, v_proj]);
        let x = MatmulInput::new(&mut b.quantized, pool, kernel, layout, &normed);
        let products = [(q_proj, &mut b.q), (k_proj, &mut b.k), (v_proj, &mut b.v)];
        let products = products.map(|(matrix, out)| Product {
            matrix,
            out,
            add: false,
        });
        let site = MatmulSite::Layer(layer, LayerSite::Attention);
        b.matmuls.multiply(pool, site, &x, products);
        let projections = Projections {
            kernel,
            heads,
            biases,
            head_norms: head_norms.as_ref(),
            epsilon,
            angles: &b.angles,
            sequences: b.attention.sequences(),
        };
        let caches = batch
            .iter_mut()
            .flat_map(|sequence| sequence.cache.head_writers(layer));
        let qkv = [&mut b.q, &mut b.k, &mut b.v].map(Vec::as_mut_slice);
        projections.finish(pool, qkv, &mut b.heads, caches);
        let caches = |index: usize| batch[index].cache.layer(layer);
        b.attention
            .run(pool, kernel, heads, caches, &b.q, &mut b.attended);

        let cols = heads.heads * heads.head_dim;
        let values = &b.attended;
        let attended = StoredRows { values, cols };
        let layout = layout_for(&[o_proj]);
        let x = MatmulInput::new(&mut b.quantized, pool, kernel, layout, &attended);
        let product = Product {
            matrix: o_proj,
            out: &mut b.x,
            add: true,
        };
        let site = MatmulSite::Layer(layer, LayerSite::AttentionOutput);
        b.matmuls.multiply(pool, site, &x, [product]);
        add_bias(biases.o.as_deref(), &mut b.x);
    }

    /// `x += down_proj(silu(gate_proj(norm(x))) * up_proj(norm(x)))`.
    fn feed_forward_block(&mut self, layer: usize) {
        let kernel = self.kernel;
        let LayerWeights {
            ffn_norm,
            gate_proj,
            up_proj,
            down_proj,
            ..
        } = &self.weights.layers[layer];
        let (pool, b) = (&mut self.pool, &mut self.buffers);
        let epsilon = self.config.rms_norm_epsilon;
        let of_activated = layout_for(&[down_proj]);
        let takes_blocks = b.quantized.take_blocks(of_activated);
        let normed = Normed {
            kernel,
            x: &b.x,
            weight: ffn_norm,
            epsilon,
        };
        let rows = b.x.len() / ffn_norm.len();
        let layout = layout_for(&[gate_proj, up_proj]);
        let x = MatmulInput::new(&mut b.quantized, pool, kernel, layout, &normed);
        let activated = if takes_blocks && x.floats().is_none() {
            let matrices = [gate_proj, up_proj];
            let scratch = &mut b.matmuls.scratch;
            matrix::multiply_gated(pool, &x, scratch, matrices, &mut b.activated);
            &b.activated
        } else {
            let ffn = gate_proj.rows();
            let products = [(gate_proj, &mut b.gate), (up_proj, &mut b.up)];
            let products = products.map(|(matrix, out)| {
                out.resize(rows * ffn, 0.0);
                Product {
                    matrix,
                    out,
                    add: false,
                }
            });
            let site = MatmulSite::Layer(layer, LayerSite::FeedForward);
            b.matmuls.multiply(pool, site, &x, products);
            let activated = Activated {
                kernel,
                gate: &b.gate,
                up: &b.up,
                cols: ffn,
            };
            b.quantized.fill(pool, kernel, of_activated, &activated);
            &b.quantized
        };
        let product = Product {
            matrix: down_proj,
            out: &mut b.x,
            add: true,
        };
        let site = MatmulSite::Layer(layer, LayerSite::FeedForwardOutput);
        let x = MatmulInput::Rows(activated);
        b.matmuls.multiply(pool, site, &x, [product]);
    }

    /// What the last step returned.
    pub(crate) fn logits(&self) -> &[f32] {
        &self.buffers.logits
    }

    /// Logits behind rows of `x`.
    fn head(&mut self, rows: Range<usize>) -> &[f32] {
        if rows.is_empty() {
            self.buffers.logits.clear();
            return &[];
        }
        let (hidden, vocabulary) = (self.config.hidden, self.config.vocabulary);
        let b = &mut self.buffers;
        let matrix = self.weights.head();
        let (pool, norm) = (&mut self.pool, &self.weights.output_norm);
        let epsilon = self.config.rms_norm_epsilon;
        let normed = Normed {
            kernel: self.kernel,
            x: &b.x[rows.start * hidden..rows.end * hidden],
            weight: norm,
            epsilon,
        };
        let layout = layout_for(&[matrix]);
        let x = MatmulInput::new(&mut b.quantized, pool, self.kernel, layout, &normed);
        b.logits.resize(rows.len() * vocabulary, 0.0);
        let product = Product {
            matrix,
            out: &mut b.logits,
            add: false,
        };
        b.matmuls.multiply(pool, MatmulSite::Head, &x, [product]);
        &self.buffers.logits
    }
}

/// The shape of attention in a layer with such a window.
fn heads(config: &ModelConfig, window: Option<usize>) -> Heads {
    Heads {
        heads: config.heads,
        kv_heads: config.kv_heads,
        head_dim: config.head_dim,
        window,
    }
}

#[cfg(test)]
pub(crate) mod tests;
