//! What `tokenizer.json` does to a text before its words are merged.

use serde::de::DeserializeOwned;
use serde_json::Value;
use tokenizers::{NormalizerWrapper, PreTokenizerWrapper};

use super::super::{COMPOSED_BYTES, Prefix};

/// Steps of a normalizer and bytes that one writes for a character: published files have two and three. Each step
/// multiplies what the one before has written.
const MAX_NORMALIZERS: usize = 4;
const MAX_WRITTEN_BYTES: usize = 4;

/// A part of the file as the `tokenizers` crate reads it: from text, since it borrows some of its strings.
pub(super) fn part<T: DeserializeOwned>(name: &str, value: &Value) -> Result<T, String> {
    serde_json::from_str(&value.to_string()).map_err(|why| format!("`{name}`: {why}"))
}

/// Refuses steps that are not known to work on a stretch of a text as on the whole.
fn check_steps(what: &str, steps: &Value, allowed: &[&str]) -> Result<(), String> {
    let kind = steps["type"].as_str().unwrap_or_default();
    if kind == "Sequence" {
        let list = [&steps["normalizers"], &steps["pretokenizers"]];
        let mut list = list.into_iter().filter_map(Value::as_array).flatten();
        return list.try_for_each(|step| check_steps(what, step, allowed));
    }
    if !allowed.contains(&kind) {
        return Err(format!(
            "a step of `{what}` must be one of {}, found `{kind}`",
            allowed.join(", ")
        ));
    }
    if kind == "ByteLevel" && steps["add_prefix_space"] != false {
        return Err("`add_prefix_space` of `ByteLevel` must be false".into());
    }
    Ok(())
}

pub(super) fn normalizer_of(steps: Option<Value>) -> Result<Option<NormalizerWrapper>, String> {
    let Some(steps) = steps else {
        return Ok(None);
    };
    check_steps("normalizer", &steps, &["NFC", "Prepend", "Replace"])?;
    bound_growth(&steps, &mut 0)?;
    part("normalizer", &steps).map(Some)
}

/// How many bytes of a text these steps may make one byte of; nothing where they may leave none of them.
pub(super) fn shrinks(steps: &Value) -> Option<usize> {
    let lists = [&steps["normalizers"], &steps["pretokenizers"]];
    let mut list = lists.into_iter().filter_map(Value::as_array).flatten();
    let own = match steps["type"].as_str() {
        Some("NFC") => Some(COMPOSED_BYTES),
        Some("Replace") => {
            let (from, to) = (&steps["pattern"]["String"], &steps["content"]);
            let (from, to) = (from.as_str()?.len(), to.as_str()?.len());
            (to > 0).then(|| from.div_ceil(to).max(1))
        }
        Some("Split") if steps["behavior"] == "Removed" => None,
        _ => Some(1),
    };
    list.try_fold(own?, |all, step| all.checked_mul(shrinks(step)?))
}

/// Refuses a normalizer by which a short text could become a very long one.
fn bound_growth(steps: &Value, count: &mut usize) -> Result<(), String> {
    if let Some(steps) = steps["normalizers"].as_array() {
        return steps.iter().try_for_each(|step| bound_growth(step, count));
    }
    *count += 1;
    let written = ["content", "prepend"].map(|key| steps[key].as_str().map_or(0, str::len));
    let written = written.into_iter().max().unwrap_or(0);
    match (*count, written) {
        (..=MAX_NORMALIZERS, ..=MAX_WRITTEN_BYTES) => Ok(()),
        (..=MAX_NORMALIZERS, _) => Err(format!(
            "a step of `normalizer` may write {MAX_WRITTEN_BYTES} bytes, found {written}"
        )),
        _ => Err(format!(
            "`normalizer` may have {MAX_NORMALIZERS} steps, found more"
        )),
    }
}

/// The pre-tokenizer without the blank that it puts before a text, and when that is put there.
pub(super) fn split_prefix(
    steps: Option<Value>,
) -> Result<(Option<PreTokenizerWrapper>, Prefix), String> {
    let Some(mut steps) = steps else {
        return Ok((None, Prefix::Never));
    };
    let mut prefix = Prefix::Never;
    if steps["type"] == "Metaspace" {
        prefix = match steps["prepend_scheme"].as_str() {
            Some("never") => Prefix::Never,
            Some("first") => Prefix::First,
            _ if steps["add_prefix_space"] == false => Prefix::Never,
            _ => Prefix::Unless,
        };
        steps["prepend_scheme"] = "never".into();
        steps["add_prefix_space"] = false.into();
    } else {
        check_steps("pre_tokenizer", &steps, &["ByteLevel", "Digits", "Split"])?;
    }
    Ok((Some(part("pre_tokenizer", &steps)?), prefix))
}
