//! Answers that are cut off and continued are those that were not, with the layout of every published template.

use std::path::Path;

use futures::executor::block_on_stream;

use super::*;
use crate::text::conversation::{Arguments, Conversation, ToolCall, Turn};
use crate::{Completion, Event};

/// An engine whose tiny model is spoken to by another template, byte by byte where it is not its own.
fn engine_with(template: &str) -> Engine {
    let mut engine = engine(4).unwrap();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/chat_templates");
    let source = std::fs::read_to_string(Path::new(source).join(template)).unwrap();
    engine.template = ChatTemplate::new(Some(&source), &engine.tokenizer).unwrap();
    engine
}

/// A question that is to be answered, or the answer that has begun is to be continued.
fn conversation(begun: Option<&str>) -> Conversation {
    let said = |role, content: &str| {
        let content = content.to_owned();
        Turn::Said(Message { role, content })
    };
    let mut turns = vec![said(Role::User, "the dog")];
    turns.extend(begun.map(|begun| said(Role::Assistant, begun)));
    Conversation {
        turns,
        continues_last: begun.is_some(),
        ..Conversation::default()
    }
}

/// What the answer is, and nothing where a part of it is a thought: blanks at the ends of that are left out.
fn ask(
    engine: &Engine,
    conversation: Conversation,
    max_tokens: usize,
) -> (Option<String>, Completion) {
    let request = Request {
        prompt: Prompt::Chat(conversation),
        max_tokens,
        ..request("")
    };
    let mut text = Some(String::new());
    for event in block_on_stream(engine.submit(request).unwrap()) {
        match event {
            Event::Text(piece) => text = text.map(|text| text + &piece),
            Event::Thought(_) => text = None,
            Event::Finished(completion) => return (text, completion),
            Event::Queued { .. } | Event::Prefill { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    panic!("the answer had no end");
}

fn tokens(engine: &Engine, conversation: &Conversation) -> Vec<u32> {
    let rendered = engine.template.render(conversation, &engine.tokenizer);
    engine.tokenizer.encode_prompt(&rendered.unwrap())
}

/// Cuts an answer behind each of its tokens and has it continued: the rest is what it was, wherever what was said is read as
/// the tokens that it was written in. How often that was so.
fn stable_cuts(engine: &Engine, begun: Option<&str>) -> usize {
    const TOKENS: usize = 6;
    let asked = conversation(begun);
    let before = tokens(engine, &asked);
    let (whole, completion) = ask(engine, asked, TOKENS);
    let written = completion.token_ids;
    let mut decoder = engine.tokenizer.decoder(&[]);
    let mut text = String::new();
    let mut stable = 0;
    for cut in 1..written.len() {
        text += decoder.push(written[cut - 1]);
        let said = format!("{}{text}", begun.unwrap_or_default());
        let again = conversation(Some(&said));
        let expected: Vec<u32> = before.iter().chain(&written[..cut]).copied().collect();
        if tokens(engine, &again) != expected {
            continue;
        }
        let (rest, completion) = ask(engine, again, TOKENS - cut);
        if let (Some(rest), Some(whole)) = (rest, &whole) {
            assert_eq!(format!("{text}{rest}"), *whole, "{said:?}");
        }
        assert_eq!(completion.token_ids, written[cut..], "{said:?}");
        assert_eq!(completion.cached_tokens, expected.len() - 1, "{said:?}");
        stable += 1;
    }
    stable
}

#[test]
fn an_answer_that_is_cut_off_and_continued_is_the_whole_one() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/chat_templates");
    let names = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap());
    for name in names.filter(|name| name.ends_with(".jinja")) {
        let engine = engine_with(&name);
        // The model writes noise, of which few cuts are read as they were written; so there are many beginnings.
        let words =
            "the fox;dog. ;<think>\nthe;\u{e9};1;a;\n;Over the lazy;{;\"small\";-;quick;The;, and";
        let begun = [None, Some("")]
            .into_iter()
            .chain(words.split(';').map(Some));
        let stable: usize = begun.map(|begun| stable_cuts(&engine, begun)).sum();
        // One of ours writes every answer twice, so what is read before the second one depends on it.
        assert!(
            stable >= 5 || name == "marked_loose.jinja",
            "{name}: {stable}"
        );
    }
}

#[test]
fn only_what_the_assistant_said_last_is_continued() {
    let engine = engine(1).unwrap();
    let said = |role| {
        let content = "the dog".to_owned();
        Turn::Said(Message { role, content })
    };
    let returned = Turn::Returned {
        content: String::new(),
        call_id: None,
        name: None,
    };
    let called = Turn::Answered {
        thought: String::new(),
        content: "the".to_owned(),
        calls: vec![ToolCall {
            id: "a".to_owned(),
            name: "f".to_owned(),
            arguments: Arguments::default(),
        }],
    };
    for (turns, found) in [
        (Vec::new(), "found none"),
        (vec![said(Role::User)], "`user`"),
        (vec![said(Role::Assistant), said(Role::System)], "`system`"),
        (vec![said(Role::User), called], "one that calls tools"),
        (vec![said(Role::User), returned], "`tool`"),
    ] {
        let prompt = Prompt::Chat(Conversation {
            turns,
            continues_last: true,
            ..Conversation::default()
        });
        let refusal = engine
            .submit(Request {
                prompt,
                ..request("")
            })
            .unwrap_err();
        assert!(
            matches!(
                refusal,
                Error::Request {
                    field: "messages",
                    ..
                }
            ),
            "{refusal}"
        );
        assert!(refusal.to_string().contains(found), "{refusal}");
    }
}
