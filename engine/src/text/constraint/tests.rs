//! Masks against what a language allows by its definition, and what is refused.

mod either;
mod gbnf;
mod hostile;
mod refused;
mod slices;

use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};

use super::follower::Follower;
use super::grammars::Grammars;
use super::{Constraint, Language};
use crate::files::checkpoint::Gguf;
use crate::text::tokenizer::Tokenizer;

/// Those of a tiny vocabulary, in which some words are one token.
static TOKENS: LazyLock<Arc<Tokenizer>> = LazyLock::new(|| {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny.gguf");
    let gguf = Gguf::open(path.as_ref()).unwrap();
    Arc::new(Tokenizer::from_gguf(&gguf).unwrap().unwrap())
});
static GRAMMARS: LazyLock<Grammars> = LazyLock::new(|| Grammars::new(&TOKENS).unwrap());

fn compiled(language: Language) -> Result<Follower, String> {
    let constraint = Constraint {
        field: "form",
        language,
    };
    let compiled = GRAMMARS.compile(&constraint);
    compiled.map_err(|error| error.to_string())
}

fn schema(schema: Value) -> Result<Follower, String> {
    compiled(Language::JsonSchema(schema))
}

fn refusal(language: Language) -> String {
    compiled(language).map(drop).unwrap_err()
}

fn tokens_of(follower: &mut Follower) -> Vec<u32> {
    follower.allowed().unwrap().to_list()
}

fn is_end(token: u32) -> bool {
    TOKENS.is_end(token) || token as usize >= TOKENS.vocabulary()
}

/// Whether a text is in the language, byte by byte where that is possible.
fn accepts(mut follower: Follower, text: &str) -> bool {
    for token in TOKENS.encode_within(text) {
        if follower.is_complete() || follower.follow(token).is_err() {
            return false;
        }
    }
    follower.is_complete() || tokens_of(&mut follower).iter().any(|token| is_end(*token))
}

/// Walks every text of a finite language by the tokens that are allowed, and compares these with those that some text of
/// the language goes on with.
fn assert_masks(language: &Language, texts: &[&str]) {
    let mut open = vec![(compiled(language.clone()).unwrap(), Vec::<u8>::new())];
    let mut reached = 0;
    let mut found = Vec::new();
    while let Some((follower, before)) = open.pop() {
        reached += 1;
        assert!(reached < 5000, "the language is too large for this test");
        let mut path = Vec::new();
        if !follower.is_complete() {
            path = tokens_at(follower, &before, texts);
        } else {
            found.push(before.clone());
        }
        for token in path {
            if is_end(token) {
                found.push(before.clone());
                continue;
            }
            let bytes = [&before[..], &TOKENS.bytes(token)].concat();
            // A follower cannot be copied: this one goes the same way again.
            let mut again = compiled(language.clone()).unwrap();
            replay(&mut again, &bytes);
            open.push((again, bytes));
        }
    }
    for text in texts {
        assert!(found.contains(&text.as_bytes().to_vec()), "{text}");
    }
    for text in found {
        let text = String::from_utf8(text).unwrap();
        assert!(texts.contains(&text.as_str()), "{text}");
    }
}

/// Goes along a text by bytes, which every vocabulary has tokens for.
fn replay(follower: &mut Follower, bytes: &[u8]) {
    for byte in bytes {
        let mut single = (0..TOKENS.vocabulary() as u32).filter(|id| TOKENS.bytes(*id) == [*byte]);
        follower.follow(single.next().unwrap()).unwrap();
    }
}

fn tokens_at(mut follower: Follower, before: &[u8], texts: &[&str]) -> Vec<u32> {
    let rests: Vec<&[u8]> = texts
        .iter()
        .filter_map(|text| text.as_bytes().strip_prefix(before))
        .collect();
    let goes_on = |token: u32| {
        let bytes = TOKENS.bytes(token);
        !bytes.is_empty() && rests.iter().any(|rest| rest.starts_with(&bytes))
    };
    let expected: Vec<u32> = (0..TOKENS.vocabulary() as u32)
        .filter(|id| goes_on(*id))
        .collect();
    let may_end = rests.iter().any(|rest| rest.is_empty());
    let allowed = tokens_of(&mut follower);
    let (ends, others): (Vec<u32>, Vec<u32>) = allowed.iter().partition(|token| is_end(**token));
    assert_eq!(
        !ends.is_empty(),
        may_end,
        "{:?}",
        String::from_utf8_lossy(before)
    );
    let mut firsts: Vec<_> = rests.iter().filter_map(|rest| rest.first()).collect();
    firsts.sort_unstable();
    firsts.dedup();
    if firsts.len() > 1 || may_end {
        assert_eq!(others, expected, "{:?}", String::from_utf8_lossy(before));
    } else {
        // Where only one byte can follow, the usual spelling of what must come is asked for.
        assert!(others.iter().all(|token| expected.contains(token)));
        assert!(!others.is_empty());
    }
    allowed
}

#[test]
fn a_mask_has_the_tokens_that_some_text_goes_on_with() {
    let texts = ["the dog", "the cat", "then", "a dog", "a"];
    let choice = texts.map(str::to_owned).to_vec();
    assert_masks(&Language::Choice(choice), &texts);
    let expression = "(the|a) (dog|cat)s?|x{1,3}";
    let texts = [
        "the dog", "the dogs", "the cat", "the cats", "a dog", "a dogs", "a cat", "a cats", "x",
        "xx", "xxx",
    ];
    assert_masks(&Language::Regex(expression.into()), &texts);
    let texts = ["ab", "a$"];
    assert_masks(&Language::Regex(r"^ab|a\$".into()), &texts);
    assert_masks(&Language::Regex(r"^(ab|a[$])$".into()), &texts);
    let lark = "start: article \" \" NOUN\narticle: \"the\" | \"a\"\nNOUN: /dogs?|cat/";
    let texts = ["the dog", "the dogs", "the cat", "a dog", "a dogs", "a cat"];
    assert_masks(&Language::Lark(lark.into()), &texts);
    let gbnf = "root ::= article \" \" noun # a remark\narticle ::= \"the\" |\n \"a\"\nnoun ::= \"dog\" [s]? | \"cat\"";
    assert_masks(&Language::Gbnf(gbnf.into()), &texts);
}

#[test]
fn a_constraint_is_compiled_once_and_followed_by_each_for_itself() {
    let grammars = Grammars::new(&TOKENS).unwrap();
    let begin = |pattern: &str| {
        let language = Language::Regex(pattern.to_owned());
        let field = "form";
        grammars.compile(&Constraint { field, language }).unwrap()
    };
    let mut first = begin("[ab]x");
    let beginning = tokens_of(&mut first);
    first.follow(beginning[0]).unwrap();
    let mut second = begin("[ab]x");
    assert_eq!(tokens_of(&mut second), beginning);
    assert_ne!(tokens_of(&mut first), beginning);
    assert_eq!(grammars.kept(), 1);
    for length in 1..20 {
        begin(&format!("a{{{length}}}"));
    }
    assert_eq!(grammars.kept(), 8);
}

#[test]
fn characters_of_several_bytes_come_in_parts_and_whole() {
    let texts = ["Zürich", "Zürcher", "日本", "日記", "😀!"];
    let choice = texts.map(str::to_owned).to_vec();
    assert_masks(&Language::Choice(choice), &texts);
}

#[test]
fn numbers_between_bounds_end() {
    let share = json!({ "type": "number", "minimum": 0, "maximum": 1 });
    for text in ["0", "1", "0.5", "0.33333333"] {
        assert!(accepts(schema(share.clone()).unwrap(), text), "{text}");
    }
    for text in ["0.333333333", "1.1", "-0.5"] {
        assert!(!accepts(schema(share.clone()).unwrap(), text), "{text}");
    }
    let cold = json!({ "properties": { "t": { "type": "number", "maximum": -0.5 } } });
    for (text, fits) in [
        (r#"{"t":-12345678.25}"#, true),
        (r#"{"t":-0.600000001}"#, false),
    ] {
        assert_eq!(accepts(schema(cold.clone()).unwrap(), text), fits, "{text}");
    }
}

#[test]
fn what_a_schema_allows_is_followed_and_nothing_else() {
    let person = json!({
        "type": "object",
        "properties": {
            "name": { "type": "string", "maxLength": 5 },
            "age": { "type": "integer", "minimum": 0, "maximum": 150 },
            "tags": { "type": "array", "items": { "enum": ["a", "b"] }, "maxItems": 2 },
        },
        "required": ["name", "age"],
        "additionalProperties": false,
    });
    for text in [
        r#"{"name":"Ada","age":36}"#,
        r#"{"name": "Ada", "age": 36, "tags": ["a", "b"]}"#,
        "{\n  \"name\": \"\u{fc}\u{1f600}\",\n  \"age\": 0\n}",
        r#"{"name": "\n\u0001", "age": 150, "tags": []}"#,
    ] {
        assert!(accepts(schema(person.clone()).unwrap(), text), "{text}");
    }
    for text in [
        r#"{"name":"Ada"}"#,
        r#"{"name":"Adaaaa","age":36}"#,
        r#"{"name":"Ada","age":151}"#,
        r#"{"name":"Ada","age":-1}"#,
        r#"{"name":"Ada","age":3.5}"#,
        r#"{"name":"Ada","age":36,"tags":["c"]}"#,
        r#"{"name":"Ada","age":36,"tags":["a","a","a"]}"#,
        r#"{"name":"Ada","age":36,"more":1}"#,
        r#"{"name":"Ada","age":36"#,
        r#"[]"#,
    ] {
        assert!(!accepts(schema(person.clone()).unwrap(), text), "{text}");
    }
}

#[test]
fn an_object_has_the_properties_that_its_schema_lists_unless_that_says_otherwise() {
    let accepts = |given: &Value, text: &str| accepts(schema(given.clone()).unwrap(), text);
    let property = |name: &str| json!({ "type": "object", "properties": { name: { "type": "integer" } }, "required": [name] });
    let mut person = property("a");
    let more = r#"{"a":1,"b":2}"#;
    assert!(accepts(&person, r#"{"a":1}"#));
    assert!(!accepts(&person, more));
    let both = json!({ "allOf": [property("a"), property("b")] });
    assert!(accepts(&both, more));
    person["additionalProperties"] = json!(true);
    assert!(accepts(&person, more));
}

#[test]
fn as_many_properties_come_as_are_wanted() {
    let integer = json!({ "type": "integer" });
    let map = json!({ "type": "object", "additionalProperties": integer, "required": ["a", "b"], "minProperties": 3 });
    let listed = json!({ "type": "object", "properties": { "a": integer, "b": integer }, "minProperties": 1 });
    let accepts = |given: &Value, text: &str| accepts(schema(given.clone()).unwrap(), text);
    assert!(accepts(&map, r#"{"a":1,"b":2,"c":3}"#));
    assert!(!accepts(&map, r#"{"a":1,"b":2}"#));
    assert!(accepts(&listed, r#"{"b":2}"#));
    assert!(!accepts(&listed, "{}"));
}

#[test]
fn references_lead_round_in_circles() {
    let tree = json!({
        "$ref": "#/$defs/node",
        "$defs": { "node": {
            "type": "object",
            "properties": { "value": { "type": "integer" }, "next": { "anyOf": [{ "$ref": "#/$defs/node" }, { "type": "null" }] } },
            "required": ["value", "next"],
            "additionalProperties": false,
        } },
    });
    let accepts = |text: &str| accepts(schema(tree.clone()).unwrap(), text);
    assert!(accepts(r#"{"value":1,"next":{"value":2,"next":null}}"#));
    assert!(!accepts(r#"{"value":1,"next":{"value":2}}"#));
}

#[test]
fn blanks_between_parts_are_few() {
    let accepts = |text: &str| accepts(compiled(Language::JsonObject).unwrap(), text);
    assert!(accepts("{\"a\": [1, {}]}"));
    assert!(accepts("{\n\t\"a\":\n 1}"));
    assert!(!accepts("{  \"a\": 1}"));
    assert!(!accepts("[1]"));
}
