//! Whether a value is of a shape, by the words of JSON Schema that the document has.

use serde_json::Value;

/// What is wrong with it, where it is of another shape. Of `oneOf` one has to fit, and more may.
pub(super) fn fault(document: &Value, schema: &Value, value: &Value) -> Option<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let found = document.pointer(name.trim_start_matches('#'));
        let found = found.unwrap_or_else(|| panic!("`{name}` is nowhere"));
        return fault(document, found, value);
    }
    kind(schema, value)
        .or_else(|| listed(schema, value))
        .or_else(|| combined(document, schema, value))
        .or_else(|| parts(document, schema, value))
}

fn kind(schema: &Value, value: &Value) -> Option<String> {
    let kinds = match &schema["type"] {
        Value::Null => return None,
        Value::Array(kinds) => kinds.clone(),
        one => vec![one.clone()],
    };
    let is = |kind: &Value| match kind.as_str().expect("a type is a text") {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("there is no type `{other}`"),
    };
    let fits = kinds.iter().any(is);
    (!fits).then(|| format!("{value} is none of {kinds:?}"))
}

fn listed(schema: &Value, value: &Value) -> Option<String> {
    let allowed = schema["enum"].as_array()?;
    (!allowed.contains(value)).then(|| format!("{value} is not among {allowed:?}"))
}

fn combined(document: &Value, schema: &Value, value: &Value) -> Option<String> {
    let all = schema["allOf"].as_array().into_iter().flatten();
    if let Some(wrong) = all.filter_map(|part| fault(document, part, value)).next() {
        return Some(wrong);
    }
    let some = schema["oneOf"].as_array().or(schema["anyOf"].as_array())?;
    let faults = some.iter().map(|part| fault(document, part, value));
    let faults: Option<Vec<String>> = faults.collect();
    faults.map(|faults| faults.join(", and "))
}

fn parts(document: &Value, schema: &Value, value: &Value) -> Option<String> {
    if let Some(fields) = value.as_object() {
        let required = schema["required"].as_array().into_iter().flatten();
        let mut names = required.filter_map(Value::as_str);
        if let Some(missing) = names.find(|name| !fields.contains_key(*name)) {
            return Some(format!("`{missing}` is missing"));
        }
        for (name, value) in fields {
            let known = &schema["properties"][name];
            if let Some(wrong) = fault(document, known, value) {
                return Some(format!("{name}: {wrong}"));
            }
        }
    }
    let items = value.as_array().into_iter().flatten();
    items
        .filter_map(|item| fault(document, &schema["items"], item))
        .next()
}
