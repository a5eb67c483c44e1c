use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The arguments of a call: a JSON object, and its text as it was written, in which numbers of any length stay what they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Arguments {
    json: String,
    object: Map<String, Value>,
}

impl Arguments {
    /// The arguments that `json` is; blanks between its parts are left out.
    ///
    /// # Errors
    /// When it is not the text of a JSON object.
    pub fn parse(json: &str) -> Result<Self, serde_json::Error> {
        // JSON has no largest number and grammars know none, but a `Value` does.
        let object = serde_json::from_str(json)
            .or_else(|why| serde_json::from_str(&with_finite_numbers(json)).map_err(|_| why))?;
        let mut compact = String::with_capacity(json.len());
        for (character, in_text) in marked(json) {
            if in_text || !character.is_ascii_whitespace() {
                compact.push(character);
            }
        }
        Ok(Self {
            json: compact,
            object,
        })
    }

    /// The text of the object.
    #[must_use]
    pub fn as_json(&self) -> &str {
        &self.json
    }

    /// The object, in which integers beyond 64 bits are floats, and numbers beyond all floats the last of those; a template
    /// gets integers of up to 128 bits as they were written.
    #[must_use]
    pub fn object(&self) -> &Map<String, Value> {
        &self.object
    }
}

impl Default for Arguments {
    fn default() -> Self {
        Map::new().into()
    }
}

impl From<Map<String, Value>> for Arguments {
    fn from(object: Map<String, Value>) -> Self {
        let json = Value::Object(object.clone()).to_string();
        Self { json, object }
    }
}

impl TryFrom<String> for Arguments {
    type Error = serde_json::Error;

    fn try_from(json: String) -> Result<Self, Self::Error> {
        Self::parse(&json)
    }
}

impl From<Arguments> for String {
    fn from(arguments: Arguments) -> Self {
        arguments.json
    }
}

/// The characters of `json`, each with whether it belongs to a text in it, as both quotes do.
fn marked(json: &str) -> impl Iterator<Item = (char, bool)> {
    let (mut in_text, mut escaped) = (false, false);
    json.chars().map(move |character| {
        let quotes = character == '"' && !escaped;
        let belongs = in_text || quotes;
        in_text ^= quotes;
        escaped = character == '\\' && !escaped;
        (character, belongs)
    })
}

/// `json` with the largest float, or the smallest, for each number beyond it.
fn with_finite_numbers(json: &str) -> String {
    let (mut finite, mut number) = (String::with_capacity(json.len()), String::new());
    let end = ('\0', true);
    for (character, in_text) in marked(json).chain([end]) {
        if !in_text && matches!(character, '0'..='9' | '+' | '-' | '.' | 'e' | 'E') {
            number.push(character);
            continue;
        }
        match number.parse::<f64>() {
            Ok(beyond) if beyond.is_infinite() => {
                finite += &format!("{:e}", f64::MAX.copysign(beyond));
            }
            _ => finite += &number,
        }
        number.clear();
        finite.push(character);
    }
    finite.pop();
    finite
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_beyond_all_floats_are_the_last_of_them_and_stay_as_they_were_written() {
        let arguments =
            Arguments::parse(r#"{ "a": 2e525, "b": [-1E+400, "2e525, \" 3e999"], "c": true }"#)
                .unwrap();
        assert_eq!(
            Value::Object(arguments.object().clone()),
            json!({ "a": f64::MAX, "b": [f64::MIN, "2e525, \" 3e999"], "c": true })
        );
        assert_eq!(
            arguments.as_json(),
            r#"{"a":2e525,"b":[-1E+400,"2e525, \" 3e999"],"c":true}"#
        );
        let long = format!(r#"{{"a":{}}}"#, "9".repeat(400));
        let arguments = Arguments::parse(&long).unwrap();
        assert_eq!(arguments.object()["a"], json!(f64::MAX));
        assert_eq!(arguments.as_json(), long);
    }

    #[test]
    fn what_is_no_object_is_refused_for_its_own_reason() {
        for wrong in [
            "",
            "[1e999]",
            r#"{"a":1e}"#,
            r#"{"a":1e999"#,
            r#"{"a":--1e999}"#,
        ] {
            let why = serde_json::from_str::<Map<String, Value>>(wrong).unwrap_err();
            let found = Arguments::parse(wrong).unwrap_err();
            assert_eq!(found.to_string(), why.to_string(), "{wrong}");
        }
    }
}
