//! Grammars of llama.cpp's syntax.

use super::*;

/// As llama.cpp's own grammar of JSON is written.
const JSON: &str = r##"
root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws

object ::=
  "{" ws (
            string ":" ws value
    ("," ws string ":" ws value)*
  )? "}" ws

array  ::=
  "[" ws (
            value
    ("," ws value)*
  )? "]" ws

string ::=
  "\"" (
    [^"\\\x7F\x00-\x1F] |
    "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}) # escapes
  )* "\"" ws

number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws

# blanks
ws ::= | " " | "\n" [ \t]{0,20}
"##;

fn gbnf(source: &str) -> Language {
    Language::Gbnf(source.to_owned())
}

#[test]
fn a_recursive_grammar_is_followed() {
    let accepts = |text: &str| accepts(compiled(gbnf(JSON)).unwrap(), text);
    for text in [
        "{}",
        r#"{"a": [1, -2.5e3, {"b": "\u00e9\n\"x\""}], "c": null}"#,
        "{\n  \"a\": true\n}\n",
    ] {
        assert!(accepts(text), "{text}");
    }
    for text in [
        "",
        "[]",
        "{",
        r#"{"a"}"#,
        r#"{"a": 01}"#,
        r#"{"a": "\x"}"#,
        "{} x",
    ] {
        assert!(!accepts(text), "{text}");
    }
}

#[test]
fn parts_repeat_as_often_as_is_said() {
    for (source, texts, others) in [
        ("root ::= [ab]{2}", &["ab", "bb"][..], &["a", "aba"][..]),
        (
            "root ::= \"x\"{1,2} .",
            &["xy", "xx", "xxé"],
            &["x", "xxxy"],
        ),
        (
            "root ::= (\"a\" \"b\")+ \"c\"?",
            &["ab", "ababc"],
            &["c", "abcc"],
        ),
        ("root ::= [^a-c\\n-]", &["d", "é"], &["a", "-", "\n"]),
        (
            "root ::= \"(\" root \")\" | [0-9]+",
            &["7", "((12))"],
            &["(1", "()"],
        ),
        (
            "root ::= a-1 _b\na-1 ::= \"\\u00e9\"\n_b ::= \"\\\"\" | \"\\x41\"",
            &["é\"", "éA"],
            &["é"],
        ),
    ] {
        for text in texts {
            assert!(
                accepts(compiled(gbnf(source)).unwrap(), text),
                "{source}: {text}"
            );
        }
        for text in others {
            assert!(
                !accepts(compiled(gbnf(source)).unwrap(), text),
                "{source}: {text}"
            );
        }
    }
}

#[test]
fn what_is_no_gbnf_is_refused_with_its_line() {
    for (source, reason) in [
        ("", "must have a rule `root`, found none"),
        ("start ::= \"a\"", "must have a rule `root`, found none"),
        (
            "root ::= other",
            "names the rule `other`, which it does not have",
        ),
        ("root ::= \"a\"\nroot ::= \"b\"", "has two rules `root`"),
        ("root ::= \"a", "the end of a text in line 1"),
        ("root ::= [a", "must have `]` in line 1"),
        ("root ::= []", "a character between `[` and `]`"),
        ("root ::= [b-a]", "a range of characters that goes up"),
        (
            "root ::= \"a\"{3,2}",
            "`{m}`, `{m,}` or `{m,n}`, up to 2000,",
        ),
        ("root ::= \"a\"{99999}", "up to 2000"),
        ("root ::= (\"a\"", "must have `)` in line 1"),
        ("root = \"a\"", "must have `::=` in line 1"),
        ("root ::= \"\\q\"", "must have a character in line 1"),
        ("\n\nroot ::= \"a\" %", "the end of a rule in line 3"),
    ] {
        let refused = refusal(gbnf(source));
        assert!(refused.contains(reason), "{source}: {refused}");
    }
}
