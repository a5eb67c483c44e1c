//! The rotation that a GGUF file asks for.
//!
//! Keys mean what llama.cpp makes of them. Its converter hands on some numbers of a `config.json` that it then does not
//! read for these architectures; these mean what they mean there.

#[cfg(test)]
mod tests;

use super::super::rope::Yarn;
use super::super::{CONTEXTS, RopeConfig};
use super::{Keys, ROPE_FACTORS};
use crate::Error;
use crate::files::checkpoint::Gguf;

/// Keys below `rope.scaling` that are not computed unless they say what is so anyway.
const NOT_COMPUTED: [(&str, f64); 3] = [
    ("alpha", 0.0),
    ("yarn_ext_factor", 1.0),
    ("yarn_log_multiplier", 0.0),
];
/// Keys below `rope.scaling` that only `yarn` has.
const OF_YARN: [&str; 4] = [
    "attn_factor",
    "yarn_attn_factor",
    "yarn_beta_fast",
    "yarn_beta_slow",
];

/// How a rotation is stretched by a factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Linear,
    Yarn,
}

/// The rotation of a model with this context, which a stretching has lengthened already.
pub(super) fn read(keys: Keys<'_>, head_dim: usize, context: usize) -> Result<RopeConfig, Error> {
    let gguf = keys.gguf;
    let theta = keys.positive("rope.freq_base")?.unwrap_or(10_000.0) as f32;
    let plain = RopeConfig {
        factors: rope_factors(gguf, head_dim)?,
        ..RopeConfig::plain(theta)
    };
    let stretching = stretching(keys)?;
    refuse_not_computed(keys, stretching.map(|(kind, _)| kind))?;
    let Some((kind, factor)) = stretching else {
        return Ok(plain);
    };
    if plain.factors.is_some() {
        return Err(gguf.error(format!(
            "`rope_freqs.weight` must be absent where a rope is stretched by a factor, found the factor {factor}"
        )));
    }
    match kind {
        Kind::Linear => Ok(plain.linear(factor, head_dim)),
        Kind::Yarn => {
            let rope = yarn(keys, factor, context)?.stretch(plain, head_dim);
            rope.map_err(|why| gguf.error(why))
        }
    }
}

fn stretching(keys: Keys<'_>) -> Result<Option<(Kind, f64)>, Error> {
    let name = keys.name("rope.scaling.type");
    let why = match (keys.gguf.text(&name)?, factor(keys)?) {
        (None | Some("none"), None | Some(1.0)) => return Ok(None),
        // Programs that know nothing but `linear` did not say so.
        (None | Some("linear"), Some(factor)) => return Ok(Some((Kind::Linear, factor))),
        (Some("yarn"), Some(factor)) => return Ok(Some((Kind::Yarn, factor))),
        (Some(kind @ ("linear" | "yarn")), None) => {
            let key = keys.name("rope.scaling.factor");
            format!("the key `{key}` is missing, which `{kind}` as `{name}` needs")
        }
        (Some("none"), Some(factor)) => {
            format!("beside `none` as `{name}` the factor must be absent or 1, found {factor}")
        }
        (Some(other), _) => {
            format!("`{name}` must be absent, `none`, `linear` or `yarn`, found `{other}`")
        }
    };
    Err(keys.gguf.error(why))
}

/// The factor, under its key or else under an older one.
fn factor(keys: Keys<'_>) -> Result<Option<f64>, Error> {
    let old = keys.positive("rope.scale_linear")?;
    Ok(keys.positive("rope.scaling.factor")?.or(old))
}

fn refuse_not_computed(keys: Keys<'_>, kind: Option<Kind>) -> Result<(), Error> {
    let refuse = |key: &str, computed: Option<f64>| {
        let name = keys.name(&format!("rope.scaling.{key}"));
        let found = keys.gguf.float(&name)?;
        let allowed = computed.map_or(String::new(), |computed| format!(" or {computed}"));
        match found.filter(|found| Some(*found) != computed) {
            None => Ok(()),
            Some(found) => Err(keys.gguf.error(format!(
                "`{name}` must be absent{allowed} here, found {found}"
            ))),
        }
    };
    for (key, computed) in NOT_COMPUTED {
        refuse(key, Some(computed))?;
    }
    match kind {
        Some(Kind::Yarn) => Ok(()),
        Some(Kind::Linear) | None => OF_YARN.iter().try_for_each(|key| refuse(key, None)),
    }
}

fn yarn(keys: Keys<'_>, factor: f64, context: usize) -> Result<Yarn, Error> {
    let scaling = |key: &str| keys.positive(&format!("rope.scaling.{key}"));
    let original = keys.size_or("rope.scaling.original_context_length", CONTEXTS, context)?;
    let usual = Yarn::new(factor, original);
    // One multiplies what follows from the factor; the other is `attention_factor`, which stands in its place.
    let magnitude = match (scaling("attn_factor")?, scaling("yarn_attn_factor")?) {
        (None, None) => usual.magnitude,
        (Some(times), None) => times * usual.magnitude,
        (None, Some(magnitude)) => magnitude,
        (Some(times), Some(magnitude)) => {
            return Err(keys.gguf.error(format!(
                "`attn_factor` and `yarn_attn_factor` of `{}` must not both be there, found {times} and {magnitude}",
                keys.name("rope.scaling")
            )));
        }
    };
    Ok(Yarn {
        beta_fast: scaling("yarn_beta_fast")?.unwrap_or(usual.beta_fast),
        beta_slow: scaling("yarn_beta_slow")?.unwrap_or(usual.beta_slow),
        magnitude,
        ..usual
    })
}

/// Divisors that a file spells out.
fn rope_factors(gguf: &Gguf, head_dim: usize) -> Result<Option<Vec<f64>>, Error> {
    let Some(tensor) = gguf.find_tensor(ROPE_FACTORS) else {
        return Ok(None);
    };
    if tensor.shape != [head_dim / 2] {
        return Err(gguf.error(format!(
            "`rope_freqs.weight` must have the shape [{}], found {:?}",
            head_dim / 2,
            tensor.shape
        )));
    }
    let factors = tensor.to_f32()?;
    match factors
        .iter()
        .find(|factor| !(factor.is_normal() && **factor > 0.0))
    {
        None => Ok(Some(factors.into_iter().map(f64::from).collect())),
        Some(factor) => Err(gguf.error(format!(
            "`rope_freqs.weight` must hold positive numbers, found {factor}"
        ))),
    }
}
