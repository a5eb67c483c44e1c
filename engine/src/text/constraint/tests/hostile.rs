//! Constraints that are made to take long or much.

use std::time::{Duration, Instant};

use super::super::MAX_CONSTRAINT_BYTES;
use super::*;

/// Far more than any takes, and far less than one without bounds would.
const LONG: Duration = Duration::from_secs(20);

fn assert_bounded(name: &str, language: Language) {
    let began = Instant::now();
    if let Ok(mut follower) = compiled(language) {
        for _ in 0..40 {
            let Ok(allowed) = follower.allowed() else {
                break;
            };
            let tokens = allowed.to_list();
            let Some(token) = tokens.into_iter().rfind(|token| !is_end(*token)) else {
                break;
            };
            if follower.follow(token).is_err() || follower.is_complete() {
                break;
            }
        }
    }
    let took = began.elapsed();
    assert!(took < LONG, "{name}: {took:?}");
}

#[test]
fn nothing_takes_without_bounds() {
    let mut deep = json!({ "type": "string" });
    for _ in 0..30 {
        deep = json!({ "type": "object", "properties": { "a": deep }, "required": ["a"] });
    }
    let names: Vec<String> = (0..9000).map(|at| format!("name {at}")).collect();
    let chain: Vec<(String, Value)> = (0..2500)
        .map(|at| {
            let next = json!({ "$ref": format!("#/$defs/n{}", at + 1) });
            (
                format!("n{at}"),
                json!({ "type": "object", "properties": { "a": next }, "required": ["a"] }),
            )
        })
        .chain([("n2500".to_owned(), json!({ "type": "null" }))])
        .collect();
    let chain = json!({ "$ref": "#/$defs/n0", "$defs": Value::from_iter(chain) });
    let pairs: Vec<Value> = (0..12)
        .map(|at| json!({ "properties": { format!("p{at}"): { "anyOf": [{ "type": "string" }, { "type": "integer" }] } } }))
        .collect();
    let any: Vec<Value> = (0..300)
        .map(|at| json!({ "type": "object", "properties": { "kind": { "type": "string" }, format!("p{at}"): {} } }))
        .collect();
    for (name, schema) in [
        ("deep", deep),
        ("a huge enum", json!({ "enum": names })),
        ("a chain of references", chain),
        (
            "a circle",
            json!({ "$ref": "#/$defs/a", "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "$ref": "#/$defs/a" } } }),
        ),
        ("itself", json!({ "$ref": "#" })),
        (
            "a circle of all",
            json!({ "allOf": [{ "$ref": "#" }, { "type": "object" }] }),
        ),
        ("products", json!({ "allOf": pairs })),
        ("many alike", json!({ "anyOf": any })),
        (
            "long texts",
            json!({ "type": "string", "minLength": 100_000, "maxLength": 200_000 }),
        ),
        (
            "long arrays",
            json!({ "type": "array", "minItems": 1_000_000, "items": { "type": "array", "minItems": 1_000_000 } }),
        ),
        (
            "an exponential pattern",
            json!({ "type": "string", "pattern": "^(a|aa)+(b|[ab]{1,200}){50}$" }),
        ),
        (
            "multiples",
            json!({ "type": "integer", "multipleOf": 7919, "minimum": -1_000_000_000, "maximum": 1_000_000_000 }),
        ),
        (
            "patterns of names",
            json!({ "type": "object", "patternProperties": { "^[ab]{0,100}c": {}, "(x|y){0,90}z$": {} } }),
        ),
    ] {
        assert_bounded(name, Language::JsonSchema(schema));
    }
    for pattern in [
        "((((a{1,100}){1,100}){1,100}){1,100})",
        "(.*a){30}b",
        "(a?){500}a{500}",
        "[ab]*a[ab]{300}",
        "(x+x+)+y",
        r"\p{L}{1,500}",
    ] {
        assert_bounded(pattern, Language::Regex(pattern.into()));
    }
    for (name, lark) in [
        ("itself", "start: start".to_owned()),
        ("both sides", "start: start start | \"a\"".to_owned()),
        ("nothing", "start: a*\na: b*\nb: \"\"".to_owned()),
        (
            "doubling",
            (0..40).fold("start: r0\n".to_owned(), |text, at| {
                format!("{text}r{at}: r{0} r{0}\n", at + 1)
            }) + "r40: \"a\"",
        ),
        (
            "brackets",
            format!("start: {}\"a\"{}", "(".repeat(60), ")".repeat(60)),
        ),
    ] {
        assert_bounded(name, Language::Lark(lark));
    }
    let doubling = (0..40).fold("root ::= r0\n".to_owned(), |text, at| {
        format!("{text}r{at} ::= r{0} r{0}\n", at + 1)
    });
    assert_bounded("doubling", Language::Gbnf(doubling + "r40 ::= \"a\""));
    assert_bounded(
        "repeats",
        Language::Gbnf("root ::= ((\"a\"{2000}){2000}){2000}".into()),
    );
    let lines = "\n".repeat(60_000) + "root ::= \"" + &"a".repeat(60_000) + "\"";
    assert_bounded("lines and characters", Language::Gbnf(lines));
}

#[test]
fn what_is_too_large_or_too_deep_is_refused_with_the_limit() {
    let long = "a".repeat(MAX_CONSTRAINT_BYTES + 1);
    let bytes = format!("may have {MAX_CONSTRAINT_BYTES} bytes, found ");
    assert!(refusal(Language::Regex(long.clone())).contains(&bytes));
    assert!(refusal(Language::Choice(vec![long.clone()])).contains(&bytes));
    assert!(refusal(Language::JsonSchema(json!({ "const": long }))).contains(&bytes));
    let deep = "may be nested 64 deep, found 65";
    let brackets = format!("start: {}\"a\"{}", "(".repeat(65), ")".repeat(65));
    assert!(refusal(Language::Lark(brackets)).contains(deep));
    let quoted = "root ::= ".to_owned() + &"(\")\" ".repeat(2000);
    assert!(refusal(Language::Gbnf(quoted)).contains("may be nested 64 deep"));
    let chain = (0..1001).fold("root ::= r0\n".to_owned(), |text, at| {
        format!("{text}r{at} ::= r{}\n", at + 1)
    });
    let chain = Language::Gbnf(chain + "r1001 ::= \"a\"");
    assert!(refusal(chain).contains("may have 1000 rules, found 1003"));
    let mut schema = json!({});
    for _ in 0..64 {
        schema = json!({ "items": schema });
    }
    assert!(refusal(Language::JsonSchema(schema)).contains(deep));
}
