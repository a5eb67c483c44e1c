use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::text::conversation::Turn;
use crate::{Message, Role};

/// What a reader made of an answer: texts that follow each other as one, calls as their names and arguments.
#[derive(Debug, PartialEq)]
enum Read {
    Text(String),
    Call(String, String),
}

fn text(text: &str) -> Read {
    Read::Text(text.to_owned())
}

fn call(name: &str, arguments: &str) -> Read {
    Read::Call(name.to_owned(), arguments.to_owned())
}

fn offered(single_call: bool) -> Conversation {
    let tool = |name| json!({ "type": "function", "function": { "name": name } });
    Conversation {
        tools: ["now", "add"].map(tool).to_vec(),
        single_call,
        ..Conversation::default()
    }
}

fn events<'p>(
    format: CallFormat,
    pieces: impl IntoIterator<Item = &'p str>,
    single: bool,
) -> Vec<AnswerPart> {
    let mut reader = CallReader::new(format, &offered(single), 7);
    let pushed = pieces.into_iter().flat_map(|piece| reader.push(piece));
    let mut events: Vec<AnswerPart> = pushed.collect();
    events.extend(reader.finish());
    events
}

fn merged(events: Vec<AnswerPart>) -> Vec<Read> {
    let mut read = Vec::new();
    for event in events {
        match (event, read.last_mut()) {
            (AnswerPart::Text(piece), Some(Read::Text(text))) => text.push_str(&piece),
            (AnswerPart::Text(piece), _) => read.push(Read::Text(piece)),
            (AnswerPart::Call(made), _) => {
                let arguments = made.arguments.as_json().to_owned();
                read.push(Read::Call(made.name, arguments));
            }
        }
    }
    read
}

/// What is read of an answer, however it comes.
fn read(format: CallFormat, answer: &str) -> Vec<Read> {
    let whole = merged(events(format, [answer], false));
    let each = answer.split_inclusive(|_| true);
    assert_eq!(merged(events(format, each, false)), whole, "{answer}");
    for (cut, _) in answer.char_indices() {
        let pieces = [&answer[..cut], &answer[cut..]];
        let read = merged(events(format, pieces, false));
        assert_eq!(read, whole, "cut at {cut}: {answer}");
    }
    whole
}

/// Answers that are text from end to end.
fn assert_text(format: CallFormat, answers: &[&str]) {
    for answer in answers {
        assert_eq!(read(format, answer), [text(answer)]);
    }
}

#[test]
fn tagged_calls_are_told_from_the_text_around_them() {
    let tagged = |answer: &str| read(CallFormat::Tagged, answer);
    let now = r#"<tool_call>{"name": "now", "arguments": {}}</tool_call>"#;
    assert_eq!(tagged(now), [call("now", "{}")]);
    let add = "<tool_call>\n{\"arguments\": {\"b\": [1, \"</tool_call> \\\"}é\"], \"a\": {\"c\": null}}, \"name\": \"add\"}\n</tool_call>";
    let added = || call("add", r#"{"b":[1,"</tool_call> \"}é"],"a":{"c":null}}"#);
    assert_eq!(
        tagged(&format!(" Let me see. \n\n{add}\n{now}\n")),
        [text(" Let me see."), added(), call("now", "{}")]
    );
    assert_eq!(
        tagged(&format!("{now}\nDone.\n")),
        [call("now", "{}"), text("\nDone.\n")]
    );
    let unclosed = r#"<tool_call>{"name": "now", "arguments": {}}"#;
    assert_eq!(tagged(unclosed), [call("now", "{}")]);
    assert_eq!(
        tagged(&format!("{unclosed}{add}")),
        [call("now", "{}"), added()]
    );
    assert_eq!(
        tagged(&format!("<tool_call>{{\"name\": {add}")),
        [text("<tool_call>{\"name\": "), added()]
    );
}

#[test]
fn listed_calls_come_as_many_at_once() {
    let listed = |answer: &str| read(CallFormat::Listed, answer);
    assert_eq!(
        listed(
            r#"[TOOL_CALLS] [{"name": "now", "arguments": {}}, {"name": "add", "arguments": {"a": 1.50}, "id": "abcdefghi"}]"#
        ),
        [call("now", "{}"), call("add", r#"{"a":1.50}"#)]
    );
    assert_eq!(
        listed(r#"Well: [TOOL_CALLS]{"name": "now", "arguments": {}}"#),
        [text("Well:"), call("now", "{}")]
    );
}

#[test]
fn bare_calls_are_the_whole_answer() {
    let bare = |answer: &str| read(CallFormat::Bare, answer);
    let add = r#"{"type": "function", "name": "add", "parameters": {"a": "{"}}"#;
    let added = || call("add", r#"{"a":"{"}"#);
    for answer in [
        add.to_owned(),
        format!("\n {add}\n"),
        format!("<|python_tag|>{add}"),
    ] {
        assert_eq!(bare(&answer), [added()]);
    }
    let more = [
        format!("{add} is what I would call."),
        format!("I call {add}"),
        format!("{add}; {add}; and so on"),
        format!("{add};; {add}"),
        format!("{add}, {add}"),
    ];
    assert_text(CallFormat::Bare, &more.each_ref().map(String::as_str));
}

const FORMATS: [CallFormat; 3] = [CallFormat::Tagged, CallFormat::Listed, CallFormat::Bare];

#[test]
fn a_call_may_lack_arguments_that_there_are_none_of() {
    for object in [
        r#"{"name": "now"}"#,
        r#"{"name": "now", "arguments": null}"#,
        r#"{"parameters": null, "name": "now"}"#,
        r#"{"type": "function", "name": "now", "parameters": {}}"#,
    ] {
        for (format, answer) in [
            (
                CallFormat::Tagged,
                format!("<tool_call>\n{object}\n</tool_call>"),
            ),
            (CallFormat::Listed, format!("[TOOL_CALLS][{object}]")),
            (CallFormat::Bare, object.to_owned()),
        ] {
            assert_eq!(read(format, &answer), [call("now", "{}")], "{answer}");
        }
    }
}

#[test]
fn numbers_stay_as_they_were_written() {
    let written =
        r#"{"a":123456789012345678901234,"b":[-99999999999999999999,1e400,0.10],"c":"1 2"}"#;
    let spaced = written.replace(':', " : ").replace(",\"", " ,\n\"");
    let answer = format!(r#"<tool_call>{{"name": "add", "arguments": {spaced}}}</tool_call>"#);
    assert_eq!(read(CallFormat::Tagged, &answer), [call("add", written)]);
}

#[test]
fn json_as_the_whole_answer_is_a_call_in_every_format() {
    let add = r#"{"name": "add", "arguments": {"a": "``` }"}}"#;
    let (added, now) = (|| call("add", r#"{"a":"``` }"}"#), r#"{"name":"now"}"#);
    for format in FORMATS {
        for answer in [
            add.to_owned(),
            format!(" \n{add}\n "),
            format!("[{add}]"),
            format!("```json\n{add}\n```"),
            format!("\n```\n{add}```\n"),
            format!("```tool_call\n{add}"),
        ] {
            assert_eq!(read(format, &answer), [added()], "{format:?}: {answer}");
        }
        for separator in ["; ", ";", " ;\n", "\n", ";\n\n"] {
            for answer in [
                format!("{add}{separator}{now}"),
                format!("{add}{separator}{now};\n"),
                format!("```json\n{add}{separator}{now}\n```"),
            ] {
                let read = read(format, &answer);
                assert_eq!(read, [added(), call("now", "{}")], "{format:?}: {answer}");
            }
        }
    }
    let text_then_call = r#"{"answer": 1} <tool_call>{"name": "now"}</tool_call>"#;
    assert_eq!(
        read(CallFormat::Tagged, text_then_call),
        [text(r#"{"answer": 1}"#), call("now", "{}")]
    );
}

#[test]
fn what_a_model_quotes_is_no_call() {
    let now = r#"<tool_call>{"name": "now"}</tool_call>"#;
    let quoted = [
        format!("Write `{now}` for the time."),
        format!("Write ``a ` {now}`` for the time."),
        format!("`x` and `{now}"),
    ];
    assert_text(CallFormat::Tagged, &quoted.each_ref().map(String::as_str));
    for before in [
        "Use `now`:",
        "Use ``a`b``:",
        "An odd ` here:\n",
        "```\ncode\n```\n",
    ] {
        let answer = format!("{before}{now}");
        let said = before.trim_end();
        assert_eq!(
            read(CallFormat::Tagged, &answer),
            [text(said), call("now", "{}")]
        );
    }
    let listed = r#"`[TOOL_CALLS][{"name": "now"}]` is a call"#;
    assert_text(CallFormat::Listed, &[listed]);
}

#[test]
fn what_is_read_goes_on_behind_a_text_that_is_continued() {
    let behind = |said: &str, rest: &str| {
        let (role, content) = (Role::Assistant, said.to_owned());
        let conversation = Conversation {
            turns: vec![Turn::Said(Message { role, content })],
            continues_last: true,
            ..offered(false)
        };
        let mut reader = CallReader::new(CallFormat::Tagged, &conversation, 7);
        let mut events = reader.push(rest);
        events.extend(reader.finish());
        merged(events)
    };
    let json = r#"{"name": "now"}"#;
    let tagged = format!("<tool_call>{json}</tool_call>");
    for blank in ["", " \n"] {
        assert_eq!(behind(blank, json), [call("now", "{}")]);
    }
    assert_eq!(
        behind("Let me", &format!(" see.\n{tagged}")),
        [text(" see."), call("now", "{}")]
    );
    assert_eq!(behind("As JSON: ", json), [text(json)]);
    assert_eq!(behind("Say `", &tagged), [text(&tagged)]);
    // What has begun in the text that is continued is of that text.
    for (begun, rest) in tagged
        .char_indices()
        .map(|(at, _)| tagged.split_at(at))
        .skip(1)
    {
        assert_eq!(behind(begun, rest), [text(rest)], "{begun}");
    }
}

#[test]
fn what_is_no_call_of_an_offered_tool_stays_text() {
    assert_text(
        CallFormat::Tagged,
        &[
            " \n",
            "1 < 2, <tool_, <tool_call>, </tool_call>",
            "<tool_call>now()</tool_call>\n",
            r#"<tool_call>{"name": "rm", "arguments": {}}</tool_call>"#,
            r#" <tool_call> {"name": "now", "arguments": "{}"} </tool_call> "#,
            r#"<tool_call>{"name": "now", "arguments": {}, "parameters": {}}</tool_call>"#,
            r#"<tool_call>{"name": "now", "arguments": {"#,
            r#"<tool_call>{"name": "now", "arguments": {"a": "</tool_call>"#,
            r#"<tool_call>{'name': 'now', 'arguments': {}}</tool_call>"#,
            r#"<tool_call>[]</tool_call>"#,
            r#"<tool_call>{"name": "now", "arguments": {]}}</tool_call>"#,
            r#"<tool_call>{"name": "now", "arguments": []}</tool_call>"#,
            r#"{"name": "now", "arguments": {}} is a call"#,
            r#"It is {"name": "now", "arguments": {}}"#,
            "```json\n{\"name\": \"now\", \"arguments\": {}}\n``` is a call",
            "```json\n{\"name\": \"rm\", \"arguments\": {}}\n```",
            "```rust\nfn main() {}\n```",
            "``` ",
            "``",
            "```json",
            "[1, 2, 3]",
            r#"{"answer": 1}"#,
        ],
    );
    assert_text(
        CallFormat::Listed,
        &[
            "[TOOL_CALL",
            "[TOOL_CALLS]",
            r#"[TOOL_CALLS][{"name": "now", "arguments": {}}, {"name": "rm", "arguments": {}}]"#,
            r#"[TOOL_CALLS][{"name": "now", "arguments": {}}"#,
            r#"[{"name": "now", "arguments": {}}] is a call"#,
        ],
    );
    assert_text(
        CallFormat::Bare,
        &[
            "<|python_tag|>now.call()",
            "<|python",
            "Hi",
            "{ or [",
            r#"{"answer": [1, 2]} "#,
            r#"{"name": "rm", "parameters": {}}"#,
            r#"{"name": "now", "parameters": {}"#,
        ],
    );
}

#[test]
fn text_is_not_held_back_longer_than_it_may_begin_a_call() {
    let mut reader = CallReader::new(CallFormat::Tagged, &offered(false), 0);
    let mut shown = |piece| {
        let events = reader.push(piece).into_iter();
        let texts = events.map(|event| match event {
            AnswerPart::Text(text) => text,
            other => panic!("{other:?}"),
        });
        texts.collect::<String>()
    };
    assert_eq!(shown("one"), "one");
    assert_eq!(shown(" two <"), " two");
    assert_eq!(shown("tool"), "");
    assert_eq!(shown("s> "), " <tools>");
    assert_eq!(shown("<tool_call>"), "");
    assert_eq!(shown(" x"), " <tool_call> x");
}

#[test]
fn a_single_call_ends_the_answer() {
    let answers = [
        (
            CallFormat::Tagged,
            r#"a <tool_call>{"name": "now", "arguments": {}}</tool_call><tool_call>{"name": "now", "arguments": {}}"#,
        ),
        (
            CallFormat::Listed,
            r#"a [TOOL_CALLS][{"name": "now", "arguments": {}}, {"name": "add", "arguments": {}}] b"#,
        ),
        (
            CallFormat::Bare,
            r#"[{"name": "now", "parameters": {}}, {"name": "now", "parameters": {}}]"#,
        ),
    ];
    for (format, answer) in answers {
        for pieces in [vec![answer], answer.split_inclusive(|_| true).collect()] {
            let mut read = merged(events(format, pieces, true));
            assert_eq!(read.pop(), Some(call("now", "{}")), "{answer}");
            assert!(read.is_empty() || read == [text("a")], "{answer}");
        }
    }
}

#[test]
fn identifiers_are_nine_letters_and_digits_and_differ() {
    let hundred = vec![r#"{"name": "now", "parameters": {}}"#; 100].join(",");
    for entropy in [0, 61, 62_u64.pow(9) - 2, u64::MAX - 2] {
        let mut reader = CallReader::new(CallFormat::Bare, &offered(false), entropy);
        assert!(reader.push(&format!("[{hundred}]")).is_empty());
        let calls = reader.finish().into_iter().map(|event| match event {
            AnswerPart::Call(call) => call.id,
            other => panic!("{other:?}"),
        });
        let ids: std::collections::BTreeSet<String> = calls.collect();
        assert_eq!(ids.len(), 100);
        for id in ids {
            assert!(id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        }
    }
}

#[test]
fn hostile_answers_are_text_in_no_time() {
    const MEGABYTE: usize = 1 << 20;
    let deep = |opening: &str| format!("{opening}{}", "[".repeat(MEGABYTE));
    for format in FORMATS {
        let opening = format.opening();
        let long = |part: &str| part.repeat(MEGABYTE / part.len());
        for answer in [
            deep(opening),
            format!("{}{}", deep(opening), "]".repeat(MEGABYTE)),
            long(opening),
            long(&format!("{opening}{{")),
            format!("{opening}{{\"{}", "\\\"".repeat(MEGABYTE / 2)),
            long(" "),
            long(" ]\n"),
            long("`"),
            format!("```json\n{}", long("[")),
        ] {
            let bytes = answer.as_bytes().chunks(16);
            let pieces = bytes.map(|bytes| std::str::from_utf8(bytes).unwrap());
            for read in [
                events(format, [answer.as_str()], false),
                events(format, pieces, false),
            ] {
                assert!(merged(read) == [text(&answer)], "{:.40}", answer);
            }
        }
    }
}

proptest! {
    #[test]
    fn pieces_make_no_difference(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "<tool_call>", "</tool_call>", "[TOOL_CALLS]", "<|python_tag|>", "`", "```", "<", "[", "]", "{", "}", "\"", "\\", ",", ";",
                " ", "\n", "é", "text", r#"{"name": "now", "arguments": {}}"#, r#"{"name": "add", "parameters": {"a": [1]}}"#,
            ]),
            0..12,
        ),
        cuts in prop::collection::vec(0..200_usize, 0..6),
    ) {
        let answer = parts.concat();
        let mut pieces = vec![answer.as_str()];
        for cut in cuts {
            let last = pieces[pieces.len() - 1];
            if last.is_char_boundary(cut) {
                let (head, tail) = last.split_at(cut);
                pieces.pop();
                pieces.extend([head, tail]);
            }
        }
        for format in FORMATS {
            let whole = merged(events(format, [answer.as_str()], false));
            let cut = merged(events(format, pieces.iter().copied(), false));
            prop_assert_eq!(&whole, &cut);
            // Nothing but blanks is lost of what is no call.
            if !whole.iter().any(|read| matches!(read, Read::Call(..))) {
                prop_assert_eq!(whole, if answer.is_empty() { vec![] } else { vec![text(&answer)] });
            }
        }
    }
}
