//! Shapes of models and random weights for them, to be timed without a file.

use half::f16;

use crate::Error;
use crate::architecture::{Architecture, LLAMA, LayerTensor, ModelTensor};
use crate::compute::block::Block;
use crate::compute::matrix::{Format, RowSource};
use crate::files::config::{ModelConfig, RopeConfig};
use crate::model::weights::{MatrixSource, TensorSource, WeightRequest};

/// Layers, hidden, ffn, heads, KV heads, head size, vocabulary, RoPE theta of the models that a shape stands for.
const SHAPES: [(&str, [usize; 7], f32); 4] = [
    ("smollm2-135m", [30, 576, 1536, 9, 3, 64, 49152], 1e5),
    ("llama-3.2-1b", [16, 2048, 8192, 32, 8, 64, 128_256], 5e5),
    ("llama-3.2-3b", [28, 3072, 8192, 24, 8, 128, 128_256], 5e5),
    ("llama-3.1-8b", [32, 4096, 14336, 32, 8, 128, 128_256], 5e5),
];

/// Names that [`Subject::Shape`](super::Subject::Shape) takes.
pub fn shapes() -> impl Iterator<Item = &'static str> {
    SHAPES.iter().map(|(name, ..)| *name)
}

/// The configuration of a shape.
pub(super) fn shape(name: &str) -> Result<ModelConfig, Error> {
    let found = SHAPES.iter().find(|(shape, ..)| *shape == name);
    let (_, [layers, hidden, ffn, heads, kv_heads, head_dim, vocabulary], rope_theta) = *found
        .ok_or_else(|| {
            let names: Vec<_> = shapes().collect();
            Error::Option(format!(
                "there is no shape `{name}`; these there are: `{}`",
                names.join("`, `")
            ))
        })?;
    Ok(ModelConfig {
        layers,
        hidden,
        ffn,
        heads,
        kv_heads,
        head_dim,
        vocabulary,
        context: 131_072,
        rope: RopeConfig::plain(rope_theta),
        rms_norm_epsilon: 1e-5,
        window: None,
    })
}

/// Weights for timing only: symmetric int4 throughout, as in a Q4_0 file, with the head tied to the embedding.
pub(super) struct RandomWeights;

impl TensorSource for RandomWeights {
    fn architecture(&self) -> &'static Architecture {
        &LLAMA
    }

    fn matrix<'a>(
        &'a self,
        _tensor: ModelTensor,
        [_, cols]: [usize; 2],
        request: WeightRequest<'a>,
    ) -> Result<MatrixSource<'a>, Error> {
        let format = match request {
            WeightRequest::Stored(_) => Format::Int4Symmetric,
            WeightRequest::Rounded(target) => target.format(),
            WeightRequest::Floats => {
                return Err(Error::Option(
                    "random weights of a shape are four-bit blocks: `quantize` none takes a model's file".into(),
                ));
            }
        };
        Ok(MatrixSource {
            format,
            order: None,
            rows: Self::rows(cols),
        })
    }

    fn vector(&self, _tensor: ModelTensor, len: usize) -> Result<Vec<f32>, Error> {
        Ok(vec![1.0; len])
    }

    fn bias(
        &self,
        _layer: usize,
        _projection: LayerTensor,
        _len: usize,
    ) -> Result<Option<Vec<f32>>, Error> {
        Ok(None)
    }

    fn ties_head(&self) -> bool {
        true
    }

    fn refuse(&self, tensors: &[ModelTensor], why: &str) -> Error {
        Error::Option(format!("`{tensors:?}` {why}"))
    }
}

impl RandomWeights {
    /// Rows of so many columns.
    pub(super) fn rows(cols: usize) -> RowSource<'static> {
        // Keeps the activations near 1 from layer to layer.
        let scale = f16::from_f32(0.2 / (cols as f32).sqrt());
        let min = f16::from_f32(-8.0 * scale.to_f32());
        RowSource::of_blocks(move |row, block| {
            let mut state = ((row << 20 | block) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
            let quants = std::array::from_fn(|_: usize| {
                state = state.wrapping_mul(0xD134_2543_DE82_EF95).wrapping_add(1);
                (state >> 60) as i8
            });
            Block {
                scale,
                min,
                quants,
                ..Block::ZERO
            }
        })
    }
}
