//! JSON as Python writes and reads it, with errors that name the key.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What a file holds. Python also writes numbers that are none: as texts, so that only who looks for a number there is
/// disappointed. The error is the reason alone.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    if let Ok(value) = serde_json::from_slice(bytes) {
        return Ok(value);
    }
    let bytes = quote_names_of_numbers(bytes);
    let mut reader = serde_json::Deserializer::from_slice(&bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|why| {
        match why.path().iter().next() {
            Some(_) => format!("`{}`: {}", why.path(), why.inner()),
            None => why.inner().to_string(),
        }
    })?;
    reader.end().map_err(|why| why.to_string())?;
    Ok(value)
}

/// Puts `NaN`, `Infinity` and `-Infinity` in quotes where they stand for a value.
fn quote_names_of_numbers(bytes: &[u8]) -> Cow<'_, [u8]> {
    const NAMES: [&[u8]; 3] = [b"NaN", b"Infinity", b"-Infinity"];
    let mut quoted = Vec::new();
    let (mut at, mut copied, mut in_text) = (0, 0, false);
    while let Some(&byte) = bytes.get(at) {
        let name = NAMES.iter().find(|name| bytes[at..].starts_with(name));
        match (byte, name) {
            (b'\\', _) if in_text => at += 1,
            (b'"', _) => in_text = !in_text,
            (_, Some(name)) if !in_text => {
                quoted.extend_from_slice(&bytes[copied..at]);
                quoted.extend_from_slice(&[b"\"", *name, b"\""].concat());
                copied = at + name.len();
                at = copied - 1;
            }
            _ => {}
        }
        at += 1;
    }
    match copied {
        0 => Cow::Borrowed(bytes),
        _ => Cow::Owned([&quoted, &bytes[copied..]].concat()),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::read;

    #[derive(Debug, Deserialize)]
    struct Outer {
        inner: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    struct Inner {
        count: u8,
    }

    #[test]
    fn what_python_reads_is_read() {
        let read = |text: &str| read::<Value>(text.as_bytes());
        assert_eq!(read("\u{feff}{\"a\": 1}"), Ok(json!({ "a": 1 })));
        let values = r#"{"a": NaN, "b": [Infinity, -Infinity,1], "NaN \" NaN": "say \\\"NaN\\"}"#;
        let expected = json!({
            "a": "NaN",
            "b": ["Infinity", "-Infinity", 1],
            "NaN \" NaN": "say \\\"NaN\\",
        });
        assert_eq!(read(values), Ok(expected));
    }

    #[test]
    fn an_error_names_the_key() {
        for (text, words) in [
            (
                r#"{"inner": [{"count": 1}, {"count": NaN}]}"#,
                "`inner[1].count`: ",
            ),
            (r#"{"inner": [{"count": 256}]}"#, "`inner[0].count`: "),
            (r#"{"inner": 1}"#, "`inner`: "),
            ("[", "EOF"),
            (r#"{"inner": []} x"#, "trailing"),
        ] {
            let why = read::<Outer>(text.as_bytes()).unwrap_err();
            assert!(why.contains(words), "no `{words}` in: {why}");
        }
        let outer: Outer = read(br#"{"inner": [{"count": 7}]}"#).unwrap();
        assert_eq!(outer.inner[0].count, 7);
    }
}
