use futures::StreamExt;
use futures::executor::block_on;

use super::*;
use crate::Answer;
use crate::files::checkpoint::Written;
use crate::text::calls::CallFormat;
use crate::text::conversation::Conversation;
use crate::text::thoughts::Marks;

/// Tokens by their texts; those of `control` are control tokens. Two are the bytes of `é`.
const TOKENS: [&str; 15] = [
    "</s>",
    "[THINK]",
    "[/THINK]",
    "<tool_call>",
    "hm",
    "well",
    "Yes",
    "Ċ",
    "Ã",
    "©",
    "<th",
    "ink>",
    "</think",
    ">",
    "{\"name\":\"now\"}",
];

fn tokenizer(control: &[&str]) -> Tokenizer {
    let bytes = "<>|ab".chars().map(String::from);
    let tokens: Vec<String> = TOKENS.map(str::to_owned).into_iter().chain(bytes).collect();
    let kind = |text: &String| {
        if control.contains(&text.as_str()) {
            3
        } else {
            1
        }
    };
    let kinds: Vec<i32> = tokens.iter().map(kind).collect();
    let no_merges: [&str; 0] = [];
    let file = Written::default()
        .text("tokenizer.ggml.model", "gpt2")
        .text("tokenizer.ggml.pre", "gpt-2")
        .texts("tokenizer.ggml.tokens", &tokens)
        .texts("tokenizer.ggml.merges", &no_merges)
        .integers("tokenizer.ggml.token_type", &kinds)
        .integer("tokenizer.ggml.eos_token_id", 0);
    Tokenizer::from_gguf(&file.open().unwrap())
        .unwrap()
        .unwrap()
}

/// What is shown of tokens, `T:` before each thought, `A:` before each text and `C:` before the name of a tool; with it, of
/// what each token is a part, and whether the answer was ended.
fn shown(family: &str, stop: &[&str], tokens: &[&str]) -> (String, String, bool) {
    let tokenizer = tokenizer(&["</s>", "[THINK]", "[/THINK]", "<tool_call>"]);
    let (sender, answer) = Answer::channel();
    let marks = Marks::named_in(family);
    let thoughts = marks.map(|marks| ThoughtReader::behind("", marks));
    let offered = Conversation {
        tools: vec![serde_json::json!({ "function": { "name": "now" } })],
        ..Conversation::default()
    };
    let calls = CallReader::new(CallFormat::Tagged, &offered, 0);
    let stop: Vec<_> = stop.iter().map(ToString::to_string).collect();
    let mut output = Output::new(
        &tokenizer,
        (&stop, Revealed::default()),
        (thoughts, Some(calls)),
        sender,
    );
    let (mut parts, mut ended) = (String::new(), false);
    for token in tokens {
        let id = TOKENS.iter().position(|text| text == token).unwrap();
        ended = output.push(id as u32, true);
        parts.push(match output.part() {
            PartOf::Thought => 'T',
            PartOf::Answer => 'A',
            PartOf::Neither => '-',
        });
        if ended {
            break;
        }
    }
    output.finish();
    drop(output);
    let events: Vec<Event> = block_on(answer.collect());
    let shown = events.into_iter().map(|event| match event {
        Event::Thought(text) => format!("T:{text}"),
        Event::Text(text) => format!("A:{text}"),
        Event::Called(call) => format!("C:{}", call.name),
        other => panic!("{other:?}"),
    });
    (shown.collect(), parts, ended)
}

#[test]
fn marks_that_are_control_tokens_are_understood_and_never_shown() {
    let tokens = ["[THINK]", "hm", "[/THINK]", "Ċ", "Yes", "[THINK]", "well"];
    let (text, parts, _) = shown("[THINK]", &[], &tokens);
    assert_eq!(
        (text.as_str(), parts.as_str()),
        ("T:hmA:YesA:well", "TTT-AAA")
    );
    // Nobody said that the model thinks, so that they mean nothing.
    let (text, parts, _) = shown("", &[], &tokens);
    assert_eq!(
        (text.as_str(), parts.as_str()),
        ("A:hmA:\nYesA:well", "AAAAAAA")
    );
}

#[test]
fn marks_and_characters_may_be_cut_by_tokens() {
    let tokens = ["<th", "ink>", "Ã", "©", "</think", ">", "Ċ", "Ã", "©"];
    let (text, parts, _) = shown("<think>", &[], &tokens);
    assert_eq!((text.as_str(), parts.as_str()), ("T:éA:é", "-TTTTT--A"));
}

#[test]
fn stop_texts_and_calls_in_a_thought_are_none() {
    let call = ["<tool_call>", "{\"name\":\"now\"}"];
    let thought = [&["[THINK]", "well"][..], &call, &["[/THINK]"]].concat();
    let (text, _, ended) = shown(
        "[THINK]",
        &["well"],
        &[&thought[..], &call, &["Yes"]].concat(),
    );
    let expected = r#"T:wellT:<tool_call>T:{"name":"now"}C:nowA:Yes"#;
    assert_eq!((text.as_str(), ended), (expected, false));
    let (text, _, ended) = shown(
        "[THINK]",
        &["well"],
        &[&thought[..], &["Yes", "well", "hm"]].concat(),
    );
    let expected = r#"T:wellT:<tool_call>T:{"name":"now"}A:Yes"#;
    assert_eq!((text.as_str(), ended), (expected, true));
}

#[test]
fn what_is_held_back_is_shown_at_the_end() {
    let (text, ..) = shown("<think>", &[], &["<th"]);
    assert_eq!(text, "A:<th");
    let (text, ..) = shown("<think>", &[], &["<th", "ink>", "hm", "Ċ", "</think"]);
    assert_eq!(text, "T:hmT:\n</think");
}
