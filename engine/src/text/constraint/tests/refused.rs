//! What no answer could be held to is refused with its place.

use super::*;

#[test]
fn what_is_not_supported_in_a_schema_is_named_with_its_place() {
    for (given, place, reason) in [
        (json!({ "not": {} }), "/not", "cannot be held to this"),
        (
            json!({ "properties": { "a/b": { "items": { "if": true } } } }),
            "/properties/a~1b/items/if",
            "cannot be held to this",
        ),
        (
            json!({ "anyOf": [{ "type": "array", "uniqueItems": true }] }),
            "/anyOf/0/uniqueItems",
            "cannot be held to this",
        ),
        (
            json!({ "x-guidance": { "lenient": true }, "type": "object" }),
            "/x-guidance",
            "cannot be held to this",
        ),
        (
            json!({ "properties": { "a": { "$ref": "https://example.org/x" } } }),
            "/properties/a/$ref",
            "must name a place in the schema",
        ),
        (
            json!({ "$defs": { "a": { "const": 9_007_199_254_740_993_u64 } } }),
            "/$defs/a/const",
            "9007199254740993 is no number that is told exactly",
        ),
        (
            json!({ "items": { "additionalProperties": { "type": "integer" }, "minProperties": 2 } }),
            "/items/minProperties",
            "can be held to 1, one more than `required` names, found 2",
        ),
        (
            json!({ "required": ["a", "a"], "minProperties": 3 }),
            "/minProperties",
            "can be held to 2, one more than `required` names, found 3",
        ),
        (
            json!({ "properties": { "when": { "type": "string", "format": "cuid" } } }),
            "/properties/when",
            "Unknown format: cuid",
        ),
        (
            json!({ "properties": { "a": { "type": "text" } } }),
            "/properties/a",
            "Invalid type: text",
        ),
        (
            json!({ "items": { "oneOf": [{ "type": "integer" }, { "type": "number" }] }, "type": "array" }),
            "/items",
            "oneOf constraints are not supported",
        ),
        (json!({ "type": "string", "pattern": "(" }), "/", ""),
        (
            json!({ "$ref": "#/$defs/missing", "$defs": {} }),
            "/",
            "missing",
        ),
        (
            json!({ "type": "integer", "minimum": 3, "maximum": 2 }),
            "/",
            "",
        ),
        (json!(false), "/", "must be a schema"),
        (json!([]), "/", "must be a schema"),
        (
            json!({ "properties": { "a": 1 } }),
            "/properties/a",
            "must be a schema",
        ),
    ] {
        let refused = refusal(Language::JsonSchema(given.clone()));
        assert!(refused.starts_with("`form` "), "{given}: {refused}");
        assert!(
            refused.contains(&format!("at `{place}`")),
            "{given}: {refused}"
        );
        assert!(refused.contains(reason), "{given}: {refused}");
    }
}

#[test]
fn what_changes_nothing_passes() {
    for given in [
        json!(true),
        json!({}),
        json!({ "title": "T", "description": "d", "examples": [{ "not": 1 }], "type": "object" }),
        json!({ "type": "array", "uniqueItems": false }),
        json!({ "type": "object", "properties": { "not": { "type": "null" } } }),
        json!({ "const": { "if": 1 } }),
    ] {
        assert!(schema(given.clone()).is_ok(), "{given}");
    }
}

#[test]
fn what_is_no_grammar_is_refused() {
    for (language, reason) in [
        (Language::Regex("a(".into()), "is no regular expression"),
        (
            Language::Regex("(?<!a)b".into()),
            "is no regular expression",
        ),
        (Language::Lark("start: missing".into()), "missing"),
        (Language::Lark("start \"a\"".into()), ""),
        (Language::Lark(String::new()), ""),
        (
            Language::Lark("start: \"a\" gen\ngen[stop=\"b\"]: /.*/".into()),
            "has `stop` in line 2",
        ),
        (
            Language::Lark("start: gen\ngen[max_tokens = 3]: /.*/".into()),
            "has `max_tokens` in line 2",
        ),
        (
            Language::Choice(Vec::new()),
            "must have 1 to 4096 choices, found 0",
        ),
        (
            Language::Choice(vec!["a".into(), String::new()]),
            "must have no empty choice, found one at 1",
        ),
    ] {
        let refused = refusal(language.clone());
        assert!(refused.starts_with("`form` "), "{language:?}: {refused}");
        assert!(refused.contains(reason), "{language:?}: {refused}");
    }
    let remark = "start: gen // \\\ngen[stop  =\"b\"]: /.*/";
    assert!(refusal(Language::Lark(remark.into())).contains("has `stop` in line 2"));
    let quoted = "start: \"stop=\" /max_tokens=/ \"a\" // stop=";
    assert!(compiled(Language::Lark(quoted.into())).is_ok());
}
