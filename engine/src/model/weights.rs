//! The weights of a Llama model, packed for one kernel.
//!
//! Quantised tensors are taken as they are stored; floats become int4 in the layers and Q8 in the embedding and the
//! output head, where rounding shows most. Or these become int4 too, or all are floats: see [`Rounding`].

mod blocks;
mod gguf;
mod hugging_face;
mod importance;
mod plan;
mod quantized;
mod rounding;
#[cfg(test)]
mod tests;

pub(crate) use gguf::GgufModel;
pub(crate) use hugging_face::HfModel;
pub(crate) use importance::{ImportanceMatrix, LayerSite, MatmulSite, MeanSquares};
pub(crate) use plan::plan;
pub(crate) use rounding::{QuantScheme, RoundingTarget, WeightRequest};
pub use rounding::{Quantize, Rounding};

use std::sync::Arc;

use crate::Error;
use crate::architecture::{Architecture, Dialect, LayerTensor, ModelTensor};
use crate::compute::column_order::ColumnOrder;
use crate::compute::matrix::{Format, PackedMatrices, PackedMatrix, Packing, RowSource};
use crate::files::config::ModelConfig;
use crate::machine::threads::Pool;
use crate::model::packed::PackedFile;

/// One transformer layer; matrices are `[outputs, inputs]` under the checkpoint's names.
pub(crate) struct LayerWeights {
    /// `[hidden]`.
    pub(crate) attn_norm: Vec<f32>,
    pub(crate) q_proj: PackedMatrix,
    pub(crate) k_proj: PackedMatrix,
    pub(crate) v_proj: PackedMatrix,
    pub(crate) o_proj: PackedMatrix,
    pub(crate) biases: Biases,
    /// Norms of the heads of q and k, each `[head_dim]`.
    pub(crate) head_norms: Option<[Vec<f32>; 2]>,
    /// `[hidden]`.
    pub(crate) ffn_norm: Vec<f32>,
    pub(crate) gate_proj: PackedMatrix,
    pub(crate) up_proj: PackedMatrix,
    pub(crate) down_proj: PackedMatrix,
}

impl LayerWeights {
    fn matrices(&self) -> [&PackedMatrix; 7] {
        [
            &self.q_proj,
            &self.k_proj,
            &self.v_proj,
            &self.o_proj,
            &self.gate_proj,
            &self.up_proj,
            &self.down_proj,
        ]
    }
}

/// What is added to the projections of attention, where a model has it.
pub(crate) struct Biases {
    /// `[heads * head_dim]`.
    pub(crate) q: Option<Vec<f32>>,
    /// `[kv_heads * head_dim]`.
    pub(crate) k: Option<Vec<f32>>,
    /// `[kv_heads * head_dim]`.
    pub(crate) v: Option<Vec<f32>>,
    /// `[hidden]`.
    pub(crate) o: Option<Vec<f32>>,
}

/// What a layer has besides matrices.
struct LayerVectors {
    attn_norm: Vec<f32>,
    biases: Biases,
    head_norms: Option<[Vec<f32>; 2]>,
    ffn_norm: Vec<f32>,
}

impl LayerVectors {
    fn read(source: &dyn TensorSource, config: &ModelConfig, layer: usize) -> Result<Self, Error> {
        let vector = |tensor, len| source.vector(ModelTensor::Layer(layer, tensor), len);
        let bias = |tensor, len| source.bias(layer, tensor, len);
        let (hidden, head_dim) = (config.hidden, config.head_dim);
        let (q_dim, kv_dim) = (config.heads * head_dim, config.kv_heads * head_dim);
        let head_norms = match source.architecture().has(LayerTensor::QNorm) {
            true => Some([
                vector(LayerTensor::QNorm, head_dim)?,
                vector(LayerTensor::KNorm, head_dim)?,
            ]),
            false => None,
        };
        Ok(Self {
            attn_norm: vector(LayerTensor::AttnNorm, hidden)?,
            biases: Biases {
                q: bias(LayerTensor::QProj, q_dim)?,
                k: bias(LayerTensor::KProj, kv_dim)?,
                v: bias(LayerTensor::VProj, kv_dim)?,
                o: bias(LayerTensor::OProj, hidden)?,
            },
            head_norms,
            ffn_norm: vector(LayerTensor::FfnNorm, hidden)?,
        })
    }
}

/// All weights of a model.
pub(crate) struct Weights {
    /// `[vocabulary, hidden]`.
    pub(crate) embedding: PackedMatrix,
    pub(crate) layers: Vec<LayerWeights>,
    /// `[hidden]`.
    pub(crate) output_norm: Vec<f32>,
    /// `[vocabulary, hidden]`; where it is the embedding itself there is none.
    own_head: Option<PackedMatrix>,
}

/// Where the tensors of a model come from.
pub(crate) trait TensorSource {
    /// The family that it is of.
    fn architecture(&self) -> &'static Architecture;

    /// A matrix of this shape.
    fn matrix<'a>(
        &'a self,
        tensor: ModelTensor,
        shape: [usize; 2],
        request: WeightRequest<'a>,
    ) -> Result<MatrixSource<'a>, Error>;

    /// A vector of floats.
    fn vector(&self, tensor: ModelTensor, len: usize) -> Result<Vec<f32>, Error>;

    /// What is added to the outputs of a projection, if anything is.
    fn bias(
        &self,
        layer: usize,
        projection: LayerTensor,
        len: usize,
    ) -> Result<Option<Vec<f32>>, Error>;

    /// Whether the output head is the embedding.
    fn ties_head(&self) -> bool;

    /// An error about matrices.
    fn refuse(&self, tensors: &[ModelTensor], why: &str) -> Error;
}

/// The rows of a matrix and what they are packed as.
pub(crate) struct MatrixSource<'a> {
    pub(crate) format: Format,
    /// In which the rows have their columns, where it is not that of the checkpoint.
    pub(crate) order: Option<Arc<ColumnOrder>>,
    pub(crate) rows: RowSource<'a>,
}

impl Weights {
    /// Reads every tensor and packs it, or takes it from a packed file that has it, or else is to have it.
    pub(crate) fn load(
        source: &dyn TensorSource,
        config: &ModelConfig,
        scheme: QuantScheme<'_>,
        packing: Packing<'_>,
        pool: &mut Pool,
        packed: Option<&PackedFile>,
    ) -> Result<Self, Error> {
        let output_norm = source.vector(ModelTensor::OutputNorm, config.hidden)?;
        let vectors = (0..config.layers).map(|layer| LayerVectors::read(source, config, layer));
        let vectors = vectors.collect::<Result<Vec<_>, Error>>()?;

        let kept = packed.and_then(|file| file.read(&packing, pool));
        let mut packed = match kept {
            Some(matrices) => matrices,
            None => {
                if let Some(importance) = scheme.importance {
                    importance.find(pool.threads())?;
                }
                pack(packing, pool, packed)?
            }
        };
        let mut take = |tensor| packed.remove(&packed_name(source, tensor));
        let own_head = take(ModelTensor::Head);
        let mut take = |tensor| take(tensor).expect("a matrix that was planned");
        let layers = vectors.into_iter().enumerate().map(|(layer, vectors)| {
            let mut matrix = |tensor| take(ModelTensor::Layer(layer, tensor));
            LayerWeights {
                attn_norm: vectors.attn_norm,
                q_proj: matrix(LayerTensor::QProj),
                k_proj: matrix(LayerTensor::KProj),
                v_proj: matrix(LayerTensor::VProj),
                o_proj: matrix(LayerTensor::OProj),
                biases: vectors.biases,
                head_norms: vectors.head_norms,
                ffn_norm: vectors.ffn_norm,
                gate_proj: matrix(LayerTensor::GateProj),
                up_proj: matrix(LayerTensor::UpProj),
                down_proj: matrix(LayerTensor::DownProj),
            }
        });
        Ok(Self {
            layers: layers.collect(),
            embedding: take(ModelTensor::Embedding),
            output_norm,
            own_head,
        })
    }

    /// The matrix that turns the last hidden state into logits.
    pub(crate) fn head(&self) -> &PackedMatrix {
        self.own_head.as_ref().unwrap_or(&self.embedding)
    }

    fn matrices(&self) -> impl Iterator<Item = &PackedMatrix> {
        let layers = self.layers.iter().flat_map(LayerWeights::matrices);
        std::iter::once(&self.embedding)
            .chain(&self.own_head)
            .chain(layers)
    }

    /// Weights, the norms' few included.
    pub(crate) fn parameters(&self) -> u64 {
        let norms = self.output_norm.len() * (2 * self.layers.len() + 1);
        self.matrices()
            .map(|matrix| (matrix.rows() * matrix.cols()) as u64)
            .sum::<u64>()
            + norms as u64
    }

    /// Weights that every token of a prefill is multiplied with: all but embedding and head.
    pub(crate) fn layer_parameters(&self) -> u64 {
        let layers = self.layers.iter().flat_map(LayerWeights::matrices);
        layers
            .map(|matrix| (matrix.rows() * matrix.cols()) as u64)
            .sum()
    }

    /// The matrices of which a decode step reads all: not a separate embedding, of which it takes one row.
    pub(crate) fn read_in_a_step(&self) -> impl Iterator<Item = &PackedMatrix> {
        self.matrices().skip(usize::from(self.own_head.is_some()))
    }

    /// Packed bytes that a decode step reads.
    pub(crate) fn bytes_per_step(&self) -> u64 {
        self.read_in_a_step()
            .map(|matrix| matrix.bytes() as u64)
            .sum()
    }

    /// Bytes of packed weights.
    pub(crate) fn bytes(&self) -> u64 {
        self.matrices().map(|matrix| matrix.bytes() as u64).sum()
    }
}

/// What a matrix is called where it is packed, in memory and in files: GGUF's name without `.weight`.
fn packed_name(source: &dyn TensorSource, tensor: ModelTensor) -> String {
    source.architecture().tensor_name(Dialect::Gguf, tensor)
}

/// Packs everything, and keeps it in `file`.
fn pack(
    packing: Packing<'_>,
    pool: &mut Pool,
    file: Option<&PackedFile>,
) -> Result<PackedMatrices, Error> {
    let writer = file.and_then(|file| file.keep(&packing));
    let matrices = packing.pack(pool)?;
    if let Some(writer) = writer {
        writer.keep(&matrices, pool);
    }
    Ok(matrices)
}
