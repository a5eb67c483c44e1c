//! A number between bounds ends after some digits: a small model writes the threes of a third until its answer is cut off.
//!
//! It only narrows what a schema allows, to what differs from it by less than such numbers are worth telling apart. Without bounds a
//! number has an exponent too, which this would forbid.

use serde_json::{Map, Value};

/// The least step of such a number. More digits than these eight the compiler of schemas does not count.
const STEP: f64 = 1e-8;
/// The least distance of two bounds between which that is fine enough.
const MIN_RANGE: f64 = 1e-3;

/// The multiple that the numbers of a schema are to be of, where it has bounds and no step of its own.
pub(super) fn step(fields: &Map<String, Value>) -> Option<Value> {
    let bound = |names: [&str; 2], tighter: fn(f64, f64) -> f64| {
        let bounds = names
            .into_iter()
            .filter_map(|name| fields.get(name)?.as_f64());
        bounds.reduce(tighter)
    };
    let least = bound(["minimum", "exclusiveMinimum"], f64::max);
    let most = bound(["maximum", "exclusiveMaximum"], f64::min);
    let is_bound = least.is_some() || most.is_some();
    let is_wide = least
        .zip(most)
        .is_none_or(|(least, most)| most - least >= MIN_RANGE);
    let is_told = ["multipleOf", "const", "enum"]
        .into_iter()
        .any(|name| fields.contains_key(name));
    let is_whole = fields.get("type").is_some_and(|name| name == "integer");
    (is_bound && is_wide && !is_told && !is_whole).then(|| STEP.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_between_bounds_has_so_many_digits() {
        for (schema, has_step) in [
            (
                json!({ "type": "number", "minimum": 0, "maximum": 1 }),
                true,
            ),
            (json!({ "exclusiveMinimum": 0.5 }), true),
            (
                json!({ "type": ["number", "null"], "exclusiveMaximum": -1 }),
                true,
            ),
            (json!({ "type": "number" }), false),
            (json!({ "type": "integer", "minimum": 0 }), false),
            (json!({ "minimum": 0, "multipleOf": 0.5 }), false),
            (json!({ "minimum": 0, "enum": [0.123456789] }), false),
            (json!({ "minimum": 0, "exclusiveMaximum": 1e-4 }), false),
            (
                json!({ "minimum": 0, "exclusiveMinimum": 0.9999, "maximum": 1 }),
                false,
            ),
        ] {
            let fields = schema.as_object().unwrap();
            assert_eq!(step(fields).is_some(), has_step, "{schema}");
        }
    }
}
