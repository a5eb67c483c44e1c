//! What sets the families of models apart: a row for each, in one table.
//!
//! Whoever reads files or builds weights asks the row, never the name of a family. What is the same in all of them is
//! no field; a field comes with the first family that differs in it.

#[cfg(test)]
mod tests;

use self::LayerTensor::{
    AttnNorm, DownProj, FfnNorm, GateProj, KNorm, KProj, OProj, QNorm, QProj, UpProj, VProj,
};

/// A family of models.
#[derive(Debug)]
pub(crate) struct Architecture {
    /// `general.architecture` of a GGUF file, with which its keys begin, and the one of `architectures` of a
    /// `config.json`.
    pub(crate) name: Names,
    /// The tensors of every layer, in groups that families share.
    tensors: &'static [&'static [(LayerTensor, Names)]],
    /// Projections that always have a bias.
    pub(crate) biases: &'static [LayerTensor],
    /// Projections that have a bias where a GGUF file holds one. (A `config.json` says it.)
    pub(crate) optional_biases: &'static [LayerTensor],
    /// Whether a GGUF file may hold divisors of the rotation's frequencies, as Llama 3.1's do.
    pub(crate) rope_factors: bool,
    /// Whether heads of q and k in a GGUF file have the first elements of all rotated pairs before the second ones, as
    /// they have on the hub. Converters put pairs side by side for some.
    pub(crate) keeps_halves: bool,
    pub(crate) windows: Windows,
}

impl Architecture {
    /// The table.
    pub(crate) const ALL: [&'static Self; 4] = [&LLAMA, &MISTRAL, &QWEN2, &QWEN3];
}

pub(crate) const LLAMA: Architecture = Architecture {
    name: names("llama", "LlamaForCausalLM"),
    tensors: &[&NORMS, &PROJECTIONS],
    biases: &[],
    optional_biases: &Architecture::ATTENTION_BIASES,
    rope_factors: true,
    keeps_halves: false,
    windows: Windows::NoLayer,
};

/// In a GGUF file it is `llama` too, and read by the row of that.
const MISTRAL: Architecture = Architecture {
    name: names("llama", "MistralForCausalLM"),
    windows: Windows::EveryLayer,
    ..LLAMA
};

const QWEN2: Architecture = Architecture {
    name: names("qwen2", "Qwen2ForCausalLM"),
    tensors: &[&NORMS, &PROJECTIONS],
    biases: &[QProj, KProj, VProj],
    optional_biases: &[],
    rope_factors: false,
    keeps_halves: true,
    windows: Windows::NamedLayers,
};

const QWEN3: Architecture = Architecture {
    name: names("qwen3", "Qwen3ForCausalLM"),
    tensors: &[&NORMS, &PROJECTIONS, &HEAD_NORMS],
    biases: &[],
    optional_biases: &[],
    rope_factors: false,
    keeps_halves: true,
    windows: Windows::NamedLayers,
};

const NORMS: [(LayerTensor, Names); 2] = [
    (AttnNorm, names("attn_norm", "input_layernorm")),
    (FfnNorm, names("ffn_norm", "post_attention_layernorm")),
];

const PROJECTIONS: [(LayerTensor, Names); 7] = [
    (QProj, names("attn_q", "self_attn.q_proj")),
    (KProj, names("attn_k", "self_attn.k_proj")),
    (VProj, names("attn_v", "self_attn.v_proj")),
    (OProj, names("attn_output", "self_attn.o_proj")),
    (GateProj, names("ffn_gate", "mlp.gate_proj")),
    (UpProj, names("ffn_up", "mlp.up_proj")),
    (DownProj, names("ffn_down", "mlp.down_proj")),
];

const HEAD_NORMS: [(LayerTensor, Names); 2] = [
    (QNorm, names("attn_q_norm", "self_attn.q_norm")),
    (KNorm, names("attn_k_norm", "self_attn.k_norm")),
];

/// The tensors that are no layer's, the same in all families.
const BESIDE_LAYERS: [(ModelTensor, Names); 3] = [
    (
        ModelTensor::Embedding,
        names("token_embd", "model.embed_tokens"),
    ),
    (ModelTensor::OutputNorm, names("output_norm", "model.norm")),
    (ModelTensor::Head, names("output", "lm_head")),
];

/// Whose words a file is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// That of GGUF files, and of our packed ones.
    Gguf,
    /// That of folders of the Hugging Face hub.
    HuggingFace,
}

/// What one thing is called in either dialect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names {
    pub(crate) gguf: &'static str,
    pub(crate) hugging_face: &'static str,
}

const fn names(gguf: &'static str, hugging_face: &'static str) -> Names {
    Names { gguf, hugging_face }
}

impl Names {
    fn in_dialect(&self, dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::Gguf => self.gguf,
            Dialect::HuggingFace => self.hugging_face,
        }
    }
}

/// A tensor of a model, by what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ModelTensor {
    Embedding,
    OutputNorm,
    /// The output head.
    Head,
    /// That of the layer of this number.
    Layer(usize, LayerTensor),
}

/// A tensor of a layer, by what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LayerTensor {
    /// Of what attention reads.
    AttnNorm,
    QProj,
    KProj,
    VProj,
    OProj,
    /// Of each head of q, as the next is of k.
    QNorm,
    KNorm,
    /// Of what the feed-forward network reads.
    FfnNorm,
    GateProj,
    UpProj,
    DownProj,
}

/// Which layers' attention sees only the last positions, where a file names a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Windows {
    /// The window of a `config.json` is not computed by the library either.
    NoLayer,
    EveryLayer,
    /// Those that a `config.json` names, and none unless it says that the window is used. A GGUF file cannot say it.
    NamedLayers,
}

impl Architecture {
    /// What `attention_bias` of a `config.json` gives a bias to, in every family.
    pub(crate) const ATTENTION_BIASES: [LayerTensor; 4] = [QProj, KProj, VProj, OProj];

    /// The row of a family by its name; where rows share one, the first.
    pub(crate) fn named(dialect: Dialect, name: &str) -> Option<&'static Self> {
        let mut rows = Self::ALL.into_iter();
        rows.find(|row| row.name.in_dialect(dialect) == name)
    }

    /// The names of all families, each once.
    pub(crate) fn all_names(dialect: Dialect) -> Vec<&'static str> {
        let mut names = Self::ALL.map(|row| row.name.in_dialect(dialect)).to_vec();
        names.dedup();
        names
    }

    /// Whether its layers have this tensor.
    pub(crate) fn has(&self, tensor: LayerTensor) -> bool {
        self.layer_tensors().any(|(known, _)| *known == tensor)
    }

    /// What a file calls a tensor, without `.weight` or `.bias`.
    ///
    /// # Panics
    /// When no model of this family has it.
    pub(crate) fn tensor_name(&self, dialect: Dialect, tensor: ModelTensor) -> String {
        let (layer, names) = match tensor {
            ModelTensor::Layer(layer, tensor) => {
                let found = self.layer_tensors().find(|(known, _)| *known == tensor);
                (Some(layer), found.map(|(_, names)| names))
            }
            _ => {
                let found = BESIDE_LAYERS.iter().find(|(known, _)| *known == tensor);
                (None, found.map(|(_, names)| names))
            }
        };
        let name = names
            .expect("a tensor of this architecture")
            .in_dialect(dialect);
        match layer {
            Some(layer) => format!("{}{layer}.{name}", dialect.layers()),
            None => name.to_owned(),
        }
    }

    /// The tensor of a model of so many layers that a file calls so, without `.weight` or `.bias`.
    pub(crate) fn tensor(
        &self,
        dialect: Dialect,
        name: &str,
        layers: usize,
    ) -> Option<ModelTensor> {
        match dialect.in_layer(name, layers) {
            Some((layer, name)) => self
                .layer_tensors()
                .find(|(_, names)| names.in_dialect(dialect) == name)
                .map(|(tensor, _)| ModelTensor::Layer(layer, *tensor)),
            None => BESIDE_LAYERS
                .iter()
                .find(|(_, names)| names.in_dialect(dialect) == name)
                .map(|(tensor, _)| *tensor),
        }
    }

    fn layer_tensors(&self) -> impl Iterator<Item = &'static (LayerTensor, Names)> {
        self.tensors.iter().copied().flatten()
    }
}

impl Dialect {
    /// What the name of a layer's tensor begins with.
    fn layers(self) -> &'static str {
        match self {
            Self::Gguf => "blk.",
            Self::HuggingFace => "model.layers.",
        }
    }

    /// Which of so many layers a tensor is of by its name, and what is behind that.
    pub(crate) fn in_layer(self, name: &str, layers: usize) -> Option<(usize, &str)> {
        let (layer, name) = name.strip_prefix(self.layers())?.split_once('.')?;
        let layer = layer.parse().ok().filter(|layer| *layer < layers)?;
        Some((layer, name))
    }
}

impl ModelTensor {
    pub(crate) fn is_matrix(self) -> bool {
        match self {
            Self::Embedding | Self::Head => true,
            Self::OutputNorm => false,
            Self::Layer(_, tensor) => !matches!(tensor, AttnNorm | FfnNorm | QNorm | KNorm),
        }
    }

    /// Whether its rows are rotated with the heads of q and k: what gives these, and what is added to them or scales
    /// them.
    pub(crate) fn is_rotated(self) -> bool {
        matches!(self, Self::Layer(_, QProj | KProj | QNorm | KNorm))
    }
}
