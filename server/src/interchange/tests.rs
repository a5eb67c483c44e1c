use std::collections::HashMap;

use nibble_app::domain::{End, EndReason, MESSAGES, Message, Said};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

pub(crate) mod trees;

use self::trees::transcript;

const NOW: Timestamp = 1_750_000_000_000;
pub(crate) const OPEN_WEBUI: &str = include_str!("tests/open_webui.json");
pub(crate) const CHATGPT: &str = include_str!("tests/chatgpt.json");

fn reading() -> Reading {
    let defaults = Settings {
        temperature: 0.2,
        max_tokens: 250,
        system_prompt: String::new(),
        usd_per_hour: 1.0,
        ..Settings::default()
    };
    Reading {
        defaults,
        now: NOW,
        language: Language::English,
    }
}

fn all(file: &[u8]) -> Result<Vec<Found>, String> {
    let mut found = Vec::new();
    read(file, &reading(), |part| {
        found.push(part);
        true
    })?;
    Ok(found)
}

fn refusal(file: &str) -> String {
    all(file.as_bytes()).err().unwrap()
}

fn whole(found: &Found) -> &Transcript {
    found.transcript.as_ref().unwrap()
}

/// Each message as its role, its text, and the text of what it follows.
fn told(transcript: &Transcript) -> Vec<(char, &str, &str)> {
    let texts: HashMap<_, _> = transcript
        .messages
        .iter()
        .map(|message| (message.id, message.text()))
        .collect();
    let role = |message: &Message| match message.said {
        Said::Question { .. } => '?',
        Said::Answer { .. } => '!',
    };
    transcript
        .messages
        .iter()
        .map(|message| {
            let before = message.parent.map_or("", |parent| texts[&parent]);
            (role(message), message.text(), before)
        })
        .collect()
}

fn shown(transcript: &Transcript) -> &str {
    let is_tip = |message: &&Message| Some(message.id) == transcript.conversation.tip;
    transcript.messages.iter().find(is_tip).unwrap().text()
}

#[test]
fn chats_of_open_webui_keep_their_branches_and_what_was_shown() {
    let found = all(OPEN_WEBUI.as_bytes()).unwrap();
    assert_eq!(found.len(), 2);
    let sky = whole(&found[0]);
    assert_eq!(found[0].title, "The sky");
    assert_eq!(found[0].skipped, 1);
    assert_eq!(sky.conversation.created, 1_700_000_000_000);
    assert_eq!(sky.conversation.updated, 1_700_000_100_000);
    assert!(sky.conversation.pinned);
    assert_eq!(sky.conversation.settings.system_prompt, "Be brief.");
    assert_eq!(sky.conversation.settings.max_tokens, 250);
    assert_eq!(
        told(sky),
        [
            ('?', "Why is the sky blue?", ""),
            ('!', "It scatters.", "Why is the sky blue?"),
            ('?', "And at dusk?", "It scatters."),
            ('!', "Red is left.", "And at dusk?"),
            ('!', "Short waves scatter most.", "Why is the sky blue?"),
        ]
    );
    assert_eq!(shown(sky), "Short waves scatter most.");
    let Said::Answer { origin, end, .. } = &sky.messages[1].said else {
        panic!("{sky:?}");
    };
    assert_eq!(origin.model, "llama3.2:1b");
    assert_eq!(end.as_ref().unwrap().reason, EndReason::Complete);
    let asked = whole(&found[1]);
    assert_eq!(told(asked)[0], ('?', "Anyone?", ""));
    assert!(matches!(
        &asked.messages[1].said,
        Said::Answer { text, end: Some(End { reason: EndReason::Failed(_), .. }), .. } if text.is_empty()
    ));
}

#[test]
fn conversations_of_chatgpt_are_joined_where_a_role_goes_on() {
    let found = all(CHATGPT.as_bytes()).unwrap();
    assert_eq!(found.len(), 2);
    let code = whole(&found[0]);
    assert_eq!(code.conversation.settings.system_prompt, "You are terse.");
    assert_eq!(code.conversation.created, 1_700_000_000_500);
    // A tool's output, code that was run, and an image.
    assert_eq!(found[0].skipped, 3);
    assert_eq!(
        told(code),
        [
            ('?', "What is 6 times 7?\n\nPlease compute it.", ""),
            (
                '!',
                "Let me see.\n\nIt is 42.",
                "What is 6 times 7?\n\nPlease compute it."
            ),
            ('?', "And this?", "Let me see.\n\nIt is 42."),
            ('!', "A cat.", "And this?"),
        ]
    );
    assert_eq!(shown(code), "A cat.");
    // An answer that follows no question follows an empty one.
    let greeting = whole(&found[1]);
    assert_eq!(told(greeting), [('?', "", ""), ('!', "Hello!", "")]);
    assert_eq!(greeting.conversation.title, "Hello!");
}

#[test]
fn a_damaged_part_is_left_out_alone_and_named() {
    let mut file: Value = serde_json::from_str(CHATGPT).unwrap();
    let parts = file.as_array_mut().unwrap();
    parts.insert(
        0,
        json!({ "title": "Torn", "mapping": { "a": { "message": 7 } } }),
    );
    parts.insert(1, json!(17));
    parts.insert(2, json!({ "title": "Void", "mapping": {} }));
    let found = all(file.to_string().as_bytes()).unwrap();
    assert_eq!(found.len(), 5);
    for (part, title, reason) in [
        (
            &found[0],
            "Torn",
            "it cannot be read: invalid type: integer `7`",
        ),
        (&found[1], "conversation 2", "it cannot be read"),
        (&found[2], "Void", "it has no messages"),
    ] {
        assert_eq!(part.title, title);
        let why = part.transcript.as_ref().unwrap_err();
        assert!(why.starts_with(reason), "{why}");
    }
    assert!(found[3..].iter().all(|part| part.transcript.is_ok()));
}

#[test]
fn what_is_no_file_of_conversations_is_refused_with_the_reason() {
    for (file, reason) in [
        ("", "the file is no JSON of conversations: EOF"),
        ("PK\u{3}\u{4}", "the file is a ZIP archive: unpack it"),
        (
            "hello",
            "the file is no JSON of conversations: expected value",
        ),
        ("[{}", "the file is no JSON of conversations: EOF"),
        (
            "{\"nibble_chats\":2,\"chats\":[]}",
            "the file is of version 2 of Nibble’s chats, and this program reads version 1",
        ),
    ] {
        let why = refusal(file);
        assert!(why.starts_with(reason), "{why}");
    }
    let many = format!("[{}1]", "1,".repeat(CONVERSATIONS));
    let reason = "the file holds 10001 conversations, and may hold at most 10000";
    assert_eq!(refusal(&many), reason);
    let found = all("{\"title\":\"t\"}".as_bytes()).unwrap();
    let why = found[0].transcript.as_ref().unwrap_err();
    assert_eq!(
        why,
        "it is no conversation of Nibble, Open WebUI or ChatGPT"
    );
}

/// Message `n` of a file after message `parent`.
fn entry(parent: usize, role: &str, text: &str) -> Value {
    json!({
        "parent": format!("n{parent}"),
        "message": { "author": { "role": role }, "content": { "content_type": "text", "parts": [text] } }
    })
}

#[test]
fn long_chains_and_circles_end_within_their_limits() {
    let chain = |role: fn(usize) -> &'static str, count: usize| {
        let nodes = (1..=count).map(|n| (format!("n{n}"), entry(n - 1, role(n), "x")));
        let mapping: serde_json::Map<_, _> = nodes.collect();
        json!([{ "title": "Long", "mapping": mapping }]).to_string()
    };
    let one_role = all(chain(|_| "user", 4 * MESSAGES).as_bytes()).unwrap();
    assert_eq!(whole(&one_role[0]).messages.len(), 2);
    let turns = |n: usize| {
        if n.is_multiple_of(2) {
            "assistant"
        } else {
            "user"
        }
    };
    let many = all(chain(turns, MESSAGES + 2).as_bytes()).unwrap();
    let why = many[0].transcript.as_ref().unwrap_err();
    assert!(
        why.ends_with("messages, and may have at most 4000"),
        "{why}"
    );
    let more = all(chain(turns, 4 * MESSAGES + 1).as_bytes()).unwrap();
    let why = more[0].transcript.as_ref().unwrap_err();
    assert!(why.contains("it has more than 16000 messages"), "{why}");
    let circle =
        json!([{ "mapping": { "n1": entry(2, "user", "a"), "n2": entry(1, "assistant", "b") } }]);
    let circle = all(circle.to_string().as_bytes()).unwrap();
    assert_eq!(circle[0].skipped, 2);
    assert!(circle[0].transcript.is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_we_write_we_read(transcripts in proptest::collection::vec(transcript(), 0..3)) {
        let file = json!({ "nibble_chats": VERSION, "chats": transcripts }).to_string();
        let found = all(file.as_bytes()).unwrap();
        let read: Vec<_> = found.into_iter().map(|found| found.transcript.unwrap()).collect();
        prop_assert_eq!(read, transcripts);
    }

    #[test]
    fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = all(&bytes);
    }

    #[test]
    fn a_file_that_breaks_off_or_is_altered_does_no_harm(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        foreign in prop_oneof![Just(OPEN_WEBUI), Just(CHATGPT)],
    ) {
        let mut bytes = foreign.as_bytes().to_vec();
        let at = at.index(bytes.len());
        let _ = all(&bytes[..at]);
        bytes[at] = byte;
        let _ = all(&bytes);
    }
}
