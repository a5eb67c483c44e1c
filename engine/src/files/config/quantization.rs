//! `quantization_config`: how the matrices of a folder are quantised, if they are.
//!
//! Four bits a weight with a scale for a group of a row are read as they are. Everything else is refused by its key and
//! its value.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::compute::block::BLOCK;

/// How quantised matrices are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quantization {
    pub(crate) packing: PackingOrder,
    /// Columns that share a scale; none where a whole row does.
    pub(crate) group: Option<usize>,
}

/// Which tensors a quantised matrix consists of, and where in them a weight is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PackingOrder {
    /// `qweight` `[cols / 8, rows]`, `qzeros` `[groups, rows / 8]`, `scales` `[groups, rows]` and perhaps `g_idx`, the
    /// group of each column.
    Gptq {
        /// One is taken off zero points before they are stored.
        zeros_less_one: bool,
    },
    /// `qweight` `[cols, rows / 8]`, `qzeros` `[groups, rows / 8]`, `scales` `[groups, rows]`, the eight numbers of a
    /// word in an order of their own.
    Awq,
    /// `weight_packed` `[rows, cols / 8]`, `weight_scale` `[rows, groups]`, `weight_shape`, and perhaps
    /// `weight_zero_point` `[rows / 8, groups]` and `weight_g_idx`, the group of each column.
    PackQuantized {
        /// There are no zero points: they are all 8.
        symmetric: bool,
    },
}

impl PackingOrder {
    /// What the tensor is called that names the group of each column, where there may be one.
    pub(crate) fn groups(self) -> Option<&'static str> {
        match self {
            Self::Gptq { .. } => Some("g_idx"),
            Self::Awq => None,
            Self::PackQuantized { .. } => Some("weight_g_idx"),
        }
    }

    /// What a matrix's tensors are called after its name.
    pub(crate) fn tensors(self) -> &'static [&'static str] {
        match self {
            Self::Gptq { .. } => &["qweight", "qzeros", "scales", "g_idx"],
            Self::Awq => &["qweight", "qzeros", "scales"],
            Self::PackQuantized { .. } => &[
                "weight_packed",
                "weight_scale",
                "weight_shape",
                "weight_zero_point",
                "weight_g_idx",
            ],
        }
    }
}

/// The keys as they stand in the file, of all methods together.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawQuantization {
    quant_method: Option<String>,
    bits: Option<Value>,
    group_size: Option<i64>,
    /// Of GPTQ; newer writers call it `format`, as compressed-tensors does.
    checkpoint_format: Option<String>,
    format: Option<String>,
    is_marlin_format: Option<bool>,
    pack_dtype: Option<String>,
    /// Other settings for some modules.
    dynamic: Option<Value>,
    version: Option<String>,
    zero_point: Option<bool>,
    config_groups: BTreeMap<String, RawGroup>,
    kv_cache_scheme: Option<Value>,
    sparsity_config: Option<Value>,
    transform_config: Option<Value>,
}

/// What some modules share.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct RawGroup {
    format: Option<String>,
    weights: RawWeights,
    input_activations: Option<Value>,
    output_activations: Option<Value>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct RawWeights {
    num_bits: Option<Value>,
    #[serde(rename = "type")]
    kind: Option<String>,
    strategy: Option<String>,
    group_size: Option<i64>,
    symmetric: Option<bool>,
}

impl RawQuantization {
    /// The error is the reason alone.
    pub(super) fn check(&self) -> Result<Quantization, String> {
        let method = self.quant_method.as_deref().unwrap_or("unknown");
        let checked = match method {
            "gptq" => self.gptq(),
            "awq" => self.awq(),
            "compressed-tensors" => self.compressed_tensors(),
            _ => {
                return Err(format!(
                    "weights quantised by `{method}` (`quantization_config`) are not read; those by `gptq`, `awq` and `compressed-tensors` are"
                ));
            }
        };
        checked.map_err(|why| format!("in `quantization_config` of `{method}` {why}"))
    }

    fn gptq(&self) -> Result<Quantization, String> {
        four_bits("bits", self.bits.as_ref())?;
        let format = self.checkpoint_format.as_deref().or(self.format.as_deref());
        let zeros_less_one = match format.unwrap_or("gptq") {
            "gptq" => true,
            "gptq_v2" => false,
            other => {
                return Err(format!(
                    "`checkpoint_format` must be `gptq` or `gptq_v2`, found `{other}`"
                ));
            }
        };
        if self.is_marlin_format == Some(true) {
            return Err("`is_marlin_format` must be absent or false, found true".into());
        }
        one_of("pack_dtype", self.pack_dtype.as_deref(), "int32")?;
        absent("dynamic", self.dynamic.as_ref())?;
        Ok(Quantization {
            packing: PackingOrder::Gptq { zeros_less_one },
            group: group(self.group_size)?,
        })
    }

    fn awq(&self) -> Result<Quantization, String> {
        four_bits("bits", self.bits.as_ref())?;
        let version = self.version.as_deref().map(str::to_lowercase);
        one_of("version", version.as_deref(), "gemm")?;
        if self.zero_point == Some(false) {
            return Err("`zero_point` must be absent or true, found false".into());
        }
        Ok(Quantization {
            packing: PackingOrder::Awq,
            group: group(self.group_size)?,
        })
    }

    fn compressed_tensors(&self) -> Result<Quantization, String> {
        for (key, value) in [
            ("kv_cache_scheme", &self.kv_cache_scheme),
            ("sparsity_config", &self.sparsity_config),
            ("transform_config", &self.transform_config),
        ] {
            absent(key, value.as_ref())?;
        }
        let mut groups = self.config_groups.values();
        let (Some(settings), None) = (groups.next(), groups.next()) else {
            let found = self.config_groups.len();
            return Err(format!(
                "`config_groups` must have one group, found {found}"
            ));
        };
        let format = self.format.as_deref().or(settings.format.as_deref());
        one_of("format", Some(format.unwrap_or("none")), "pack-quantized")?;
        one_of("format", settings.format.as_deref(), "pack-quantized")?;
        absent("input_activations", settings.input_activations.as_ref())?;
        absent("output_activations", settings.output_activations.as_ref())?;
        let weights = &settings.weights;
        four_bits("num_bits", weights.num_bits.as_ref())?;
        one_of("type", weights.kind.as_deref(), "int")?;
        let group = match weights.strategy.as_deref() {
            Some("channel") => None,
            Some("group") => group(weights.group_size)?,
            other => {
                let other = other.unwrap_or("none");
                return Err(format!(
                    "`strategy` must be `group` or `channel`, found `{other}`"
                ));
            }
        };
        Ok(Quantization {
            packing: PackingOrder::PackQuantized {
                symmetric: weights.symmetric.unwrap_or(true),
            },
            group,
        })
    }
}

fn four_bits(key: &str, bits: Option<&Value>) -> Result<(), String> {
    match bits {
        Some(bits) if bits.as_u64() == Some(4) => Ok(()),
        Some(bits) => Err(format!("`{key}` must be 4, found {bits}")),
        None => Err(format!("the key `{key}` is missing")),
    }
}

/// Whole blocks, so that none has two scales.
fn group(size: Option<i64>) -> Result<Option<usize>, String> {
    let size = size.ok_or("the key `group_size` is missing")?;
    match usize::try_from(size) {
        Err(_) if size == -1 => Ok(None),
        Ok(size) if size > 0 && size.is_multiple_of(BLOCK) => Ok(Some(size)),
        _ => Err(format!(
            "`group_size` must be -1 or a multiple of {BLOCK}, found {size}"
        )),
    }
}

fn one_of(key: &str, found: Option<&str>, known: &str) -> Result<(), String> {
    match found {
        Some(found) if found != known => Err(format!("`{key}` must be `{known}`, found `{found}`")),
        _ => Ok(()),
    }
}

/// Refuses what is there and not empty.
fn absent(key: &str, value: Option<&Value>) -> Result<(), String> {
    match value {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Object(keys)) if keys.is_empty() => Ok(()),
        Some(value) => Err(format!("`{key}` must be absent or empty, found {value}")),
    }
}
