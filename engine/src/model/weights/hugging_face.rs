//! The tensors of a folder in the layout of the Hugging Face hub.
//!
//! Such checkpoints rotate element `i` of a head with element `i + head_dim / 2`; here a pair stands side by side, so
//! the rows of q and k (and what is added to them or scales them) are reordered on the way.

use super::blocks::{RowOrder, StoredMatrix};
use super::quantized::QuantizedMatrix;
use super::{MatrixSource, TensorSource, WeightRequest};
use crate::Error;
use crate::architecture::{Architecture, Dialect, LayerTensor, ModelTensor};
use crate::files::checkpoint::HfFolder;
use crate::files::config::ModelConfig;
use crate::files::config::hugging_face::{HfConfig, RawConfig};
use crate::files::config::quantization::Quantization;

const CONFIG: &str = "config.json";

/// An open folder with its checked configuration.
#[derive(Debug)]
pub(crate) struct HfModel {
    pub(crate) folder: HfFolder,
    pub(crate) config: HfConfig,
    vocabulary: Vocabulary,
}

/// Where the embedding and the output head are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Vocabulary {
    /// Each has its own tensors.
    Apart,
    /// One is both: that of this name.
    Tied(ModelTensor),
}

impl HfModel {
    /// Checks `config.json`, and that the tensors are those of such a model and no others.
    pub(crate) fn open(path: &std::path::Path) -> Result<Self, Error> {
        let folder = HfFolder::open(path)?;
        let raw: Option<RawConfig> = folder.json(CONFIG)?;
        let raw = raw.ok_or_else(|| folder.error(CONFIG, "it is missing"))?;
        let config = raw.check().map_err(|why| folder.error(CONFIG, why))?;
        let mut model = Self {
            folder,
            config,
            vocabulary: Vocabulary::Apart,
        };
        if model.config.tied {
            model.vocabulary = model.tied_vocabulary()?;
        }
        let unknown = model.folder.names().find(|name| {
            !(model.knows(name) || model.is_quantized_part(name) || model.is_zero_bias(name))
        });
        if let Some(name) = unknown {
            let reason = format!("the tensor `{name}` is not part of the model that it describes");
            return Err(model.folder.error(CONFIG, reason));
        }
        Ok(model)
    }

    /// What is true of a model whose configuration says that the two are one. As with the library, the one that is
    /// there is both, and two that differ are two.
    fn tied_vocabulary(&self) -> Result<Vocabulary, Error> {
        let [embedding, head] = [ModelTensor::Embedding, ModelTensor::Head];
        let names = [embedding, head].map(|tensor| self.stored_name(tensor));
        Ok(
            match [&names[0], &names[1]].map(|name| self.is_stored(name)) {
                [false, true] => Vocabulary::Tied(head),
                [true, true] if !self.same_numbers(&names)? => {
                    tracing::warn!(
                        "`{CONFIG}` says that the output head is the embedding; `{}` is another, and is taken",
                        names[1]
                    );
                    Vocabulary::Apart
                }
                _ => Vocabulary::Tied(embedding),
            },
        )
    }

    /// Whether there is anything of a matrix.
    fn is_stored(&self, matrix: &str) -> bool {
        self.folder.has(&format!("{matrix}.weight")) || self.quantized(matrix).is_some()
    }

    /// Whether two matrices of floats hold the same; what is held otherwise is not compared.
    fn same_numbers(&self, matrices: &[String; 2]) -> Result<bool, Error> {
        let ModelConfig {
            vocabulary, hidden, ..
        } = self.config.model;
        let [a, b] = matrices.each_ref().map(|matrix| {
            let name = format!("{matrix}.weight");
            self.folder.tensor(&name, &[vocabulary, hidden]).ok()
        });
        match (a, b) {
            (Some(a), Some(b)) => a.equals(&b),
            _ => Ok(false),
        }
    }

    /// Whether a tensor is read, or known to say nothing that the configuration does not.
    fn knows(&self, name: &str) -> bool {
        let Some((stem, kind)) = name.rsplit_once('.') else {
            return false;
        };
        match (self.tensor(stem), kind) {
            (Some(_), "weight") => true,
            (Some(ModelTensor::Layer(_, tensor)), "bias") => self.config.biases.contains(&tensor),
            // Frequencies that older checkpoints keep beside what they follow from.
            (None, "inv_freq") => Dialect::HuggingFace
                .in_layer(stem, self.config.model.layers)
                .is_some_and(|(_, name)| name == "self_attn.rotary_emb"),
            _ => false,
        }
    }

    /// The tensor of this model that is stored under a name.
    fn tensor(&self, stem: &str) -> Option<ModelTensor> {
        let layers = self.config.model.layers;
        self.architecture()
            .tensor(Dialect::HuggingFace, stem, layers)
    }

    /// Whether a tensor is one of those that a quantised matrix consists of.
    fn is_quantized_part(&self, name: &str) -> bool {
        let (Some(quantization), Some((matrix, part))) =
            (self.config.quantization, name.rsplit_once('.'))
        else {
            return false;
        };
        quantization.packing.tensors().contains(&part)
            && self.tensor(matrix).is_some_and(ModelTensor::is_matrix)
    }

    /// Some writers give every quantised matrix a bias, of zeros where the model has none.
    fn is_zero_bias(&self, name: &str) -> bool {
        let Some(matrix) = name.strip_suffix(".bias") else {
            return false;
        };
        self.quantized(matrix).is_some_and(|_| {
            let bias = self.folder.vector(name);
            let numbers = bias.and_then(|bias| bias.to_f32());
            numbers.is_ok_and(|numbers| numbers.iter().all(|number| *number == 0.0))
        })
    }

    /// How a matrix is quantised, if it is: some of them may be left as they were.
    fn quantized(&self, matrix: &str) -> Option<Quantization> {
        let quantization = self.config.quantization?;
        let mut parts = quantization.packing.tensors().iter();
        let any = parts.any(|part| self.folder.has(&format!("{matrix}.{part}")));
        any.then_some(quantization)
    }

    /// The numbers of a vector; those of q and k in the order of the packed rows.
    fn numbers(&self, tensor: ModelTensor, kind: &str, len: usize) -> Result<Vec<f32>, Error> {
        let name = format!("{}.{kind}", self.stored_name(tensor));
        let stored = self.folder.tensor(&name, &[len])?.finite()?;
        Ok(self.order(tensor).numbers(&stored))
    }

    fn order(&self, tensor: ModelTensor) -> RowOrder {
        RowOrder::in_halves(tensor, self.config.model.head_dim)
    }

    fn stored_name(&self, tensor: ModelTensor) -> String {
        self.architecture()
            .tensor_name(Dialect::HuggingFace, tensor)
    }
}

impl TensorSource for HfModel {
    fn architecture(&self) -> &'static Architecture {
        self.config.architecture
    }

    fn matrix<'a>(
        &'a self,
        tensor: ModelTensor,
        shape: [usize; 2],
        request: WeightRequest<'a>,
    ) -> Result<MatrixSource<'a>, Error> {
        let (tensor, order) = match (tensor, self.vocabulary) {
            (ModelTensor::Embedding, Vocabulary::Tied(both)) => (both, self.order(both)),
            _ => (tensor, self.order(tensor)),
        };
        let matrix = self.stored_name(tensor);
        let floats = format!("{matrix}.weight");
        let Some(quantization) = self.quantized(&matrix) else {
            let tensor = self.folder.tensor(&floats, &shape)?;
            return Ok(StoredMatrix::new(tensor, order).source(request));
        };
        if self.folder.has(&floats) {
            let path = self.folder.path().to_owned();
            let reason = format!("`{matrix}` is there quantised and as `{floats}` too");
            return Err(Error::Model { path, reason });
        }
        let matrix = QuantizedMatrix::open(&self.folder, &matrix, shape, quantization, order)?;
        Ok(matrix.source(request))
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
        match self.config.biases.contains(&tensor) {
            true => self
                .numbers(ModelTensor::Layer(layer, tensor), "bias", len)
                .map(Some),
            false => Ok(None),
        }
    }

    fn ties_head(&self) -> bool {
        self.vocabulary != Vocabulary::Apart
    }

    fn refuse(&self, tensors: &[ModelTensor], why: &str) -> Error {
        let names: Vec<_> = tensors
            .iter()
            .map(|tensor| self.stored_name(*tensor))
            .collect();
        Error::Model {
            path: self.folder.path().to_owned(),
            reason: format!("`{}` {why}", names.join("` and `")),
        }
    }
}
