//! The tensors of a GGUF file.

use std::path::Path;

use super::blocks::{RowOrder, StoredMatrix};
use super::{MatrixSource, TensorSource, Want};
use crate::Error;
use crate::checkpoint::{Gguf, Tensor};
use crate::config::ModelConfig;

/// An open file with its checked configuration.
#[derive(Debug)]
pub(crate) struct GgufModel {
    pub(crate) file: Gguf,
    pub(crate) config: ModelConfig,
}

impl GgufModel {
    /// Checks the keys, and that the tensors are those of such a model and no others.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        Self::of(Gguf::open(path)?)
    }

    pub(crate) fn of(file: Gguf) -> Result<Self, Error> {
        let config = ModelConfig::from_gguf(&file)?;
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
}

impl TensorSource for GgufModel {
    fn matrix<'a>(
        &'a self,
        name: &str,
        shape: [usize; 2],
        want: Want<'a>,
    ) -> Result<MatrixSource<'a>, Error> {
        let tensor = self.tensor(&format!("{name}.weight"), &shape)?;
        Ok(StoredMatrix::new(tensor, RowOrder::AsStored).source(want))
    }

    fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>, Error> {
        Ok(self.tensor(&format!("{name}.weight"), &[len])?.to_f32())
    }

    fn bias(&self, name: &str, len: usize) -> Result<Option<Vec<f32>>, Error> {
        let name = format!("{name}.bias");
        match self.file.find_tensor(&name) {
            None => Ok(None),
            Some(_) => Ok(Some(self.tensor(&name, &[len])?.to_f32())),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.file.find_tensor(&format!("{name}.weight")).is_some()
    }
}
