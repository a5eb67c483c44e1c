//! The tensors of a GGUF file.

use std::path::Path;

use super::blocks::{RowOrder, StoredMatrix};
use super::{MatrixSource, TensorSource, Want};
use crate::Error;
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

    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor<'_>, Error> {
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
    fn numbers(&self, ours: &str, kind: &str, len: usize) -> Result<Vec<f32>, Error> {
        let stored = self.tensor(&format!("{ours}.{kind}"), &[len])?.to_f32();
        Ok(self.order(ours).numbers(&stored))
    }

    fn order(&self, ours: &str) -> RowOrder {
        let GgufConfig {
            model,
            architecture,
        } = &self.config;
        match architecture.keeps_halves() {
            true => RowOrder::in_halves(ours, model.head_dim),
            false => RowOrder::AsStored,
        }
    }
}

/// `blk.0.attn_q` as `attn_q`.
fn in_layer(ours: &str) -> &str {
    ours.rsplit_once('.').map_or(ours, |(_, tensor)| tensor)
}

impl TensorSource for GgufModel {
    fn matrix<'a>(
        &'a self,
        name: &str,
        shape: [usize; 2],
        want: Want<'a>,
    ) -> Result<MatrixSource<'a>, Error> {
        let tensor = self.tensor(&format!("{name}.weight"), &shape)?;
        Ok(StoredMatrix::new(tensor, self.order(name)).source(want))
    }

    fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>, Error> {
        self.numbers(name, "weight", len)
    }

    fn bias(&self, name: &str, len: usize) -> Result<Option<Vec<f32>>, Error> {
        let needed = self.config.architecture.biases().contains(&in_layer(name));
        match needed || self.file.find_tensor(&format!("{name}.bias")).is_some() {
            true => self.numbers(name, "bias", len).map(Some),
            false => Ok(None),
        }
    }

    fn has(&self, name: &str) -> bool {
        let needed = self.config.architecture.head_norms();
        let needed = needed.contains(&in_layer(name));
        needed || self.file.find_tensor(&format!("{name}.weight")).is_some()
    }

    fn refuse(&self, names: &[&str], why: &str) -> Error {
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
        assert_eq!(model("llama").bias("blk.0.attn_q", 64).unwrap(), None);
        let error = model("qwen2").bias("blk.0.attn_q", 64).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("`blk.0.attn_q.bias` is missing"), "{error}");
        assert!(!model("qwen2").has("blk.0.attn_q_norm"));
        assert!(model("qwen3").has("blk.0.attn_q_norm"));
    }
}
