//! JSON with the integers that were written: a [`Value`] makes floats of those beyond 64 bits, which templates would show.
//! The template engine has 128; integers beyond those stay floats.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// A value, and the text that it was read from; its own texts may have got marks since.
pub(super) struct Exact<'v> {
    value: &'v Value,
    json: &'v str,
}

impl<'v> Exact<'v> {
    pub(super) fn new(value: &'v Value, json: &'v str) -> Self {
        Self { value, json }
    }
}

impl Serialize for Exact<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        // Most have none, and are not read again.
        if !holds_float(self.value) {
            return self.value.serialize(to);
        }
        match self.value {
            Value::Number(_) => match self.json.parse::<i128>() {
                Ok(integer) => to.serialize_i128(integer),
                Err(_) => self.value.serialize(to),
            },
            Value::Array(values) => match serde_json::from_str::<Vec<&RawValue>>(self.json) {
                Ok(parts) => to.collect_seq(values.iter().zip(parts).map(part)),
                Err(_) => self.value.serialize(to),
            },
            Value::Object(map) => match serde_json::from_str::<Parts<'_>>(self.json) {
                Ok(Parts(parts)) => {
                    let values = map.values().zip(parts).map(part);
                    to.collect_map(map.keys().zip(values))
                }
                Err(_) => self.value.serialize(to),
            },
            Value::String(_) | Value::Bool(_) | Value::Null => self.value.serialize(to),
        }
    }
}

fn part<'v>((value, json): (&'v Value, &'v RawValue)) -> Exact<'v> {
    Exact::new(value, json.get())
}

fn holds_float(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(values) => values.iter().any(holds_float),
        Value::Object(map) => map.values().any(holds_float),
        Value::String(_) | Value::Bool(_) | Value::Null => false,
    }
}

/// The texts of an object's values in the order of [`serde_json::Map`]: of a key that is there twice the last, in the place
/// of the first.
struct Parts<'v>(Vec<&'v RawValue>);

impl<'de> Deserialize<'de> for Parts<'de> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_map(PartsVisitor)
    }
}

struct PartsVisitor;

impl<'de> Visitor<'de> for PartsVisitor {
    type Value = Parts<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut places, mut parts) = (HashMap::new(), Vec::new());
        while let Some((key, json)) = map.next_entry::<String, &RawValue>()? {
            match places.entry(key) {
                Entry::Occupied(known) => parts[*known.get()] = json,
                Entry::Vacant(new) => {
                    new.insert(parts.len());
                    parts.push(json);
                }
            }
        }
        Ok(Parts(parts))
    }
}
