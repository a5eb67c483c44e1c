//! `generation_config.json`: what the authors of a model advise.

use serde::Deserialize;
use serde_json::Value;

use crate::Sampling;
use crate::files::config::hugging_face::Ids;

/// Values as they stand in the file: one that is no advice is left out, as it was never needed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct GenerationConfig {
    eos_token_id: Ids,
    do_sample: Value,
    temperature: Value,
    top_k: Value,
    top_p: Value,
}

/// Takes a value of one key, if it has the right type.
type Setter = fn(&mut Sampling, &Value) -> Option<()>;

impl GenerationConfig {
    /// The tokens that end an answer; none where the file does not say.
    pub(super) fn ends(&self) -> Option<&[u32]> {
        Some(self.eos_token_id.as_slice()).filter(|ids| !ids.is_empty())
    }

    /// What is advised here, where it is usable and anything is; the rest from `other`.
    pub(crate) fn over(&self, other: Sampling) -> Sampling {
        if self.do_sample != true {
            return other;
        }
        let keys: [(&str, &Value, Setter); 3] = [
            ("temperature", &self.temperature, |sampling, value| {
                sampling.temperature = value.as_f64()? as f32;
                Some(())
            }),
            ("top_k", &self.top_k, |sampling, value| {
                sampling.top_k = usize::try_from(value.as_u64()?).ok()?;
                Some(())
            }),
            ("top_p", &self.top_p, |sampling, value| {
                sampling.top_p = value.as_f64()? as f32;
                Some(())
            }),
        ];
        let given = keys.into_iter().filter(|(_, value, _)| !value.is_null());
        given.fold(other, |advised, (key, value, set)| {
            let mut with = advised;
            if set(&mut with, value).is_some() && with.check().is_ok() {
                return with;
            }
            tracing::warn!(
                "`generation_config.json`: `{key}` is left out, since {value} is no use"
            );
            advised
        })
    }
}
