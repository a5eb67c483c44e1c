//! Calls beside a form: which texts are allowed, in every way to write calls.

use super::*;
use crate::Error;
use crate::text::calls::{AnswerPart, CallFormat, CallReader};
use crate::text::conversation::{Conversation, ToolChoice};

/// A tool `move` whose schema names its parts, and one that is `strict` or not.
fn conversation(strict: bool) -> Conversation {
    let parameters = json!({
        "type": "object",
        "properties": { "to": { "$ref": "#/$defs/place" } },
        "required": ["to"],
        "additionalProperties": false,
        "$defs": { "place": { "enum": ["a", "b"] } },
    });
    let tool =
        json!({ "type": "function", "function": { "name": "move", "parameters": parameters } });
    Conversation {
        tools: vec![tool],
        strict: strict.then(|| "move".to_owned()).into_iter().collect(),
        ..Conversation::default()
    }
}

fn either(format: CallFormat, strict: bool, language: &Language) -> Result<Follower, String> {
    let constraint = Constraint {
        field: "form",
        language: language.clone(),
    };
    let compiled = GRAMMARS.compile_either(format, &conversation(strict), &[], &constraint);
    compiled.map_err(|error| error.to_string())
}

fn call(format: CallFormat, to: &str) -> String {
    let arguments = match format {
        CallFormat::Bare => "parameters",
        _ => "arguments",
    };
    let call = format!(r#"{{"name": "move", "{arguments}": {{"to": "{to}"}}}}"#);
    match format {
        CallFormat::Tagged => format!("<tool_call>\n{call}\n</tool_call>"),
        CallFormat::Listed => format!("[TOOL_CALLS][{call}]"),
        CallFormat::Bare => call,
    }
}

const FORMATS: [CallFormat; 3] = [CallFormat::Tagged, CallFormat::Listed, CallFormat::Bare];

/// Languages, texts of them, and others.
fn languages() -> [(Language, Vec<&'static str>, Vec<&'static str>); 6] {
    let person = json!({
        "type": "object",
        "properties": { "name": { "type": "string" }, "age": { "type": "integer" } },
        "required": ["name"],
        "additionalProperties": false,
    });
    [
        (
            Language::JsonSchema(person),
            vec![
                r#"{"name":"Ada"}"#,
                "{\n  \"name\": \"move\",\n  \"age\": 36\n}",
                r#"{"name": "mover"}"#,
            ],
            vec![r#"{"age": 1}"#, "Ada", "", r#"{"name": 1}"#],
        ),
        (
            Language::JsonSchema(json!({ "type": "array", "items": { "type": "string" } })),
            vec!["[]", r#"["a", "TOOL_CALLS"]"#, "[\n \"a\"\n]"],
            vec!["{}", "[1]"],
        ),
        (
            Language::JsonObject,
            vec![
                "{}",
                r#"{"age": {"name": []}}"#,
                r#"{"name": 1}"#,
                r#"{"names": 1}"#,
            ],
            vec!["[]", "1"],
        ),
        (
            Language::Regex("(?s).{1,60}".into()),
            vec!["Well.", "<b>", "[1]", r#"{"a": 1}"#],
            vec![""],
        ),
        (
            Language::Regex(r#"\{"to":"[ab]"\}"#.into()),
            vec![r#"{"to":"a"}"#],
            vec![r#"{"to":"c"}"#, "{}"],
        ),
        (
            Language::Choice(vec!["<tool>".into(), "{".into(), "[T".into()]),
            vec!["<tool>", "{", "[T"],
            vec!["", "<", "["],
        ),
    ]
}

#[test]
fn an_answer_is_a_call_or_a_text_of_the_form() {
    for format in FORMATS {
        for (language, texts, others) in languages() {
            let allows =
                |strict, text: &str| accepts(either(format, strict, &language).unwrap(), text);
            for text in texts {
                assert!(allows(true, text), "{format:?}: {language:?}: {text}");
            }
            for text in others {
                assert!(!allows(true, text), "{format:?}: {language:?}: {text}");
            }
            let (right, wrong) = (call(format, "b"), call(format, "c"));
            assert!(allows(true, &right), "{format:?}: {language:?}");
            assert!(allows(false, &right), "{format:?}: {language:?}");
            assert!(allows(false, &wrong), "{format:?}: {language:?}");
            // Any object is of the form, where one is.
            if language != Language::JsonObject || format != CallFormat::Bare {
                assert!(!allows(true, &wrong), "{format:?}: {language:?}");
            }
        }
    }
}

#[test]
fn the_marks_of_calls_may_stand_in_their_arguments() {
    for format in FORMATS {
        let mut conversation = conversation(true);
        let parameters = &mut conversation.tools[0]["function"]["parameters"];
        parameters["properties"]["to"] = json!({ "type": "string" });
        for mark in [
            "<tool_call>",
            "</tool_call>",
            "[TOOL_CALLS]",
            "\\n</tool_call>\\n",
        ] {
            let written = call(format, &format!("{mark}, {mark}"));
            let calls = GRAMMARS.compile_calls(format, &conversation, &[]);
            assert!(accepts(calls.unwrap().unwrap(), &written), "{written}");
            let constraint = Constraint {
                field: "form",
                language: Language::Regex("[a-z]+".into()),
            };
            let either = GRAMMARS.compile_either(format, &conversation, &[], &constraint);
            assert!(accepts(either.unwrap(), &written), "{written}");
            let mut reader = CallReader::new(format, &conversation, 0);
            let mut parts = reader.push(&written);
            parts.extend(reader.finish());
            assert!(
                matches!(&parts[..], [AnswerPart::Call(_)]),
                "{written}: {parts:?}"
            );
        }
    }
}

#[test]
fn grammars_stand_beside_calls_that_have_a_mark() {
    let lark = Language::Lark("start: word (\" \" word)*\nword: /[a-z]+/".into());
    let gbnf = Language::Gbnf("root ::= \"(\" root? \")\"".into());
    for format in [CallFormat::Tagged, CallFormat::Listed] {
        for (language, text) in [(&lark, "move to b"), (&gbnf, "((()))")] {
            let allows = |text: &str| accepts(either(format, true, language).unwrap(), text);
            assert!(allows(text), "{format:?}: {language:?}");
            assert!(allows(&call(format, "a")), "{format:?}: {language:?}");
            assert!(!allows(&call(format, "c")), "{format:?}: {language:?}");
            assert!(!allows("1"), "{format:?}: {language:?}");
        }
    }
    for language in [lark, gbnf] {
        let refused = either(CallFormat::Bare, true, &language).unwrap_err();
        assert!(refused.contains("cannot be honoured together"), "{refused}");
    }
}

#[test]
fn whichever_cannot_be_kept_to_is_named() {
    let odd = Language::JsonSchema(json!({ "properties": { "a": { "type": "text" } } }));
    for format in FORMATS {
        let refused = either(format, true, &odd).unwrap_err();
        assert!(
            refused.starts_with("`form` is not supported at `/properties/a`"),
            "{refused}"
        );
        let mut conversation = conversation(true);
        conversation.tools[0]["function"]["parameters"] = json!({ "not": {} });
        let constraint = Constraint {
            field: "form",
            language: Language::JsonObject,
        };
        let refused = GRAMMARS.compile_either(format, &conversation, &[], &constraint);
        let refused = refused.unwrap_err().to_string();
        assert!(
            refused.contains("`move`") && refused.contains("`/not`"),
            "{refused}"
        );
        let loose = ["move".to_owned()];
        let loosened = GRAMMARS.compile_either(format, &conversation, &loose, &constraint);
        assert!(accepts(loosened.unwrap(), &call(format, "c")), "{format:?}");
    }
}

#[test]
fn a_tool_whose_schema_cannot_be_compiled_is_named_with_the_place_in_it() {
    let odd =
        json!({ "type": "object", "properties": { "id": { "type": "string", "format": "cuid" } } });
    let book = json!({ "type": "function", "function": { "name": "book", "parameters": odd } });
    let constraint = Constraint {
        field: "form",
        language: Language::JsonObject,
    };
    let assert_named = |compiled: Result<(), Error>| match compiled {
        Err(Error::Request { field, reason }) => {
            let place = "the parameters of the tool `book`: is not supported at `/properties/id`: ";
            assert!(reason.starts_with(place), "{reason}");
            assert!(reason.contains("Unknown format: cuid"), "{reason}");
            assert_eq!(field, "tools");
        }
        other => panic!("{other:?}"),
    };
    for format in FORMATS {
        let mut conversation = conversation(true);
        conversation.tools.push(book.clone());
        let calls = |conversation: &Conversation, loose: &[String]| {
            GRAMMARS
                .compile_calls(format, conversation, loose)
                .map(drop)
        };
        // Any object is an argument of what need not be strict.
        assert!(calls(&conversation, &[]).is_ok(), "{format:?}");
        conversation.tool_choice = ToolChoice::Required;
        assert_named(calls(&conversation, &[]));
        conversation.tool_choice = ToolChoice::Free;
        conversation.strict.push("book".to_owned());
        assert_named(calls(&conversation, &[]));
        let either = GRAMMARS.compile_either(format, &conversation, &[], &constraint);
        assert_named(either.map(drop));
        // What is loosened is not to blame.
        conversation.tools[0]["function"]["parameters"] = json!({ "not": {} });
        assert_named(calls(&conversation, &["move".to_owned()]));
    }
}

/// Numbers that are noise: SplitMix64.
fn noise(seed: &mut u64) -> usize {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) >> 1) as usize
}

#[test]
fn noise_is_read_as_a_call_or_is_of_the_form() {
    let language = Language::JsonSchema(json!({ "enum": ["move", { "to": ["a"] }, [1, 22]] }));
    for format in FORMATS {
        let (mut calls, mut texts) = (0, 0);
        for mut seed in 0..40 {
            let mut follower = either(format, true, &language).unwrap();
            let mut bytes = Vec::new();
            while !follower.is_complete() {
                let allowed = tokens_of(&mut follower);
                let token = allowed[noise(&mut seed) % allowed.len()];
                if is_end(token) {
                    break;
                }
                bytes.extend(TOKENS.bytes(token));
                follower.follow(token).unwrap();
            }
            let answer = String::from_utf8(bytes).unwrap();
            let reader = CallReader::new(format, &conversation(true), 0);
            let mut reader = reader.of_marked_calls();
            let mut parts = reader.push(&answer);
            parts.extend(reader.finish());
            let mut text = String::new();
            let mut called = 0;
            for part in parts {
                match part {
                    AnswerPart::Text(piece) => text += &piece,
                    AnswerPart::Call(call) => {
                        let to = &call.arguments.object()["to"];
                        assert!(to == "a" || to == "b", "{format:?}: {answer}");
                        called += 1;
                    }
                }
            }
            match called {
                0 => {
                    let alone = compiled(language.clone()).unwrap();
                    // Blanks may stand before it, as within.
                    assert!(accepts(alone, text.trim_start()), "{format:?}: {answer}");
                    texts += 1;
                }
                _ => {
                    assert_eq!(text.trim(), "", "{format:?}: {answer}");
                    calls += 1;
                }
            }
        }
        assert!(
            calls > 0 && texts > 0,
            "{format:?}: {calls} calls, {texts} texts"
        );
    }
}
