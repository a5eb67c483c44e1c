//! Guesses ahead with models that compute: every event of an answer is the same with them and without.

use std::fs;
use std::path::{Path, PathBuf};

use futures::executor::block_on_stream;
use nibble_engine::{
    Answer, Constraint, Conversation, ConversationKey, Engine, Event, Language, LoadOptions,
    LoadPlan, Message, Prompt, Request, Role, Sampling, Speculation, Steering, ToolChoice, Turn,
    Wanted,
};
use serde_json::json;

#[path = "support/default_model.rs"]
mod support;

fn engine(model: PathBuf) -> Engine {
    Engine::load(&options(model, None)).expect("the model loads")
}

fn options(model: PathBuf, draft: Option<PathBuf>) -> LoadOptions {
    LoadOptions {
        model,
        draft,
        threads: Some(2),
        ..LoadOptions::default()
    }
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{name}.gguf"))
}

fn fixture(name: &str) -> Engine {
    engine(path(name))
}

/// What is told of an answer, and how many of its guesses were right.
fn told(answer: Answer) -> (Vec<String>, usize) {
    let (mut told, mut right) = (Vec::new(), 0);
    for event in block_on_stream(answer) {
        match event {
            Event::Queued { .. } | Event::Prefill { .. } => {}
            Event::Finished(end) => {
                right = end.metrics.accepted_tokens;
                told.push(format!("{:?} {:?}", end.token_ids, end.finish_reason));
            }
            // Its id is drawn.
            Event::Called(call) => told.push(format!("{} {:?}", call.name, call.arguments)),
            event => told.push(format!("{event:?}")),
        }
    }
    (told, right)
}

/// Asks together without guesses, then with them; how many of these were right.
fn compared(engine: &Engine, requests: &[Request]) -> usize {
    let asked = |speculation| {
        let submit = |request: &Request| {
            let request = Request {
                speculation: Some(speculation),
                ..request.clone()
            };
            engine.submit(request).expect("the request is accepted")
        };
        let answers: Vec<Answer> = requests.iter().map(submit).collect();
        answers.into_iter().map(told).collect::<Vec<_>>()
    };
    let without = asked(Speculation::Off);
    let mut accepted = 0;
    for speculation in [Speculation::Auto, Speculation::Fixed(7)] {
        for ((with, right), (without, _)) in asked(speculation).iter().zip(&without) {
            assert_eq!(with, without);
            accepted += right;
        }
    }
    accepted
}

fn sampling(temperature: f32, seed: u64) -> Sampling {
    Sampling {
        temperature,
        top_p: 0.95,
        seed: Some(seed),
        ..Sampling::default()
    }
}

/// Answers of a form, each another.
fn of_a_form() -> Vec<Request> {
    let schema = json!({ "type": "array", "minItems": 4, "maxItems": 9, "items": {
        "type": "object", "required": ["name", "count"], "additionalProperties": false,
        "properties": { "name": { "enum": ["the dog", "the cat"] }, "count": { "enum": [1, 2] } } } });
    let requests = (0..12).map(|seed| Request {
        prompt: Prompt::Raw("the dog".into()),
        sampling: sampling(1.0, seed),
        max_tokens: 120,
        constraint: Some(Constraint {
            field: "form",
            language: Language::JsonSchema(schema.clone()),
        }),
        wanted: Wanted {
            logprobs: Some(2),
            ..Wanted::default()
        },
        ..Request::default()
    });
    requests.collect()
}

#[test]
fn answers_of_a_form_are_the_same_with_and_without_guesses() {
    assert!(compared(&fixture("tiny"), &of_a_form()) > 0);
}

#[test]
fn calls_of_tools_are_the_same_with_and_without_guesses() {
    let engine = fixture("caller_qwen");
    let tool = |name: &str| json!({ "type": "function", "function": { "name": name, "description": "", "parameters": {} } });
    let asked = |content: &str| {
        Turn::Said(Message {
            role: Role::User,
            content: content.into(),
        })
    };
    // What it will say is in the prompt already.
    let said =
        "Let me see.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"where\": \"Zürich\"}}";
    let request = Request {
        prompt: Prompt::Chat(Conversation {
            turns: vec![asked(said)],
            tools: vec![tool("weather"), tool("now")],
            ..Conversation::default()
        }),
        max_tokens: 100,
        ..Request::default()
    };
    compared(&engine, &[request.clone(), request]);
}

#[test]
fn demanded_calls_are_guessed_and_are_the_same() {
    let engine = engine(support::default_model());
    let parameters = json!({ "type": "object", "properties": { "city": { "enum": ["Zürich", "Oslo"] } }, "required": ["city"] });
    let weather = json!({ "type": "function", "function": { "name": "weather", "description": "Tells the weather of a city.", "parameters": parameters } });
    let said = r#"Say again: {"name": "weather", "arguments": {"city": "Zürich"}}"#;
    let question = Message {
        role: Role::User,
        content: said.into(),
    };
    let request = Request {
        prompt: Prompt::Chat(Conversation {
            tools: vec![weather],
            tool_choice: ToolChoice::Required,
            ..Conversation::from(vec![question])
        }),
        max_tokens: 40,
        ..Request::default()
    };
    assert!(compared(&engine, &[request]) > 0);
}

#[test]
fn answers_of_the_default_model_are_the_same_with_and_without_guesses() {
    let engine = engine(support::default_model());
    let text = "The mill lies between a river and a hill. It was closed in 1974, and in 2006 its wheel turned again. \
                Today the mill makes electricity for ninety houses.";
    // On an emulated CPU a token takes a second.
    let emulated = std::env::var_os("NIBBLE_EMULATED").is_some();
    let (seeds, max_tokens) = if emulated { (1, 12) } else { (6, 90) };
    let requests = (0..seeds).map(|seed| {
        let question = Message {
            role: Role::User,
            content: format!("Write out this text again word for word, {seed} times:\n\n{text}"),
        };
        Request {
            prompt: Prompt::Chat(vec![question].into()),
            sampling: sampling(0.3 * (seed % 3) as f32, seed),
            max_tokens,
            stop: vec!["2006".into()],
            ..Request::default()
        }
    });
    let right = compared(&engine, &requests.collect::<Vec<_>>());
    assert!(right > 0 || emulated);
}

#[test]
fn a_question_that_is_asked_again_is_guessed_from_its_answer_unless_nothing_is_kept() {
    let engine = fixture("tiny");
    let mut right = [0; 2];
    for seed in 0..3 {
        let question = Message {
            role: Role::User,
            content: format!("the dog and the cat {seed}"),
        };
        let request = |conversation: &ConversationKey, speculation| Request {
            prompt: Prompt::Chat(vec![question.clone()].into()),
            sampling: sampling(1.0, seed),
            max_tokens: 100,
            steering: Steering {
                ignore_eos: true,
                ..Steering::default()
            },
            conversation: conversation.clone(),
            speculation: Some(speculation),
            ..Request::default()
        };
        let keys = [ConversationKey::Unkept, ConversationKey::default()];
        for (key, right) in keys.iter().zip(&mut right) {
            let asked = |speculation| {
                let answer = engine.submit(request(key, speculation));
                told(answer.expect("the request is accepted"))
            };
            let (first, _) = asked(Speculation::Off);
            let (again, accepted) = asked(Speculation::Fixed(7));
            assert_eq!(again, first);
            *right += accepted;
        }
    }
    let [unkept, kept] = right;
    assert!(kept > 240 && unkept < kept, "{unkept} {kept}");
}

/// The tiny model with some other weights in its last layer, which is at the end of its file.
fn other_weights() -> tempfile::NamedTempFile {
    let mut bytes = fs::read(path("tiny")).expect("the fixture is there");
    let end = bytes.len() - 1000;
    let some = bytes[end - 1800..end].iter_mut().step_by(18);
    some.for_each(|byte| *byte ^= 0x0f);
    let file = tempfile::Builder::new().suffix(".gguf").tempfile();
    let file = file.expect("there is a place for files");
    fs::write(file.path(), bytes).expect("a file can be written");
    file
}

#[test]
fn answers_are_the_same_with_a_draft_model() {
    let other = other_weights();
    for draft in [path("tiny"), other.path().to_owned()] {
        let engine = Engine::load(&options(path("tiny"), Some(draft))).expect("both load");
        assert!(compared(&engine, &of_a_form()) > 0);
        let free = (0..8).map(|seed| Request {
            prompt: Prompt::Raw("a small model says".into()),
            sampling: sampling(0.4 * (seed % 3) as f32, seed),
            max_tokens: 100,
            stop: vec!["the dog".into()],
            ..Request::default()
        });
        assert!(compared(&engine, &free.collect::<Vec<_>>()) > 0);
    }
}

#[test]
fn a_model_that_drafts_for_itself_is_right_and_takes_its_memory_once_more() {
    let one = options(path("tiny"), None);
    let two = options(path("tiny"), Some(path("tiny")));
    let engine = Engine::load(&two).expect("both load");
    let request = Request {
        prompt: Prompt::Raw("the quick brown fox".into()),
        max_tokens: 120,
        speculation: Some(Speculation::Fixed(4)),
        ..Request::default()
    };
    let answer = engine.submit(request).expect("the request is accepted");
    let end = block_on_stream(answer).find_map(|event| match event {
        Event::Finished(end) => Some(end.metrics),
        _ => None,
    });
    let metrics = end.expect("the answer ends");
    let [drafted, accepted] = [metrics.drafted_tokens, metrics.accepted_tokens];
    assert!(
        accepted > 0 && accepted + 8 > drafted,
        "{accepted} of {drafted}"
    );
    let [alone, both] = [one, two].map(|options| LoadPlan::of(&options).expect("it can be loaded"));
    assert!(both.fixed_bytes() > alone.fixed_bytes() + alone.info.weight_bytes);
    assert_eq!(both.kv_blocks(2 << 20), alone.kv_blocks(1 << 20));
    let named = both.info.draft.as_ref().map(|draft| draft.name.as_str());
    assert_eq!((named, alone.info.draft), (Some("tiny"), None));
    assert_eq!(engine.info().draft, both.info.draft);
    // What it guesses from its own text is not the draft model's.
    let right = engine.load_now().accepted_by_model;
    assert!(0 < right && right <= accepted as u64, "{right}");
}

#[test]
fn a_draft_model_of_other_tokens_is_refused_with_the_first_of_them() {
    let refused = Engine::load(&options(path("tiny"), Some(path("caller_qwen")))).unwrap_err();
    let message = refused.to_string();
    for part in [
        "caller_qwen.gguf` cannot be used",
        "tiny.gguf`",
        "token 1 is the control token \"<|im_start|>\" there and the control token \"<|im_end|>\" here",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn the_default_model_drafts_for_itself() {
    if std::env::var_os("NIBBLE_EMULATED").is_some() {
        return;
    }
    let model = support::default_model();
    let engine = Engine::load(&options(model.clone(), Some(model))).expect("both load");
    let requests = (0..2).map(|seed| Request {
        prompt: Prompt::Raw("Once upon a time, in a small village,".into()),
        sampling: sampling(0.0, seed),
        max_tokens: 60,
        ..Request::default()
    });
    let requests: Vec<_> = requests.collect();
    // How many are guessed for several follows from how long their readers wait.
    compared(&engine, &requests);
    let right = compared(&engine, &requests[..1]);
    // Seven at a time, where nobody else waits.
    assert!(right > 40, "{right}");
}
