//! Options on what weights are rounded to.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use nibble_engine::{KvPrecision, Quantize, Rounding};

/// What weights are rounded to.
#[derive(Debug, Args)]
pub(crate) struct RoundingArgs {
    /// What floats become in the layers: four bits with one scale for 32, 64 or 128 weights or a whole row (channel),
    /// with -min a minimum too; or none, floats as they are. Blocks of four to eight bits in a file stay as they are,
    /// but for none and channel
    #[arg(
        long,
        env = "NIBBLE_QUANTIZE",
        hide_env_values = true,
        value_name = "none|g32|g64|g128|channel[-min]",
        value_parser = quantize(),
        default_value_t = Quantize::default(),
        hide_possible_values = true
    )]
    quantize: Quantize,
    #[command(flatten)]
    vocabulary: VocabularyArgs,
}

/// What keys and values are rounded to.
#[derive(Debug, Args)]
pub(crate) struct KvArgs {
    /// How keys and values are kept: f16, or q8, in eight bits with a scale for 32 numbers, which takes some half of the memory
    /// [default: f16, and floats beside --quantize none]
    #[arg(
        long,
        env = "NIBBLE_KV",
        hide_env_values = true,
        value_name = "f16|q8",
        value_parser = kv(),
        hide_possible_values = true
    )]
    kv: Option<KvPrecision>,
}

/// What the two matrices of the vocabulary are rounded to.
#[derive(Debug, Args)]
pub(crate) struct VocabularyArgs {
    /// Bits of the output head: 8 unless the file has it in 4, or 4, which is smaller, faster and less exact
    #[arg(
        long,
        env = "NIBBLE_HEAD_BITS",
        hide_env_values = true,
        value_name = "8|4",
        value_enum,
        default_value = "8",
        hide_possible_values = true
    )]
    head_bits: Bits,
    /// Bits of the embedding: 8 unless the file has it in 4, or 4, which is smaller and less exact
    #[arg(
        long,
        env = "NIBBLE_EMBEDDING_BITS",
        hide_env_values = true,
        value_name = "8|4",
        value_enum,
        default_value = "8",
        hide_possible_values = true
    )]
    embedding_bits: Bits,
}

/// A choice beside `none`.
pub(crate) fn choice() -> impl TypedValueParser<Value = Quantize> {
    PossibleValuesParser::new(Quantize::NAMES[1..].iter().map(|(name, _)| *name))
        .try_map(|name| name.parse::<Quantize>())
}

fn quantize() -> impl TypedValueParser<Value = Quantize> {
    PossibleValuesParser::new(Quantize::NAMES.map(|(name, _)| name))
        .try_map(|name| name.parse::<Quantize>())
}

fn kv() -> impl TypedValueParser<Value = KvPrecision> {
    PossibleValuesParser::new(["f16", "q8"]).map(|name| match &*name {
        "q8" => KvPrecision::Q8,
        _ => KvPrecision::F16,
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Bits {
    #[value(name = "8")]
    Eight,
    #[value(name = "4")]
    Four,
}

impl RoundingArgs {
    /// That of the weights; keys and values are [`KvArgs`].
    pub(crate) fn rounding(&self) -> Rounding {
        Rounding {
            quantize: self.quantize,
            int4_head: self.vocabulary.int4_head(),
            int4_embedding: self.vocabulary.int4_embedding(),
            kv: None,
        }
    }
}

impl KvArgs {
    /// Beside such weights.
    pub(crate) fn with(&self, weights: Rounding) -> Rounding {
        Rounding {
            kv: self.kv,
            ..weights
        }
    }
}

impl VocabularyArgs {
    pub(crate) fn int4_head(&self) -> bool {
        self.head_bits == Bits::Four
    }

    pub(crate) fn int4_embedding(&self) -> bool {
        self.embedding_bits == Bits::Four
    }
}
