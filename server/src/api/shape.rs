//! How deep a JSON text is nested and how many values it has, found before anything is built of it: a value takes up to
//! fifty times its bytes.

use crate::error::ApiError;

/// Tools with their schemas are nested some ten deep.
const MAX_DEPTH: usize = 64;
/// Keys and values. All messages that a request may have, each with a call of a tool, are half as many.
const MAX_VALUES: usize = 64 << 10;
/// Numbers that are not the first of an array, as of prompts of tokens: two contexts of 128k. They take no texts along.
const MAX_NUMBERS: usize = 256 << 10;

/// What is known of a JSON text, or of several.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Shape {
    depth: usize,
    /// Keys and values that are not the first of theirs.
    values: usize,
    numbers: usize,
}

impl Shape {
    /// Takes another text in, whether it is JSON or not.
    pub(super) fn add(&mut self, json: &[u8]) {
        let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
        // Behind a comma a number is an array's: in an object a key would come.
        let mut behind_comma = false;
        for &byte in json {
            if behind_comma && !byte.is_ascii_whitespace() {
                behind_comma = false;
                match byte {
                    b'-' | b'0'..=b'9' => self.numbers += 1,
                    _ => self.values += 1,
                }
            }
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = in_text,
                b'"' => in_text = !in_text,
                _ if in_text => {}
                b'[' | b'{' => {
                    depth += 1;
                    self.depth = self.depth.max(depth);
                    self.values += 1;
                }
                b']' | b'}' => depth = depth.saturating_sub(1),
                b',' => behind_comma = true,
                b':' => self.values += 1,
                _ => {}
            }
        }
    }

    /// # Errors
    /// Status 400 when there is more of it than may be built.
    pub(super) fn check(&self, field: &str) -> Result<(), ApiError> {
        let refused =
            |what: String| Err(ApiError::invalid_field(field, format!("`{field}` {what}")));
        if self.depth > MAX_DEPTH {
            let found = self.depth;
            return refused(format!("may be nested {MAX_DEPTH} deep, found {found}"));
        }
        if self.values > MAX_VALUES {
            let found = self.values;
            return refused(format!(
                "may have {MAX_VALUES} keys and values, found {found}"
            ));
        }
        if self.numbers > MAX_NUMBERS {
            let found = self.numbers;
            return refused(format!(
                "may have {MAX_NUMBERS} numbers in arrays, found {found}"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(json: &str) -> (usize, usize, usize) {
        let mut shape = Shape::default();
        shape.add(json.as_bytes());
        (shape.depth, shape.values, shape.numbers)
    }

    #[test]
    fn brackets_and_separators_count_outside_of_texts() {
        assert_eq!(shape(r#"{"a": [1, 2, {}], "b": "[{,:"}"#), (3, 7, 1));
        assert_eq!(shape(r#"["\"[", "\\", []]"#), (2, 4, 0));
        assert_eq!(shape("]]}["), (1, 1, 0));
        assert_eq!(shape("[1 , -2,\n3, \"4\", [5,6]]"), (2, 4, 3));
        assert_eq!(shape("5"), (0, 0, 0));
    }

    #[test]
    fn what_is_too_deep_or_too_much_is_named_with_its_limit() {
        let refusal = |json: &str| {
            let mut shape = Shape::default();
            shape.add(json.as_bytes());
            format!("{:?}", shape.check("body").unwrap_err())
        };
        let deep = refusal(&"[".repeat(MAX_DEPTH + 1));
        assert!(
            deep.contains("`body` may be nested 64 deep, found 65"),
            "{deep}"
        );
        let many = refusal(&"null,".repeat(MAX_VALUES + 2));
        let numbers = refusal(&"0,".repeat(MAX_NUMBERS + 2));
        assert!(
            numbers.contains("may have 262144 numbers in arrays, found 262145"),
            "{numbers}"
        );
        assert!(
            many.contains("may have 65536 keys and values, found 65537"),
            "{many}"
        );
    }
}
