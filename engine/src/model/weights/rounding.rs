//! What weights are rounded to, by name.

use std::fmt;
use std::str::FromStr;

use super::importance::{Columns, ImportanceMatrix, MatmulSite};
use crate::Error;
use crate::compute::block::{BLOCK, Block};
use crate::compute::int4::{GroupSize, Int4};
use crate::compute::kv::KvPrecision;
use crate::compute::matrix::Format;

/// What weights are rounded to beyond what the file already holds, and keys and values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rounding {
    /// The layers.
    pub quantize: Quantize,
    /// Four bits for the output head, which is otherwise kept in eight unless the file has it in four.
    pub int4_head: bool,
    /// Four bits for the embedding likewise.
    pub int4_embedding: bool,
    /// Keys and values; by default half precision, but with [`Quantize::None`] floats.
    pub kv: Option<KvPrecision>,
}

/// What the weights of the layers are rounded to.
///
/// Blocks of four to eight bits that a file already holds are taken as they are, since rounding them again would only
/// lose; but for [`GroupSize::Channel`], whose kernels need a scale for a whole row, and for [`Quantize::None`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quantize {
    /// Nothing, nor are embedding, head and activations: all numbers of the file in floats that hold them exactly.
    None,
    /// Four bits.
    Int4(Int4),
}

impl Default for Quantize {
    fn default() -> Self {
        Self::Int4(Int4 {
            group: GroupSize::Of32,
            min: true,
        })
    }
}

impl Quantize {
    /// Each with its name: what shares a scale, and `-min` where there is a minimum too.
    pub const NAMES: [(&'static str, Self); 9] = {
        const fn int4(group: GroupSize, min: bool) -> Quantize {
            Quantize::Int4(Int4 { group, min })
        }
        [
            ("none", Self::None),
            ("g32", int4(GroupSize::Of32, false)),
            ("g32-min", int4(GroupSize::Of32, true)),
            ("g64", int4(GroupSize::Of64, false)),
            ("g64-min", int4(GroupSize::Of64, true)),
            ("g128", int4(GroupSize::Of128, false)),
            ("g128-min", int4(GroupSize::Of128, true)),
            ("channel", int4(GroupSize::Channel, false)),
            ("channel-min", int4(GroupSize::Channel, true)),
        ]
    };
}

impl Quantize {
    /// For people.
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Self::None => "not quantised",
            Self::Int4(int4) => match int4.group {
                GroupSize::Of32 => "int4 in groups of 32",
                GroupSize::Of64 => "int4 in groups of 64",
                GroupSize::Of128 => "int4 in groups of 128",
                GroupSize::Channel => "int4 in groups of a row",
            },
        }
    }
}

impl fmt::Display for Quantize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = Self::NAMES.iter().find(|(_, one)| one == self);
        f.write_str(named.map_or("", |(name, _)| name))
    }
}

impl FromStr for Quantize {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let found = Self::NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, quantize)| *quantize).ok_or_else(|| {
            let names = Self::NAMES.map(|(name, _)| name).join("`, `");
            Error::Option(format!(
                "there is no quantisation `{name}`; these there are: `{names}`"
            ))
        })
    }
}

/// What a matrix is to be packed as.
#[derive(Clone, Copy, Debug)]
pub(crate) enum WeightRequest<'a> {
    /// Floats.
    Floats,
    /// As it is stored, floats rounded to this.
    Stored(RoundingTarget<'a>),
    /// This, whatever it is stored as.
    Rounded(RoundingTarget<'a>),
}

impl<'a> WeightRequest<'a> {
    pub(crate) fn target(self) -> Option<RoundingTarget<'a>> {
        match self {
            Self::Floats => None,
            Self::Stored(target) | Self::Rounded(target) => Some(target),
        }
    }
}

/// What floats are rounded to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RoundingTarget<'a> {
    Q8,
    /// With what the columns count, if not all the same.
    Int4(Int4, Option<Columns<'a>>),
}

impl RoundingTarget<'_> {
    /// The format that holds it. Groups of more than 32 repeat their scale in every block of 32, for which the kernels
    /// are made: they cost as much as groups of 32.
    pub(crate) fn format(self) -> Format {
        match self {
            Self::Q8 => Format::Q8,
            Self::Int4(Int4 { min: true, .. }, _) => Format::Int4,
            Self::Int4(int4, _) if int4.group == GroupSize::Channel => Format::Int4Channel,
            Self::Int4(..) => Format::Int4Symmetric,
        }
    }
}

impl RoundingTarget<'_> {
    /// Rounds a row, whose numbers `floats` writes.
    pub(super) fn round(
        self,
        floats: impl FnOnce(&mut [f32]) -> Result<(), Error>,
        to: &mut [Block],
    ) -> Result<(), Error> {
        let mut row = vec![0.0; to.len() * BLOCK];
        floats(&mut row)?;
        match self {
            Self::Int4(int4, columns) => {
                int4.round(&row, columns.map(Columns::numbers), to);
            }
            Self::Q8 => {
                for (block, floats) in to.iter_mut().zip(row.as_chunks().0) {
                    *block = Block::q8(floats);
                }
            }
        }
        Ok(())
    }

    /// Whether rounding what has this format would only add an error.
    pub(crate) fn keeps(self, stored: Format) -> bool {
        match self {
            Self::Q8 => stored == Format::Q8,
            Self::Int4(int4, _) => {
                let blocks = matches!(
                    stored,
                    Format::Int1
                        | Format::Int2
                        | Format::Int4
                        | Format::Int4Symmetric
                        | Format::Int4K
                );
                blocks && int4.group != GroupSize::Channel
            }
        }
    }
}

impl Rounding {
    /// How keys and values are kept beside such weights.
    ///
    /// # Errors
    /// [`Error::Option`] when they would be rounded and nothing else.
    pub(crate) fn kv(self) -> Result<KvPrecision, Error> {
        match (self.kv, self.quantize) {
            (None | Some(KvPrecision::F32), Quantize::None) => Ok(KvPrecision::F32),
            (Some(kv), Quantize::None) => Err(Error::Option(format!(
                "`kv` {kv} rounds keys and values, and `quantize` none rounds nothing: choose one"
            ))),
            (kv, Quantize::Int4(_)) => Ok(kv.unwrap_or_default()),
        }
    }

    /// # Errors
    /// [`Error::Option`] when the embedding would be rounded and nothing else.
    pub(super) fn embedding(self) -> Result<WeightRequest<'static>, Error> {
        let int4 = self
            .int4_embedding
            .then_some("`embedding-bits` 4 rounds the embedding");
        self.of_vocabulary(int4, None)
    }

    /// # Errors
    /// [`Error::Option`] when the head would be rounded and nothing else.
    pub(super) fn head(self, columns: Option<Columns<'_>>) -> Result<WeightRequest<'_>, Error> {
        let int4 = self
            .int4_head
            .then_some("`head-bits` 4 rounds the output head");
        self.of_vocabulary(int4, columns)
    }

    /// A matrix with a row for each word of the vocabulary, in four bits where `int4` says by what.
    fn of_vocabulary<'a>(
        self,
        int4: Option<&str>,
        columns: Option<Columns<'a>>,
    ) -> Result<WeightRequest<'a>, Error> {
        let group = Int4 {
            group: GroupSize::Of32,
            min: true,
        };
        match (int4, self.quantize) {
            (Some(said), Quantize::None) => Err(Error::Option(format!(
                "{said}, and `quantize` none rounds nothing: choose one"
            ))),
            (Some(_), _) => Ok(WeightRequest::Rounded(RoundingTarget::Int4(group, columns))),
            (None, Quantize::None) => Ok(WeightRequest::Floats),
            (None, _) => Ok(WeightRequest::Stored(RoundingTarget::Q8)),
        }
    }

    pub(super) fn layers(self, columns: Option<Columns<'_>>) -> WeightRequest<'_> {
        match self.quantize {
            Quantize::None => WeightRequest::Floats,
            Quantize::Int4(int4) if int4.group == GroupSize::Channel => {
                WeightRequest::Rounded(RoundingTarget::Int4(int4, columns))
            }
            Quantize::Int4(int4) => WeightRequest::Stored(RoundingTarget::Int4(int4, columns)),
        }
    }
}

/// How a model is rounded, and by what measure.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct QuantScheme<'a> {
    pub(crate) rounding: Rounding,
    pub(crate) importance: Option<&'a ImportanceMatrix<'a>>,
}

impl From<Rounding> for QuantScheme<'_> {
    fn from(rounding: Rounding) -> Self {
        Self {
            rounding,
            importance: None,
        }
    }
}

impl<'a> QuantScheme<'a> {
    /// A text that no other rounding of weights and measure has. Another one would have every packed file made anew.
    pub(crate) fn description(self) -> String {
        let rounding = self.rounding;
        let head = if rounding.int4_head {
            "head in int4"
        } else {
            "head as stored"
        };
        let embedding = if rounding.int4_embedding {
            "embedding in int4, "
        } else {
            ""
        };
        let measure = self
            .importance
            .map_or("", |importance| &importance.identity);
        format!("{}, {head}, {embedding}{measure}", rounding.quantize)
    }

    /// What the columns of the matrices at a site count.
    pub(super) fn columns(self, site: MatmulSite) -> Option<Columns<'a>> {
        self.importance.map(|importance| importance.columns(site))
    }
}
