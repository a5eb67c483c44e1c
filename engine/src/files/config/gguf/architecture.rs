//! The architectures of GGUF files that are computed, and what sets them apart.

use super::super::{BIASES, QWEN_2_BIASES};
use crate::Error;
use crate::files::checkpoint::Gguf;

/// `general.architecture`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Architecture {
    Llama,
    Qwen2,
    Qwen3,
}

impl Architecture {
    const ALL: [Self; 3] = [Self::Llama, Self::Qwen2, Self::Qwen3];

    pub(super) fn of(gguf: &Gguf) -> Result<Self, Error> {
        let found = gguf.required_text("general.architecture")?;
        let known = Self::ALL.into_iter().find(|known| known.name() == found);
        known.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join("`, `");
            gguf.error(format!(
                "`general.architecture` must be one of `{names}`, found `{found}`"
            ))
        })
    }

    /// What the keys of such a file begin with.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
        }
    }

    /// Whether the rows of q and k are in the order of the hub's folders, the first elements of all rotated pairs before
    /// the second ones. Converters reorder them for Llama alone.
    pub(crate) fn keeps_halves(self) -> bool {
        self != Self::Llama
    }

    /// Projections that always have a bias.
    pub(crate) fn biases(self) -> &'static [&'static str] {
        match self {
            Self::Qwen2 => &QWEN_2_BIASES,
            Self::Llama | Self::Qwen3 => &[],
        }
    }

    /// Projections that have a bias where a file has one for them.
    pub(super) fn optional_biases(self) -> &'static [&'static str] {
        match self {
            Self::Llama => &BIASES,
            Self::Qwen2 | Self::Qwen3 => &[],
        }
    }

    /// Norms of the heads of q and k.
    pub(crate) fn head_norms(self) -> &'static [&'static str] {
        match self {
            Self::Qwen3 => &["attn_q_norm", "attn_k_norm"],
            Self::Llama | Self::Qwen2 => &[],
        }
    }

    /// Whether a window is that of all layers. Qwen's models have one in some, which no key names.
    pub(super) fn windows_every_layer(self) -> bool {
        self == Self::Llama
    }

    /// Tensors outside of the layers.
    pub(super) fn other_tensors(self) -> &'static [&'static str] {
        const ALL: [&str; 4] = [
            "token_embd.weight",
            "output_norm.weight",
            "output.weight",
            // Llama 3.1's divisors of the frequencies.
            "rope_freqs.weight",
        ];
        match self {
            Self::Llama => &ALL,
            Self::Qwen2 | Self::Qwen3 => &ALL[..3],
        }
    }
}
