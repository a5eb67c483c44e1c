//! The tensors of a GGUF file.

use std::path::Path;

use super::blocks::{RowOrder, StoredMatrix};
use super::{MatrixSource, TensorSource, WeightRequest};
use crate::Error;
use crate::architecture::{Architecture, Dialect, LayerTensor, ModelTensor};
use crate::files::checkpoint::{Gguf, Tensor};
use crate::files::config::gguf::GgufConfig;

/// An open file with its checked configuration.
#[derive(Debug)]
pub(crate) struct GgufModel {
    pub(crate) file: Gguf,
    pub(crate) config: GgufConfig,
}

impl GgufModel {
    /// Checks the keys, and that the tensors are those of such a model and no others.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        Self::of(Gguf::open(path)?)
    }

    pub(crate) fn of(file: Gguf) -> Result<Self, Error> {
        let config = GgufConfig::read(&file)?;
        Ok(Self { file, config })
    }

    /// The stored tensor that is called so behind the name of a tensor.
    fn stored(
        &self,
        tensor: ModelTensor,
        kind: &str,
        shape: &[usize],
    ) -> Result<Tensor<'_>, Error> {
        let name = &self.stored_name(tensor, kind);
        let tensor = self.file.tensor(name)?;
        if tensor.shape != shape {
            return Err(self.file.error(format!(
                "`{name}` must have the shape {shape:?}, found {:?}",
                tensor.shape
            )));
        }
        Ok(tensor)
    }

    /// The numbers of a vector; those of q and k in the order of the packed rows.
    fn numbers(&self, tensor: ModelTensor, kind: &str, len: usize) -> Result<Vec<f32>, Error> {
        let stored = self.stored(tensor, kind, &[len])?.finite()?;
        Ok(self.order(tensor).numbers(&stored))
    }

    fn order(&self, tensor: ModelTensor) -> RowOrder {
        let GgufConfig {
            model,
            architecture,
        } = &self.config;
        match architecture.keeps_halves {
            true => RowOrder::in_halves(tensor, model.head_dim),
            false => RowOrder::AsStored,
        }
    }

    fn holds(&self, tensor: ModelTensor, kind: &str) -> bool {
        let name = self.stored_name(tensor, kind);
        self.file.find_tensor(&name).is_some()
    }

    fn stored_name(&self, tensor: ModelTensor, kind: &str) -> String {
        let name = self.architecture().tensor_name(Dialect::Gguf, tensor);
        format!("{name}.{kind}")
    }
}

impl TensorSource for GgufModel {
    fn architecture(&self) -> &'static Architecture {
        self.config.architecture
    }

    fn matrix<'a>(
        &'a self,
        tensor: ModelTensor,
        shape: [usize; 2],
        request: WeightRequest<'a>,
    ) -> Result<MatrixSource<'a>, Error> {
        let stored = self.stored(tensor, "weight", &shape)?;
        Ok(StoredMatrix::new(stored, self.order(tensor)).source(request))
    }

    fn vector(&self, tensor: ModelTensor, len: usize) -> Result<Vec<f32>, Error> {
        self.numbers(tensor, "weight", len)
    }

    fn bias(
        &self,
        layer: usize,
        tensor: LayerTensor,
        len: usize,
    ) -> Result<Option<Vec<f32>>, Error> {
        let needed = self.architecture().biases.contains(&tensor);
        let tensor = ModelTensor::Layer(layer, tensor);
        match needed || self.holds(tensor, "bias") {
            true => self.numbers(tensor, "bias", len).map(Some),
            false => Ok(None),
        }
    }

    fn ties_head(&self) -> bool {
        !self.holds(ModelTensor::Head, "weight")
    }

    fn refuse(&self, tensors: &[ModelTensor], why: &str) -> Error {
        let names = tensors
            .iter()
            .map(|tensor| self.architecture().tensor_name(Dialect::Gguf, *tensor));
        let names: Vec<_> = names.collect();
        self.file
            .error(format!("`{}` {why}", names.join("` and `")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::checkpoint::Written;

    #[test]
    fn what_an_architecture_always_has_must_be_there() {
        let model = |architecture| {
            let file = Written::model(architecture, &[]).open().unwrap();
            GgufModel::of(file).unwrap()
        };
        let bias = |architecture| model(architecture).bias(0, LayerTensor::QProj, 64);
        assert_eq!(bias("llama").unwrap(), None);
        let error = bias("qwen2").unwrap_err();
        let error = error.to_string();
        assert!(error.contains("`blk.0.attn_q.bias` is missing"), "{error}");
        let norms = |architecture| model(architecture).architecture().has(LayerTensor::QNorm);
        assert!(!norms("qwen2"));
        assert!(norms("qwen3"));
    }
}
