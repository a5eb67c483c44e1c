//! The tensors of a folder in the layout of the Hugging Face hub, under GGUF's names.
//!
//! Such checkpoints rotate element `i` of a head with element `i + head_dim / 2`; here a pair stands side by side, so
//! the rows of q and k (and what is added to them or scales them) are reordered on the way.

use super::blocks::{RowOrder, StoredMatrix};
use super::quantized::QuantizedMatrix;
use super::{MatrixSource, TensorSource, Want};
use crate::Error;
use crate::files::checkpoint::HfFolder;
use crate::files::config::hugging_face::{HfConfig, RawConfig};
use crate::files::config::quantization::Quantization;

const CONFIG: &str = "config.json";
/// GGUF's names of a layer's tensors and those of a folder.
const LAYER_NAMES: [(&str, &str); 11] = [
    ("attn_norm", "input_layernorm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("attn_q_norm", "self_attn.q_norm"),
    ("attn_k_norm", "self_attn.k_norm"),
    ("ffn_norm", "post_attention_layernorm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
];
const OTHER_NAMES: [(&str, &str); 3] = [
    ("token_embd", "model.embed_tokens"),
    ("output_norm", "model.norm"),
    ("output", "lm_head"),
];

/// An open folder with its checked configuration.
#[derive(Debug)]
pub(crate) struct HfModel {
    pub(crate) folder: HfFolder,
    pub(crate) config: HfConfig,
}

impl HfModel {
    /// Checks `config.json`, and that the tensors are those of such a model and no others.
    pub(crate) fn open(path: &std::path::Path) -> Result<Self, Error> {
        let folder = HfFolder::open(path)?;
        let raw: Option<RawConfig> = folder.json(CONFIG)?;
        let raw = raw.ok_or_else(|| folder.error(CONFIG, "it is missing"))?;
        let config = raw.check().map_err(|why| folder.error(CONFIG, why))?;
        let model = Self { folder, config };
        let unknown = model.folder.names().find(|name| {
            !(model.knows(name) || model.is_quantized_part(name) || model.is_zero_bias(name))
        });
        if let Some(name) = unknown {
            let reason = format!("the tensor `{name}` is not part of the model that it describes");
            return Err(model.folder.error(CONFIG, reason));
        }
        Ok(model)
    }

    /// Whether a tensor is read, or known to say nothing that the configuration does not.
    fn knows(&self, name: &str) -> bool {
        let Some((tensor, kind)) = name.rsplit_once('.') else {
            return false;
        };
        if kind == "weight" && OTHER_NAMES.iter().any(|(_, known)| *known == tensor) {
            return true;
        }
        let layer = tensor.strip_prefix("model.layers.");
        let Some((layer, tensor)) = layer.and_then(|layer| layer.split_once('.')) else {
            return false;
        };
        if !layer
            .parse()
            .is_ok_and(|layer: usize| layer < self.config.model.layers)
        {
            return false;
        }
        let ours = LAYER_NAMES.iter().find(|(_, known)| *known == tensor);
        match (ours, kind) {
            (Some((ours, _)), "weight") => self.config.head_norms || !is_head_norm(ours),
            (Some((ours, _)), "bias") => self.config.biases.contains(ours),
            // Frequencies that older checkpoints keep beside what they follow from.
            (None, "inv_freq") => tensor == "self_attn.rotary_emb",
            _ => false,
        }
    }

    /// Whether a tensor is one of those that a quantised matrix consists of.
    fn is_quantized_part(&self, name: &str) -> bool {
        let (Some(quantization), Some((matrix, part))) =
            (self.config.quantization, name.rsplit_once('.'))
        else {
            return false;
        };
        let norm = |name: &str| name.ends_with("norm");
        quantization.layout.parts().contains(&part)
            && self.knows(&format!("{matrix}.weight"))
            && !norm(matrix)
    }

    /// Some writers give every quantised matrix a bias, of zeros where the model has none.
    fn is_zero_bias(&self, name: &str) -> bool {
        let Some(matrix) = name.strip_suffix(".bias") else {
            return false;
        };
        self.quantized(matrix).is_some_and(|_| {
            let bias = self.folder.vector(name);
            bias.is_ok_and(|bias| bias.to_f32().iter().all(|number| *number == 0.0))
        })
    }

    /// How a matrix is quantised, if it is: some of them may be left as they were.
    fn quantized(&self, matrix: &str) -> Option<Quantization> {
        let quantization = self.config.quantization?;
        let mut parts = quantization.layout.parts().iter();
        let any = parts.any(|part| self.folder.has(&format!("{matrix}.{part}")));
        any.then_some(quantization)
    }

    /// The numbers of a vector; those of q and k in the order of the packed rows.
    fn numbers(&self, ours: &str, kind: &str, len: usize) -> Result<Vec<f32>, Error> {
        let name = format!("{}.{kind}", stored_name(ours));
        let stored = self.folder.tensor(&name, &[len])?.to_f32();
        Ok(self.order(ours).numbers(&stored))
    }

    fn order(&self, ours: &str) -> RowOrder {
        RowOrder::in_halves(ours, self.config.model.head_dim)
    }
}

fn is_head_norm(ours: &str) -> bool {
    matches!(ours, "attn_q_norm" | "attn_k_norm")
}

/// `blk.0.attn_q` as `model.layers.0.self_attn.q_proj`.
fn stored_name(ours: &str) -> String {
    let name_in = |names: &[(&str, &'static str)], ours: &str| {
        let found = names.iter().find(|(name, _)| *name == ours);
        found.map_or("", |(_, stored)| *stored)
    };
    let layer = ours.strip_prefix("blk.");
    match layer.and_then(|layer| layer.split_once('.')) {
        Some((layer, tensor)) => format!("model.layers.{layer}.{}", name_in(&LAYER_NAMES, tensor)),
        None => name_in(&OTHER_NAMES, ours).to_owned(),
    }
}

impl TensorSource for HfModel {
    fn matrix<'a>(
        &'a self,
        name: &str,
        shape: [usize; 2],
        want: Want<'a>,
    ) -> Result<MatrixSource<'a>, Error> {
        let (matrix, order) = (stored_name(name), self.order(name));
        let floats = format!("{matrix}.weight");
        let Some(quantization) = self.quantized(&matrix) else {
            let tensor = self.folder.tensor(&floats, &shape)?;
            return Ok(StoredMatrix::new(tensor, order).source(want));
        };
        if self.folder.has(&floats) {
            let path = self.folder.path().to_owned();
            let reason = format!("`{matrix}` is there quantised and as `{floats}` too");
            return Err(Error::Model { path, reason });
        }
        let matrix = QuantizedMatrix::open(&self.folder, &matrix, shape, quantization, order)?;
        Ok(matrix.source(want))
    }

    fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>, Error> {
        self.numbers(name, "weight", len)
    }

    fn bias(&self, name: &str, len: usize) -> Result<Option<Vec<f32>>, Error> {
        let tensor = name.rsplit_once('.').map_or(name, |(_, tensor)| tensor);
        match self.config.biases.contains(&tensor) {
            true => self.numbers(name, "bias", len).map(Some),
            false => Ok(None),
        }
    }

    fn has(&self, name: &str) -> bool {
        match name.rsplit_once('.') {
            None => name != "output" || !self.config.tied,
            Some((_, tensor)) => self.config.head_norms || !is_head_norm(tensor),
        }
    }

    fn refuse(&self, names: &[&str], why: &str) -> Error {
        let names: Vec<_> = names.iter().map(|name| stored_name(name)).collect();
        Error::Model {
            path: self.folder.path().to_owned(),
            reason: format!("`{}` {why}", names.join("` and `")),
        }
    }
}
