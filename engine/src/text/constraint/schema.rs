//! JSON schemas before they are compiled: what could not be kept to is refused with its place, a JSON pointer, and objects whose
//! properties are listed are [`closed`].

mod closed;
mod digits;

use std::collections::HashSet;

use serde_json::{Map, Value};

/// Keywords that mean something and are not kept to.
const UNSUPPORTED: [&str; 20] = [
    "$dynamicAnchor",
    "$dynamicRef",
    "$recursiveAnchor",
    "$recursiveRef",
    "contains",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "extends",
    "if",
    "maxContains",
    "minContains",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
    "uniqueItems",
    "x-guidance",
];
/// Keywords that hold a schema.
const ONE: [&str; 3] = ["items", "additionalItems", "additionalProperties"];
/// Keywords that hold an array of schemas.
const MANY: [&str; 5] = ["items", "prefixItems", "anyOf", "oneOf", "allOf"];
/// Keywords that hold schemas by name.
const NAMED: [&str; 4] = ["properties", "patternProperties", "$defs", "definitions"];
/// Keywords that hold values, or numbers to compare with.
const VALUES: [&str; 7] = [
    "const",
    "enum",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
];
/// The largest whole number such that floats tell it from its neighbours.
const MAX_EXACT: u64 = 1 << 53;
/// As many schemas within one are tried for the place of an error.
const MAX_TRIED: usize = 64;

/// The schema as an object, without what allows everything, and with its objects closed.
///
/// # Errors
/// What is not supported, and where: the reason alone.
pub(super) fn checked(schema: &Value) -> Result<Value, String> {
    let mut schema = match schema {
        Value::Bool(true) => Value::Object(Map::new()),
        other => other.clone(),
    };
    closed::close(&mut schema);
    check(&mut schema, "", true)?;
    Ok(schema)
}

fn check(schema: &mut Value, place: &str, is_root: bool) -> Result<(), String> {
    let Value::Object(fields) = schema else {
        return match schema {
            Value::Bool(_) if !is_root => Ok(()),
            found => Err(format!(
                "must be a schema at `{}`, an object, found {}",
                shown(place),
                short(found)
            )),
        };
    };
    let refused = |name: &str, why: &str| {
        let place = format!("{place}/{}", escaped(name));
        Err(format!("is not supported at `{place}`: {why}"))
    };
    for name in ["uniqueItems", "unevaluatedItems", "unevaluatedProperties"] {
        let harmless = Value::Bool(name != "uniqueItems");
        if fields.get(name) == Some(&harmless) {
            fields.shift_remove(name);
        }
    }
    if let Some(name) = UNSUPPORTED.iter().find(|name| fields.contains_key(**name)) {
        return refused(name, "an answer cannot be held to this");
    }
    if !is_root && (fields.get("$id").or(fields.get("id"))).is_some_and(Value::is_string) {
        return refused("$id", "only the whole schema may have a name");
    }
    if let Some(Value::String(reference)) = fields.get("$ref")
        && (reference.contains(['~', '%']) || reference != "#" && !reference.starts_with("#/"))
    {
        return refused(
            "$ref",
            "it must name a place in the schema, such as `#/$defs/name`",
        );
    }
    for name in VALUES {
        if let Some(value) = fields.get(name)
            && let Some(number) = inexact(value)
        {
            return refused(name, &format!("{number} is no number that is told exactly"));
        }
    }
    if let Some(why) = wants_too_many(fields) {
        return refused("minProperties", &why);
    }
    for (name, value) in parts(fields) {
        check(value, &format!("{place}{name}"), false)?;
    }
    Ok(())
}

/// Why an answer may have fewer properties than a schema wants: a name that is not listed may come again, so of such there is
/// only sure to be one.
fn wants_too_many(fields: &Map<String, Value>) -> Option<String> {
    let least = fields.get("minProperties").and_then(Value::as_u64)?;
    let required = fields.get("required").and_then(Value::as_array);
    let required = required.into_iter().flatten().filter_map(Value::as_str);
    let most = required.collect::<HashSet<_>>().len() as u64 + 1;
    (least > most).then(|| {
        format!("an answer can be held to {most}, one more than `required` names, found {least}")
    })
}

/// A schema as a part of another, in which it stands at a `place`, a JSON pointer.
pub(super) fn moved(mut schema: Value, place: &str) -> Value {
    move_references(&mut schema, place);
    if let Value::Object(fields) = &mut schema {
        // Only the whole schema may have them.
        for name in ["$schema", "$id", "id"] {
            if fields.get(name).is_some_and(Value::is_string) {
                fields.shift_remove(name);
            }
        }
    }
    schema
}

fn move_references(schema: &mut Value, place: &str) {
    let Value::Object(fields) = schema else {
        return;
    };
    if let Some(Value::String(reference)) = fields.get_mut("$ref")
        && let Some(within) = reference.strip_prefix('#')
    {
        *reference = format!("#{place}{within}");
    }
    for (_, part) in parts(fields) {
        move_references(part, place);
    }
}

/// The schemas that a schema holds, by their places in it.
fn parts(fields: &mut Map<String, Value>) -> Vec<(String, &mut Value)> {
    let mut parts = Vec::new();
    for (name, value) in fields {
        let place = format!("/{}", escaped(name));
        let is_in = |names: &[&str]| names.contains(&name.as_str());
        if is_in(&MANY) && value.is_array() {
            let values = value.as_array_mut().into_iter().flatten().enumerate();
            parts.extend(values.map(|(at, value)| (format!("{place}/{at}"), value)));
        } else if is_in(&NAMED) && value.is_object() {
            let values = value.as_object_mut().into_iter().flatten();
            parts.extend(values.map(|(key, value)| (format!("{place}/{}", escaped(key)), value)));
        } else if is_in(&ONE) {
            parts.push((place, value));
        }
    }
    parts
}

/// The place of the smallest schema within this one that fails in the same way.
pub(super) fn place_of(schema: &Value, mut fails: impl FnMut(&Value) -> bool) -> String {
    let (mut place, mut here, mut tried) = (String::new(), schema.clone(), 0);
    let definitions = |part: &mut Map<String, Value>| {
        for name in ["$defs", "definitions"] {
            if let Some(definitions) = schema.get(name) {
                part.entry(name).or_insert_with(|| definitions.clone());
            }
        }
    };
    while let Value::Object(fields) = &mut here {
        let found = parts(fields).into_iter().find_map(|(name, part)| {
            tried += 1;
            let mut alone = part.clone();
            if let Value::Object(fields) = &mut alone {
                definitions(fields);
            }
            let fails = alone.is_object() && tried <= MAX_TRIED && fails(&alone);
            fails.then(|| (name, part.clone()))
        });
        match found {
            Some((name, part)) => {
                place += &name;
                here = part;
            }
            None => break,
        }
    }
    shown(&place).to_owned()
}

/// A number within a value that a float does not hold exactly.
fn inexact(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => {
            let large = number.as_i64().map(i64::unsigned_abs).or(number.as_u64());
            let large = large.is_some_and(|number| number > MAX_EXACT);
            let float = number.as_f64().is_none_or(|float| !float.is_finite());
            (large || float).then(|| number.to_string())
        }
        Value::Array(values) => values.iter().find_map(inexact),
        Value::Object(values) => values.values().find_map(inexact),
        _ => None,
    }
}

fn shown(place: &str) -> &str {
    match place {
        "" => "/",
        place => place,
    }
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(40).collect()
}
