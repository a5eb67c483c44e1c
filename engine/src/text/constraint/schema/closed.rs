//! An object whose properties are listed ends with them, unless its schema says otherwise: a small model goes on with
//! properties of its own until its answer is cut off. So does a number between bounds, with its [`digits`].
//!
//! It only narrows what a schema allows. So it leaves open what several schemas speak of, of which one may ask for what another
//! does not list.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{ONE, VALUES, digits, parts};

/// Keywords that hold schemas of the same value.
const SAME: [&str; 4] = ["allOf", "anyOf", "oneOf", "$ref"];
/// Keywords that say what is within a value, beside [`ONE`], and [`VALUES`], which say which it is.
const WITHIN: [&str; 5] = [
    "properties",
    "patternProperties",
    "required",
    "minProperties",
    "prefixItems",
];
/// Keywords that say which properties may come beside those that are listed.
const OTHERS: [&str; 5] = [
    "additionalProperties",
    "patternProperties",
    "unevaluatedProperties",
    "const",
    "enum",
];

/// Closes the objects and the numbers of a schema that is not checked yet.
pub(super) fn close(schema: &mut Value) {
    let (mut open, mut closable) = (HashSet::new(), Vec::new());
    // Places that are still to be seen, and whether several schemas speak of what stands there.
    let mut places = vec![(String::new(), false)];
    while let Some((place, is_shared)) = places.pop() {
        let Some(Value::Object(fields)) = schema.pointer_mut(&place) else {
            continue;
        };
        if is_shared && !open.insert(place.clone()) {
            continue;
        }
        let is_shared = is_shared || shares(fields);
        if is_shared {
            let reference = fields.get("$ref").and_then(Value::as_str);
            let within = reference.and_then(|reference| reference.strip_prefix('#'));
            places.extend(within.map(|place| (place.to_owned(), true)));
        } else if may_close(fields) {
            closable.push((place.clone(), "additionalProperties", Value::Bool(false)));
        } else if let Some(step) = digits::step(fields) {
            closable.push((place.clone(), "multipleOf", step));
        }
        places.extend(parts(fields).into_iter().map(|(name, _)| {
            let is_definition = name.starts_with("/$defs/") || name.starts_with("/definitions/");
            (format!("{place}{name}"), is_shared && !is_definition)
        }));
    }
    closable.retain(|(place, ..)| !open.contains(place));
    for (place, keyword, value) in closable {
        if let Some(Value::Object(fields)) = schema.pointer_mut(&place) {
            fields.insert(keyword.to_owned(), value);
        }
    }
}

/// Whether several schemas speak of the same value. Those of an `anyOf` alone do not: a value is of one or of another. Of a
/// `oneOf` each also says what the others must not be.
fn shares(fields: &Map<String, Value>) -> bool {
    let has = |name: &str| fields.contains_key(name);
    let several = |name: &str| {
        let schemas = fields.get(name).and_then(Value::as_array);
        schemas.is_some_and(|schemas| schemas.len() > 1)
    };
    let same = SAME.into_iter().filter(|name| has(name)).count();
    let mut more = WITHIN.into_iter().chain(ONE).chain(VALUES);
    several("allOf") || several("oneOf") || same > 1 || same == 1 && more.any(has)
}

/// Whether an object of which no other schema speaks lists all properties that it asks for.
fn may_close(fields: &Map<String, Value>) -> bool {
    let Some(Value::Object(properties)) = fields.get("properties") else {
        return false;
    };
    let mut others = SAME.into_iter().chain(OTHERS);
    let required = fields.get("required").and_then(Value::as_array);
    let mut required = required.into_iter().flatten().map(Value::as_str);
    let least = fields.get("minProperties").and_then(Value::as_u64);
    !others.any(|name| fields.contains_key(name))
        && required.all(|name| name.is_some_and(|name| properties.contains_key(name)))
        && least.is_none_or(|least| least <= properties.len() as u64)
        // Which may not come is only worth saying where others may.
        && !properties.values().any(|property| *property == Value::Bool(false))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(title: &str) -> Value {
        json!({ "title": title, "properties": { "a": {} } })
    }

    /// The titles of the objects that are closed, in the order of the alphabet.
    fn closed(mut schema: Value) -> Vec<String> {
        close(&mut schema);
        let (mut titles, mut values) = (Vec::new(), vec![&schema]);
        while let Some(value) = values.pop() {
            match value {
                Value::Object(fields) => {
                    if fields.get("additionalProperties") == Some(&Value::Bool(false)) {
                        titles.push(fields["title"].as_str().unwrap().to_owned());
                    }
                    values.extend(fields.values());
                }
                Value::Array(items) => values.extend(items),
                _ => {}
            }
        }
        titles.sort_unstable();
        titles
    }

    #[test]
    fn objects_whose_properties_are_listed_are_closed_wherever_they_stand() {
        let schema = json!({
            "title": "root",
            "type": "object",
            "properties": {
                "one": object("one"),
                "a/b": { "type": "array", "items": object("some") },
                "or": { "anyOf": [object("or"), { "type": "null" }], "default": null },
                "ref": { "$ref": "#/$defs/ref", "description": "d" },
                "all": { "allOf": [{ "$ref": "#/$defs/all" }], "default": {} },
            },
            "required": ["one"],
            "minProperties": 1,
            "$defs": { "ref": object("ref"), "all": object("all") },
        });
        assert_eq!(closed(schema), ["all", "one", "or", "ref", "root", "some"]);
        assert_eq!(
            closed(json!({ "title": "none", "properties": {} })),
            ["none"]
        );
    }

    #[test]
    fn an_object_that_says_or_asks_for_more_stays_open() {
        for (name, value) in [
            ("additionalProperties", json!(true)),
            ("additionalProperties", json!({ "type": "string" })),
            ("patternProperties", json!({ "^x": {} })),
            ("unevaluatedProperties", json!(true)),
            ("required", json!(["a", "b"])),
            ("minProperties", json!(2)),
            ("properties", json!({ "a": {}, "b": false })),
            ("properties", json!(null)),
            ("enum", json!([{ "a": 1, "b": 2 }])),
            ("anyOf", json!([{ "required": ["b"] }])),
            ("$ref", json!("#/$defs/b")),
        ] {
            let mut schema = object("object");
            schema[name] = value;
            assert!(closed(schema.clone()).is_empty(), "{schema}");
        }
        assert!(closed(json!({ "type": "object" })).is_empty());
        assert!(closed(json!(true)).is_empty());
    }

    #[test]
    fn numbers_that_several_schemas_speak_of_keep_their_digits() {
        let bound = json!({ "minimum": 0 });
        for (mut schema, has_step) in [
            (json!({ "anyOf": [bound] }), true),
            (json!({ "multipleOf": 7, "anyOf": [bound] }), false),
            (
                json!({ "maximum": 9, "allOf": [{ "allOf": [bound] }] }),
                false,
            ),
            (
                json!({ "$ref": "#/$defs/a", "multipleOf": 7, "$defs": { "a": bound } }),
                false,
            ),
        ] {
            close(&mut schema);
            assert_eq!(schema.to_string().contains("1e-8"), has_step, "{schema}");
        }
    }

    #[test]
    fn objects_that_several_schemas_speak_of_stay_open_however_deep() {
        let within = |title: &str| json!({ "properties": { "in": object(title) } });
        for schema in [
            json!({ "allOf": [object("a"), object("b")] }),
            json!({ "allOf": [within("a"), within("b")] }),
            json!({ "oneOf": [within("a"), within("b")] }),
            json!({ "allOf": [object("a")], "anyOf": [object("b"), object("c")] }),
            json!({ "$ref": "#/$defs/a", "required": ["b"], "$defs": { "a": object("a") } }),
            json!({
                "allOf": [{ "$ref": "#/$defs/a" }, { "required": ["b"] }],
                "$defs": { "a": { "items": { "$ref": "#/$defs/b" } }, "b": object("b") },
            }),
            json!({ "allOf": [{ "$ref": "#" }, object("a")] }),
        ] {
            assert!(closed(schema.clone()).is_empty(), "{schema}");
        }
        let apart = json!({
            "properties": { "a": { "$ref": "#/$defs/a" } },
            "anyOf": [{ "required": ["a"] }, { "required": ["b"] }],
            "$defs": { "a": object("a"), "apart": object("apart") },
        });
        assert_eq!(closed(apart), ["apart"]);
    }
}
